//! Whole imports against a collector of the test's own, which keeps what it gets and may fail on the way.
#![expect(clippy::unwrap_used, reason = "a test fails where something is not there")]

mod collector;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use collector::{Collector, Mood};
use tally_domain::{EventTime, ProducerId};
use tally_importer::{Import, ImportError, Importer, Origin, Outcome, Turn, Warning, drive, fresh_epoch};
use tally_sources::table::{Format, Mapping, Table};

fn line(message: &str, output: u32) -> String {
    format!(
        r#"{{"type":"assistant","sessionId":"s","uuid":"u-{message}-{output}","requestId":"r-{message}","timestamp":"2026-02-11T20:36:47.925Z","message":{{"id":"{message}","model":"claude-opus-4-6","content":"hello","usage":{{"input_tokens":3,"output_tokens":{output}}}}}}}"#
    ) + "\n"
}

/// A directory of transcripts beside the state of their importer.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new(files: &[(&str, &str)]) -> Self {
        let machine = Self { root: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            machine.write(name, text);
        }
        machine
    }
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("projects").join(name)
    }
    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fn append(&self, name: &str, text: &str) {
        let mut whole = fs::read_to_string(self.path(name)).unwrap();
        whole.push_str(text);
        fs::write(self.path(name), whole).unwrap();
    }
    fn import(&self, collector: &Collector) -> Import {
        Import {
            origin: Origin::ClaudeCode,
            roots: vec![self.root.path().join("projects")],
            person: "ann".into(),
            collector: collector.url(),
            producer: ProducerId::default(),
            epoch: fresh_epoch(),
            state_dir: self.root.path().join("state"),
            lineage: "log-1".into(),
            resume: true,
            follow: false,
            batch_events: 3,
            patience: Duration::from_secs(20),
        }
    }
}

fn run(import: Import) -> Result<Outcome, ImportError> {
    drive(Importer::new(import)?, &AtomicBool::new(false), |_| ())
}

#[test]
fn every_usage_line_reaches_the_collector_numbered_and_named() {
    let text = [line("m1", 1), "{\"type\":\"summary\"}\n".into(), line("m1", 9), line("m2", 5)].concat();
    let machine = Machine::new(&[("a/1.jsonl", &text), ("b/2.jsonl", &line("m2", 5))]);
    let collector = Collector::start(Mood::Well);
    let outcome = run(machine.import(&collector)).unwrap();
    assert_eq!((outcome.events, outcome.files, outcome.lines), (4, 2, 5));
    assert_eq!(outcome.appended.into_iter().collect::<Vec<_>>(), [(0, 4)]);
    let events = collector.events();
    let field = |name: &str| events.iter().map(|event| event[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("id"), ["msg:m1", "msg:m1", "msg:m2", "msg:m2"]);
    assert_eq!(field("sequence"), [1, 2, 3, 4]);
    assert_eq!(field("output"), [1, 9, 5, 5]);
    assert_eq!(
        (events[0]["source"].as_str(), events[0]["subject"].as_str()),
        (Some("claude-code"), Some("ann"))
    );
    assert_eq!((events[0]["view"].as_str(), events[0]["unsplit"].as_i64()), (Some("TRANSCRIPT"), Some(1)));
    assert!(events.iter().all(|event| event["epoch"] == outcome.epoch.0 && event.get("content").is_none()));
}

#[test]
fn a_second_run_sends_only_what_is_new_and_another_lineage_all() {
    let machine = Machine::new(&[("1.jsonl", &line("m1", 1)), ("2.jsonl", &line("m2", 1))]);
    let collector = Collector::start(Mood::Well);
    assert_eq!(run(machine.import(&collector)).unwrap().events, 2);
    let again = run(machine.import(&collector)).unwrap();
    assert_eq!((again.events, again.files, again.files_unchanged), (0, 2, 2));
    machine.append("2.jsonl", &line("m3", 1));
    let grown = run(machine.import(&collector)).unwrap();
    assert_eq!((grown.events, grown.lines, grown.files_unchanged), (1, 1, 1));
    assert_eq!(run(Import { lineage: "log-2".into(), ..machine.import(&collector) }).unwrap().events, 3);
    assert_eq!(run(Import { resume: false, ..machine.import(&collector) }).unwrap().events, 3);
}

#[test]
fn a_last_line_without_its_end_is_sent_and_read_again_when_it_has_one() {
    let half = line("m2", 1);
    let machine = Machine::new(&[("1.jsonl", &format!("{}{}", line("m1", 1), &half[..50]))]);
    let collector = Collector::start(Mood::Well);
    let cut = run(machine.import(&collector)).unwrap();
    assert_eq!((cut.events, cut.unreadable.total()), (1, 1));
    assert_eq!(cut.unreadable.samples[0].detail, "the JSON ends early at byte 50 of 50");
    machine.append("1.jsonl", &half[50..]);
    assert_eq!(run(machine.import(&collector)).unwrap().events, 1);
    assert_eq!(collector.standing(), [("msg:m1".to_owned(), 1), ("msg:m2".to_owned(), 1)]);
}

#[test]
fn an_import_that_is_killed_anywhere_and_repeated_changes_nothing() {
    let text: String = (0..40).map(|i| line(&format!("m{}", i / 2), i)).collect();
    let machine = Machine::new(&[("1.jsonl", &text), ("2.jsonl", &line("last", 7))]);
    let whole = Collector::start(Mood::Well);
    run(Import { resume: false, ..machine.import(&whole) }).unwrap();
    assert_eq!(whole.standing().len(), 21);
    for turns in 0..12 {
        fs::remove_dir_all(machine.root.path().join("state")).unwrap_or_default();
        let collector = Collector::start(Mood::Well);
        let mut importer = Importer::new(machine.import(&collector)).unwrap();
        for _ in 0..turns {
            assert!(importer.turn().unwrap() != Turn::Idle(Duration::ZERO));
        }
        drop(importer);
        run(machine.import(&collector)).unwrap();
        assert_eq!(collector.standing(), whole.standing(), "killed after {turns} turns");
    }
}

#[test]
fn a_stopped_import_goes_on_where_it_was() {
    let text: String = (0..9).map(|i| line(&format!("m{i}"), i)).collect();
    let machine = Machine::new(&[("1.jsonl", &text), ("2.jsonl", &line("last", 7))]);
    let collector = Collector::start(Mood::Well);
    let stop = AtomicBool::new(false);
    let importer = Importer::new(machine.import(&collector)).unwrap();
    let outcome =
        drive(importer, &stop, |progress| stop.store(progress.events >= 9, Ordering::Relaxed)).unwrap();
    assert!(outcome.stopped);
    assert_eq!(outcome.events, 9);
    assert_eq!(run(machine.import(&collector)).unwrap().events, 1);
}

#[test]
fn an_import_that_is_stopped_within_a_file_reads_the_rest_of_it_later() {
    let text: String = (0..3_000).map(|i| line(&format!("m{i}"), i)).collect();
    assert!(text.len() > 2 << 18, "several pieces of reading");
    let machine = Machine::new(&[("1.jsonl", &text)]);
    let collector = Collector::start(Mood::Well);
    let import = || Import { batch_events: 100, ..machine.import(&collector) };
    let stop = AtomicBool::new(false);
    let importer = Importer::new(import()).unwrap();
    let first =
        drive(importer, &stop, |progress| stop.store(progress.events >= 1_500, Ordering::Relaxed)).unwrap();
    assert!(first.stopped && first.events < 3_000, "{}", first.events);
    let rest = run(import()).unwrap();
    assert!(rest.events < 3_000, "it does not begin anew");
    assert_eq!(collector.standing().len(), 3_000);
}

#[test]
fn a_collector_that_is_busy_drops_connections_or_forgets_to_answer_is_asked_again() {
    let text: String = (0..10).map(|i| line(&format!("m{i}"), i)).collect();
    for mood in [Mood::Busy, Mood::HangsUp, Mood::TakesAndHangsUp] {
        let machine = Machine::new(&[("1.jsonl", &text)]);
        let collector = Collector::start(mood);
        assert_eq!(run(machine.import(&collector)).unwrap().events, 10, "{mood:?}");
        assert_eq!(collector.standing().len(), 10);
    }
}

#[test]
fn a_collector_that_refuses_or_is_away_ends_the_import_with_its_address() {
    let machine = Machine::new(&[("1.jsonl", &line("m1", 1))]);
    let collector = Collector::start(Mood::Refuses);
    let error = run(machine.import(&collector)).unwrap_err().to_string();
    assert_eq!(error, format!("sending to the collector {}/v1/usage: it answered 400: no", collector.url()));
    let nobody = Import {
        collector: "http://127.0.0.1:1".into(),
        patience: Duration::from_millis(1),
        ..machine.import(&collector)
    };
    let error = run(nobody).unwrap_err().to_string();
    assert!(error.starts_with("sending to the collector http://127.0.0.1:1/v1/usage: "), "{error}");
    assert!(error.contains("is it running?") && error.contains("run the import again"), "{error}");
}

#[test]
fn what_cannot_be_read_is_counted_and_the_rest_goes_on() {
    let long = format!("{{\"text\":\"{}\"}}\n", "x".repeat(17 << 20));
    let text = [
        line("m1", 1),
        "not json\n".into(),
        long,
        line("m2", 1).replace("\"output_tokens\":1", "\"output_tokens\":-1"),
        line("m3", 1),
    ]
    .concat();
    let machine = Machine::new(&[("1.jsonl", &text)]);
    fs::write(machine.path("2.jsonl"), b"\xff\xfe\n").unwrap();
    let collector = Collector::start(Mood::Well);
    let import = Import {
        roots: vec![machine.root.path().join("projects"), machine.path("gone")],
        ..machine.import(&collector)
    };
    let outcome = run(import).unwrap();
    assert_eq!(outcome.events, 2);
    assert_eq!(
        outcome.unreadable.by_reason.into_iter().collect::<Vec<_>>(),
        [("tokens_out_of_range", 1), ("unreadable", 3)]
    );
    let kept = collector.kept();
    assert_eq!(kept.len(), 4);
    assert_eq!(
        (kept[0]["reason"].as_str(), kept[0]["detail"].as_str()),
        (Some("unreadable"), Some("no JSON at byte 2 of 8"))
    );
    assert!(kept[0]["source"].as_str().unwrap().starts_with("claude-code/1.jsonl@"), "{}", kept[0]["source"]);
    let details: Vec<_> = outcome.unreadable.samples.iter().map(|sample| sample.detail.as_str()).collect();
    assert_eq!(details[0], "no JSON at byte 2 of 8");
    assert_eq!(details[1], "the line has 17825803 bytes; expected at most 16777216");
    assert_eq!(outcome.unreadable_paths[0].0, machine.path("gone"));
}

#[test]
fn a_batch_of_which_nothing_is_taken_does_not_end_the_import() {
    let machine = Machine::new(&[("1.jsonl", &[line("m1", 1), line("m2", 1)].concat())]);
    let collector = Collector::start(Mood::RefusesEvents);
    let outcome = run(machine.import(&collector)).unwrap();
    assert_eq!(outcome.events, 0);
    assert_eq!(outcome.refused.into_iter().collect::<Vec<_>>(), [("future: not yet".to_owned(), 2)]);
}

#[test]
fn nothing_to_read_anywhere_is_an_error() {
    let machine = Machine::new(&[]);
    let collector = Collector::start(Mood::Well);
    let error = Importer::new(machine.import(&collector)).unwrap_err().to_string();
    assert!(error.contains("nothing there can be read") && error.contains("projects"), "{error}");
}

#[test]
fn the_same_transcripts_for_another_person_are_warned_of() {
    let machine = Machine::new(&[("1.jsonl", &line("m1", 1)), ("2.jsonl", &line("m2", 1))]);
    let collector = Collector::start(Mood::Well);
    assert_eq!(run(machine.import(&collector)).unwrap().warnings, []);
    let bob = run(Import { person: "bob".into(), ..machine.import(&collector) }).unwrap();
    assert_eq!(bob.events, 2);
    assert_eq!(bob.warnings, [Warning::AnothersFiles { files: 2, example: machine.path("1.jsonl") }]);
}

#[test]
fn a_follower_sends_what_is_written_while_it_waits() {
    let machine = Machine::new(&[("1.jsonl", &line("m1", 1))]);
    let collector = Collector::start(Mood::Well);
    let mut importer = Importer::new(Import { follow: true, ..machine.import(&collector) }).unwrap();
    idle(&mut importer);
    assert_eq!(collector.events().len(), 1);
    let half = line("m2", 1);
    machine.append("1.jsonl", &half[..50]);
    machine.write("new.jsonl", &line("m3", 1));
    (0..3).for_each(|_| idle(&mut importer));
    assert_eq!(collector.events().len(), 2);
    machine.append("1.jsonl", &half[50..]);
    (0..3).for_each(|_| idle(&mut importer));
    assert_eq!(collector.standing().len(), 3);
    assert_eq!(collector.events().len(), 3);
    assert_eq!(importer.finish(true).unreadable.total(), 0);
}

/// Turns until there is nothing to do.
fn idle(importer: &mut Importer) {
    while importer.turn().unwrap() == Turn::Worked {}
}

#[test]
fn a_compressed_transcript_is_read_and_not_read_again() {
    use std::io::Write;
    let machine = Machine::new(&[("1.jsonl", "")]);
    let gz = fs::File::create(machine.path("2.jsonl.gz")).unwrap();
    let mut gz = flate2::write::GzEncoder::new(gz, flate2::Compression::fast());
    gz.write_all([line("m1", 1), line("m2", 1)].concat().as_bytes()).unwrap();
    gz.finish().unwrap();
    let collector = Collector::start(Mood::Well);
    assert_eq!(run(machine.import(&collector)).unwrap().events, 2);
    assert_eq!(run(machine.import(&collector)).unwrap().events, 0);
    fs::write(machine.path("3.jsonl.gz"), b"no gzip").unwrap();
    let broken = run(machine.import(&collector)).unwrap();
    assert_eq!(broken.unreadable_paths[0].0, machine.path("3.jsonl.gz"));
}

#[test]
fn a_table_is_imported_row_by_row_and_twice_the_same() {
    let text = "at,in,out\n0,5,1\n0,5,1\n1.5,7,2\n";
    let machine = Machine::new(&[("t.csv", text)]);
    let collector = Collector::start(Mood::Well);
    let table = Table {
        format: Format::Csv,
        mapping: Mapping::parse("at=offset_s,in=input,out=output").unwrap(),
        origin: EventTime::parse("2026-02-10T00:00:00Z"),
        dataset: "azure".into(),
    };
    let import = Import { origin: Origin::Table(table), resume: false, ..machine.import(&collector) };
    assert_eq!(run(import.clone()).unwrap().events, 3);
    assert_eq!(run(import.clone()).unwrap().events, 3);
    assert_eq!(collector.standing().len(), 3);
    assert_eq!(collector.events()[0]["source"], "table:azure");
    machine.write("t.csv", "at,tokens,out\n0,5,1\n");
    let error = run(import).unwrap_err().to_string();
    assert!(error.ends_with("it has no column \"in\"; its columns are at, tokens, out"), "{error}");
}

#[test]
fn twenty_real_transcripts_come_to_their_known_tokens() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("TALLY_SHARED_DATA").map_or(beside, PathBuf::from);
    let spotter = data.join("samples/claude_code/spotter");
    if !spotter.exists() {
        return;
    }
    let machine = Machine::new(&[]);
    let collector = Collector::start(Mood::Well);
    let import = Import { roots: vec![spotter], batch_events: 500, ..machine.import(&collector) };
    let outcome = run(import.clone()).unwrap();
    assert_eq!((outcome.events, outcome.files, outcome.unreadable.total()), (1_945, 20, 0));
    assert_eq!(collector.standing_tokens(), (904, 79_708_804));
    assert_eq!(run(import).unwrap().events, 0);
}
