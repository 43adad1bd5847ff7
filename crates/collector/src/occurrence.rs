//! What happens at the collector.

use tally_telemetry::{Counter, Histogram, Label, Level, Measure, Occurrence, Recorder};

const EVENTS: Counter =
    Counter::new("tally_collected_events_total", "events sent to the collector, by verdict");
const REFUSED: Counter = Counter::new("tally_collector_rejects_total", "elements kept as rejects, by reason");
const REQUESTS: Counter = Counter::new("tally_collector_requests_total", "requests answered, by status");
const BODY: Histogram = Histogram::new("tally_collector_body_bytes", "size of request bodies, decompressed");

/// A request was answered.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body_bytes: usize,
    pub(crate) accepted: usize,
    /// Reasons of what was refused or kept, one each.
    pub(crate) reasons: Vec<&'static str>,
}

impl Occurrence for Answered {
    const NAME: &'static str = "usage request answered";
    const LEVEL: Level = Level::Debug;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&REQUESTS, &[Label::Status(self.status)], 1);
        to.count(&EVENTS, &[Label::Verdict("accepted")], wide(self.accepted));
        to.count(&EVENTS, &[Label::Verdict("rejected")], wide(self.reasons.len()));
        for reason in &self.reasons {
            to.count(&REFUSED, &[Label::Reason(reason)], 1);
        }
        to.observe(&BODY, &[], Measure::Amount(wide(self.body_bytes)));
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).expect("a count fits 64 bits")
}
