//! The shipped aggregator on one thread, partition after partition, with a sink that takes everything at once: what
//! each step costs, undisturbed by the others.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tally_aggregator::{
    Aggregator, AggregatorSettings, Answer, Cadence, Full, Observed, Sink, SinkError, Status, Ticket, Turn,
};
use tally_disk::OsDisk;
use tally_domain::published::Rows;
use tally_domain::{Partition, PartitionCount, WallTime};
use tally_fold::{Acceptance, Settings};
use tally_store::StoreSettings;

use crate::measure::{Took, Watch};
use crate::place::{Log, Place, now};
use crate::spans::{self, Step};

/// Takes rows, forgets them, and acknowledges at the next turn.
#[derive(Debug, Default)]
pub struct Forgetful {
    taken: u64,
    waiting: Vec<Answer>,
    /// Rows taken.
    pub rows: u64,
}

impl Sink for Forgetful {
    fn submit(&mut self, rows: Rows, _life: u64) -> Result<Ticket, Full> {
        self.taken += 1;
        self.rows += u64::try_from(rows.len()).unwrap_or(0);
        let ticket = Ticket(self.taken);
        self.waiting.push(Answer { ticket, result: Ok::<(), SinkError>(()) });
        Ok(ticket)
    }
    fn acknowledged(&mut self, into: &mut Vec<Answer>) {
        into.append(&mut self.waiting);
    }
    fn observed(&mut self) -> Option<Observed> {
        None
    }
}

/// What folding all partitions on one thread came to.
#[derive(Clone, Debug)]
pub struct Folded {
    /// All of it.
    pub took: Took,
    /// By step: the time of each span, the cost of reading the clock taken off.
    pub steps: BTreeMap<&'static str, Step>,
    /// Usage records folded.
    pub events: u64,
    /// Rows handed to the sink.
    pub rows: u64,
    /// Every partition in the end.
    pub partitions: Vec<Status>,
}

/// Folds the whole log into `state`, a directory of its own below the place's.
///
/// # Errors
/// What the parts say.
pub fn fold_all(place: &Place, log: &mut Log, state: &str, cadence: Cadence) -> Result<Folded> {
    spans::begin();
    let watch = Watch::start();
    let (mut partitions, mut rows) = (Vec::new(), 0);
    for partition in log.partitions().all() {
        let (status, taken) = fold_one(place, log, state, partition, cadence)?;
        partitions.push(status);
        rows += taken;
    }
    let took = watch.stop();
    let mut steps = spans::end();
    let cost = spans::clock_cost();
    for step in steps.values_mut() {
        step.cpu = step.cpu.saturating_sub(cost * u32::try_from(step.times).unwrap_or(u32::MAX) / 2);
    }
    let events = partitions.iter().map(|status| status.counts.read).sum();
    Ok(Folded { took, steps, events, rows, partitions })
}

fn fold_one(
    place: &Place,
    log: &mut Log,
    state: &str,
    partition: Partition,
    cadence: Cadence,
) -> Result<(Status, u64)> {
    let disk = OsDisk::open(place.dir.join(state))?;
    let settings = AggregatorSettings {
        fold: Settings {
            acceptance: Acceptance {
                partition,
                partitions: PartitionCount::LOCAL,
                index_retention_days: 400,
            },
            secret_check: place.secret.check(),
        },
        topic: log.topic_id(),
        store: StoreSettings { index_filter_bits: 12 },
        cadence,
    };
    let ends = (log.reader(), log.appender(), Forgetful::default());
    let mut aggregator = Aggregator::open(settings, ends, &disk, &partition.to_string())
        .with_context(|| format!("opening partition {partition}"))?;
    loop {
        let now = now();
        let turn = aggregator.turn(now)?;
        let written = {
            let _log = tracing::trace_span!("log").entered();
            log.turn(now)
        };
        if matches!(turn, Turn::Idle { .. }) && written.is_idle() && is_done(&aggregator.status()) {
            break;
        }
    }
    aggregator.commit(now())?;
    Ok((aggregator.status(), aggregator.sink_mut().rows))
}

fn is_done(status: &Status) -> bool {
    let published = status.totals.is_some_and(|progress| progress.version >= status.version);
    status.lag() == 0 && status.pending == 0 && published && status.waits_for.is_none()
}

/// The cadence of a node, without heartbeats: the log's end is to stand still.
#[must_use]
pub const fn cadence() -> Cadence {
    Cadence {
        read_bytes_max: 4 << 20,
        batch_events_max: 16_384,
        commit_interval_ms: 5_000,
        commit_events: 1_000_000,
        fresh_bytes_max: (512 << 20) / 8,
        publish_rows_max: 20_000,
        idle_ms: 20,
        heartbeats: false,
    }
}

/// Opens every partition's state again, as after a crash; drops it at once.
///
/// # Errors
/// What the store says.
pub fn reopen(place: &Place, log: &Log, state: &Path, now: WallTime) -> Result<Took> {
    let watch = Watch::start();
    let disk = OsDisk::open(state.to_owned())?;
    for partition in log.partitions().all() {
        let settings = Settings {
            acceptance: Acceptance {
                partition,
                partitions: PartitionCount::LOCAL,
                index_retention_days: 400,
            },
            secret_check: place.secret.check(),
        };
        let tuning = StoreSettings { index_filter_bits: 12 };
        let (_store, fold) = tally_store::Store::open(&disk, &partition.to_string(), settings, tuning)?;
        anyhow::ensure!(
            fold.is_some_and(|fold| fold.clock() <= now.minute()),
            "no state of partition {partition}"
        );
    }
    Ok(watch.stop())
}

/// A share of a whole, in percent.
#[must_use]
pub fn percent(part: Duration, whole: Duration) -> f64 {
    100.0 * part.as_secs_f64() / whole.as_secs_f64().max(1e-9)
}
