use super::*;

fn shown(line: &str) -> (String, u64) {
    let redacted = redact(line.as_bytes());
    (String::from_utf8(redacted.bytes).unwrap(), redacted.texts)
}

#[test]
fn texts_go_and_names_and_numbers_stay() {
    let line = r#"{"type":"assistant","message":{"id":"msg_1","content":[{"type":"text","text":"my secret"}],"usage":{"input_tokens":-3}},"cwd":"/home/ann"}"#;
    assert_eq!(
        shown(line),
        (
            r#"{"cwd":"[redacted len=9]","message":{"content":[{"text":"[redacted len=9]","type":"text"}],"id":"msg_1","usage":{"input_tokens":-3}},"type":"assistant"}"#.to_owned(),
            2
        )
    );
}

#[test]
fn a_field_that_nobody_knows_is_redacted() {
    assert_eq!(shown(r#"{"promptV2":"my secret"}"#), (r#"{"promptV2":"[redacted len=9]"}"#.to_owned(), 1));
}

#[test]
fn text_hides_neither_in_a_long_id_nor_in_the_name_of_a_field() {
    let (text, texts) = shown(&format!(r#"{{"id":"{}","my secret plan":1}}"#, "x".repeat(129)));
    assert_eq!(texts, 2);
    assert!(!text.contains("secret") && !text.contains("xx"), "{text}");
}

#[test]
fn of_a_line_that_is_no_json_nothing_stays() {
    let (text, texts) = shown(r#"{"text":"my secret"#);
    assert_eq!(texts, 1);
    assert!(text.starts_with("[redacted 18 bytes, xxh3 "), "{text}");
}
