use std::time::Duration;

use expect_test::expect;

use crate::{Captured, Counter, Gauge, Histogram, Label, Level, Measure, Occurrence, Recorder};

const EVENTS: Counter = Counter::new("tally_events_total", "events read, by verdict");
const NEXT: Gauge = Gauge::new("tally_next_offset", "offset read next");
const COMMIT: Histogram = Histogram::new("tally_commit_seconds", "time of a checkpoint");

struct Committed;

impl Occurrence for Committed {
    const NAME: &'static str = "checkpoint committed";
    const LEVEL: Level = Level::Info;

    fn record(&self, to: &mut dyn Recorder) {
        to.note("file", &"a b.manifest");
        to.note("position", &17);
        to.count(&EVENTS, &[Label::Partition(3), Label::Verdict("fresh")], 10);
        to.count(&EVENTS, &[Label::Partition(3), Label::Verdict("duplicate")], 0);
        to.set(&NEXT, &[], 4_711);
        to.observe(&COMMIT, &[], Duration::from_millis(1_250).into());
    }
}

#[test]
fn one_record_is_the_line_and_the_counters() {
    let captured = Captured::of(&Committed);
    expect![[r#"checkpoint committed file="a b.manifest" position=17 events{partition=3,verdict=fresh}=10 next_offset=4711 commit=1.2s"#]]
        .assert_eq(&captured.to_string());
    assert_eq!(captured.level(), Level::Info);
    assert_eq!(captured.counted("tally_events_total{partition=3,verdict=fresh}"), Some(10));
    assert_eq!(captured.counted("tally_events_total{partition=3,verdict=duplicate}"), Some(0));
    assert_eq!(captured.counted("tally_events_total"), None);
    assert_eq!((captured.sum(&EVENTS), captured.gauge("tally_next_offset")), (10, Some(4_711)));
    assert_eq!(captured.measured("tally_commit_seconds"), [Measure::Took(Duration::from_millis(1_250))]);
}
