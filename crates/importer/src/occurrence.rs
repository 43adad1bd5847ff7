//! What happens here.

use tally_telemetry::{Counter, Level, Occurrence, Recorder};

const EVENTS: Counter =
    Counter::new("tally_importer_events_total", "events of imports that the log has acknowledged");
const UNREADABLE: Counter =
    Counter::new("tally_importer_unreadable_lines_total", "lines of imports that could not become events");
const RETRIES: Counter =
    Counter::new("tally_importer_retries_total", "batches of imports that a collector did not take at once");

/// The log has a batch.
pub(crate) struct BatchImported {
    pub(crate) events: u64,
    pub(crate) unreadable: u64,
}

impl Occurrence for BatchImported {
    const NAME: &'static str = "batch imported";
    const LEVEL: Level = Level::Debug;
    fn record(&self, to: &mut dyn Recorder) {
        to.count(&EVENTS, &[], self.events);
        to.count(&UNREADABLE, &[], self.unreadable);
    }
}

/// A collector did not take a batch; it comes again.
pub(crate) struct BatchDeferred {
    pub(crate) cause: String,
}

impl Occurrence for BatchDeferred {
    const NAME: &'static str = "batch deferred";
    const LEVEL: Level = Level::Warn;
    fn record(&self, to: &mut dyn Recorder) {
        to.count(&RETRIES, &[], 1);
        to.note("cause", &self.cause);
    }
}
