//! Catching up as `tally up` does: its log thread, its aggregator threads, its ClickHouse writer, the real engine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tally_aggregator::Status;
use tally_bench::fill::ends;
use tally_bench::measure::{cpu_of, peak_rss, process_cpu, threads_cpu};
use tally_domain::{Offset, Partition};
use tally_node::clock::Clock;
use tally_node::config::Config;
use tally_node::drive::Stop;
use tally_node::installation::DataDir;
use tally_node::roles::aggregate::{self, Aggregators};
use tally_node::roles::engine::Child;
use tally_node::roles::{archive, engine, log};
use tally_node::shared::Shared;
use tally_node::sink::SharedSink;
use tally_node::watch;
use tokio::runtime::Runtime;

/// How often it is looked whether all is done.
const LOOK: Duration = Duration::from_millis(50);
/// Nothing that is measured takes longer.
const PATIENCE: Duration = Duration::from_mins(30);

/// What catching up took.
#[derive(Debug, Default)]
pub(crate) struct CaughtUp {
    /// Usage records folded.
    pub(crate) events: u64,
    /// Until the last record was folded.
    pub(crate) folded: Duration,
    /// Until ClickHouse and the totals topic had acknowledged everything.
    pub(crate) published: Duration,
    /// Until the last checkpoint was durable and every thread had ended.
    pub(crate) durable: Duration,
    /// Processor time of this process, from the first turn to the last.
    pub(crate) cpu: Duration,
    /// The same by thread.
    pub(crate) threads: BTreeMap<String, Duration>,
    /// Of the engine.
    pub(crate) engine_cpu: Duration,
    /// Most memory at once, bytes.
    pub(crate) peak: u64,
    /// Of the engine.
    pub(crate) engine_peak: u64,
    /// Checkpoints.
    pub(crate) commits: u64,
    /// What the partitions said of themselves last.
    pub(crate) partitions: Vec<Status>,
}

/// Starting again from a state.
#[derive(Debug, Default)]
pub(crate) struct Again {
    /// Until the log is open.
    pub(crate) log: Duration,
    /// Until the engine answers and its tables are up to date.
    pub(crate) engine: Duration,
    /// Until every partition's state is there and can be asked.
    pub(crate) state: Duration,
}

/// Everything that runs.
struct Running {
    shared: Arc<Shared>,
    /// Stopped in this order.
    stages: Vec<(Stop, Vec<JoinHandle<()>>)>,
}

/// Catches up with the log below `root`, whose state is new.
pub(crate) fn catch_up(
    config: &Config,
    root: &Path,
    archived: bool,
    progress: &mut dyn FnMut(&str),
) -> Result<CaughtUp> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (dir, clock) = (DataDir::new(root), Clock::System);
    let (log, _secret) = log::open(config, &dir, &dir.secret_file(&config.secret_file), clock)?;
    let partitions = log.partitions();
    let ends = ends(&mut log.reader(), partitions)?;
    let clickhouse = runtime.block_on(engine::start(config, &std::env::current_exe()?))?;
    let engine_pid = clickhouse.child.as_ref().and_then(Child::pid).context("the engine is a child")?;
    let (begun, cpu, engine_cpu) = (Instant::now(), process_cpu(), cpu_of(engine_pid));
    let threads = threads_cpu();
    let running = start(config, &dir, log, &clickhouse.database, &runtime, archived)?;
    let mut caught_up = CaughtUp::default();
    loop {
        std::thread::sleep(LOOK);
        let statuses = running.shared.partitions();
        if let Some(failure) = running.shared.failures().first() {
            bail!("{} stopped: {}", failure.part, failure.message);
        }
        let elapsed = begun.elapsed();
        if caught_up.folded.is_zero() && is_folded(&statuses, &ends) {
            caught_up.folded = elapsed;
        }
        let archive_is_there = !archived || running.shared.behind(&positions(&ends)).is_empty();
        if !caught_up.folded.is_zero() && is_published(&statuses, &ends) && archive_is_there {
            caught_up.published = elapsed;
            break;
        }
        if elapsed > PATIENCE {
            bail!("not caught up after {PATIENCE:?}: {statuses:?}");
        }
        let read: u64 = statuses.iter().map(|status| status.counts.read).sum();
        let pending: usize = statuses.iter().map(|status| status.pending).sum();
        if elapsed.subsec_millis() < 50 {
            progress(&format!("{read} events, {pending} rows pending, {} s", elapsed.as_secs()));
        }
    }
    caught_up.threads = threads_cpu();
    for (name, before) in threads {
        let now = caught_up.threads.entry(name).or_default();
        *now = now.saturating_sub(before);
    }
    caught_up.engine_peak = peak_rss(engine_pid);
    caught_up.engine_cpu = cpu_of(engine_pid).saturating_sub(engine_cpu);
    let shared = Arc::clone(&running.shared);
    running.stop()?;
    caught_up.durable = begun.elapsed();
    caught_up.cpu = process_cpu().saturating_sub(cpu);
    caught_up.peak = peak_rss(std::process::id());
    caught_up.partitions = shared.partitions();
    caught_up.events = caught_up.partitions.iter().map(|status| status.counts.read).sum();
    caught_up.commits = caught_up.partitions.iter().map(|status| status.commits).sum();
    drop(clickhouse);
    Ok(caught_up)
}

fn start(
    config: &Config,
    dir: &DataDir,
    log: log::Log,
    database: &tally_clickhouse::Database,
    runtime: &Runtime,
    archived: bool,
) -> Result<Running> {
    let (clock, shared) = (Clock::System, Arc::new(Shared::default()));
    let secret = dir.secret()?;
    let sink = SharedSink::start(database.clone())?;
    let _seen = runtime.block_on(watch::look(database, &sink, log.partitions()))?;
    let mut stages = Vec::new();
    if archived {
        let archiver = runtime.block_on(archive::open(config, &log, database, &shared))?;
        let stop = Stop::default();
        stages.push((stop.clone(), vec![archive::run(archiver, log.pace(), &shared, stop)?]));
    }
    let making = Aggregators::new(config, &log, &secret, dir.state(), &sink);
    let stop = Stop::default();
    let folding = aggregate::start(making, None, clock, &shared, stop.clone())?;
    stages.push((stop, vec![folding]));
    let stop = Stop::default();
    let check_every = Duration::from_secs(config.log.retention.check_interval_s);
    let logging = log::run(log, (clock, check_every), &shared, stop.clone())?;
    stages.push((stop, logging.into_iter().collect()));
    Ok(Running { shared, stages })
}

impl Running {
    fn stop(self) -> Result<()> {
        for (stop, threads) in self.stages {
            stop.ask();
            for thread in threads {
                thread.thread().unpark();
                if thread.join().is_err() {
                    bail!("a thread panicked: see above");
                }
            }
        }
        Ok(())
    }
}

fn positions(ends: &[(Partition, Offset)]) -> BTreeMap<Partition, Offset> {
    ends.iter().copied().collect()
}

fn status_of(statuses: &[Status], partition: Partition) -> Option<&Status> {
    statuses.iter().find(|status| status.partition == partition)
}

fn is_folded(statuses: &[Status], ends: &[(Partition, Offset)]) -> bool {
    ends.iter().all(|&(partition, end)| status_of(statuses, partition).is_some_and(|it| it.next >= end))
}

fn is_published(statuses: &[Status], ends: &[(Partition, Offset)]) -> bool {
    ends.iter().all(|&(partition, end)| {
        status_of(statuses, partition).is_some_and(|status| {
            let totals = status.totals.is_some_and(|progress| progress.version.next() >= end);
            status.claimed.next() >= end && totals
        })
    })
}

/// Opens everything that a start opens before it serves.
pub(crate) fn start_again(config: &Config, root: &Path) -> Result<Again> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let dir = DataDir::new(root);
    let begun = Instant::now();
    let (log, secret) = log::open(config, &dir, &dir.secret_file(&config.secret_file), Clock::System)?;
    let opened = begun.elapsed();
    let clickhouse = runtime.block_on(engine::start(config, &std::env::current_exe()?))?;
    let engine = begun.elapsed().saturating_sub(opened);
    let sink = SharedSink::start(clickhouse.database.clone())?;
    let making = Aggregators::new(config, &log, &secret, dir.state(), &sink);
    let (stop, shared) = (Stop::default(), Arc::new(Shared::default()));
    let folding = aggregate::start(making, None, Clock::System, &shared, stop.clone())?;
    let state = begun.elapsed().saturating_sub(opened + engine);
    stop.ask();
    if folding.join().is_err() {
        bail!("a thread panicked: see above");
    }
    Ok(Again { log: opened, engine, state })
}
