//! The line of an occurrence, made of the same calls as its metrics.

use std::fmt::{self, Write as _};

use crate::metric::{Counter, Gauge, Histogram, Label, Measure};
use crate::occurrence::{Occurrence, Recorder};

#[cfg(test)]
mod tests;

/// `name field=value events{verdict=fresh}=10`; counters that grew by nothing are left out.
#[derive(Debug, Default)]
pub(crate) struct Line(String);

impl Line {
    pub(crate) fn of<O: Occurrence>(occurrence: &O) -> String {
        let mut line = Line(O::NAME.to_owned());
        occurrence.record(&mut line);
        line.0
    }

    fn push(&mut self, name: &str, labels: &[Label], value: &dyn fmt::Display) {
        let name = name.strip_prefix("tally_").unwrap_or(name);
        let name = name.strip_suffix("_total").unwrap_or(name);
        let value = value.to_string();
        write!(self.0, " {name}{}=", Braced(labels)).expect("a String takes all");
        if value.is_empty() || value.contains([' ', '"', '\n', '=']) {
            write!(self.0, "{value:?}").expect("a String takes all");
        } else {
            self.0.push_str(&value);
        }
    }
}

impl Recorder for Line {
    fn count(&mut self, counter: &Counter, labels: &[Label], by: u64) {
        if by > 0 {
            self.push(counter.name(), labels, &by);
        }
    }

    fn set(&mut self, gauge: &Gauge, labels: &[Label], value: u64) {
        self.push(gauge.name(), labels, &value);
    }

    fn observe(&mut self, histogram: &Histogram, labels: &[Label], value: Measure) {
        match value {
            Measure::Took(took) => {
                self.push(histogram.name().trim_end_matches("_seconds"), labels, &format!("{took:.1?}"));
            }
            Measure::Amount(amount) => self.push(histogram.name(), labels, &amount),
        }
    }

    fn note(&mut self, field: &'static str, value: &dyn fmt::Display) {
        self.push(field, &[], value);
    }
}

/// `{partition=3,verdict=fresh}`, nothing without labels.
pub(crate) struct Braced<'a>(pub(crate) &'a [Label]);

impl fmt::Display for Braced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = '{';
        for label in self.0 {
            write!(f, "{before}{}={}", label.name(), label.value())?;
            before = ',';
        }
        if self.0.is_empty() { Ok(()) } else { f.write_str("}") }
    }
}
