//! What happens in an aggregator, and how it is told.

use tally_domain::published::Counts;
use tally_domain::{LogTime, Offset, Version, WallTime};
use tally_telemetry::{Counter, Gauge, Histogram, Label, Level, Measure, Occurrence, Recorder};

const EVENTS: Counter =
    Counter::new("tally_events_total", "usage records folded, by verdict; together they are what was read");
const READ: Counter = Counter::new("tally_events_read_total", "usage records read from the log");
const CONFLICTS: Counter = Counter::new(
    "tally_event_conflicts_total",
    "reports that claim the revision of the one that stands with another content",
);
const CONTROLS: Counter = Counter::new("tally_control_records_total", "control records folded");
const NEXT: Gauge = Gauge::new("tally_next_offset", "offset that the partition reads next");
const LAG: Gauge = Gauge::new("tally_lag_events", "durable records of the partition that are not folded");
const BATCH: Histogram = Histogram::new("tally_batch_events", "usage records of one batch");
const COMMITS: Counter = Counter::new("tally_commits_total", "checkpoints of a partition");
const COMMIT_EVENTS: Histogram =
    Histogram::new("tally_commit_events", "records folded between two checkpoints");
const RUNS: Gauge = Gauge::new("tally_state_runs", "files of sorted rows in a partition's state");
const RUN_BYTES: Gauge = Gauge::new("tally_state_bytes", "bytes of a partition's state on disk");
const ROWS: Counter = Counter::new("tally_published_rows_total", "rows that a destination acknowledged");
const PENDING: Gauge = Gauge::new("tally_outbox_keys", "keys that wait for a destination's acknowledgement");
const FAILURES: Counter =
    Counter::new("tally_publish_failures_total", "publications that a destination refused");
const REPUBLISHED: Counter = Counter::new(
    "tally_republished_total",
    "times that every key was published anew, as a destination lost some",
);
const AHEAD: Counter = Counter::new(
    "tally_clock_ahead_total",
    "minutes in which a record waited, because it is more than 5 minutes ahead of this machine's clock",
);

/// A batch became part of the state.
pub(crate) struct BatchFolded {
    pub(crate) partition: u16,
    pub(crate) counts: Counts,
    pub(crate) next: Offset,
    pub(crate) lag: u64,
}

impl Occurrence for BatchFolded {
    const NAME: &'static str = "batch folded";
    const LEVEL: Level = Level::Debug;
    fn record(&self, to: &mut dyn Recorder) {
        let partition = Label::Partition(self.partition);
        let Counts { read, fresh, revised, duplicate, rejected, conflicts } = self.counts;
        let verdicts =
            [("fresh", fresh), ("revised", revised), ("duplicate", duplicate), ("rejected", rejected)];
        for (verdict, count) in verdicts {
            to.count(&EVENTS, &[partition, Label::Verdict(verdict)], count);
        }
        to.count(&READ, &[partition], read);
        to.count(&CONFLICTS, &[partition], conflicts);
        to.set(&NEXT, &[partition], self.next.get());
        to.set(&LAG, &[partition], self.lag);
        to.observe(&BATCH, &[partition], Measure::Amount(read));
    }
}

/// A control record took effect, or was ignored.
pub(crate) struct ControlObeyed {
    pub(crate) partition: u16,
    pub(crate) what: &'static str,
    pub(crate) ignored: bool,
    pub(crate) offset: Offset,
    pub(crate) next: Offset,
    pub(crate) lag: u64,
}

impl Occurrence for ControlObeyed {
    const NAME: &'static str = "control record folded";
    const LEVEL: Level = Level::Debug;
    fn record(&self, to: &mut dyn Recorder) {
        let partition = Label::Partition(self.partition);
        to.note("what", &self.what);
        to.note("ignored", &self.ignored);
        to.note("offset", &self.offset);
        to.count(&CONTROLS, &[partition], 1);
        to.set(&NEXT, &[partition], self.next.get());
        to.set(&LAG, &[partition], self.lag);
    }
}

/// A control record cannot be read; what was in force stays.
pub(crate) struct ControlRejected<'a> {
    pub(crate) partition: u16,
    pub(crate) offset: Offset,
    pub(crate) detail: &'a str,
}

impl Occurrence for ControlRejected<'_> {
    const NAME: &'static str = "control record rejected";
    const LEVEL: Level = Level::Error;
    fn record(&self, to: &mut dyn Recorder) {
        to.count(&CONTROLS, &[Label::Partition(self.partition)], 1);
        to.note("offset", &self.offset);
        to.note("why", &self.detail);
    }
}

/// The state was committed.
pub(crate) struct Committed {
    pub(crate) partition: u16,
    pub(crate) next: Offset,
    pub(crate) events: u64,
    pub(crate) runs: usize,
    pub(crate) run_bytes: u64,
}

impl Occurrence for Committed {
    const NAME: &'static str = "state committed";
    const LEVEL: Level = Level::Debug;
    fn record(&self, to: &mut dyn Recorder) {
        let partition = Label::Partition(self.partition);
        to.note("next", &self.next);
        to.count(&COMMITS, &[partition], 1);
        to.observe(&COMMIT_EVENTS, &[partition], Measure::Amount(self.events));
        to.set(&RUNS, &[partition], amount(self.runs));
        to.set(&RUN_BYTES, &[partition], self.run_bytes);
    }
}

/// A destination acknowledged a publication.
pub(crate) struct Published {
    pub(crate) partition: u16,
    pub(crate) destination: &'static str,
    pub(crate) rows: usize,
    pub(crate) pending: usize,
}

impl Occurrence for Published {
    const NAME: &'static str = "rows published";
    const LEVEL: Level = Level::Debug;
    fn record(&self, to: &mut dyn Recorder) {
        let labels = [Label::Partition(self.partition), Label::Destination(self.destination)];
        to.count(&ROWS, &labels, amount(self.rows));
        to.set(&PENDING, &labels, amount(self.pending));
    }
}

/// A destination refused a publication; its keys wait for another try.
pub(crate) struct PublishFailed<'a> {
    pub(crate) partition: u16,
    pub(crate) destination: &'static str,
    pub(crate) why: &'a str,
}

impl Occurrence for PublishFailed<'_> {
    const NAME: &'static str = "publishing failed, trying again";
    const LEVEL: Level = Level::Warn;
    fn record(&self, to: &mut dyn Recorder) {
        to.count(&FAILURES, &[Label::Partition(self.partition), Label::Destination(self.destination)], 1);
        to.note("why", &self.why);
    }
}

/// ClickHouse restarted or was set back; every key is published anew.
pub(crate) struct Republishing {
    pub(crate) partition: u16,
    pub(crate) restarted: bool,
    pub(crate) shows: Version,
    pub(crate) claimed: Version,
}

impl Occurrence for Republishing {
    const NAME: &'static str = "publishing every key anew";
    const LEVEL: Level = Level::Warn;
    fn record(&self, to: &mut dyn Recorder) {
        to.count(&REPUBLISHED, &[Label::Partition(self.partition)], 1);
        to.note("restarted", &self.restarted);
        to.note("shows", &self.shows);
        to.note("claimed", &self.claimed);
    }
}

/// A record is further ahead of this machine's clock than any clock should be: it waits.
pub(crate) struct ClockAhead {
    pub(crate) partition: u16,
    pub(crate) offset: Offset,
    pub(crate) log_time: LogTime,
    pub(crate) now: WallTime,
}

impl Occurrence for ClockAhead {
    const NAME: &'static str = "a record is ahead of this machine's clock and waits; set the clock right";
    const LEVEL: Level = Level::Error;
    fn record(&self, to: &mut dyn Recorder) {
        to.count(&AHEAD, &[Label::Partition(self.partition)], 1);
        to.note("offset", &self.offset);
        to.note("appended_at", &self.log_time);
        to.note("now", &self.now);
    }
}

/// A partition goes on from its checkpoint, or begins.
pub(crate) struct Opened {
    pub(crate) partition: u16,
    pub(crate) next: Offset,
    pub(crate) end: Offset,
    pub(crate) pending: usize,
}

impl Occurrence for Opened {
    const NAME: &'static str = "partition opened";
    const LEVEL: Level = Level::Info;
    fn record(&self, to: &mut dyn Recorder) {
        let partition = Label::Partition(self.partition);
        to.set(&NEXT, &[partition], self.next.get());
        to.set(&LAG, &[partition], self.end.get().saturating_sub(self.next.get()));
        to.note("pending", &self.pending);
    }
}

fn amount(count: usize) -> u64 {
    u64::try_from(count).expect("lengths in memory fit a u64")
}
