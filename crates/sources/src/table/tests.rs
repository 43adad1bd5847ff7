use std::path::Path;

use tally_domain::event::Unsplit;
use tally_domain::{EventTime, Reason};

use super::*;
use crate::lines::{Line, Lines};
use crate::tests::shared;

const ORIGIN: &str = "2026-02-10T00:00:00Z";

fn table(format: Format, map: &str) -> Rows {
    let mapping = Mapping::parse(map).unwrap();
    let origin = EventTime::parse(ORIGIN);
    Rows::new(Table { format, mapping, origin, dataset: "trace".into() }).unwrap()
}

fn read(mut rows: Rows, text: &str) -> (Vec<SourceEvent>, Vec<(Reason, String)>) {
    let (mut events, mut rejects) = (Vec::new(), Vec::new());
    let mut keep = |found| match found {
        Found::Event(event) => events.push(event),
        Found::Reject(reject) => rejects.push((reject.reason, reject.detail)),
        Found::Nothing => {}
    };
    text.lines().for_each(|line| keep(rows.line(line.as_bytes()).unwrap()));
    keep(rows.finish());
    (events, rejects)
}

const AZURE: &str = "TIMESTAMP=occurred_at,ContextTokens=input,GeneratedTokens=output";

#[test]
fn columns_become_fields() {
    let text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2024-05-10 00:00:00.009930+00:00,3,4\n";
    let (events, rejects) = read(table(Format::Csv, AZURE), text);
    assert_eq!(rejects, []);
    assert_eq!(
        events.iter().map(|e| e.usage.tokens).collect::<Vec<_>>(),
        [[4808, 0, 0, 0, 10, 0], [3, 0, 0, 0, 4, 0]]
    );
    assert_eq!(events[0].occurred_at.to_string(), "2023-11-16T18:17:03.979Z");
    assert_eq!(events[1].occurred_at.to_string(), "2024-05-10T00:00:00.009Z");
    assert_eq!((events[0].dims.tool.as_str(), events[0].dims.model.as_str()), ("trace", "unknown"));
    assert_eq!(events[0].dims.unsplit, Unsplit::REASONING_IN_OUTPUT.with(Unsplit::CACHE_IN_INPUT));
}

#[test]
fn identical_rows_are_different_calls_and_the_same_each_time() {
    let text = r#"{"timestamp": 3000, "input_length": 10, "output_length": 5, "hash_ids": [1, 2]}
{"timestamp": 3000, "input_length": 10, "output_length": 5, "hash_ids": [1, 2]}
{"timestamp": 3000, "input_length": 10, "output_length": 5, "hash_ids": [1, 3]}"#;
    let ids = || {
        let rows = table(Format::Jsonl, "timestamp=offset_ms,input_length=input,output_length=output");
        let (events, _) = read(rows, text);
        events.into_iter().map(|event| event.event_id).collect::<Vec<_>>()
    };
    let first = ids();
    assert!(first[0].starts_with("row:trace:") && first[0].ends_with(":1") && first[1].ends_with(":2"));
    assert_eq!(first[0][..first[0].len() - 2], first[1][..first[1].len() - 2]);
    assert!(first[2].ends_with(":1") && first[2] != first[0]);
    assert_eq!(first, ids());
}

#[test]
fn an_id_of_its_own_names_a_row() {
    let rows = table(Format::Csv, "id=id,t=epoch_s,n=output,'gpt-4'=model,'bot'=tool,calls=requests");
    let (events, _) = read(rows, "id,t,n,calls\nr-1,1700000000.25,5,3\n\"r,\"\"2\"\"\",1700000001,6,\n");
    assert_eq!(events.iter().map(|e| e.event_id.as_str()).collect::<Vec<_>>(), ["r-1", "r,\"2\""]);
    assert_eq!((events[0].dims.model.as_str(), events[0].dims.tool.as_str()), ("gpt-4", "bot"));
    assert_eq!(events[0].occurred_at.ms(), 1_700_000_000_250);
    assert_eq!((events[0].usage.requests, events[1].usage.requests), (3, 1));
}

#[test]
fn quoted_fields_may_hold_line_ends() {
    let rows = table(Format::Csv, "t=offset_s,n=input,who=session");
    let (events, rejects) = read(rows, "t,n,who\n0,1,\"two\nlines\"\n1.5,2,one\n2,3,\"never closed\n");
    assert_eq!(
        events.iter().map(|e| e.session.as_deref()).collect::<Vec<_>>(),
        [Some("two\nlines"), Some("one")]
    );
    assert_eq!(events[1].occurred_at.to_string(), "2026-02-10T00:00:01.5Z");
    assert_eq!(rejects, [(Reason::Unreadable, "the file ends within a quoted field".to_owned())]);
}

#[test]
fn a_bad_row_is_named_and_the_rest_goes_on() {
    let text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,-1,2\nyesterday,1,2\n2023-11-16 18:17:03,1\n2023-11-16 18:17:03,many,2\n2023-11-16 18:17:03,1000000000001,2\n2023-11-16 18:17:03,7,0\n";
    let (events, rejects) = read(table(Format::Csv, AZURE), text);
    assert_eq!(events.len(), 1);
    let details: Vec<&str> = rejects.iter().map(|(_, detail)| detail.as_str()).collect();
    assert_eq!(
        details,
        [
            "input is -1 tokens; expected 0 to 1000000000000",
            "occurred_at is a text of 9 bytes; expected an instant such as 2023-11-16 18:17:03.9799600",
            "a row has 2 cells; the header has 3",
            "input is a text of 4 bytes; expected a whole number of tokens",
            "input is 1000000000001 tokens; expected 0 to 1000000000000",
        ]
    );
    let rows = table(Format::Jsonl, "t=epoch_ms,n=input");
    let (_, rejects) = read(rows, "{\"n\":1}\n{\"t\":1}\n[1]\n{\"t\":{},\"n\":1}\n");
    let details: Vec<&str> = rejects.iter().map(|(_, detail)| detail.as_str()).collect();
    assert_eq!(
        details,
        [
            "the row has no \"t\"",
            "the row has no \"n\"",
            "no JSON at byte 0 of 3",
            "epoch_ms is no text and no number"
        ]
    );
}

#[test]
fn a_mapping_that_cannot_work_is_refused_with_the_remedy() {
    let error = |map: &str| Mapping::parse(map).unwrap_err().to_string();
    assert_eq!(
        error("TIMESTAMP"),
        "reading a mapping: \"TIMESTAMP\" has no '='; write column=field, such as ContextTokens=input"
    );
    assert!(
        error("a=inputs")
            .starts_with("reading a mapping: \"inputs\" is no field; expected one of id, occurred_at")
    );
    assert_eq!(error("a=input,b=input"), "reading a mapping: input is mapped twice; map one column to it");
    assert_eq!(
        error("a=input"),
        "reading a mapping: 0 columns say when a call occurred; map exactly one to occurred_at, epoch_ms, epoch_s, offset_ms, offset_s"
    );
    assert!(
        error("t=epoch_s")
            .starts_with("reading a mapping: no column holds tokens; map one to input, cache_read")
    );
    let mapping = Mapping::parse("t=offset_s,n=input").unwrap();
    let table = Table { format: Format::Csv, mapping, origin: None, dataset: "x".into() };
    assert_eq!(Rows::new(table).unwrap_err(), MappingError::NoOrigin);
    let mut rows = self::table(Format::Csv, AZURE);
    assert_eq!(
        rows.line(b"TIMESTAMP,Tokens").unwrap_err().to_string(),
        "reading a table: it has no column \"ContextTokens\"; its columns are TIMESTAMP, Tokens"
    );
}

/// Rows, tokens and how many ids differ, of a whole file.
fn totals(path: &Path, mut rows: Rows) -> (usize, i128, usize) {
    let (mut events, mut tokens, mut ids) = (0, 0, std::collections::BTreeSet::new());
    let mut lines = Lines::starting_at(0);
    let mut keep = |_, line: Line<'_>| {
        let Line::Whole(line) = line else { panic!("a line too long") };
        match rows.line(line).unwrap() {
            Found::Event(event) => {
                events += 1;
                tokens += event.usage.total();
                ids.insert(event.event_id);
            }
            Found::Reject(reject) => panic!("{}", reject.detail),
            Found::Nothing => {}
        }
    };
    lines.push(&std::fs::read(path).unwrap(), &mut keep);
    lines.finish(&mut keep);
    (events, tokens, ids.len())
}

#[test]
fn real_traces_come_to_their_known_tokens() {
    for (name, expected) in [("code", (8_819, 18_305_870, 8_819)), ("conv", (19_366, 26_450_535, 19_366))] {
        let Some(path) = shared(&format!("traces/azure2023_{name}.csv")) else { return };
        assert_eq!(totals(&path, table(Format::Csv, AZURE)), expected, "{name}");
    }
    let Some(path) = shared("traces/mooncake_conversation_trace.jsonl") else { return };
    let rows = table(Format::Jsonl, "timestamp=offset_ms,input_length=input,output_length=output");
    assert_eq!(totals(&path, rows), (12_031, 148_915_871, 12_031));
    let Some(path) = shared("traces/burstgpt3_head.csv") else { return };
    let map = "Timestamp=offset_s,Session ID=session,Model=model,Request tokens=input,Response tokens=output";
    assert_eq!(totals(&path, table(Format::Csv, map)).0, 66);
}
