//! What happens in the ranker, each as one line and its counters.

use tally_domain::Partition;
use tally_telemetry::{Counter, Gauge, Label, Level, Occurrence, Recorder};

const PEOPLE: Gauge = Gauge::new("tally_ranked_people", "people on the boards");
const STORED: Counter = Counter::new("tally_snapshots_total", "snapshots that are complete in ClickHouse");
const AS_OF: Gauge =
    Gauge::new("tally_snapshot_as_of_seconds", "minute that the newest snapshot is true for");
const LOST: Counter = Counter::new(
    "tally_snapshots_lost_total",
    "times that ClickHouse no longer held a snapshot that it had acknowledged",
);
const FAILURES: Counter = Counter::new(
    "tally_snapshot_failures_total",
    "times that ClickHouse refused the ranker; each is tried again",
);
const UNREADABLE: Counter =
    Counter::new("tally_ranker_unreadable_total", "records of totals or identities that could not be read");

/// The ranker knows what was published before it began.
#[derive(Debug)]
pub(crate) struct Booted {
    pub(crate) totals: usize,
    pub(crate) partitions: usize,
    /// Rows of snapshots that a killed ranker had left unfinished.
    pub(crate) swept: u64,
}

impl Occurrence for Booted {
    const NAME: &'static str = "ranker booted";
    const LEVEL: Level = Level::Info;

    fn record(&self, to: &mut dyn Recorder) {
        to.note("totals", &self.totals);
        to.note("partitions", &self.partitions);
        to.note("swept", &self.swept);
    }
}

/// A snapshot is complete.
#[derive(Debug)]
pub(crate) struct SnapshotStored {
    pub(crate) number: u64,
    pub(crate) people: u64,
    pub(crate) as_of: i64,
    pub(crate) dropped: usize,
}

impl Occurrence for SnapshotStored {
    const NAME: &'static str = "snapshot stored";
    const LEVEL: Level = Level::Debug;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&STORED, &[], 1);
        to.set(&PEOPLE, &[], self.people);
        to.set(&AS_OF, &[], u64::try_from(self.as_of).unwrap_or(0));
        to.note("number", &self.number);
        to.note("dropped", &self.dropped);
    }
}

/// ClickHouse no longer holds a snapshot that it acknowledged.
#[derive(Debug)]
pub(crate) struct Lost {
    /// The newest that it holds; 0 = none.
    pub(crate) number: u64,
}

impl Occurrence for Lost {
    const NAME: &'static str = "ClickHouse lost snapshots; names and totals of people are written anew";
    const LEVEL: Level = Level::Warn;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&LOST, &[], 1);
        to.note("newest", &self.number);
    }
}

/// ClickHouse refused the ranker.
#[derive(Debug)]
pub(crate) struct StoreFailed {
    pub(crate) error: String,
}

impl Occurrence for StoreFailed {
    const NAME: &'static str = "the ranker's store failed; it will be tried again";
    const LEVEL: Level = Level::Warn;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&FAILURES, &[], 1);
        to.note("error", &self.error);
    }
}

/// Records that could not be read; the partition's other records were.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) partition: Partition,
    pub(crate) records: u64,
    pub(crate) error: String,
}

impl Occurrence for Unreadable {
    const NAME: &'static str = "records of totals or identities could not be read";
    const LEVEL: Level = Level::Error;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&UNREADABLE, &[Label::Partition(self.partition.0)], self.records);
        to.note("error", &self.error);
    }
}
