//! Records of other writers: what an older or newer writer may write, and what is refused.

use tally_domain::{Entry, View};

use crate::registry::Record;
use crate::{ResolveError, Writer};

/// The usage schema with one text replaced by another.
fn evolved(from: &str, to: &str) -> Writer {
    let text = Record::UsageEvent.text();
    assert!(text.contains(from), "the schema has no {from}");
    Writer::parse(&text.replacen(from, to, 1)).expect("an Avro schema")
}

fn usage_bytes() -> Vec<u8> {
    let mut event = tally_domain::UsageEvent { event_id: "msg:1".into(), ..Default::default() };
    (event.dims.model, event.dims.view) = ("opus".into(), View::Table);
    event.usage.tokens = [1, 2, 3, 4, 5, 6];
    event.usage.requests = 1;
    let mut bytes = Vec::new();
    crate::encode_usage(&event.as_ref(), &mut bytes);
    bytes
}

const REASON: &str = r#",
    {"name": "reason", "type": ["null", "string"], "default": null, "doc": "required unless REPORT"}"#;
const TABLE: &str = r#""TABLE"], "default": "UNKNOWN"}"#;

#[test]
fn a_field_that_the_writer_does_not_know_gets_its_default() {
    let bytes = usage_bytes();
    let mut rewritten = Vec::new();
    evolved(REASON, "").rewrite(&bytes[..bytes.len() - 1], &mut rewritten).unwrap();
    assert_eq!(rewritten, bytes);
}

#[test]
fn a_field_that_we_do_not_know_is_passed_over() {
    let writer = evolved(REASON, &format!(r#"{REASON},{{"name":"mood","type":"string"}}"#));
    let (bytes, mut rewritten) = (usage_bytes(), Vec::new());
    let mut with_mood = bytes.clone();
    with_mood.extend_from_slice(b"\x08glad");
    writer.rewrite(&with_mood, &mut rewritten).unwrap();
    assert_eq!(rewritten, bytes);
}

#[test]
fn a_view_that_we_do_not_know_is_unknown() {
    let writer = evolved(TABLE, r#""ORACLE"], "default": "UNKNOWN"}"#);
    let (bytes, mut rewritten) = (usage_bytes(), Vec::new());
    writer.rewrite(&bytes, &mut rewritten).unwrap();
    let Ok(Entry::Usage(event)) = crate::decode(&rewritten) else { panic!("no usage") };
    assert_eq!((event.dims.view, event.usage.tokens), (View::Unknown, [1, 2, 3, 4, 5, 6]));
}

#[test]
fn an_int_widens_to_a_long() {
    let writer = evolved(r#"{"name": "revision", "type": "long""#, r#"{"name": "revision", "type": "int""#);
    let (bytes, mut rewritten) = (usage_bytes(), Vec::new());
    writer.rewrite(&bytes, &mut rewritten).unwrap();
    assert_eq!(rewritten, bytes);
}

#[test]
fn what_cannot_be_ours_is_refused() {
    let texts =
        [r#""sequence", "type": "long", "default": 0"#, r#""sequence", "type": "string", "default": "0""#];
    let mut none = Vec::new();
    assert!(matches!(
        evolved(texts[0], texts[1]).rewrite(&usage_bytes(), &mut none),
        Err(ResolveError::Value(_) | ResolveError::Length { .. })
    ));
    assert!(none.is_empty());
    let foreign = r#"{"type":"record","name":"User","namespace":"x","fields":[]}"#;
    assert!(matches!(Writer::parse(foreign), Err(ResolveError::Foreign(name)) if name == "x.User"));
    assert!(matches!(Writer::parse("{"), Err(ResolveError::Schema(_))));
}
