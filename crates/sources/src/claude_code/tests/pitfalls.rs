use tally_domain::event::Unsplit;
use tally_domain::{Class, Reason};

use crate::claude_code::read_line;
use crate::{Found, SourceEvent, SourceReject};

const LINE: &str = r#"{"parentUuid":"u0","isSidechain":false,"sessionId":"s1","version":"2.1.39","requestId":"req_1","type":"assistant","uuid":"u1","timestamp":"2026-02-11T20:36:47.925Z","message":{"model":"claude-opus-4-6","id":"msg_1","role":"assistant","content":[{"type":"text","text":"hello"}],"usage":{"input_tokens":3,"cache_creation_input_tokens":8037,"cache_read_input_tokens":17842,"cache_creation":{"ephemeral_5m_input_tokens":37,"ephemeral_1h_input_tokens":8000},"output_tokens":10,"service_tier":"standard","inference_geo":"not_available"}}}"#;

fn event(line: &str) -> SourceEvent {
    match read_line(line.as_bytes()) {
        Found::Event(event) => event,
        other => panic!("no event: {other:?}"),
    }
}

fn reject(line: &[u8]) -> SourceReject {
    match read_line(line) {
        Found::Reject(reject) => reject,
        other => panic!("no reject: {other:?}"),
    }
}

/// The line with one text replaced by another; the text must be there.
fn with(from: &str, to: &str) -> String {
    assert!(LINE.contains(from), "{from}");
    LINE.replacen(from, to, 1)
}

#[test]
fn a_line_is_read_field_by_field() {
    let event = event(LINE);
    assert_eq!(event.event_id, "msg:msg_1");
    assert_eq!(event.occurred_at.to_string(), "2026-02-11T20:36:47.925Z");
    assert_eq!((event.session.as_deref(), event.request_id.as_deref()), (Some("s1"), Some("req_1")));
    assert_eq!(event.usage.tokens, [3, 17_842, 37, 8_000, 10, 0]);
    assert_eq!(event.usage.requests, 1);
    assert_eq!(event.dims.model, "claude-opus-4-6");
    assert_eq!((event.dims.tool.as_str(), event.dims.service_tier.as_str()), ("claude-code", "standard"));
    assert_eq!((event.dims.region.as_str(), event.client_version.as_str()), ("", "2.1.39"));
    assert_eq!(event.dims.unsplit, Unsplit::REASONING_IN_OUTPUT);
}

#[test]
fn two_lines_of_one_request_are_two_reports_of_one_event_and_output_grows() {
    let second =
        with("\"uuid\":\"u1\"", "\"uuid\":\"u2\"").replace("\"output_tokens\":10", "\"output_tokens\":350");
    let (first, second) = (event(LINE), event(&second));
    assert_eq!(first.event_id, second.event_id);
    assert_eq!((first.usage.of(Class::Output), second.usage.of(Class::Output)), (10, 350));
}

#[test]
fn usage_inside_a_progress_record_has_the_inner_time_and_ids() {
    let line = r#"{"sessionId":"s1","version":"2.1.38","type":"progress","uuid":"outer","timestamp":"2026-02-10T21:58:59.999Z","data":{"type":"agent_progress","agentId":"afb92ff","message":{"type":"assistant","timestamp":"2026-02-10T21:58:17.856Z","requestId":"req_in","uuid":"inner","message":{"model":"claude-haiku-4-5-20251001","id":"msg_in","usage":{"input_tokens":2,"output_tokens":3}}}}}"#;
    let found = event(line);
    assert_eq!((found.event_id.as_str(), found.request_id.as_deref()), ("msg:msg_in", Some("req_in")));
    assert_eq!(found.occurred_at.to_string(), "2026-02-10T21:58:17.856Z");
    assert_eq!((found.session.as_deref(), found.agent.as_str()), (Some("s1"), "afb92ff"));
    let nameless = line.replace(r#""id":"msg_in","#, "").replace(r#""requestId":"req_in","#, "");
    assert_eq!(event(&nameless).event_id, "uuid:inner");
}

#[test]
fn a_call_is_named_by_message_else_request_else_line() {
    let no_message = with(r#""id":"msg_1","#, "");
    let no_request = no_message.replacen(r#""requestId":"req_1","#, "", 1);
    assert_eq!(event(&with(r#""requestId":"req_1","#, "")).event_id, "msg:msg_1");
    assert_eq!(event(&with(r#""requestId":"req_1","#, "")).request_id, None);
    assert_eq!(event(&no_message).event_id, "req:req_1");
    assert_eq!(event(&no_request).event_id, "uuid:u1");
    let nameless = reject(no_request.replacen(r#""uuid":"u1","#, "", 1).as_bytes());
    assert_eq!(nameless.reason, Reason::Malformed);
    assert_eq!(nameless.detail, "message.id, requestId and uuid are missing; one of them must name the call");
}

#[test]
fn a_sidechain_copy_and_a_resumed_session_are_the_same_event() {
    let copy = LINE
        .replace("req_1", "req_2")
        .replace("false", "true")
        .replace("\"s1\"", "\"s2\"")
        .replace("u1", "u9");
    assert_eq!(event(&copy).event_id, event(LINE).event_id);
    assert_eq!(event(&copy).session.as_deref(), Some("s2"));
}

#[test]
fn an_answer_without_a_call_is_no_usage_and_a_failed_call_is() {
    let synthetic = r#"{"type":"assistant","uuid":"u1","timestamp":"2026-02-11T20:36:47.925Z","message":{"id":"m","model":"<synthetic>","usage":{"input_tokens":0,"output_tokens":0}}}"#;
    assert_eq!(read_line(synthetic.as_bytes()), Found::Nothing);
    let failed = event(&synthetic.replace("<synthetic>", "claude-opus-4-6"));
    assert_eq!((failed.usage.total(), failed.usage.requests), (0, 1));
    let odd = event(&synthetic.replace("\"output_tokens\":0", "\"output_tokens\":7"));
    assert_eq!(odd.usage.of(Class::Output), 7);
}

#[test]
fn a_call_without_a_model_says_so() {
    assert_eq!(event(&with(r#""model":"claude-opus-4-6","#, "")).dims.model, "unknown");
}

#[test]
fn tier_and_region_are_dims() {
    let line = with("\"standard\"", "\"priority\"").replace("not_available", "us");
    assert_eq!(
        (event(&line).dims.service_tier.as_str(), event(&line).dims.region.as_str()),
        ("priority", "us")
    );
    assert_eq!(event(&with("\"standard\"", "null")).dims.service_tier, "");
}

#[test]
fn cache_writes_without_a_life_stand_with_the_five_minutes_and_say_so() {
    let split = r#""cache_creation":{"ephemeral_5m_input_tokens":37,"ephemeral_1h_input_tokens":8000},"#;
    let unsplit = event(&with(split, ""));
    assert_eq!(unsplit.usage.tokens, [3, 17_842, 8_037, 0, 10, 0]);
    assert_eq!(unsplit.dims.unsplit, Unsplit::REASONING_IN_OUTPUT.with(Unsplit::CACHE_WRITE_LIFE));
    let partly = event(&with("\"ephemeral_5m_input_tokens\":37,", ""));
    assert_eq!(partly.usage.tokens, [3, 17_842, 37, 8_000, 10, 0]);
    assert!(partly.dims.unsplit.has(Unsplit::CACHE_WRITE_LIFE));
    let none = event(&LINE.replace(split, "").replace("8037", "0"));
    assert_eq!(none.dims.unsplit, Unsplit::REASONING_IN_OUTPUT);
    let only_split = event(&with(r#""cache_creation_input_tokens":8037,"#, ""));
    assert_eq!(only_split.usage.tokens, [3, 17_842, 37, 8_000, 10, 0]);
}

#[test]
fn thinking_is_split_where_the_line_says_how_much_it_was() {
    let details = |n: &str| {
        with(
            "\"output_tokens\":10",
            &format!(r#""output_tokens":10,"output_tokens_details":{{"thinking_tokens":{n}}}"#),
        )
    };
    let split = event(&details("4"));
    assert_eq!((split.usage.tokens[4], split.usage.tokens[5]), (6, 4));
    assert_eq!(split.dims.unsplit, Unsplit::default());
    let impossible = event(&details("11"));
    assert_eq!((impossible.usage.tokens[4], impossible.usage.tokens[5]), (10, 0));
    assert_eq!(impossible.dims.unsplit, Unsplit::REASONING_IN_OUTPUT);
}

#[test]
fn truncated_binary_and_ill_encoded_lines_are_unreadable_and_nothing_of_them_is_kept() {
    let cut = &LINE.as_bytes()[..300];
    let lines = [cut, b"\x00\x01\x02\x03", b"{\"a\":\"\xff\"}", b"not json"];
    let details = [
        "the JSON ends early at byte 300 of 300",
        "no JSON at byte 1 of 4",
        "not UTF-8 at byte 6",
        "no JSON at byte 2 of 8",
    ];
    for (line, detail) in lines.into_iter().zip(details) {
        let reject = reject(line);
        assert_eq!((reject.reason, reject.detail.as_str()), (Reason::Unreadable, detail));
        assert!(reject.original.starts_with(b"[redacted "));
    }
}

#[test]
fn absurd_counts_are_named_and_the_line_is_kept_without_its_text() {
    for (value, shown) in [
        ("-10", "output is -10 tokens; expected 0 to 1000000000000"),
        ("1000000000001", "output is 1000000000001 tokens; expected 0 to 1000000000000"),
        ("1e30", "output_tokens is 1e30; expected a whole number of tokens"),
        ("18446744073709551615", "output_tokens is 18446744073709551615; expected a whole number of tokens"),
        ("1.5", "output_tokens is 1.5; expected a whole number of tokens"),
        ("\"many many\"", "output_tokens is a text of 9 bytes; expected a whole number of tokens"),
        ("[1]", "output_tokens is a list; expected a whole number of tokens"),
    ] {
        let reject = reject(with("\"output_tokens\":10", &format!("\"output_tokens\":{value}")).as_bytes());
        assert_eq!((reject.reason, reject.detail.as_str()), (Reason::TokensOutOfRange, shown));
        let kept = String::from_utf8(reject.original).unwrap();
        assert!(kept.contains("msg_1") && !kept.contains("hello") && !kept.contains("many"), "{kept}");
        assert!(reject.redacted >= 1);
    }
    let writes = reject(with("8037", "-5").replace("37,", "0,").replace("8000", "0").as_bytes());
    assert_eq!(writes.detail, "cache_write_5m is -5 tokens; expected 0 to 1000000000000");
    assert_eq!(event(&with("\"output_tokens\":10", "\"output_tokens\":10.0")).usage.tokens[4], 10);
    assert_eq!(event(&with("\"output_tokens\":10", "\"output_tokens\":null")).usage.tokens[4], 0);
}

#[test]
fn a_time_is_needed_and_may_have_any_fraction_and_offset() {
    let at = |text: &str| with("\"2026-02-11T20:36:47.925Z\"", text);
    assert_eq!(reject(at("null").as_bytes()).reason, Reason::Malformed);
    assert_eq!(
        reject(at("\"my secret\"").as_bytes()).detail,
        "timestamp is a text of 9 bytes; expected an instant such as 2026-02-11T20:36:47.925Z"
    );
    assert_eq!(event(&at("\"2026-02-11T22:36:47.9251234+02:00\"")).occurred_at, event(LINE).occurred_at);
}

#[test]
fn lines_without_usage_and_fields_of_any_shape_are_passed_over() {
    for line in [
        "",
        "  ",
        "null",
        "[1,2]",
        "7",
        r#"{"type":"summary","summary":"x"}"#,
        r#"{"type":"user","message":{"role":"user","content":"hi"},"toolUseResult":{"usage":{"input_tokens":5}}}"#,
        r#"{"type":"system","message":"text","data":[1],"uuid":7}"#,
        r#"{"type":"progress","data":{"message":"text"}}"#,
        r#"{"message":{"usage":null}}"#,
        r#"{"message":{"usage":"none"}}"#,
    ] {
        assert_eq!(read_line(line.as_bytes()), Found::Nothing, "{line}");
    }
    assert_eq!(event(&with("\"isSidechain\":false", r#""newField":[[{"x":1}]]"#)), event(LINE));
}

#[test]
fn nesting_without_end_does_not_break_the_reader() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(read_line(deep.as_bytes()), Found::Nothing);
    let wrong =
        reject(with(r#""text":"hello""#, &format!(r#""text":{deep}"#)).replace("8037", "-1").as_bytes());
    assert_eq!(wrong.reason, Reason::TokensOutOfRange);
    assert!(wrong.original.starts_with(b"[redacted "));
}

#[test]
fn an_id_too_long_for_the_log_is_refused_here() {
    let long = reject(with("msg_1", &"m".repeat(300)).as_bytes());
    assert_eq!(long.detail, "the event id has 304 bytes; expected 1 to 256");
}
