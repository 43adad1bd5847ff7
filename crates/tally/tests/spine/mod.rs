//! From files on disk to verified totals, through every part of an installation.

use std::path::Path;

use serde_json::{Value, json};

use crate::installation::{Installation, shared};

/// One line of a transcript.
fn line(message: &str, time: &str, output: i64) -> String {
    format!(
        r#"{{"type":"assistant","sessionId":"s-1","uuid":"u-{message}-{output}","requestId":"r-{message}","timestamp":"{time}","message":{{"id":"{message}","model":"claude-opus-4-6","usage":{{"input_tokens":3,"cache_read_input_tokens":1000,"output_tokens":{output}}}}}}}"#
    ) + "\n"
}

const MONDAY: &str = "2026-02-09T10:00:00.000Z";
const TUESDAY: &str = "2026-02-10T10:00:00.000Z";

/// Growth, a resumed session, a repeat, usage of the future, an absurd count, and lines that are none.
fn transcripts(installation: &Installation) -> String {
    let first = [
        line("m1", MONDAY, 1),
        "{\"type\":\"user\",\"message\":{\"content\":\"hello\"}}\n".to_owned(),
        line("m1", MONDAY, 9),
        line("m2", TUESDAY, 5),
        line("m2", TUESDAY, 5),
        line("later", "2026-03-01T00:00:00Z", 7),
        line("absurd", TUESDAY, -4),
        "{\"type\":\"assist".to_owned(),
    ];
    let second = [
        line("m2", TUESDAY, 5).into_bytes(),
        b"\xff\xfe\x00 no text\n".to_vec(),
        line("m3", TUESDAY, 20).replace("claude-opus-4-6", "model-without-a-price").into_bytes(),
    ];
    installation.write("transcripts/p/1.jsonl", first.concat());
    installation.write("transcripts/p/2.jsonl", second.concat());
    text(&installation.path("transcripts"))
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_is_imported_is_counted_once_and_verified() {
    let installation = Installation::at("2026-02-13T00:00:00Z");
    let directory = transcripts(&installation);

    let first = installation.json(&["import", "claude-code", &directory]);
    // m1 and m2 and m3 once each, m1 with what it grew to; the future is rejected.
    assert_eq!(first["events"]["fresh"], 3);
    assert_eq!(first["events"]["rejected"], 1);
    let known = ["revised", "duplicate"].map(|verdict| first["events"][verdict].as_u64().unwrap());
    assert_eq!(known.iter().sum::<u64>(), 3);
    assert_eq!(
        first["usage"],
        json!({"requests": 3, "input": 9, "cache_read": 3000, "cache_write_5m": 0, "cache_write_1h": 0,
               "output": 34, "reasoning": 0, "total": 3043})
    );
    assert_eq!(first["unpriced_tokens"], 1023);
    let days: Vec<_> =
        first["days"].as_array().unwrap().iter().map(|day| (&day["day"], &day["total"])).collect();
    assert_eq!(days, [(&json!("2026-02-09"), &json!(1012)), (&json!("2026-02-10"), &json!(2031))]);
    assert_eq!(first["person"], "ann");
    assert_eq!(first["unreadable"]["lines"], 3);
    assert_eq!(first["unreadable"]["by_reason"], json!({"tokens_out_of_range": 1, "unreadable": 2}));

    let again = installation.json(&["import", "claude-code", &directory, "--all"]);
    assert_eq!(again["events"], json!({"fresh": 0, "revised": 0, "duplicate": 6, "rejected": 1}));
    assert_eq!((&again["usage"]["total"], &again["list_cost_usd"]), (&json!(0), &json!("0.000000000")));
    let resumed = installation.json(&["import", "claude-code", &directory]);
    assert_eq!(resumed["events"], json!({"fresh": 0, "revised": 0, "duplicate": 0, "rejected": 0}));
    assert_eq!(resumed["files"]["unchanged"], 2);

    let verified = installation.json(&["verify"]);
    assert_eq!(verified["differences"], json!([]));
    assert_eq!((&verified["checked"]["events"], &verified["checked"]["accounts"]), (&json!(3), &json!(1)));

    // Each once, although the transcripts were read twice; usage of the future lies in the log twice.
    let rejects = installation.json(&["rejects"]);
    let reasons = json!({"future": 2, "tokens_out_of_range": 1, "unreadable": 2});
    assert_eq!((&rejects["total"], &rejects["by_reason"]), (&json!(5), &reasons));
    let mut places: Vec<_> = rejects["rows"].as_array().unwrap().iter().map(place).collect();
    places.sort_unstable();
    let expected = [
        ("claude-code/1.jsonl", "tokens_out_of_range", true),
        ("claude-code/1.jsonl", "unreadable", true),
        ("claude-code/2.jsonl", "unreadable", true),
        ("usage", "future", false),
        ("usage", "future", false),
    ];
    assert_eq!(places, expected);
    let told = installation.run(&["rejects"]);
    assert!(told.stdout.contains("claude-code/2.jsonl@"), "{}", told.stdout);
}

/// File or topic, reason, and whether it says where in the file.
fn place(row: &Value) -> (&str, &str, bool) {
    let source = row["source"].as_str().map(|source| source.split('@').next().unwrap());
    (source.or(row["topic"].as_str()).unwrap(), row["reason"].as_str().unwrap(), row["position"].is_u64())
}

#[test]
fn people_are_ranked_and_found_by_name() {
    let installation = Installation::at("2026-02-13T00:00:00Z");
    let directory = transcripts(&installation);
    installation.json(&["import", "claude-code", &directory]);
    let one = text(&installation.write("one/1.jsonl", line("x", MONDAY, 100)));
    installation.json(&["import", "claude-code", &one, "--person", "Bob"]);

    let top = installation.json(&["top"]);
    let rows: Vec<_> = top["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["rank"], &row["person"], &row["tokens"]))
        .collect();
    assert_eq!(rows, [(&json!(1), &json!("ann"), &json!(3043)), (&json!(2), &json!("Bob"), &json!(1103))]);
    assert_eq!((&top["as_of"], &top["people"]), (&json!("2026-02-13T00:00:00Z"), &json!(2)));
    let day = installation.json(&["top", "--window", "24h", "--by", "cost", "--limit", "1"]);
    assert_eq!(day["window"], "24h");
    assert!(day["rows"].as_array().unwrap().len() <= 1);

    let bob = installation.json(&["me", "bob"]);
    assert_eq!((&bob["rank"], &bob["person"], &bob["tokens"]), (&json!(2), &json!("Bob"), &json!(1103)));
    assert_eq!((&bob["days"][0]["day"], &bob["days"][0]["tokens"]), (&json!("2026-02-09"), &json!(1103)));
    assert_eq!(
        (&bob["tools"][0]["tool"], &bob["models"][0]["model"]),
        (&json!("claude-code"), &json!("claude-opus-4-6"))
    );
    assert_eq!(bob["sessions"][0]["tokens"], 1103);
    let nobody = installation.run(&["me", "carol"]);
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    assert!(nobody.stderr.contains("nobody here is called \"carol\""), "{}", nobody.stderr);
}

#[test]
fn a_number_that_was_changed_by_hand_turns_verify_red() {
    let installation = Installation::at("2026-02-13T00:00:00Z");
    let directory = transcripts(&installation);
    // A start publishes everything again, which would mend it: one owner stays for the whole test.
    let _up = installation.up();
    installation.json(&["import", "claude-code", &directory]);
    assert_eq!(installation.run(&["verify"]).code, Some(0));
    let change = "INSERT INTO account_totals SELECT * REPLACE STRICT (input_30d + 1000 AS input_30d) \
                  FROM account_totals FINAL WHERE model = 'claude-opus-4-6'";
    assert_eq!(installation.run(&["sql", change]).code, Some(0));
    let red = installation.run(&["verify", "--json"]);
    assert_eq!(red.code, Some(1), "{red:?}");
    let report: Value = serde_json::from_str(&red.stdout).unwrap();
    let difference = &report["differences"][0];
    assert_eq!((&difference["window"], &difference["who"]), (&json!("30d"), &json!("claude-code: ann")));
    assert_eq!(
        (&difference["published"]["input"], &difference["recounted"]["input"]),
        (&json!(1006), &json!(6))
    );
    let told = installation.run(&["verify"]);
    assert_eq!(told.code, Some(1));
    assert!(told.stdout.contains("(claude-code: ann)") && told.stdout.contains("1,000"), "{}", told.stdout);
}

#[test]
fn another_person_is_warned_and_sql_answers() {
    let installation = Installation::at("2026-02-13T00:00:00Z");
    let directory = transcripts(&installation);
    installation.json(&["import", "claude-code", &directory]);
    let bob = installation.run(&["import", "claude-code", &directory, "--person", "bob"]);
    assert_eq!(bob.code, Some(0), "{bob:?}");
    assert!(bob.stderr.contains("imported before for another person"), "{}", bob.stderr);
    assert!(bob.stdout.contains("3 new"), "{}", bob.stdout);
    let verified = installation.json(&["verify"]);
    let shared = verified["shared_requests"].as_array().unwrap();
    let ids: Vec<_> = shared.iter().map(|request| request["request_id"].as_str().unwrap()).collect();
    assert_eq!((ids, &verified["shared_requests_total"]), (vec!["r-m1", "r-m2", "r-m3"], &json!(3)));
    let who = shared[0]["counted"].as_array().unwrap().iter().map(|it| (&it["who"], &it["tokens"]));
    let mut who: Vec<_> = who.map(|(who, tokens)| (who.as_str().unwrap(), tokens)).collect();
    who.sort_by_key(|it| it.0);
    assert_eq!(who, [("claude-code: ann", &json!(1012)), ("claude-code: bob", &json!(1012))]);

    let question = "SELECT uniqExact(account) AS accounts, countIf(reason = 'future') AS future FROM events";
    let answer = installation.run(&["sql", question]);
    assert_eq!(
        (answer.code, answer.stdout.as_str()),
        (Some(0), "accounts\tfuture\n3\t2\n"),
        "{}",
        answer.stderr
    );
    let wrong = installation.run(&["sql", "SELEC 1"]);
    assert_eq!(wrong.code, Some(4), "{wrong:?}");
    assert!(wrong.stderr.contains("Code: 62"), "{}", wrong.stderr);
}

#[test]
fn a_table_is_imported_by_its_columns() {
    let installation = Installation::at("2026-02-13T00:00:00Z");
    let rows =
        "at,in,out\n2026-02-10 01:00:00.5,100,7\n2026-02-10 01:00:00.5,100,7\n2026-02-11 02:00:00,5,x\n";
    let table = text(&installation.write("calls.csv", rows));
    let map = ["--map", "at=occurred_at,in=input", "--map", "out=output"];
    let report = installation.json(&[["import", "csv", &table].as_slice(), &map].concat());
    assert_eq!((&report["events"]["fresh"], &report["usage"]["total"]), (&json!(2), &json!(214)));
    assert_eq!(report["unreadable"]["lines"], 1);
    let missing = installation.run(&["import", "csv", &table, "--map", "when=occurred_at,in=input"]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("no column \"when\""), "{}", missing.stderr);
}

#[test]
fn real_transcripts_count_what_they_count_elsewhere() {
    // Without the real transcripts, the fixture above carries the same pitfalls.
    let (Some(directory), Some(expected)) =
        (shared("samples/claude_code/spotter"), shared("expected/peer_ccusage_20.0.26_spotter_daily.json"))
    else {
        return;
    };
    let installation = Installation::at("2026-02-13T00:00:00Z");
    let report = installation.json(&["import", "claude-code", &text(&directory), "--person", "spotter"]);
    assert_eq!((&report["events"]["fresh"], &report["usage"]["total"]), (&json!(904), &json!(79_708_804)));
    assert_eq!(report["list_cost_usd"], "51.742581100");
    let expected: Value = serde_json::from_slice(&std::fs::read(expected).unwrap()).unwrap();
    let theirs = expected["daily"].as_array().unwrap().iter().map(|day| (&day["date"], &day["totalTokens"]));
    let ours = report["days"].as_array().unwrap().iter().map(|day| (&day["day"], &day["total"]));
    assert_eq!(ours.collect::<Vec<_>>(), theirs.collect::<Vec<_>>());
    let verified = installation.json(&["verify"]);
    assert_eq!((&verified["differences"], &verified["checked"]["events"]), (&json!([]), &json!(904)));
}

#[test]
fn real_traces_add_up_to_their_published_totals() {
    // Without the real traces, the table above carries the same path.
    let (Some(azure), Some(mooncake)) =
        (shared("traces/azure2023_code.csv"), shared("traces/mooncake_conversation_trace.jsonl"))
    else {
        return;
    };
    let installation = Installation::at("2023-11-17T00:00:00Z");
    let map = ["--map", "TIMESTAMP=occurred_at,ContextTokens=input,GeneratedTokens=output"];
    let report = installation.json(&[["import", "csv", &text(&azure)].as_slice(), &map].concat());
    let usage = &report["usage"];
    assert_eq!(
        (&usage["requests"], &usage["input"], &usage["output"], &usage["total"]),
        (&json!(8_819), &json!(18_059_974), &json!(245_896), &json!(18_305_870))
    );
    let map = ["--map", "timestamp=offset_ms,input_length=input,output_length=output"];
    let origin = ["--origin", "2023-11-16T00:00:00Z"];
    let report =
        installation.json(&[["import", "jsonl", &text(&mooncake)].as_slice(), &map, &origin].concat());
    let usage = &report["usage"];
    assert_eq!((&usage["requests"], &usage["total"]), (&json!(12_031), &json!(148_915_871)));
    assert_eq!(installation.json(&["verify"])["differences"], json!([]));
}
