//! The served pages in a real browser: see `tests/browser/pages.mjs`.

use crate::rig::{run, serve};
use crate::written::{AS_OF_MS, Written, row};
use std::path::{Path, PathBuf};
use std::process::Command;
use tally_web::rows::PersonRow;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs a program of Node's and says what it said when it fails.
fn node(program: &str, args: &[&str]) {
    let mut command = Command::new(program);
    let output = command.args(args).current_dir(workspace().join("tests/browser")).output();
    let output =
        output.unwrap_or_else(|error| panic!("running {program}: {error}; install Node 20 or later"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}:\n{said}");
}

fn person_rows() -> Vec<PersonRow> {
    let line = |section: &str, label: &str, tokens: i128| PersonRow {
        snapshot: 7,
        as_of_ms: AS_OF_MS,
        section: section.to_owned(),
        label: label.to_owned(),
        since_ms: AS_OF_MS,
        until_ms: AS_OF_MS + 600_000,
        rank_tokens: 2,
        rank_cost: 3,
        movement_tokens: Some(1),
        movement_cost: None,
        people: 60,
        tokens,
        cache_read_share: 0.9,
        share: 0.5,
        requests: 12,
        cost_nano_usd: tokens * 700,
        ..PersonRow::default()
    };
    vec![
        line("person", "Person Number 2", 0),
        line("board", "24h", 2_000_000),
        line("board", "7d", 9_000_000),
        line("board", "30d", 79_708_804),
        line("board", "lifetime", 79_708_804),
        line("day", "", 2_000_000),
        line("day", "cache_read", 1_900_000),
        line("day", "output", 100_000),
        line("class", "cache_read", 1_900_000),
        line("model", "claude-opus-4-6", 2_000_000),
        line("tool", "claude-code", 2_000_000),
        line("session", "00000000000000ff", 2_000_000),
    ]
}

#[test]
fn the_pages_look_right_are_accessible_and_load_nothing_from_elsewhere() {
    let browser = workspace().join("tests/browser");
    if !browser.join("node_modules").exists() {
        node("npm", &["ci", "--no-audit", "--no-fund"]);
    }
    run(async {
        let people =
            (1..=60).map(|n| row(n, &format!("Person Number {n}"), 1_000_000_000 / i128::from(n))).collect();
        let source = Written::of(people);
        *source.person.lock().unwrap() = person_rows();
        let base = serve(source, AS_OF_MS).await;
        let artifacts = workspace().join("artifacts").display().to_string();
        tokio::task::spawn_blocking(move || node("node", &["pages.mjs", &base, &artifacts])).await.unwrap();
    });
}
