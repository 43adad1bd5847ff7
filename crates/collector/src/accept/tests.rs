use super::*;
use proptest::prelude::*;
use tally_domain::{AccountKey, Kind, Minted, View};

const LIMITS: Limits = Limits { events_max: 100 };

fn secret() -> Secret {
    Secret::new([7; 32])
}

fn read(body: &str) -> Verdict {
    accept(body.as_bytes(), Format::Json, &secret(), LIMITS).unwrap()
}

/// The least that is an event, with more fields before the closing brace.
fn event(more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(",{more}") };
    format!(
        r#"{{"source":"codex","subject":"ann","id":"e1","occurred_at":"2026-02-13T09:30:00Z","model":"gpt-5.1","tool":"codex","output":12{more}}}"#
    )
}

/// Accepted ids, then `index reason detail` of each refusal.
fn drawn(verdict: &Verdict) -> Vec<String> {
    let accepted = verdict.events.iter().map(|accepted| accepted.event.event_id.clone());
    let refused = verdict.refused.iter().map(|refused| {
        let index = refused.index.map_or("-".to_owned(), |index| index.to_string());
        format!("{index} {}: {}", refused.reason.name(), refused.detail)
    });
    accepted.chain(refused).collect()
}

#[test]
fn the_least_event_gets_its_account_and_its_defaults() {
    let verdict = read(&event(""));
    let accepted = &verdict.events[0];
    assert_eq!(accepted.event.account, AccountKey::of(&secret(), "codex", "ann"));
    assert_eq!((accepted.event.usage.tokens, accepted.event.usage.requests), ([0, 0, 0, 0, 12, 0], 1));
    assert_eq!((accepted.event.kind, accepted.event.dims.view), (Kind::Report, View::Sdk));
    assert_eq!(accepted.event.occurred_at.to_string(), "2026-02-13T09:30:00Z");
    assert!(!accepted.numbered && accepted.event.minted.is_none());
    assert_eq!((&*accepted.identity.source, &*accepted.identity.subject), ("codex", "ann"));
    assert_eq!(read(&event(r#""view":"transcript""#)).events[0].event.dims.view, View::Transcript);
}

#[test]
fn one_event_many_in_an_envelope_a_list_and_lines_are_all_read() {
    let (one, two) = (event(""), event("").replace("e1", "e2"));
    let pretty = format!("{{ \"events\" : [ {one} ,\n {two} ] }}\n");
    for body in [pretty, format!("[{one},{two}]"), format!("{one}\n\r\n{two}\n")] {
        assert_eq!(drawn(&read(&body)), ["e1", "e2"], "{body}");
    }
    assert_eq!(drawn(&read(&format!("{one}\n"))), ["e1"]);
    let lines = accept(one.as_bytes(), Format::Lines, &secret(), LIMITS).unwrap();
    assert_eq!(drawn(&lines), ["e1"]);
    assert_eq!(drawn(&read(r#"{"events":[]}"#)), [""; 0]);
}

#[test]
fn a_refusal_names_the_field_its_value_and_what_to_do() {
    let refused = |more: &str, change: (&str, &str)| drawn(&read(&event(more).replace(change.0, change.1)));
    let none = ("", "");
    let cases = [
        (refused("", (r#""subject":"ann","#, "")), "malformed: subject is missing; it is needed"),
        (refused("", ("\"ann\"", "\"\"")), "malformed: subject is empty; it is needed"),
        (refused("", ("\"ann\"", "7")), "malformed: subject is 7; expected a string"),
        (refused(r#""inptu":5"#, none), "malformed: inptu is no field; the fields are source, subject, "),
        (refused(r#""model":"x""#, none), "malformed: model is given twice; give it once"),
        (refused("", ("12", "-1")), "tokens_out_of_range: output is -1 tokens; expected 0 to 1000000000000"),
        (refused("", ("12", "1000000000001")), "tokens_out_of_range: output is 1000000000001 tokens; "),
        (
            refused("", ("12", "99999999999999999999")),
            "tokens_out_of_range: output is 99999999999999999999; expected an integer from 0 to 10^12",
        ),
        (refused("", ("12", "1.5")), "malformed: output is 1.5; expected an integer from 0 to 10^12"),
        (refused("", ("12", "\"12\"")), "malformed: output is \"12\"; expected an integer from 0 to 10^12"),
        (
            refused("", ("2026-02-13T09:30:00Z", "soon")),
            "malformed: occurred_at is \"soon\"; expected a time as ",
        ),
        (
            refused(r#""view":"HEARSAY""#, none),
            "malformed: view is \"HEARSAY\"; expected one of UNKNOWN, SDK, ",
        ),
        (refused(r#""unsplit":9"#, none), "malformed: unsplit is 9; expected 0 to 7"),
        (refused(r#""revision":-1"#, none), "malformed: revision is -1; expected 0 to 2147483647"),
        (
            refused(r#""epoch":1"#, none),
            "malformed: producer, epoch and sequence go together; give all three or none",
        ),
        (refused(r#""kind":"CORRECTION""#, none), "malformed: actor is missing; a CORRECTION needs one"),
        (
            refused(r#""minted":true"#, none),
            "malformed: minted is true without producer, epoch and a sequence",
        ),
    ];
    for (seen, expected) in cases {
        assert!(
            seen.len() == 1 && seen[0].starts_with(&format!("0 {expected}")),
            "{seen:?}\nexpected {expected}"
        );
    }
}

#[test]
fn what_is_wrong_is_refused_alone_and_keeps_its_bytes() {
    let bad = r#"{"source":"codex"}"#;
    let verdict = read(&format!(r#"{{"events":[{},{bad},7,{}]}}"#, event(""), event("").replace("e1", "e2")));
    let seen = drawn(&verdict);
    assert_eq!(seen[..2], ["e1", "e2"]);
    assert_eq!(seen[2], "1 malformed: subject is missing; it is needed");
    assert!(
        seen[3].starts_with("2 unreadable: the event is no JSON object: invalid type: integer `7`"),
        "{}",
        seen[3]
    );
    assert_eq!(verdict.refused[0].bytes, bad.as_bytes());

    let mut lines = event("").into_bytes();
    lines.extend_from_slice(b"\n{\"source\":\n\xff\xfe\n");
    let verdict = accept(&lines, Format::Json, &secret(), LIMITS).unwrap();
    let reasons: Vec<_> = verdict.refused.iter().map(|refused| (refused.index, refused.reason)).collect();
    assert_eq!(reasons, [(Some(1), Reason::Unreadable), (Some(2), Reason::Unreadable)]);
    assert_eq!(verdict.refused[1].bytes, b"\xff\xfe");
}

#[test]
fn a_body_that_is_no_json_is_one_refusal() {
    let deep = format!("{{\"events\":[{}{}]}}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, detail) in [
        ("", "- unreadable: the body is no JSON: EOF while parsing"),
        ("hello", "- unreadable: the body is no JSON: expected value"),
        ("{\"events\":[", "- unreadable: the body is no JSON: EOF while parsing"),
        ("{\"events\":7}", "- unreadable: the body is no list of events: invalid type: integer `7`"),
        (
            "{\"events\":[],\"evnts\":[]}",
            "- unreadable: the body is no list of events: unknown field `evnts`",
        ),
        (&deep, "0 unreadable: the event is no JSON object: invalid type: sequence"),
    ] {
        let seen = drawn(&read(body));
        assert!(seen.len() == 1 && seen[0].starts_with(detail), "{seen:?}\nexpected {detail}");
    }
    let nested = event(&format!(r#""session":{}1{}"#, "{\"a\":".repeat(5_000), "}".repeat(5_000)));
    assert!(drawn(&read(&nested))[0].contains("session is {\"a\":{"), "{:?}", drawn(&read(&nested)));
}

#[test]
fn more_than_a_request_may_hold_is_not_taken() {
    let many = format!("[{}]", vec!["7"; 101].join(","));
    let refused = accept(many.as_bytes(), Format::Json, &secret(), LIMITS).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "reading the body: it holds more than 100 events; send them in several requests"
    );
}

#[test]
fn an_id_is_trusted_to_be_minted_only_if_it_says_so_itself() {
    let copy = r#""producer":"abababababababababababababababab","epoch":-2,"sequence":17"#;
    let id = "abababababababababababababababab.fffffffffffffffe.17";
    let own = Minted::of_event_id(id).unwrap();
    let minted = read(&event(&format!("{copy},\"minted\":true")).replace("\"id\":\"e1\",", ""));
    assert_eq!((&*minted.events[0].event.event_id, minted.events[0].event.minted), (id, Some(own)));
    assert!(minted.events[0].numbered);

    let lie = read(&event(&format!("{copy},\"minted\":true")));
    assert!(drawn(&lie)[0].contains("id is \"e1\", which its sender did not mint; expected"), "{lie:?}");
    let passed_on = read(&event(&copy.replace("17", "3")).replace("e1", id));
    assert_eq!(
        passed_on.events[0].event.minted,
        Some(own),
        "a copy that someone else sends names who minted it"
    );
    assert_eq!(passed_on.events[0].event.sequence.0, 3);
}

#[test]
fn rejects_of_another_reader_are_kept() {
    let verdict = read(
        r#"{"rejects":[
            {"source":"a.jsonl","position":"line 7","reason":"unreadable","detail":"no JSON","bytes_base64":"/wA="},
            {"source":"a.jsonl","position":"line 8","reason":"odd","bytes_base64":"!"}]}"#,
    );
    let kept = Kept {
        source: "a.jsonl".into(),
        position: "line 7".into(),
        reason: Reason::Unreadable,
        detail: "no JSON".into(),
        bytes: vec![255, 0],
    };
    assert_eq!(verdict.kept, [kept]);
    let seen = drawn(&verdict);
    assert!(
        seen[0].starts_with("- malformed: rejects[1]: reason is \"odd\"; expected one of undecodable,"),
        "{seen:?}"
    );
}

proptest! {
    #[test]
    fn any_body_ends_in_a_verdict(body in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in [Format::Json, Format::Lines] {
            let _verdict = accept(&body, format, &secret(), LIMITS);
        }
    }

    #[test]
    fn any_damage_of_a_good_body_ends_in_a_verdict(at in 0_usize..150, byte: u8, cut in 0_usize..300) {
        let mut body = format!("{}\n{}", event(""), event("\"session\":\"s\\u00e4\"")).into_bytes();
        let place = at % body.len();
        body[place] = byte;
        body.truncate(body.len().min(cut));
        let _verdict = accept(&body, Format::Json, &secret(), LIMITS);
    }
}
