//! Verify while usage goes on, and what was refused.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tally_tests::http;
use tally_tests::installation::{Answer, Installation};
use tally_tests::ledger::{Event, Producer};
use tally_tests::owner::{Owner, post, settle, sql};

/// 2026-02-13T00:00:00Z.
const CLOCK_MS: i64 = 1_770_940_800_000;
/// Somebody of whom no producer reports.
const QUIET: u64 = 1_000;

fn event(id: &str, tokens: [i64; 6]) -> Event {
    Event { who: QUIET, id: id.to_owned(), revision: 0, at_ms: CLOCK_MS - 600_000, tokens }
}

/// Usage without an end, until it is dropped.
struct Traffic<'a> {
    stop: &'a AtomicBool,
}

impl Drop for Traffic<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// Calls `during` while usage is posted without a pause; it is told how many batches were acknowledged so far.
fn under_traffic<T>(owner: &Owner, during: impl FnOnce(&dyn Fn() -> usize) -> Result<T>) -> Result<T> {
    let (stop, posted) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _traffic = Traffic { stop: &stop };
        let (stop, posted) = (&stop, &posted);
        scope.spawn(move || -> Result<()> {
            let mut producer = Producer::new(7, CLOCK_MS);
            while !stop.load(Ordering::Acquire) {
                post(owner, &producer.batch())?;
                posted.fetch_add(1, Ordering::AcqRel);
            }
            Ok(())
        });
        during(&|| posted.load(Ordering::Acquire))
    })
}

/// Verifies, and sees that usage went on meanwhile.
fn verify(installation: &Installation, posted: &dyn Fn() -> usize) -> Result<Answer> {
    let before = posted();
    let answer = installation.run(&["verify", "--json"])?;
    ensure!(posted() > before, "usage stood still while verify ran: {answer:?}");
    Ok(answer)
}

fn plant(owner: &Owner, replace: &str) -> Result<String> {
    let only = "ALTER TABLE account_totals DELETE WHERE tool = 'tool-1000' SETTINGS mutations_sync = 2";
    sql(owner, only)?;
    sql(owner, &format!("INSERT INTO account_totals SELECT * {replace} FROM kept"))
}

/// A number of the owner's metrics.
fn metric(owner: &Owner, name: &str) -> Result<String> {
    let metrics = http::send(&owner.control, "GET", "/metrics", "")?.body;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map(str::to_owned).with_context(|| format!("no {name} in {metrics}"))
}

#[test]
fn verify_answers_while_usage_goes_on_and_tells_what_lies_behind_a_difference() -> Result<()> {
    let installation = Installation::new()?;
    let mut up = installation.spawn(CLOCK_MS)?;
    let owner = up.ready()?;
    post(&owner, &[event("early", [3, 100, 0, 20, 7, 0]), event("doubled", [5, 0, 0, 0, 1, 0])])?;
    settle(&owner)?;
    let keep = "CREATE TABLE kept ENGINE = MergeTree ORDER BY tuple() AS
        SELECT * FROM account_totals FINAL WHERE tool = 'tool-1000'";
    sql(&owner, keep)?;
    under_traffic(&owner, |posted| {
        for _ in 0..3 {
            let green = verify(&installation, posted)?;
            ensure!(green.code == Some(0), "{green:?}");
            let report = green.json()?;
            assert_eq!(
                (&report["differences"], &report["as_of"]),
                (&json!([]), &json!("2026-02-13T00:00:00Z"))
            );
            let partitions = report["partitions"].as_array().map_or(&[][..], Vec::as_slice);
            let stated =
                |at: &&Value| at["version"].as_str().is_some_and(|version| version.starts_with("1:"));
            assert_eq!(partitions.iter().filter(stated).count(), 8, "{report}");
        }
        // Stale, wrong, of a version to come, and of one that no log reaches.
        for version in ["version - 1", "version", "version + 1", "18446744073709551615"] {
            // An event counted twice: five tokens in and one out cost a five hundredth of a cent.
            let twice =
                "input_30d + 5 AS input_30d, output_30d + 1 AS output_30d, requests_30d + 1 AS requests_30d,
                cost_30d + toDecimal64('0.00005', 9) AS cost_30d";
            plant(&owner, &format!("REPLACE ({twice}, {version} AS version)"))?;
            let red = verify(&installation, posted)?;
            ensure!(red.code == Some(1), "{version}: {red:?}");
            let report = red.json()?;
            let found = &report["differences"][0];
            assert_eq!(
                (&report["differences_total"], &found["window"]),
                (&json!(1), &json!("30d")),
                "{report}"
            );
            let first = &found["events"][0];
            assert_eq!((&first["input"], &first["output"]), (&json!(5), &json!(1)), "{report}");
            assert_eq!((&first["event_id"], &first["counts"]), (&json!("doubled"), &json!(true)), "{report}");
            assert_eq!(first["hint"], "its usage is the difference", "{report}");
            assert_eq!(found["events_total"], json!(2), "{report}");
        }
        assert_eq!(metric(&owner, "tally_verify_differences")?, "1");
        plant(&owner, "")?;
        // Again and again, and the owner's metrics say it.
        let lines = installation.first_lines(&["verify", "--every", "1s", "--json"], 2)?;
        ensure!(
            lines.len() == 2 && lines.iter().all(|line| line.contains(r#""differences_total":0"#)),
            "{lines:?}"
        );
        assert_eq!(metric(&owner, "tally_verify_differences")?, "0");
        assert_eq!(metric(&owner, "tally_verify_finished_timestamp_seconds")?, "1770940800");
        Ok(())
    })
}

#[test]
fn what_is_refused_anywhere_is_listed_once_and_what_does_not_fit_is_no_difference() -> Result<()> {
    let installation = Installation::new()?;
    let mut up = installation.spawn(CLOCK_MS)?;
    let owner = up.ready()?;
    let absurd = json!({"events": [{"source": "whole", "subject": "ann", "id": "1", "occurred_at": CLOCK_MS,
        "model": "m", "tool": "t", "input": -5}]});
    for body in [absurd.to_string(), absurd.to_string(), "no json".to_owned()] {
        let answer = http::send(&owner.collector, "POST", "/v1/usage", &body)?;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    let listed = installation.run(&["rejects", "--json"])?.json()?;
    assert_eq!(listed["total"], 2, "{listed}");
    let sources = listed["rows"].as_array().map_or(&[][..], Vec::as_slice).iter().map(|row| &row["source"]);
    assert_eq!(sources.collect::<Vec<_>>(), [&json!("collector"), &json!("collector")], "{listed}");

    // Each costs some 70 million dollars: a 64-bit sum of nano-dollars holds fewer than 140 of them.
    let dear: Vec<_> = (0..140).map(|id| event(&format!("dear-{id}"), [1_000_000_000_000; 6])).collect();
    post(&owner, &dear)?;
    let listed = installation.run(&["rejects", "--json"])?.json()?;
    let overflown = listed["by_reason"]["overflow"].as_u64().unwrap_or(0);
    assert!((1..70).contains(&overflown), "{listed}");
    let green = installation.run(&["verify", "--json"])?;
    ensure!(green.code == Some(0), "{green:?}");
    assert_eq!(green.json()?["checked"]["events"], json!(140 - overflown));
    Ok(())
}
