//! Occurrences: what happened, as one log line and its counters from one place, so that they cannot disagree.
//!
//! The crate where something happens declares a struct for it and implements [`Occurrence`]; the part records it once
//! per batch with [`emit`]. Levels mean: [`Level::Warn`], unexpected but nothing is lost; [`Level::Error`], data is lost
//! or an operator is needed.
//!
//! ```
//! use tally_telemetry::{Counter, Gauge, Label, Level, Occurrence, Recorder, emit};
//!
//! /// Events by what became of them; the sum over `verdict` is what was read.
//! const EVENTS: Counter = Counter::new("tally_events_total", "events read from the log, by verdict");
//! const NEXT: Gauge = Gauge::new("tally_next_offset", "offset that the partition reads next");
//!
//! /// A batch became part of the state.
//! struct BatchFolded { partition: u16, fresh: u64, duplicate: u64, next: u64 }
//!
//! impl Occurrence for BatchFolded {
//!     const NAME: &'static str = "batch folded";
//!     const LEVEL: Level = Level::Debug;
//!     fn record(&self, to: &mut dyn Recorder) {
//!         let partition = Label::Partition(self.partition);
//!         to.count(&EVENTS, &[partition, Label::Verdict("fresh")], self.fresh);
//!         to.count(&EVENTS, &[partition, Label::Verdict("duplicate")], self.duplicate);
//!         to.set(&NEXT, &[partition], self.next);
//!     }
//! }
//!
//! emit(&BatchFolded { partition: 3, fresh: 10, duplicate: 2, next: 4_711 });
//! ```
//! On the diagnostics this is the line
//! `batch folded events{partition=3,verdict=fresh}=10 events{partition=3,verdict=duplicate}=2 next_offset{partition=3}=4711`.

#![forbid(unsafe_code)]

mod captured;
mod diagnostics;
mod exporter;
mod line;
mod metric;
mod occurrence;

pub use captured::Captured;
pub use diagnostics::{DiagnosticsError, Format, init_diagnostics};
pub use exporter::{Exporter, emit, install};
pub use metric::{Counter, Gauge, Histogram, Label, Measure};
pub use occurrence::{Level, Occurrence, Recorder};
