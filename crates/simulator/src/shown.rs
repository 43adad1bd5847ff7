//! What is published, taken apart: a key and its numbers, whatever the table.

use tally_domain::published::{Counts, Rows};
use tally_domain::usage::LANES;
use tally_domain::{AccountKey, Day, Dims, Epoch, Hour, LogTime, ProducerId, SessionKey, Usage};

/// A key of a published row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Total(AccountKey, Dims),
    Hour(Hour, AccountKey, Dims),
    Receipt(AccountKey, ProducerId, Epoch, Day, Dims),
    Producer(AccountKey, ProducerId, Epoch),
    Session(AccountKey, SessionKey),
}

/// Its numbers; none, or nothing but zeros, is what a missing row says.
pub(crate) type Value = Vec<i64>;

/// True when both say the same, a missing row being as good as zeros.
pub(crate) fn agree(one: &[i64], other: &[i64]) -> bool {
    one == other || one.iter().chain(other).all(|number| *number == 0)
}

pub(crate) fn lanes(usage: &Usage) -> impl Iterator<Item = i64> + use<> {
    usage.lanes().into_iter()
}

/// The windows of a total, from its numbers; none are zeros.
pub(crate) fn windows(value: &[i64]) -> [Usage; 4] {
    std::array::from_fn(|window| {
        let number = |lane: usize| value.get(window * LANES + lane).copied().unwrap_or(0);
        Usage::from_lanes(std::array::from_fn(number))
    })
}

pub(crate) fn verdicts(counts: &Counts) -> [i64; 6] {
    let Counts { read, fresh, revised, duplicate, rejected, conflicts } = *counts;
    [read, fresh, revised, duplicate, rejected, conflicts]
        .map(|count| i64::try_from(count).expect("a run has few records"))
}

/// All rows of a publication, its progress excepted.
pub(crate) fn flat(rows: &Rows) -> Vec<(Key, Value)> {
    let mut all = vec![];
    for row in &rows.totals {
        let key = Key::Total(row.account, row.dims.as_ref().clone());
        all.push((key, row.windows.iter().flat_map(lanes).collect()));
    }
    for row in &rows.hours {
        let key = Key::Hour(row.hour, row.account, row.dims.as_ref().clone());
        all.push((key, lanes(&row.usage).collect()));
    }
    for row in &rows.receipts {
        let dims = row.dims.as_ref().clone();
        let key = Key::Receipt(row.account, row.producer, row.epoch, row.day, dims);
        all.push((key, verdicts(&row.counts).into_iter().chain(lanes(&row.usage)).collect()));
    }
    for row in &rows.producers {
        let key = Key::Producer(row.account, row.producer, row.epoch);
        // A run whose ids others named, and that has sent nothing itself, says nothing.
        let last = if row.last == LogTime::MIN { 0 } else { row.last.ms() };
        all.push((key, vec![row.mark.0, row.gaps, last]));
    }
    for row in &rows.sessions {
        let value = [row.first.ms(), row.last.ms()].into_iter().chain(lanes(&row.usage));
        all.push((Key::Session(row.account, row.session), value.collect()));
    }
    all
}
