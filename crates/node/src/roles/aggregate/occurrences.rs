//! What happens to states between owners, and how it is told.

use std::time::Duration;

use tally_checkpoints::{CheckpointError, Copied};
use tally_domain::{Offset, Partition, Version};
use tally_telemetry::{Counter, Gauge, Histogram, Label, Level, Measure, Occurrence, Recorder};

const OWN: Counter =
    Counter::new("tally_states_own_total", "partitions opened with the state in their directory");
const FETCHED: Counter =
    Counter::new("tally_states_fetched_total", "copied states brought, for partitions to go on from");
const FETCHED_BYTES: Counter =
    Counter::new("tally_fetched_bytes_total", "bytes of copied states brought here");
const REFOLDED: Counter =
    Counter::new("tally_states_refolded_total", "partitions folded from the log's first offset");
const COPIES: Counter = Counter::new("tally_copies_total", "states copied to the object store");
const COPIED_BYTES: Counter =
    Counter::new("tally_copied_bytes_total", "bytes that copying wrote to the object store");
const COPIED: Gauge = Gauge::new("tally_copied_offset", "offset at which the newest known copy goes on");
const COPY_TIME: Histogram = Histogram::new("tally_copy_seconds", "how long a copy took");
const FAILURES: Counter = Counter::new("tally_copy_failures_total", "copies that were not made");
const AWAY: Counter = Counter::new(
    "tally_copies_unknown_total",
    "partitions opened without knowing of copies, as their store did not answer",
);
const DAMAGED: Counter =
    Counter::new("tally_copies_damaged_total", "copies passed over, as they are damaged");

/// A partition goes on from the state that lay in its directory.
pub(super) struct OwnStateTaken {
    pub(super) partition: Partition,
    pub(super) next: Offset,
}

impl Occurrence for OwnStateTaken {
    const NAME: &'static str = "partition goes on from its own state";
    const LEVEL: Level = Level::Info;
    fn record(&self, to: &mut dyn Recorder) {
        to.count(&OWN, &[Label::Partition(self.partition.0)], 1);
        to.note("next", &self.next);
    }
}

/// A copy was brought, which is newer than what lay in the partition's directory: it goes on from there.
pub(super) struct CopyFetched<'a> {
    pub(super) partition: Partition,
    pub(super) version: Version,
    pub(super) from: &'a str,
    pub(super) bytes: u64,
    pub(super) took: Duration,
}

impl Occurrence for CopyFetched<'_> {
    const NAME: &'static str = "partition goes on from a copied state";
    const LEVEL: Level = Level::Info;
    fn record(&self, to: &mut dyn Recorder) {
        let partition = Label::Partition(self.partition.0);
        to.count(&FETCHED, &[partition], 1);
        to.count(&FETCHED_BYTES, &[partition], self.bytes);
        to.note("version", &self.version);
        to.note("next", &self.version.next());
        to.note("from", &self.from);
        to.note("took_ms", &self.took.as_millis());
    }
}

/// There is no state and no copy, and the log is whole.
pub(super) struct FoldedAgain {
    pub(super) partition: Partition,
    pub(super) end: Offset,
}

impl Occurrence for FoldedAgain {
    const NAME: &'static str = "partition is folded from the first offset";
    const LEVEL: Level = Level::Info;
    fn record(&self, to: &mut dyn Recorder) {
        to.count(&REFOLDED, &[Label::Partition(self.partition.0)], 1);
        to.note("records", &self.end);
    }
}

/// A state is in the object store.
pub(super) struct StateCopied {
    pub(super) partition: Partition,
    /// The newest that is there.
    pub(super) version: Version,
    pub(super) copied: Copied,
    pub(super) took: Duration,
}

impl Occurrence for StateCopied {
    const NAME: &'static str = "state copied";
    const LEVEL: Level = Level::Debug;
    fn record(&self, to: &mut dyn Recorder) {
        let partition = Label::Partition(self.partition.0);
        to.set(&COPIED, &[partition], self.version.next().get());
        if let Copied::Done { files, bytes, removed } = self.copied {
            to.count(&COPIES, &[partition], 1);
            to.count(&COPIED_BYTES, &[partition], bytes);
            to.observe(&COPY_TIME, &[partition], Measure::Took(self.took));
            to.note("files", &files);
            to.note("removed", &removed);
        }
    }
}

/// A state was not copied: the older copy stays, and the next one is tried when it is due.
pub(super) struct CopyFailed<'a> {
    pub(super) partition: Partition,
    pub(super) why: &'a str,
}

impl Occurrence for CopyFailed<'_> {
    const NAME: &'static str = "state not copied, trying again at the next interval";
    const LEVEL: Level = Level::Warn;
    fn record(&self, to: &mut dyn Recorder) {
        to.count(&FAILURES, &[Label::Partition(self.partition.0)], 1);
        to.note("why", &self.why);
    }
}

/// A copy cannot be used.
pub(super) struct CopyDamaged<'a> {
    pub(super) partition: Partition,
    pub(super) error: &'a CheckpointError,
}

impl Occurrence for CopyDamaged<'_> {
    const NAME: &'static str = "copy passed over";
    const LEVEL: Level = Level::Warn;
    fn record(&self, to: &mut dyn Recorder) {
        to.count(&DAMAGED, &[Label::Partition(self.partition.0)], 1);
        to.note("why", self.error);
    }
}

/// A partition is opened with what there is here, as nobody says what copies there are.
pub(super) struct CopiesAway<'a> {
    pub(super) partition: Partition,
    pub(super) error: &'a CheckpointError,
}

impl Occurrence for CopiesAway<'_> {
    const NAME: &'static str = "partition opened without its copies";
    const LEVEL: Level = Level::Warn;
    fn record(&self, to: &mut dyn Recorder) {
        to.count(&AWAY, &[Label::Partition(self.partition.0)], 1);
        to.note("why", self.error);
    }
}
