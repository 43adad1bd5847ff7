//! What goes wrong around Tally: each ends in a message that says what, where and what to do; the rest goes on.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tally_tests::http;
use tally_tests::installation::{Answer, Installation};
use tally_tests::ledger::{Event, Ledger};
use tally_tests::owner::{Owner, post, published, settle, verify};

/// 2026-02-13T00:00:00Z.
const CLOCK_MS: i64 = 1_770_940_800_000;
const MONDAY: &str = "2026-02-09T10:00:00.000Z";

/// One line of a transcript.
fn line(message: &str, time: &str, output: &str) -> String {
    format!(
        r#"{{"type":"assistant","sessionId":"s","uuid":"u-{message}","requestId":"r-{message}","timestamp":"{time}","message":{{"id":"{message}","model":"claude-opus-4-6","usage":{{"input_tokens":3,"output_tokens":{output}}}}}}}"#
    ) + "\n"
}

fn event(id: &str, output: i64) -> Event {
    Event {
        who: 1,
        id: id.to_owned(),
        revision: 0,
        at_ms: CLOCK_MS - 60_000,
        tokens: [3, 0, 0, 0, output, 0],
    }
}

/// It failed with this code and one line that holds all of these.
fn refused(ran: &Answer, code: i32, said: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "one line says it: {ran:?}");
    assert!(said.iter().all(|part| errors[0].contains(part)), "{said:?} in {}", errors[0]);
}

/// Gives one command the variables of another.
fn surroundings(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}

/// Two thousand events of one person, in a directory that no process owns.
fn filled() -> Installation {
    let installation = Installation::new().unwrap();
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    let owner = up.ready().unwrap();
    let events: Vec<Event> = (0..2_000).map(|nth| event(&format!("event-{nth}"), 5)).collect();
    post(&owner, &events).unwrap();
    settle(&owner).unwrap();
    up.interrupt().unwrap();
    installation
}

/// The largest file below `dir` whose name ends so.
fn largest(dir: &Path, ends: &str) -> PathBuf {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.to_str().unwrap().ends_with(ends) {
                found.push((path.metadata().unwrap().len(), path));
            }
        }
    }
    found.into_iter().max().expect("there is such a file").1
}

/// Changes one byte in the middle, and gives the file as it was.
fn damage(path: &Path) -> Vec<u8> {
    let sound = fs::read(path).unwrap();
    let mut damaged = sound.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    fs::write(path, damaged).unwrap();
    sound
}

#[test]
fn a_directory_that_cannot_be_one_is_named() {
    let installation = Installation::new().unwrap();
    fs::write(installation.data(), "a file").unwrap();
    let path = installation.data().display().to_string();
    for command in [["top"], ["up"]] {
        refused(&installation.run_at(CLOCK_MS, &command).unwrap(), 4, &[&path, "is a file", "--data-dir"]);
    }
}

#[test]
fn a_directory_without_permission_is_named() {
    let installation = Installation::new().unwrap();
    let data = installation.data();
    fs::create_dir(&data).unwrap();
    let mut allowed = installation.command(CLOCK_MS, &["top"]).unwrap();
    // Root may write everywhere: there, the program runs as nobody, from a place that nobody can reach.
    let root = rustix::process::geteuid().is_root();
    let mut command = if root {
        let program = installation.beside("tally");
        fs::copy(allowed.get_program(), &program).unwrap();
        fs::set_permissions(data.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(program)
            .args(allowed.get_args());
        surroundings(&allowed, &mut command);
        command
    } else {
        fs::set_permissions(&data, fs::Permissions::from_mode(0o555)).unwrap();
        std::mem::replace(&mut allowed, Command::new("true"))
    };
    let path = data.display().to_string();
    refused(
        &Answer::of(&mut command).unwrap(),
        4,
        &["locking", &path, "Permission denied", "give the user that runs tally"],
    );
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_port_in_use_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for key in ["web.listen", "collector.listen", "ranker.listen", "admin.listen", "engine.listen"] {
        let installation = Installation::new().unwrap();
        let variable = format!("TALLY__{}", key.replace('.', "__").to_uppercase());
        let ran =
            Answer::of(installation.command(CLOCK_MS, &["up"]).unwrap().env(variable, &address)).unwrap();
        refused(&ran, 4, &[&address, "Address already in use", key]);
    }
}

#[test]
fn an_engine_that_does_not_start_says_why() {
    let installation = Installation::new().unwrap();
    let ran = |library: &Path| {
        let mut command = installation.command(CLOCK_MS, &["top"]).unwrap();
        Answer::of(command.env("TALLY__ENGINE__LIBRARY", library)).unwrap()
    };
    let missing = installation.beside("missing.so");
    refused(
        &ran(&missing),
        4,
        &["cannot read the engine library", "missing.so", "fetch it again", "engine.library"],
    );
    let damaged = installation.beside("damaged.so");
    fs::write(&damaged, "no library").unwrap();
    refused(&ran(&damaged), 4, &["damaged.so is not the pinned one", "delete it and fetch it again"]);
    let mut nowhere = installation.command(CLOCK_MS, &["top"]).unwrap();
    nowhere.env_remove("TALLY_ENGINE_LIBRARY").env("HOME", "/nowhere").env_remove("XDG_CACHE_HOME");
    refused(
        &Answer::of(&mut nowhere).unwrap(),
        4,
        &["no engine library: looked at /nowhere", "cargo xtask fetch"],
    );
}

#[test]
fn a_damaged_file_is_named_and_given_back_all_is_as_before() {
    let installation = filled();
    let data = installation.data();
    let usage = largest(&data.join("log/usage"), ".log");
    let cases: &[(PathBuf, i32, &[&str])] = &[
        (usage, 4, &["is damaged at byte", "restore this file from a copy"]),
        (data.join("log/log.meta"), 4, &["checksum does not hold", "restore this file from a copy"]),
        (
            largest(&data.join("state"), "MANIFEST"),
            4,
            &["is damaged at byte", "remove it so that the state is folded again"],
        ),
        // Nobody can tell a damaged secret from another installation's: a setting would be wrong then.
        (
            data.join("secret"),
            2,
            &["was begun under another secret", "copy the file of the process that began it"],
        ),
    ];
    for (path, code, said) in cases {
        let sound = damage(path);
        let ran = installation.run_at(CLOCK_MS, &["top"]).unwrap();
        fs::write(path, sound).unwrap();
        refused(&ran, *code, said);
        let named = path.parent().unwrap().display().to_string();
        assert!(ran.stderr.contains(&named), "{named} in {}", ran.stderr);
    }
    // Rows of the state are looked at when they are needed: then its partition stops, and says so.
    let run = largest(&data.join("state"), ".run");
    let sound = damage(&run);
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    let owner = up.ready().unwrap();
    let again: Vec<Event> = (0..2_000).map(|nth| event(&format!("event-{nth}"), 5)).collect();
    post(&owner, &again).unwrap();
    until("the partition stops", || health(&owner).contains(&run.display().to_string()));
    assert!(health(&owner).contains("remove it so that the state is folded again"), "{}", health(&owner));
    up.interrupt().unwrap();
    fs::write(&run, sound).unwrap();
    let green = installation.run_at(CLOCK_MS, &["verify", "--json"]).unwrap();
    assert_eq!(green.code, Some(0), "{green:?}");
    let report: Value = serde_json::from_str(&green.stdout).unwrap();
    assert_eq!(report["checked"]["events"], 2_000);
    // The remedy that was named: without its directory the partition is folded again.
    damage(&run);
    fs::remove_dir_all(run.parent().unwrap()).unwrap();
    let green = installation.run_at(CLOCK_MS, &["verify", "--json"]).unwrap();
    assert_eq!(green.code, Some(0), "{green:?}");
}

/// What the owner says of its health.
fn health(owner: &Owner) -> String {
    http::send(&owner.control, "GET", "/readyz", "").map(|answer| answer.body).unwrap_or_default()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_disk_without_room_is_named_at_the_start() {
    let ran = Installation::on_volume(8).unwrap().run_at(CLOCK_MS, &["up"]).unwrap();
    refused(&ran, 4, &["not enough disk", "free some or choose another directory"]);
}

#[test]
fn a_disk_that_fills_up_refuses_and_goes_on_when_there_is_room() {
    let installation = Installation::on_volume(330).unwrap();
    let volume = installation.volume();
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    let owner = up.ready().unwrap();
    let mut ledger = Ledger::default();
    let mut batches = (0..)
        .map(|nth: u32| (0..2_000).map(|of| event(&format!("event-{nth}-{of}"), 5)).collect::<Vec<Event>>());
    let first = batches.next().unwrap();
    post(&owner, &first).unwrap();
    ledger.acknowledged(&first);
    settle(&owner).unwrap();
    // Room for some batches in the log, and then none: neither for the log, nor for the state or the tables.
    volume.fill(4 << 20).unwrap();
    let refused = loop {
        let batch = batches.next().unwrap();
        match post(&owner, &batch) {
            Ok(()) => ledger.acknowledged(&batch),
            Err(refused) => break (batch, refused.to_string()),
        }
    };
    assert!(refused.1.contains("503") && refused.1.contains("No space left on device"), "{}", refused.1);
    assert!(refused.1.contains("free space on this volume"), "{}", refused.1);
    until("the state needs room", || health(&owner).contains("No space left on device"));
    volume.free().unwrap();
    until("it goes on", || health(&owner) == "ready\n");
    post(&owner, &refused.0).unwrap();
    ledger.acknowledged(&refused.0);
    settle(&owner).unwrap();
    assert_eq!(published(&owner).unwrap(), ledger.totals(CLOCK_MS));
    assert_eq!(verify(&owner).unwrap().differences, vec![]);
}

/// Two good lines, and between them everything that is none.
fn rubbish(long: usize) -> Vec<u8> {
    let text = |text: String| text.into_bytes();
    let torn = &line("torn", MONDAY, "5")[..60];
    let not_utf8 = [b"\xc3\x28 ".as_slice(), line("bytes", MONDAY, "5").as_bytes()].concat();
    let lines: Vec<Vec<u8>> = vec![
        text(line("first", MONDAY, "5")),
        text(format!("{{\"type\":\"assistant\",\"message\":{{\"content\":\"{}\"}}}}\n", "x".repeat(long))),
        b"\x00\x01\x02\xff\xfe binary\n".to_vec(),
        text(format!("{torn}\n")),
        not_utf8,
        text(line("negative", MONDAY, "-5")),
        text(line("above", MONDAY, "1000000000001")),
        text(line("absurd", MONDAY, "1000000000000000000000000000000")),
        text(line("broken", MONDAY, "1.5")),
        text("[".repeat(100_000) + "\n"),
        text(line("future", "2027-02-09T10:00:00.000Z", "5")),
        text(line("ancient", "1999-02-09T10:00:00.000Z", "5")),
        text(line("no-time", "0000-00-00T00:00:00Z", "5")),
        text(line("model", MONDAY, "5").replace("claude-opus-4-6", "zebra-9")),
        text(line("field", MONDAY, "5").replace("\"input_tokens\"", "\"quantum_tokens\":7,\"input_tokens\"")),
        text(line("last", MONDAY, "5")),
        // The file ends within a line that is still being written.
        line("cut", MONDAY, "5").as_bytes()[..90].to_vec(),
    ];
    lines.concat()
}

/// Greatest resident memory of a process while it runs, in KiB.
fn peak_kib(command: &mut Command, stdout: &Path) -> (u64, Option<i32>) {
    let mut child = command.stdin(Stdio::null()).stdout(fs::File::create(stdout).unwrap()).spawn().unwrap();
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(&path).unwrap_or_default();
        let highest = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = highest.and_then(|text| text.split_whitespace().next()?.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        if let Some(ended) = child.try_wait().unwrap() {
            return (peak, ended.code());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn rubbish_in_a_transcript_is_counted_with_reasons_and_the_rest_goes_on() {
    let import = |long: usize| {
        let installation = Installation::new().unwrap();
        let directory = installation.beside("transcripts");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("1.jsonl"), rubbish(long)).unwrap();
        let arguments = ["import", "claude-code", directory.to_str().unwrap(), "--json"];
        let answer = installation.beside("answer.json");
        let (peak, code) = peak_kib(&mut installation.command(CLOCK_MS, &arguments).unwrap(), &answer);
        assert_eq!(code, Some(0));
        let report: Value = serde_json::from_slice(&fs::read(answer).unwrap()).unwrap();
        (installation, report, peak)
    };
    let (_, short, usual) = import(100);
    assert_eq!(short["unreadable"]["lines"], 10, "{}", short["unreadable"]);
    let (installation, report, peak) = import(100_000_000);
    println!("peak memory: {usual} KiB, {peak} KiB with a line of 100 MB");
    assert!(peak < usual + 64 * 1024, "{peak} KiB with a line of 100 MB, {usual} KiB without");

    assert_eq!(report["events"], json!({"fresh": 4, "revised": 0, "duplicate": 0, "rejected": 2}));
    assert_eq!((&report["usage"]["total"], &report["unpriced_tokens"]), (&json!(32), &json!(8)));
    let unreadable = &report["unreadable"];
    assert_eq!(unreadable["lines"], 11, "{unreadable}");
    assert_eq!(
        unreadable["by_reason"],
        json!({"malformed": 1, "tokens_out_of_range": 4, "unreadable": 6}),
        "{unreadable}"
    );
    let samples = unreadable["samples"].as_array().unwrap();
    let why = |detail: &str| samples.iter().any(|sample| sample["detail"].as_str().unwrap().contains(detail));
    for detail in [
        " bytes; expected at most 16777216",
        "not UTF-8 at byte 3",
        "output is -5 tokens; expected 0 to 1000000000000",
        "output is 1000000000001 tokens",
        "expected a whole number of tokens",
        "expected an instant such as",
        "the JSON ends early at byte 60 of 60",
    ] {
        assert!(why(detail), "{detail:?} in {samples:?}");
    }
    assert!(samples.iter().all(|sample| sample["path"].as_str().unwrap().ends_with("1.jsonl")));
    let verified = installation.run_at(CLOCK_MS, &["verify"]).unwrap();
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let rejects = installation.run_at(CLOCK_MS, &["rejects", "--json"]).unwrap();
    assert_eq!(rejects.code, Some(0), "{rejects:?}");
    let rejects: Value = serde_json::from_str(&rejects.stdout).unwrap();
    let reasons =
        json!({"future": 1, "malformed": 1, "too_old": 1, "tokens_out_of_range": 4, "unreadable": 6});
    assert_eq!((&rejects["total"], &rejects["by_reason"]), (&json!(13), &reasons), "none is lost: {rejects}");
}

#[test]
fn a_collector_says_of_each_event_what_is_wrong_and_takes_the_rest() {
    let installation = Installation::new().unwrap();
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    let owner = up.ready().unwrap();
    let mut events: Vec<Value> = ["a", "negative", "above", "when", "b"].map(|id| event(id, 5).json()).into();
    events[1]["output"] = json!(-1);
    events[2]["output"] = json!(1_000_000_000_001_i64);
    events[3]["occurred_at"] = json!("yesterday");
    let body = json!({ "events": events }).to_string();
    let answer = http::send(&owner.collector, "POST", "/v1/usage", &body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(told["accepted"], 2, "{told}");
    let refused: Vec<u64> =
        told["rejected"].as_array().unwrap().iter().filter_map(|it| it["index"].as_u64()).collect();
    assert_eq!(refused, [1, 2, 3], "{told}");
    for body in ["", "{", "\u{0}\u{1}", "[[[[", "{\"events\": 7}"] {
        let answer = http::send(&owner.collector, "POST", "/v1/usage", body).unwrap();
        assert!((400..500).contains(&answer.status), "{body:?}: {} {}", answer.status, answer.body);
        assert!(answer.body.contains("the body is no "), "{body:?}: {}", answer.body);
    }
    settle(&owner).unwrap();
    assert_eq!(health(&owner), "ready\n");
    assert!(!up.said().contains("panicked"), "{}", up.said());
}
