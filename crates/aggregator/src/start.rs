//! Starting: only a state whose lineage reaches the partition's first offset may go on.

use crate::aggregator::{Aggregator, Work};
use crate::commit::Commits;
use crate::decode;
use crate::error::PartError;
use crate::heartbeat::Heartbeats;
use crate::occurrences::Opened;
use crate::publish::Publisher;
use crate::rejects::Rejects;
use crate::settings::AggregatorSettings;
use crate::sink::Sink;
use crate::totals::TotalsTopic;
use tally_disk::Disk;
use tally_domain::planted::{self, Bug};
use tally_domain::{Lane, Offset, Topic};
use tally_fold::{Destination, Fold};
use tally_log::{AppendLog, Bounds, ReadLog, Records};
use tally_store::Store;
use tally_telemetry::emit;

impl<L: ReadLog, A: AppendLog, K: Sink, D: Disk> Aggregator<L, A, K, D> {
    /// Opens the partition whose state lies in `dir` of `disk`, at its last checkpoint or, where there is no
    /// state and the log is whole, at its first offset.
    ///
    /// # Errors
    /// When the state is not of this log, there is a gap between them, or either cannot be read. Nothing is
    /// changed then; each error says what to do.
    pub fn open(
        settings: AggregatorSettings,
        (mut log, appender, sink): (L, A, K),
        disk: &D,
        dir: &str,
    ) -> Result<Self, PartError> {
        let partition = settings.fold.acceptance.partition;
        let opened = Store::open(disk, dir, settings.fold, settings.store);
        let (store, fold) = opened.map_err(|source| PartError::Store { partition, source })?;
        let bounds = log.bounds(Lane { topic: Topic::Usage, partition });
        let bounds = bounds.map_err(|source| PartError::Log { partition, source })?;
        let fold = match fold {
            Some(fold) => {
                same_log(&mut log, &settings, &fold, bounds, store.path())?;
                fold
            }
            None if bounds.start == Offset::ZERO || planted::is(Bug::RebuildFromTruncated) => {
                Fold::new(settings.fold)
            }
            None => {
                let dir = store.path().to_owned();
                return Err(PartError::NoLineage { partition, start: bounds.start, dir });
            }
        };
        let pending = fold.pending(Destination::ClickHouse);
        let commits = Commits::from(fold.next());
        emit(&Opened { partition: partition.0, next: fold.next(), end: bounds.end, pending });
        Ok(Self {
            settings,
            log,
            appender,
            sink,
            store,
            fold,
            bounds,
            waits_for: None,
            commits,
            publisher: Publisher::default(),
            totals: TotalsTopic::default(),
            rejects: Rejects::default(),
            heartbeats: Heartbeats::default(),
            work: Work::default(),
        })
    }
}

/// The log must be the one that the state was folded from, and hold what comes next.
fn same_log<L: ReadLog>(
    log: &mut L,
    settings: &AggregatorSettings,
    fold: &Fold,
    bounds: Bounds,
    dir: &str,
) -> Result<(), PartError> {
    let partition = settings.fold.acceptance.partition;
    let (next, dir) = (fold.next(), dir.to_owned());
    if let Some(known) = fold.topic().filter(|&known| known != settings.topic) {
        return Err(PartError::OtherTopic { partition, known, found: settings.topic });
    }
    if next > bounds.end {
        return Err(PartError::BeyondEnd { partition, next, end: bounds.end, dir });
    }
    if next < bounds.start && !planted::is(Bug::GapSkipped) {
        return Err(PartError::Gap { partition, next, start: bounds.start, dir });
    }
    let Some(offset) = next.get().checked_sub(1).and_then(Offset::new) else { return Ok(()) };
    if offset < bounds.start {
        // The last folded record is gone by retention; what follows it is there.
        return Ok(());
    }
    let mut records = Records::default();
    let lane = Lane { topic: Topic::Usage, partition };
    log.read(lane, offset, 1, &mut records).map_err(|source| PartError::Log { partition, source })?;
    let found = records.get(0).filter(|record| record.offset == offset).map(|record| decode::hash(&record));
    if found == Some(fold.last_record()) {
        return Ok(());
    }
    Err(PartError::OtherLog { partition, offset, dir })
}
