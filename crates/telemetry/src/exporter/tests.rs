use std::time::Duration;

use expect_test::expect;

use super::*;
use crate::Level;

const EVENTS: Counter = Counter::new("tally_exported_events_total", "events read, by verdict");
const NEXT: Gauge = Gauge::new("tally_exported_offset", "offset read next");
const COMMIT: Histogram = Histogram::new("tally_exported_seconds", "time of a checkpoint");

struct Folded {
    fresh: u64,
    next: u64,
}

impl Occurrence for Folded {
    const NAME: &'static str = "batch folded";
    const LEVEL: Level = Level::Debug;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&EVENTS, &[Label::Partition(3), Label::Verdict("fresh")], self.fresh);
        to.set(&NEXT, &[Label::Partition(3)], self.next);
        to.observe(&COMMIT, &[], Duration::from_millis(200).into());
    }
}

#[test]
fn what_is_emitted_is_exported() {
    let exporter = install();
    emit(&Folded { fresh: 10, next: 20 });
    emit(&Folded { fresh: 5, next: 25 });
    // Another thread holds other handles of the same series.
    std::thread::spawn(|| emit(&Folded { fresh: 1, next: 26 })).join().unwrap();
    let text = install().render();
    assert!(std::ptr::eq(exporter, install()));
    let told =
        |wanted: &str| text.lines().filter(|line| line.contains(wanted)).collect::<Vec<_>>().join("\n");
    expect![[r#"
        # HELP tally_exported_events_total events read, by verdict
        # TYPE tally_exported_events_total counter
        tally_exported_events_total{partition="3",verdict="fresh"} 16"#]]
    .assert_eq(&told("tally_exported_events"));
    assert!(text.contains("tally_exported_offset{partition=\"3\"} 26"), "{text}");
    assert!(text.contains("tally_exported_seconds_bucket{le=\"0.1\"} 0"), "{text}");
    assert!(text.contains("tally_exported_seconds_bucket{le=\"0.3\"} 3"), "{text}");
}

#[test]
#[should_panic(expected = "more than 4 labels")]
fn a_series_of_too_many_labels_is_refused() {
    let _series = series("tally_events_total", &[Label::Partition(1); 5]);
}
