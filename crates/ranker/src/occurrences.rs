//! What happens in the ranker, each as one line and its counters.

use tally_domain::Partition;
use tally_telemetry::{Counter, Gauge, Label, Level, Occurrence, Recorder};

const PEOPLE: Gauge = Gauge::new("tally_ranked_people", "people on the boards");
const STORED: Counter = Counter::new("tally_snapshots_total", "snapshots that are complete in ClickHouse");
const AS_OF: Gauge =
    Gauge::new("tally_snapshot_as_of_seconds", "minute that the newest snapshot is true for");
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
}

impl Occurrence for Booted {
    const NAME: &'static str = "ranker booted";
    const LEVEL: Level = Level::Info;

    fn record(&self, to: &mut dyn Recorder) {
        to.note("totals", &self.totals);
        to.note("partitions", &self.partitions);
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
