//! What happens in the ranker, each as one line and its counters.

use tally_telemetry::{Counter, Gauge, Level, Occurrence, Recorder};

const SNAPSHOTS: Counter = Counter::new("tally_snapshots_total", "rankings written to ClickHouse");
const PEOPLE: Gauge = Gauge::new("tally_ranked_people", "people on the newest ranking");
const FAILURES: Counter =
    Counter::new("tally_snapshot_failures_total", "rankings that ClickHouse refused; the next is made anew");

/// A ranking is complete.
#[derive(Debug)]
pub(crate) struct SnapshotComplete {
    pub(crate) snapshot: u64,
    pub(crate) people: u64,
}

impl Occurrence for SnapshotComplete {
    const NAME: &'static str = "ranking complete";
    const LEVEL: Level = Level::Debug;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&SNAPSHOTS, &[], 1);
        to.set(&PEOPLE, &[], self.people);
        to.note("snapshot", &self.snapshot);
    }
}

/// ClickHouse did not take a ranking.
#[derive(Debug)]
pub(crate) struct SnapshotFailed {
    pub(crate) snapshot: u64,
    pub(crate) why: String,
}

impl Occurrence for SnapshotFailed {
    const NAME: &'static str = "writing a ranking failed; the next one is made anew";
    const LEVEL: Level = Level::Warn;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&FAILURES, &[], 1);
        to.note("snapshot", &self.snapshot);
        to.note("why", &self.why);
    }
}
