//! What happens in the audit, each as one line and its counters.

use tally_domain::{Offset, Partition};
use tally_telemetry::{Counter, Gauge, Label, Level, Occurrence, Recorder};

const ARCHIVED: Counter =
    Counter::new("tally_archived_records_total", "records of the usage log written to events");
const NEXT: Gauge = Gauge::new("tally_archive_next_offset", "offset up to which the archive is contiguous");
const FAILURES: Counter =
    Counter::new("tally_archive_failures_total", "chunks that ClickHouse refused; each is tried again");

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
