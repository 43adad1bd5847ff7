//! `tally import --json`: the receipt of one run.

use std::collections::BTreeMap;

use serde::Serialize;
use tally_clickhouse::rows::ReceiptRecord;
use tally_domain::Day;
use tally_importer::Outcome;

use super::usage::{Sum, Tokens, Usd};

/// What one run added to the totals, and what it could not read.
#[derive(Debug, Serialize)]
pub(crate) struct Import {
    pub(crate) person: String,
    pub(crate) source: String,
    pub(crate) events: Verdicts,
    pub(crate) usage: Tokens,
    pub(crate) list_cost_usd: Usd,
    pub(crate) unpriced_tokens: i128,
    pub(crate) days: Vec<DayAdded>,
    pub(crate) models: Vec<ModelAdded>,
    pub(crate) files: Files,
    pub(crate) unreadable: Unreadable,
    /// Events that the collector did not take, by reason.
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) warnings: Vec<String>,
    /// True when it was stopped before everything was read.
    pub(crate) stopped: bool,
}

/// What became of the events that were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Verdicts {
    pub(crate) fresh: u64,
    pub(crate) revised: u64,
    pub(crate) duplicate: u64,
    pub(crate) rejected: u64,
}

/// What was added to one UTC day of event time.
#[derive(Debug, Serialize)]
pub(crate) struct DayAdded {
    pub(crate) day: String,
    #[serde(flatten)]
    pub(crate) tokens: Tokens,
    pub(crate) list_cost_usd: Usd,
    pub(crate) unpriced_tokens: i128,
    pub(crate) models: Vec<ModelAdded>,
}

/// What was added to one model.
#[derive(Debug, Serialize)]
pub(crate) struct ModelAdded {
    pub(crate) model: String,
    #[serde(flatten)]
    pub(crate) tokens: Tokens,
    pub(crate) list_cost_usd: Usd,
    pub(crate) unpriced_tokens: i128,
}

/// What was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Files {
    pub(crate) found: u64,
    /// Those that had nothing new since the last import, and were not opened.
    pub(crate) unchanged: u64,
    pub(crate) lines: u64,
    pub(crate) unreadable: Vec<UnreadablePath>,
}

/// A file or directory that could not be read.
#[derive(Debug, Serialize)]
pub(crate) struct UnreadablePath {
    pub(crate) path: String,
    pub(crate) cause: String,
}

/// Lines that could not become events.
#[derive(Debug, Serialize)]
pub(crate) struct Unreadable {
    pub(crate) lines: u64,
    pub(crate) by_reason: BTreeMap<&'static str, u64>,
    pub(crate) samples: Vec<Sample>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) path: String,
    /// Byte at which it starts.
    pub(crate) position: u64,
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
}

impl Import {
    /// From the fold's receipt and what the importer saw.
    pub(crate) fn of(person: String, source: String, receipt: &[ReceiptRecord], outcome: &Outcome) -> Self {
        let all = receipt.iter().fold(Sum::default(), added);
        Self {
            person,
            source,
            events: verdicts(receipt),
            usage: all.tokens,
            list_cost_usd: all.cost,
            unpriced_tokens: all.unpriced,
            days: days(receipt),
            models: models(receipt.iter()),
            files: files(outcome),
            unreadable: unreadable(outcome),
            refused: outcome.refused.clone(),
            warnings: outcome.warnings.iter().map(ToString::to_string).collect(),
            stopped: outcome.stopped,
        }
    }
}

fn added(mut sum: Sum, row: &ReceiptRecord) -> Sum {
    sum.add(row);
    sum
}

fn verdicts(receipt: &[ReceiptRecord]) -> Verdicts {
    receipt.iter().fold(Verdicts::default(), |sum, row| Verdicts {
        fresh: sum.fresh + row.fresh,
        revised: sum.revised + row.revised,
        duplicate: sum.duplicate + row.duplicate,
        rejected: sum.rejected + row.rejected,
    })
}

/// Days to which something was added, in order.
fn days(receipt: &[ReceiptRecord]) -> Vec<DayAdded> {
    let mut by_day: BTreeMap<i32, Vec<&ReceiptRecord>> = BTreeMap::new();
    for row in receipt {
        by_day.entry(row.day).or_default().push(row);
    }
    let one = |(day, rows): (i32, Vec<&ReceiptRecord>)| {
        let sum = rows.iter().fold(Sum::default(), |sum, row| added(sum, row));
        let day = Day(day).to_string();
        let (tokens, list_cost_usd, unpriced_tokens) = (sum.tokens, sum.cost, sum.unpriced);
        let models = models(rows.into_iter());
        DayAdded { day, tokens, list_cost_usd, unpriced_tokens, models }
    };
    by_day.into_iter().map(one).filter(|day| !day.models.is_empty()).collect()
}

/// Models to which something was added, the largest first.
fn models<'a>(rows: impl Iterator<Item = &'a ReceiptRecord>) -> Vec<ModelAdded> {
    let mut by_model: BTreeMap<&str, Sum> = BTreeMap::new();
    for row in rows {
        by_model.entry(&row.model).or_default().add(row);
    }
    let mut models: Vec<_> = by_model
        .into_iter()
        .filter(|(_, sum)| !sum.is_zero())
        .map(|(model, sum)| ModelAdded {
            model: model.to_owned(),
            tokens: sum.tokens,
            list_cost_usd: sum.cost,
            unpriced_tokens: sum.unpriced,
        })
        .collect();
    models.sort_by_key(|model| std::cmp::Reverse(model.tokens.total));
    models
}

fn files(outcome: &Outcome) -> Files {
    let unreadable = outcome
        .unreadable_paths
        .iter()
        .map(|(path, cause)| UnreadablePath { path: path.display().to_string(), cause: cause.clone() });
    Files {
        found: outcome.files,
        unchanged: outcome.files_unchanged,
        lines: outcome.lines,
        unreadable: unreadable.collect(),
    }
}

fn unreadable(outcome: &Outcome) -> Unreadable {
    let samples = outcome.unreadable.samples.iter().map(|sample| Sample {
        path: sample.path.display().to_string(),
        position: sample.position,
        reason: sample.reason,
        detail: sample.detail.clone(),
    });
    Unreadable {
        lines: outcome.unreadable.total(),
        by_reason: outcome.unreadable.by_reason.clone(),
        samples: samples.collect(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
