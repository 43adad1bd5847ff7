//! A recorder for tests: what an occurrence says, as values.

use std::collections::BTreeMap;
use std::fmt;

use crate::line::{Braced, Line};
use crate::metric::{Counter, Gauge, Histogram, Label, Measure};
use crate::occurrence::{Level, Occurrence, Recorder};

/// Everything one occurrence records; its `Display` is the line.
///
/// ```
/// # use tally_telemetry::{Captured, Counter, Label, Level, Occurrence, Recorder};
/// # const EVENTS: Counter = Counter::new("tally_events_total", "events");
/// # struct Read { fresh: u64 }
/// # impl Occurrence for Read {
/// #     const NAME: &'static str = "read";
/// #     const LEVEL: Level = Level::Info;
/// #     fn record(&self, to: &mut dyn Recorder) { to.count(&EVENTS, &[Label::Verdict("fresh")], self.fresh) }
/// # }
/// let captured = Captured::of(&Read { fresh: 3 });
/// assert_eq!(captured.counted("tally_events_total{verdict=fresh}"), Some(3));
/// assert_eq!(captured.to_string(), "read events{verdict=fresh}=3");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    level: Level,
    line: String,
    counts: BTreeMap<String, u64>,
    gauges: BTreeMap<String, u64>,
    measures: BTreeMap<String, Vec<Measure>>,
}

impl Captured {
    /// Records `occurrence` here alone.
    #[must_use]
    pub fn of<O: Occurrence>(occurrence: &O) -> Captured {
        let mut values = Values::default();
        occurrence.record(&mut values);
        let Values { counts, gauges, measures } = values;
        Captured { level: O::LEVEL, line: Line::of(occurrence), counts, gauges, measures }
    }

    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// What was added to the series `tally_events_total{verdict=fresh}`; `None` when it was not touched.
    #[must_use]
    pub fn counted(&self, series: &str) -> Option<u64> {
        self.counts.get(series).copied()
    }

    /// What the series was set to.
    #[must_use]
    pub fn gauge(&self, series: &str) -> Option<u64> {
        self.gauges.get(series).copied()
    }

    /// The values added to the distribution, in order.
    #[must_use]
    pub fn measured(&self, series: &str) -> &[Measure] {
        self.measures.get(series).map_or(&[], Vec::as_slice)
    }

    /// The sum of a counter over all its labels.
    #[must_use]
    pub fn sum(&self, counter: &Counter) -> u64 {
        let of_counter = |series: &str| series.split('{').next() == Some(counter.name());
        self.counts.iter().filter(|(series, _)| of_counter(series)).map(|(_, by)| by).sum()
    }
}

impl fmt::Display for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

#[derive(Default)]
struct Values {
    counts: BTreeMap<String, u64>,
    gauges: BTreeMap<String, u64>,
    measures: BTreeMap<String, Vec<Measure>>,
}

fn series(name: &str, labels: &[Label]) -> String {
    format!("{name}{}", Braced(labels))
}

impl Recorder for Values {
    fn count(&mut self, counter: &Counter, labels: &[Label], by: u64) {
        *self.counts.entry(series(counter.name(), labels)).or_default() += by;
    }

    fn set(&mut self, gauge: &Gauge, labels: &[Label], value: u64) {
        self.gauges.insert(series(gauge.name(), labels), value);
    }

    fn observe(&mut self, histogram: &Histogram, labels: &[Label], value: Measure) {
        self.measures.entry(series(histogram.name(), labels)).or_default().push(value);
    }

    fn note(&mut self, _: &'static str, _: &dyn fmt::Display) {}
}
