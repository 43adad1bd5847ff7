//! An import dies with its installation, at any moment, again and again; in the end everything is counted once.

use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tally_tests::installation::{Installation, settle, verify};
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

#[test]
fn an_import_that_is_killed_with_its_installation_and_repeated_counts_once() {
    let installation = Installation::new().unwrap();
    let tokens = transcripts(&installation);
    let directory = installation.beside("transcripts");
    let import = ["import", "claude-code", directory.to_str().unwrap(), "--person", "ann", "--json"];
    let mut chance = Seeded(7);
    for kill in 0..6_u64 {
        let mut up = installation.spawn(CLOCK_MS).unwrap();
        up.ready().unwrap();
        let mut command = installation.command(CLOCK_MS, &import).unwrap();
        let mut importing = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(50 + chance.below(100) * (kill + 1)));
        // Each of them dies first now and then.
        if kill % 3 == 0 {
            importing.kill().unwrap();
        }
        if kill % 2 == 0 { up.kill_alone() } else { up.kill_group() }.unwrap();
        // It waits for an installation that is gone, for a while.
        importing.kill().unwrap();
        let _ended = importing.wait().unwrap();
    }
    let last = installation.run_at(CLOCK_MS, &import).unwrap();
    assert_eq!(last.code, Some(0), "{last:?}");
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    let owner = up.ready().unwrap();
    settle(&owner).unwrap();
    let me = installation.run_at(CLOCK_MS, &["me", "ann", "--json"]).unwrap().json().unwrap();
    assert_eq!(me["tokens"], json!(tokens));
    let findings = verify(&owner).unwrap();
    assert_eq!(findings.differences, vec![]);
    assert_eq!(findings.checked.events, FILES * CALLS);
}
