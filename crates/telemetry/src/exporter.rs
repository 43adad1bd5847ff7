//! From occurrences to Prometheus text. Handles are held: registering a series is the dear part.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use metrics::{Key, Level as MetricLevel, Metadata, Recorder as _};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::diagnostics;
use crate::line::Line;
use crate::metric::{Counter, Gauge, Histogram, Label, Measure, rounded};
use crate::occurrence::{Occurrence, Recorder};

#[cfg(test)]
mod tests;

/// From 100 µs to a minute, by about three: a commit, an insert, a page.
const SECONDS: &[f64] = &[0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0];
/// Bytes, events and rows of a batch.
const AMOUNTS: &[f64] = &[1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// More labels than this on one series would be more series than anybody reads.
const LABELS_MAX: usize = 4;

static EXPORTER: OnceLock<Exporter> = OnceLock::new();

/// The metrics of this process.
pub struct Exporter {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl Exporter {
    fn new() -> Exporter {
        let mut builder = PrometheusBuilder::new();
        for (unit, buckets) in
            [("_seconds", SECONDS), ("_bytes", AMOUNTS), ("_events", AMOUNTS), ("_rows", AMOUNTS)]
        {
            let unit = Matcher::Suffix(unit.to_owned());
            builder = builder
                .set_buckets_for_metric(unit, buckets)
                .expect("the buckets are constants, and not empty");
        }
        let recorder = builder.build_recorder();
        Exporter { handle: recorder.handle(), recorder }
    }

    /// Everything recorded so far, in the Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}

/// Begins to keep metrics; whoever calls it again gets the same exporter. What was emitted before is not counted.
pub fn install() -> &'static Exporter {
    EXPORTER.get_or_init(Exporter::new)
}

/// Records that something happened: its metrics when [`install`] was called, its line when diagnostics want its level.
pub fn emit<O: Occurrence>(occurrence: &O) {
    if let Some(exporter) = EXPORTER.get() {
        HANDLES.with_borrow_mut(|handles| occurrence.record(&mut Exporting { exporter, handles }));
    }
    diagnostics::write(O::LEVEL, || Line::of(occurrence));
}

/// One series: a name and its labels, without allocation.
type Series = (&'static str, [Option<Label>; LABELS_MAX]);

thread_local! {
    static HANDLES: RefCell<Handles> = RefCell::default();
}

#[derive(Default)]
struct Handles {
    counters: HashMap<Series, metrics::Counter>,
    gauges: HashMap<Series, metrics::Gauge>,
    histograms: HashMap<Series, metrics::Histogram>,
}

struct Exporting<'a> {
    exporter: &'static Exporter,
    handles: &'a mut Handles,
}

/// # Panics
/// When an occurrence puts more than [`LABELS_MAX`] labels on a series; its test sees it.
fn series(name: &'static str, labels: &[Label]) -> Series {
    assert!(labels.len() <= LABELS_MAX, "{name} has more than {LABELS_MAX} labels");
    (name, std::array::from_fn(|at| labels.get(at).copied()))
}

fn key(name: &'static str, labels: &[Label]) -> Key {
    let labels: Vec<metrics::Label> =
        labels.iter().map(|label| metrics::Label::new(label.name(), label.value())).collect();
    Key::from_parts(name, labels)
}

const METADATA: Metadata<'static> = Metadata::new("tally", MetricLevel::INFO, None);

impl Recorder for Exporting<'_> {
    fn count(&mut self, counter: &Counter, labels: &[Label], by: u64) {
        let to = &self.exporter.recorder;
        let handle = self.handles.counters.entry(series(counter.name(), labels)).or_insert_with(|| {
            to.describe_counter(counter.name().into(), None, counter.help().into());
            to.register_counter(&key(counter.name(), labels), &METADATA)
        });
        handle.increment(by);
    }

    fn set(&mut self, gauge: &Gauge, labels: &[Label], value: u64) {
        let to = &self.exporter.recorder;
        let handle = self.handles.gauges.entry(series(gauge.name(), labels)).or_insert_with(|| {
            to.describe_gauge(gauge.name().into(), None, gauge.help().into());
            to.register_gauge(&key(gauge.name(), labels), &METADATA)
        });
        handle.set(rounded(value));
    }

    fn observe(&mut self, histogram: &Histogram, labels: &[Label], value: Measure) {
        let to = &self.exporter.recorder;
        let handle = self.handles.histograms.entry(series(histogram.name(), labels)).or_insert_with(|| {
            to.describe_histogram(histogram.name().into(), None, histogram.help().into());
            to.register_histogram(&key(histogram.name(), labels), &METADATA)
        });
        handle.record(value.as_float());
    }

    fn note(&mut self, _: &'static str, _: &dyn fmt::Display) {}
}
