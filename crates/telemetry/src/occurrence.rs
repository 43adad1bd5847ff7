//! The two traits: what happened, and what takes it down.

use std::fmt;

use crate::metric::{Counter, Gauge, Histogram, Label, Measure};

/// How much an occurrence matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks into it.
    Debug,
    /// The normal course, seldom enough to be read.
    Info,
    /// Unexpected; nothing is lost.
    Warn,
    /// Data is lost, or an operator is needed.
    Error,
}

/// Something that happens, declared in the crate where it happens and recorded once per batch.
pub trait Occurrence {
    /// What happened, lowercase, in the past: `batch folded`.
    const NAME: &'static str;
    /// How much it matters.
    const LEVEL: Level;

    /// Tells everything about it; the line and the metrics are made of the same calls.
    fn record(&self, to: &mut dyn Recorder);
}

/// Takes down one occurrence.
pub trait Recorder {
    /// Adds `by` to a counter; adding 0 makes the counter visible.
    fn count(&mut self, counter: &Counter, labels: &[Label], by: u64);
    /// Sets a gauge to its present, absolute value.
    fn set(&mut self, gauge: &Gauge, labels: &[Label], value: u64);
    /// Adds one value to a distribution.
    fn observe(&mut self, histogram: &Histogram, labels: &[Label], value: Measure);
    /// A fact for the line alone, such as a path or a position; here a name may be anything.
    fn note(&mut self, field: &'static str, value: &dyn fmt::Display);
}
