//! Names and labels of metrics. A wrong name does not compile; a label cannot hold a person.

use std::time::Duration;

#[cfg(test)]
mod tests;

/// Declares a kind of metric whose name is checked where it is declared.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $suffixes:expr, $rule:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $kind { name: &'static str, help: &'static str }

        impl $kind {
            /// Declares a metric; `help` is one sentence for whoever reads `/metrics`.
            ///
            /// # Panics
            /// At compile time in a `const`, when the name breaks the rule.
            #[must_use]
            pub const fn new(name: &'static str, help: &'static str) -> Self {
                assert!(is_plain(name.as_bytes()), "a metric is `tally_` and lowercase words joined by `_`");
                assert!(ends_well(name.as_bytes(), $suffixes), $rule);
                assert!(!help.is_empty(), "a metric says what it means");
                Self { name, help }
            }
            /// Full name, as in `/metrics`.
            #[must_use]
            pub const fn name(&self) -> &'static str { self.name }
            /// What it means, in one sentence.
            #[must_use]
            pub const fn help(&self) -> &'static str { self.help }
        }
    )*};
}

kinds! {
    /// A count that only grows: `tally_<noun>_<unit>_total`.
    Counter, &[b"_total"], "a counter ends in `_total`";
    /// An absolute value, unit last: `tally_lag_events`.
    Gauge, &[], "a gauge does not end in `_total`";
    /// A distribution; its name ends in its unit.
    Histogram, &[b"_seconds", b"_bytes", b"_events", b"_rows"], "a histogram ends in `_seconds`, `_bytes`, `_events` or `_rows`";
}

/// `tally_` and at least one more word, of lowercase letters and digits.
const fn is_plain(name: &[u8]) -> bool {
    let prefix = b"tally_";
    if name.len() <= prefix.len() {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        let wanted_prefix = at >= prefix.len() || name[at] == prefix[at];
        let letter = name[at].is_ascii_lowercase() || name[at].is_ascii_digit();
        let joint = name[at] == b'_' && at + 1 < name.len() && name[at + 1] != b'_';
        if !wanted_prefix || !(letter || joint) {
            return false;
        }
        at += 1;
    }
    true
}

/// Ends in one of `suffixes`; with none given, in anything but `_total`.
const fn ends_well(name: &[u8], suffixes: &[&[u8]]) -> bool {
    if suffixes.is_empty() {
        return !ends_in(name, b"_total");
    }
    let mut at = 0;
    while at < suffixes.len() {
        if ends_in(name, suffixes[at]) {
            return true;
        }
        at += 1;
    }
    false
}

const fn ends_in(name: &[u8], suffix: &[u8]) -> bool {
    let mut at = 0;
    while at < suffix.len() {
        if name.len() < suffix.len() || name[name.len() - suffix.len() + at] != suffix[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Declares the labels: all that metrics are broken down by.
macro_rules! labels {
    ($($(#[$doc:meta])* $label:ident($value:ty) = $name:literal;)*) => {
        /// What a metric is broken down by. Closed, and its values are constants or small numbers,
        /// so that no account, person, path or id can become a label.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Label { $($(#[$doc])* $label($value),)* }

        impl Label {
            /// Every label there is.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The name, as in `/metrics`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$label(_) => $name),* }
            }
            /// The value, as in `/metrics`.
            #[must_use]
            pub fn value(self) -> String {
                match self { $(Self::$label(value) => value.to_string()),* }
            }
        }
    };
}

labels! {
    /// Partition of the log.
    Partition(u16) = "partition";
    /// Step of the flow, by its stem: decode, recall, admit …
    Step(&'static str) = "step";
    /// Part of the process: collector, aggregator …
    Part(&'static str) = "part";
    /// Topic of the log, without its prefix.
    Topic(&'static str) = "topic";
    /// What became of an event: fresh, revised, duplicate, rejected.
    Verdict(&'static str) = "verdict";
    /// Why a record was rejected.
    Reason(&'static str) = "reason";
    /// Kind of tool the events are from: claude-code, table …
    Source(&'static str) = "source";
    /// Where published rows go.
    Destination(&'static str) = "destination";
    /// Table of ClickHouse.
    Table(&'static str) = "table";
    /// Window of a total: 24h, 7d, 30d, lifetime.
    Window(&'static str) = "window";
    /// Route of a server, as declared, without its arguments.
    Route(&'static str) = "route";
    /// Status of an HTTP answer.
    Status(u16) = "status";
}

/// One value of a distribution, in the unit that its name ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// For `_seconds`.
    Took(Duration),
    /// For `_bytes`, `_events` and `_rows`.
    Amount(u64),
}

impl From<Duration> for Measure {
    fn from(took: Duration) -> Self {
        Self::Took(took)
    }
}

impl From<u64> for Measure {
    fn from(amount: u64) -> Self {
        Self::Amount(amount)
    }
}

impl Measure {
    /// As the exporter wants it; amounts above 2⁵³ are rounded.
    pub(crate) fn as_float(self) -> f64 {
        match self {
            Self::Took(took) => took.as_secs_f64(),
            Self::Amount(amount) => rounded(amount),
        }
    }
}

/// The nearest float; a metric is read by eye, not added up.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "Prometheus has only floats; there is no From"
)]
pub(crate) fn rounded(value: u64) -> f64 {
    value as f64
}
