//! Retention and compaction of the log, a bounded piece between two of its turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tally_domain::WallTime;
use tally_log::{Compacted, Dropped, LogError};
use tally_telemetry::{Counter, Level, Occurrence, Recorder, emit};

use super::Local;
use crate::shared::Shared;

/// Files dropped between two turns: each is a removal and a sync, and appends wait meanwhile.
const SEGMENTS_MAX: u64 = 4;

const SEGMENTS: Counter = Counter::new("tally_log_dropped_segments_total", "files that retention removed");
const DROPPED: Counter = Counter::new("tally_log_dropped_bytes_total", "bytes that retention removed");
const COMPACTIONS: Counter =
    Counter::new("tally_log_compactions_total", "lanes brought down to the last record of each key");
const SUPERSEDED: Counter =
    Counter::new("tally_log_compacted_records_total", "records that compaction removed");
const FAILURES: Counter =
    Counter::new("tally_log_upkeep_failures_total", "retentions and compactions that the disk refused");

/// When the log is looked after, and what may not go.
#[derive(Debug)]
pub(super) struct Upkeep {
    every: Duration,
    /// By the process's own clock: the wall clock may stand still.
    due: Instant,
    shared: Arc<Shared>,
}

impl Upkeep {
    pub(super) fn new(every: Duration, shared: Arc<Shared>) -> Self {
        Self { every, due: Instant::now(), shared }
    }

    /// One piece of work, if it is time; more follows at the next turn as long as there is some. What the disk
    /// refuses is told and tried again when it is next due: the log itself goes on.
    pub(super) fn turn(&mut self, log: &mut Local, now: WallTime) {
        if Instant::now() < self.due {
            return;
        }
        let worked = self.work(log, now).unwrap_or_else(|error| {
            emit(&UpkeepFailed(&error));
            false
        });
        if !worked {
            self.due = Instant::now() + self.every;
        }
    }

    /// Retention first, then one lane's compaction. True when there may be more.
    fn work(&self, log: &mut Local, now: WallTime) -> Result<bool, LogError> {
        let dropped = log.retain(now, SEGMENTS_MAX, |lane| self.shared.needed(lane))?;
        if dropped.segments > 0 {
            emit(&SegmentsDropped(dropped));
        }
        if dropped.segments >= SEGMENTS_MAX {
            return Ok(true);
        }
        let compacted = log.compact_one(now)?;
        if let Some(compacted) = &compacted {
            emit(&LaneCompacted(compacted));
        }
        Ok(compacted.is_some())
    }
}

/// Old records left the log.
struct SegmentsDropped(Dropped);

impl Occurrence for SegmentsDropped {
    const NAME: &'static str = "old records dropped from the log";
    const LEVEL: Level = Level::Info;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&SEGMENTS, &[], self.0.segments);
        to.count(&DROPPED, &[], self.0.bytes);
    }
}

/// A lane holds the last record of each key again.
struct LaneCompacted<'a>(&'a Compacted);

impl Occurrence for LaneCompacted<'_> {
    const NAME: &'static str = "lane compacted";
    const LEVEL: Level = Level::Info;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&COMPACTIONS, &[], 1);
        to.count(&SUPERSEDED, &[], self.0.dropped);
        to.note("lane", &self.0.lane);
        to.note("kept", &self.0.kept);
        to.note("bytes_before", &self.0.before_bytes);
        to.note("bytes_after", &self.0.after_bytes);
    }
}

/// The log grows until this succeeds.
struct UpkeepFailed<'a>(&'a LogError);

impl Occurrence for UpkeepFailed<'_> {
    const NAME: &'static str = "retention or compaction of the log failed; it will be tried again";
    const LEVEL: Level = Level::Warn;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&FAILURES, &[], 1);
        to.note("why", self.0);
    }
}
