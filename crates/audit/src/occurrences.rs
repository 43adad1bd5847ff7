//! What happens in the audit, each as one line and its counters.

use tally_domain::{Offset, Partition};
use tally_telemetry::{Counter, Gauge, Label, Level, Occurrence, Recorder};

use crate::difference::Findings;

const ARCHIVED: Counter =
    Counter::new("tally_archived_records_total", "records of the usage log written to events");
const NEXT: Gauge = Gauge::new("tally_archive_next_offset", "offset up to which the archive is contiguous");
const FAILURES: Counter =
    Counter::new("tally_archive_failures_total", "chunks that ClickHouse refused; each is tried again");

const SET_BACK: Counter = Counter::new(
    "tally_archive_set_back_records_total",
    "records of the usage log that a ClickHouse which came back had no longer archived; they are archived again",
);

const DIFFERENCES: Gauge = Gauge::new(
    "tally_verify_differences",
    "published values that the newest verification found to differ from the archive",
);
const CHECKED_EVENTS: Gauge =
    Gauge::new("tally_verify_checked_events", "events that the newest verification counted");
const CHECKED_TOTALS: Gauge =
    Gauge::new("tally_verify_checked_totals", "published values that the newest verification compared");
const SHARED_REQUESTS: Gauge = Gauge::new(
    "tally_verify_shared_requests",
    "requests that are counted under several accounts or views, as the newest verification found",
);
const FINISHED: Gauge = Gauge::new(
    "tally_verify_finished_timestamp_seconds",
    "when the newest verification came to an answer; its age is time() minus this",
);

/// A verification came to an answer; whoever runs it tells the owner of the installation, whose metrics say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Recounted {
    /// Published values that differ.
    pub differences: u64,
    /// Events that were counted.
    pub events: u64,
    /// Published values that were compared.
    pub totals: u64,
    /// Requests that are counted under several accounts or views.
    pub shared_requests: u64,
    /// When, in seconds since the Unix epoch.
    pub finished_s: u64,
}

impl Recounted {
    /// What was found, at `finished_s`.
    #[must_use]
    pub const fn of(findings: &Findings, finished_s: u64) -> Self {
        Self {
            differences: findings.differences_total,
            events: findings.checked.events,
            totals: findings.checked.totals,
            shared_requests: findings.shared_requests.total,
            finished_s,
        }
    }
}

impl Occurrence for Recounted {
    const NAME: &'static str = "recounted";
    const LEVEL: Level = Level::Info;

    fn record(&self, to: &mut dyn Recorder) {
        to.set(&DIFFERENCES, &[], self.differences);
        to.set(&CHECKED_EVENTS, &[], self.events);
        to.set(&CHECKED_TOTALS, &[], self.totals);
        to.set(&SHARED_REQUESTS, &[], self.shared_requests);
        to.set(&FINISHED, &[], self.finished_s);
    }
}

/// A chunk is in the archive.
#[derive(Debug)]
pub(crate) struct ChunkArchived {
    pub(crate) partition: Partition,
    pub(crate) records: u64,
    pub(crate) next: Offset,
}

impl Occurrence for ChunkArchived {
    const NAME: &'static str = "chunk archived";
    const LEVEL: Level = Level::Debug;

    fn record(&self, to: &mut dyn Recorder) {
        let partition = Label::Partition(self.partition.0);
        to.count(&ARCHIVED, &[partition], self.records);
        to.set(&NEXT, &[partition], self.next.get());
    }
}

/// ClickHouse did not take a chunk.
#[derive(Debug)]
pub(crate) struct ArchiveFailed {
    pub(crate) partition: Partition,
    pub(crate) error: String,
}

impl Occurrence for ArchiveFailed {
    const NAME: &'static str = "archiving failed; it will be tried again";
    const LEVEL: Level = Level::Warn;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&FAILURES, &[Label::Partition(self.partition.0)], 1);
        to.note("error", &self.error);
    }
}

/// ClickHouse restarted, or shows less of the archive than it acknowledged.
#[derive(Debug)]
pub(crate) struct ArchiveSetBack {
    pub(crate) restarted: bool,
    pub(crate) records: u64,
}

impl Occurrence for ArchiveSetBack {
    const NAME: &'static str = "the archive goes on from what ClickHouse shows";
    const LEVEL: Level = Level::Warn;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&SET_BACK, &[], self.records);
        to.note("restarted", &self.restarted);
        to.note("records to archive again", &self.records);
    }
}
