//! An import whose installation dies, at any moment, again and again: it waits for it to come back, at whatever address,
//! and in the end everything is counted once.

use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tally_tests::installation::Installation;
use tally_tests::owner::{Owner, settle, sql, verify};
use tally_tests::seeded::Seeded;

/// 2026-02-13T00:00:00Z.
const CLOCK_MS: i64 = 1_770_940_800_000;
const FILES: u64 = 40;
const CALLS: u64 = 100;

/// Transcripts in which every call is written twice, the second time with its whole output; their tokens.
fn transcripts(installation: &Installation) -> i64 {
    let directory = installation.beside("transcripts");
    fs::create_dir_all(&directory).unwrap();
    let mut tokens = 0;
    for file in 0..FILES {
        let mut text = String::new();
        for call in 0..CALLS {
            let (id, time) = (format!("{file}-{call}"), format!("2026-02-{:02}T10:00:00Z", 1 + file % 12));
            for output in [1, i64::try_from(call).unwrap() + 2] {
                let usage =
                    json!({"input_tokens": 3, "cache_read_input_tokens": 1_000, "output_tokens": output});
                let message = json!({"id": id, "model": "claude-opus-4-6", "usage": usage});
                let line = json!({"type": "assistant", "sessionId": format!("s-{file}"), "uuid": format!("{id}-{output}"),
                    "requestId": id, "timestamp": time, "message": message});
                writeln!(text, "{line}").unwrap();
            }
            tokens += 1_003 + i64::try_from(call).unwrap() + 2;
        }
        fs::write(directory.join(format!("{file}.jsonl")), text).unwrap();
    }
    tokens
}

fn import<'a>(transcripts: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let options = ["--person", "ann", "--all", "--json"];
    ["import", "claude-code", transcripts].iter().chain(&options).chain(more).copied().collect()
}

#[test]
fn an_import_waits_for_an_installation_that_is_killed_and_comes_back_and_counts_once() {
    let installation = Installation::new().unwrap();
    let tokens = transcripts(&installation);
    let directory = installation.beside("transcripts");
    let import = import(directory.to_str().unwrap(), &[]);
    let mut chance = Seeded(7);
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    up.ready().unwrap();
    for kill in 0..6_u64 {
        let mut command = installation.command(CLOCK_MS, &import).unwrap();
        let importing = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(50 + chance.below(100) * (kill + 1)));
        if kill % 2 == 0 { up.kill_alone() } else { up.kill_group() }.unwrap();
        up = installation.spawn(CLOCK_MS).unwrap();
        up.ready().unwrap();
        let ended = importing.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "kill {kill}: {}", String::from_utf8_lossy(&ended.stderr));
    }
    let owner = Owner::read(&installation.data()).unwrap();
    settle(&owner).unwrap();
    let me = installation.run_at(CLOCK_MS, &["me", "ann", "--json"]).unwrap().json().unwrap();
    assert_eq!(me["tokens"], json!(tokens));
    let findings = verify(&owner).unwrap();
    assert_eq!(findings.differences, vec![]);
    assert_eq!(findings.checked.events, FILES * CALLS);
}

#[test]
fn an_import_whose_installation_stays_dead_says_so_and_can_be_repeated() {
    let installation = Installation::new().unwrap();
    let tokens = transcripts(&installation);
    let directory = installation.beside("transcripts");
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    up.ready().unwrap();
    let follow = import(directory.to_str().unwrap(), &["--wait", "2", "--follow"]);
    let mut command = installation.command(CLOCK_MS, &follow).unwrap();
    let importing = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let owner = Owner::read(&installation.data()).unwrap();
    until_some_are_counted(&owner);
    up.kill_group().unwrap();
    // Something has to be sent, for somebody to be missed.
    fs::copy(directory.join("0.jsonl"), directory.join("again.jsonl")).unwrap();
    let ended = importing.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(4), "{said}");
    for part in ["waited 2 seconds for it", "run the import again"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    let again = installation.run_at(CLOCK_MS, &import(directory.to_str().unwrap(), &[])).unwrap();
    assert_eq!(again.code, Some(0), "{again:?}");
    let me = installation.run_at(CLOCK_MS, &["me", "ann", "--json"]).unwrap().json().unwrap();
    assert_eq!(me["tokens"], json!(tokens));
}

fn until_some_are_counted(owner: &Owner) {
    let begun = Instant::now();
    while sql(owner, "SELECT count() > 0 FROM account_totals").is_ok_and(|some| some.trim() != "1") {
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing is imported");
        std::thread::sleep(Duration::from_millis(20));
    }
}
