//! Twenty real transcripts of three days.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use tally_domain::price::PriceBook;
use tally_domain::usage::NanoUsd;
use tally_domain::{Class, Day};

use crate::claude_code::read_line;
use crate::lines::{Line, Lines};
use crate::tests::shared;
use crate::{Found, SourceEvent};

fn files(below: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, into) } else { into.push(path) }
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    let raw = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut bytes = Vec::new();
        flate2::read::MultiGzDecoder::new(&*raw).read_to_end(&mut bytes).unwrap();
        return bytes;
    }
    raw
}

fn reports(directory: &Path) -> Vec<SourceEvent> {
    let mut paths = Vec::new();
    files(directory, &mut paths);
    let mut reports = Vec::new();
    for path in &paths {
        let mut lines = Lines::starting_at(0);
        let mut keep = |start, line: Line<'_>| match line {
            Line::Whole(line) => match read_line(line) {
                Found::Event(event) => reports.push(event),
                Found::Nothing => {}
                Found::Reject(reject) => panic!("{} at {start}: {}", path.display(), reject.detail),
            },
            Line::TooLong { bytes } => panic!("{} at {start}: {bytes} bytes", path.display()),
        };
        lines.push(&bytes(path), &mut keep);
        lines.finish(&mut keep);
    }
    assert_eq!(paths.len(), 20);
    reports
}

/// The report of each event that stands: most output, then most tokens, then the earlier.
fn standing(reports: &[SourceEvent]) -> BTreeMap<&str, &SourceEvent> {
    let mut standing = BTreeMap::<&str, &SourceEvent>::new();
    for report in reports {
        let rank = |event: &SourceEvent| {
            (event.usage.of(Class::Output), event.usage.total(), std::cmp::Reverse(event.occurred_at))
        };
        let stands = standing.entry(&report.event_id).or_insert(report);
        if rank(report) > rank(stands) {
            *stands = report;
        }
    }
    standing
}

/// List cost in nano-USD; every price of the sample is whole per token.
fn cost(book: &PriceBook, event: &SourceEvent) -> i128 {
    let rate = book.rate(event.dims.as_ref(), event.occurred_at, &event.usage).expect("a priced model");
    let classes = event.usage.tokens.iter().zip(rate.nano_usd_per_million);
    classes.map(|(&tokens, nano)| i128::from(tokens) * i128::from(nano.unwrap()) / 1_000_000).sum()
}

#[test]
fn twenty_real_transcripts_come_to_their_known_tokens_and_cost() {
    let Some(directory) = shared("samples/claude_code/spotter") else { return };
    let reports = reports(&directory);
    let standing = standing(&reports);
    assert_eq!((reports.len(), standing.len()), (1_945, 904));

    let mut days = BTreeMap::<Day, i128>::new();
    for event in standing.values() {
        *days.entry(event.occurred_at.minute().day()).or_default() += event.usage.total();
    }
    let days: Vec<(String, i128)> = days.into_iter().map(|(day, tokens)| (day.to_string(), tokens)).collect();
    assert_eq!(days, expected_days());
    assert_eq!(days.iter().map(|(_, tokens)| tokens).sum::<i128>(), 79_708_804);

    let text = include_bytes!("../../../../../schemas/prices/book.json");
    let book = PriceBook::parse(text).unwrap();
    let total: i128 = standing.values().map(|event| cost(&book, event)).sum();
    assert_eq!(NanoUsd(total).to_string(), "51.742581100");

    let class = |class| standing.values().map(|event| event.usage.of(class)).sum::<i64>();
    assert_eq!((class(Class::CacheWrite5m), class(Class::CacheWrite1h)), (1_297_908, 782_052));
}

/// Tokens per day as another counter found them.
fn expected_days() -> Vec<(String, i128)> {
    let path = shared("expected/peer_ccusage_20.0.26_spotter_daily.json").expect("beside the samples");
    let peer: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let days = peer["daily"].as_array().unwrap().iter();
    let day = |day: &serde_json::Value| {
        (day["date"].as_str().unwrap().to_owned(), i128::from(day["totalTokens"].as_i64().unwrap()))
    };
    days.map(day).collect()
}
