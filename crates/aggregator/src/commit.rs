//! commit: changes, next offset and outbox → one checkpoint, switched atomically.

use crate::aggregator::Aggregator;
use crate::error::PartError;
use crate::occurrences::Committed;
use crate::sink::Sink;
use tally_disk::Disk;
use tally_domain::{Offset, WallTime};
use tally_log::{AppendLog, ReadLog};
use tally_store::{Merged, StoreError};
use tally_telemetry::emit;
use tracing::trace_span;

/// After so many turns without work a change is committed, whatever the clock says: it may stand still.
const IDLE_TURNS: u32 = 50;
/// Rows merged in a turn that had nothing else to do.
const MERGE_ROWS: u64 = 20_000;
/// Runs at which merging no longer waits for a turn without work.
const RUNS_MAX: usize = 64;

/// When the state was last committed, and what happened since.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    last: Option<WallTime>,
    events: u64,
    changed: bool,
    idle_turns: u32,
    pub(crate) count: u64,
    /// Where the last commit goes on.
    pub(crate) next: Offset,
}

impl Commits {
    /// Of a state that was committed up to `next`.
    pub(crate) fn from(next: Offset) -> Self {
        Self { next, ..Self::default() }
    }
    pub(crate) fn folded(&mut self, events: u64) {
        self.events = self.events.saturating_add(events);
        self.changed = true;
    }
    /// Something was acknowledged.
    pub(crate) fn changed(&mut self) {
        self.changed = true;
    }
    pub(crate) fn worked(&mut self) {
        self.idle_turns = 0;
    }
    pub(crate) fn idled(&mut self) {
        self.idle_turns = self.idle_turns.saturating_add(1);
    }
}

impl<L: ReadLog, A: AppendLog, K: Sink, D: Disk> Aggregator<L, A, K, D> {
    pub(crate) fn commit_if_due(&mut self, now: WallTime, folded: bool) -> Result<bool, PartError> {
        let cadence = &self.settings.cadence;
        let last = *self.commits.last.get_or_insert(now);
        let age_ms = now.ms().saturating_sub(last.ms());
        let catching_up =
            folded && self.bounds.end.get().saturating_sub(self.fold.next().get()) > cadence.commit_events;
        let late = age_ms.unsigned_abs() >= cadence.commit_interval_ms.unsigned_abs() && !catching_up;
        let full = self.commits.events >= cadence.commit_events
            || self.store.sizes().fresh_bytes >= cadence.fresh_bytes_max;
        let due = late || full || self.commits.idle_turns >= IDLE_TURNS;
        if !self.commits.changed || !due || !self.rejects.are_safe() {
            return Ok(false);
        }
        self.commit(now).map(|()| true)
    }

    /// Commits the state now. Rejects that are still on their way must be waited for before.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn commit(&mut self, now: WallTime) -> Result<(), PartError> {
        let _step = trace_span!("commit").entered();
        self.store.commit(&mut self.fold).map_err(|source| self.stopped_by_store(source))?;
        let events = self.commits.events;
        self.commits = Commits {
            last: Some(now),
            count: self.commits.count.saturating_add(1),
            next: self.fold.next(),
            ..Commits::default()
        };
        let sizes = self.store.sizes();
        emit(&Committed {
            partition: self.settings.fold.acceptance.partition.0,
            next: self.fold.next(),
            events,
            runs: sizes.runs,
            run_bytes: sizes.run_bytes,
        });
        Ok(())
    }

    /// The last committed state, to be copied; `None` where nothing was ever committed.
    ///
    /// # Errors
    /// When its files cannot be opened.
    pub fn committed(&self) -> Result<Option<tally_store::Committed<D::File>>, PartError> {
        self.store.committed().map_err(|source| self.stopped_by_store(source))
    }

    /// So many that merging no longer waits for a turn without work.
    pub(crate) fn has_many_runs(&self) -> bool {
        self.store.sizes().runs > RUNS_MAX
    }

    /// Brings a few runs together. True when there was something to do.
    pub(crate) fn merge(&mut self) -> Result<bool, PartError> {
        let _step = trace_span!("merge").entered();
        let rows = if self.has_many_runs() { MERGE_ROWS * 16 } else { MERGE_ROWS };
        let merged = self.store.merge(rows).map_err(|source| self.stopped_by_store(source))?;
        Ok(!matches!(merged, Merged::Nothing))
    }
}

impl<L, A, K, D: Disk> Aggregator<L, A, K, D> {
    pub(crate) fn stopped_by_store(&self, source: StoreError) -> PartError {
        PartError::Store { partition: self.settings.fold.acceptance.partition, source }
    }
}
