use std::path::PathBuf;

use expect_test::expect;
use tally_clickhouse::rows::ViewCode;
use tally_domain::{Epoch, ProducerId};
use tally_importer::Unreadable;

use super::*;

fn row(day: i32, model: &str, verdicts: [u64; 4], tokens: [i64; 6], cost: i64) -> ReceiptRecord {
    let [fresh, revised, duplicate, rejected] = verdicts;
    let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning] = tokens;
    ReceiptRecord {
        partition: 0,
        account: [0; 16],
        producer: [0; 16],
        epoch: 1,
        day,
        model: model.to_owned(),
        tool: "claude-code".to_owned(),
        view: ViewCode::Transcript,
        service_tier: String::new(),
        region: String::new(),
        unsplit: 0,
        read: verdicts.iter().sum(),
        fresh,
        revised,
        duplicate,
        rejected,
        conflicts: 0,
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
        requests: i64::try_from(fresh).unwrap(),
        unpriced: 0,
        cost,
        version: 1,
    }
}

fn outcome() -> Outcome {
    let sample = tally_importer::Sample {
        path: PathBuf::from("p/a.jsonl"),
        position: 812,
        reason: "unreadable",
        detail: "a line of 17 bytes is no JSON".to_owned(),
    };
    Outcome {
        producer: ProducerId::default(),
        epoch: Epoch(1),
        events: 9,
        appended: BTreeMap::from([(0, 9)]),
        files: 3,
        files_unchanged: 1,
        lines: 40,
        unreadable: Unreadable {
            by_reason: BTreeMap::from([("unreadable", 1)]),
            samples: vec![sample],
            redacted: 0,
        },
        refused: BTreeMap::new(),
        unreadable_paths: vec![(PathBuf::from("p/locked"), "Permission denied (os error 13)".to_owned())],
        warnings: Vec::new(),
        stopped: false,
    }
}

/// A receipt of two days, with a repeat of a third.
pub(crate) fn example() -> Import {
    let receipt = [
        row(20_494, "claude-haiku-4-5", [1, 0, 0, 0], [10, 20, 0, 0, 5, 0], 7_000),
        row(20_494, "claude-opus-4-6", [2, 1, 0, 0], [1, 1_250_000, 300, 40, 500, 0], 1_230_000_000),
        row(20_495, "claude-opus-4-6", [1, 0, 3, 0], [2, 0, 0, 0, 9, 0], 235_000),
        row(20_496, "claude-opus-4-6", [0, 0, 1, 0], [0; 6], 0),
    ];
    Import::of("ann".to_owned(), "claude-code".to_owned(), &receipt, &outcome())
}

#[test]
fn a_receipt_adds_up_by_day_and_model() {
    let report = example();
    assert_eq!(report.events, Verdicts { fresh: 4, revised: 1, duplicate: 4, rejected: 0 });
    assert_eq!((report.usage.total, report.list_cost_usd), (1_250_887, Usd(1_230_242_000)));
    let days: Vec<_> =
        report.days.iter().map(|day| (day.day.as_str(), day.tokens.total, day.models.len())).collect();
    assert_eq!(days, [("2026-02-10", 1_250_876, 2), ("2026-02-11", 11, 1)]);
    assert_eq!(
        report.models.iter().map(|it| it.model.as_str()).collect::<Vec<_>>(),
        ["claude-opus-4-6", "claude-haiku-4-5"]
    );
}

#[test]
fn a_receipt_keeps_its_names() {
    let one = row(20_494, "m", [1, 0, 0, 0], [1, 2, 3, 4, 5, 6], 51_742_581_100);
    let report = Import::of("ann".to_owned(), "claude-code".to_owned(), &[one], &outcome());
    expect![[r#"
        {
          "person": "ann",
          "source": "claude-code",
          "events": {
            "fresh": 1,
            "revised": 0,
            "duplicate": 0,
            "rejected": 0
          },
          "usage": {
            "requests": 1,
            "input": 1,
            "cache_read": 2,
            "cache_write_5m": 3,
            "cache_write_1h": 4,
            "output": 5,
            "reasoning": 6,
            "total": 21
          },
          "list_cost_usd": "51.742581100",
          "unpriced_tokens": 0,
          "days": [
            {
              "day": "2026-02-10",
              "requests": 1,
              "input": 1,
              "cache_read": 2,
              "cache_write_5m": 3,
              "cache_write_1h": 4,
              "output": 5,
              "reasoning": 6,
              "total": 21,
              "list_cost_usd": "51.742581100",
              "unpriced_tokens": 0,
              "models": [
                {
                  "model": "m",
                  "requests": 1,
                  "input": 1,
                  "cache_read": 2,
                  "cache_write_5m": 3,
                  "cache_write_1h": 4,
                  "output": 5,
                  "reasoning": 6,
                  "total": 21,
                  "list_cost_usd": "51.742581100",
                  "unpriced_tokens": 0
                }
              ]
            }
          ],
          "models": [
            {
              "model": "m",
              "requests": 1,
              "input": 1,
              "cache_read": 2,
              "cache_write_5m": 3,
              "cache_write_1h": 4,
              "output": 5,
              "reasoning": 6,
              "total": 21,
              "list_cost_usd": "51.742581100",
              "unpriced_tokens": 0
            }
          ],
          "files": {
            "found": 3,
            "unchanged": 1,
            "lines": 40,
            "unreadable": [
              {
                "path": "p/locked",
                "cause": "Permission denied (os error 13)"
              }
            ]
          },
          "unreadable": {
            "lines": 1,
            "by_reason": {
              "unreadable": 1
            },
            "samples": [
              {
                "path": "p/a.jsonl",
                "position": 812,
                "reason": "unreadable",
                "detail": "a line of 17 bytes is no JSON"
              }
            ]
          },
          "refused": {},
          "warnings": [],
          "stopped": false
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&report).unwrap());
}
