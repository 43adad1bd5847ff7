//! Keeps every record and recounts from nothing: slow, and written without a look at the fold.

use crate::rig::{Logged, LoggedEntry, RETENTION_DAYS, form};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use tally_domain::price::PriceBook;
use tally_domain::published::{Counts, Rows};
use tally_domain::{
    AccountKey, Class, Day, Dims, Epoch, Hour, Kind, Minute, Partition, PartitionCount, ProducerId,
    SessionKey, Usage, UsageEvent, Window, partition_of,
};

pub(crate) type Run = (AccountKey, ProducerId, Epoch);

/// All rows of a partition after some of its log.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Truth {
    pub(crate) totals: BTreeMap<(AccountKey, Dims), [Usage; 4]>,
    pub(crate) hours: BTreeMap<(Hour, AccountKey, Dims), Usage>,
    pub(crate) receipts: BTreeMap<(Run, Day, Dims), (Counts, Usage)>,
    pub(crate) producers: BTreeMap<Run, (i64, i64, i64)>,
    pub(crate) sessions: BTreeMap<(AccountKey, SessionKey), (i64, i64, Usage)>,
}

#[derive(Clone)]
struct Stands {
    event: UsageEvent,
    usage: Usage,
}

fn order(event: &UsageEvent) -> impl Ord + use<> {
    let event_ref = event.as_ref();
    let zero = event.kind == Kind::Retraction;
    let output = if zero { 0 } else { event.usage.of(Class::Output) };
    let total = if zero { 0 } else { event.usage.total() };
    (event.revision, event.kind, output, total, Reverse(event.occurred_at), event_ref.content_hash())
}

fn cost(book: &PriceBook, event: &UsageEvent) -> Usage {
    if event.kind == Kind::Retraction {
        return Usage::ZERO;
    }
    let rate = book.rate(event.dims.as_ref(), event.occurred_at, &event.usage).copied().unwrap_or_default();
    let (mut unpriced, mut exact) = (0, 0_i128);
    for (tokens, price) in event.usage.tokens.iter().zip(rate.nano_usd_per_million) {
        match price {
            Some(price) => exact += i128::from(*tokens) * i128::from(price),
            None => unpriced += tokens,
        }
    }
    let (whole, rest) = (exact / 1_000_000, exact % 1_000_000);
    let up = rest > 500_000 || (rest == 500_000 && whole % 2 == 1);
    Usage { unpriced, cost_nano_usd: i64::try_from(whole).unwrap() + i64::from(up), ..event.usage }
}

fn accepted(event: &UsageEvent, log_ms: i64) -> bool {
    let tolerance = 5 * 60_000;
    let retention = i64::from(RETENTION_DAYS) * 86_400_000;
    form(event).is_ok()
        && event.occurred_at.ms() <= log_ms + tolerance
        && event.minted_at_ms.is_none_or(|minted| minted <= log_ms + tolerance)
        && event.occurred_at.ms() >= log_ms - retention
}

/// Recounts the first `next` records of a log.
pub(crate) fn recount(log: &[Logged], next: usize) -> Truth {
    let mut truth = Truth::default();
    let mut book = PriceBook::default();
    let mut log_ms = i64::MIN;
    let mut stands: BTreeMap<(AccountKey, String), Stands> = BTreeMap::new();
    let mut sent: BTreeMap<Run, (BTreeSet<i64>, i64)> = BTreeMap::new();
    for logged in &log[..next] {
        log_ms = log_ms.max(logged.appended_ms);
        let event = match &logged.entry {
            LoggedEntry::Usage(event) => event,
            LoggedEntry::Prices(number, body) => {
                book = match PriceBook::parse(body.as_bytes()) {
                    Ok(new) if *number > book.number() => new,
                    _ => book,
                };
                continue;
            }
            _ => continue,
        };
        if partition_of(event.account.bytes(), PartitionCount::new(2).unwrap()) != Partition(0) {
            continue;
        }
        let run = (event.account, event.producer, event.epoch);
        let day = event.occurred_at.minute().day();
        let (seen, last) = sent.entry(run).or_insert((BTreeSet::new(), i64::MIN));
        seen.extend(Some(event.sequence.0).filter(|&number| number > 0));
        *last = log_ms;
        let mut one = Counts { read: 1, ..Counts::default() };
        if !accepted(event, log_ms) {
            one.rejected = 1;
            let receipt = truth.receipts.entry((run, day, event.dims.clone())).or_default();
            receipt.0 = receipt.0.plus(&one);
            continue;
        }
        if let Some(session) = &event.session {
            let at = event.occurred_at.ms();
            let hull = truth.sessions.entry((event.account, SessionKey::of(session)));
            let hull = hull.or_insert((at, at, Usage::ZERO));
            (hull.0, hull.1) = (hull.0.min(at), hull.1.max(at));
        }
        let was = stands.get(&(event.account, event.event_id.clone())).cloned();
        let wins = was.as_ref().is_none_or(|was| order(event) > order(&was.event));
        let conflict = was.as_ref().is_some_and(|was| {
            let contents = [event, &was.event].map(|event| event.as_ref().content_hash());
            was.event.revision == event.revision && contents[0] != contents[1]
        });
        match (&was, wins) {
            (None, _) => one.fresh = 1,
            (Some(_), true) => one.revised = 1,
            (Some(_), false) => one.duplicate = 1,
        }
        one.conflicts = u64::from(conflict);
        let receipt = truth.receipts.entry((run, day, event.dims.clone())).or_default();
        receipt.0 = receipt.0.plus(&one);
        if wins {
            let usage = cost(&book, event);
            receipt.1 = receipt.1.checked_add(&usage).unwrap();
            if let Some(was) = was {
                let key = (run, was.event.occurred_at.minute().day(), was.event.dims.clone());
                let receipt = truth.receipts.entry(key).or_default();
                receipt.1 = receipt.1.checked_sub(&was.usage).unwrap();
            }
            let key = (event.account, event.event_id.clone());
            stands.insert(key, Stands { event: event.clone(), usage });
        }
    }
    for (run, (seen, last)) in sent {
        let mark = seen.last().copied().unwrap_or(0);
        let gaps = mark - i64::try_from(seen.len()).unwrap();
        truth.producers.insert(run, (mark, gaps, last));
    }
    for Stands { event, usage } in stands.into_values() {
        sum(&mut truth, &event, &usage, log_ms);
    }
    truth
}

fn sum(truth: &mut Truth, event: &UsageEvent, usage: &Usage, log_ms: i64) {
    let minute_start = event.occurred_at.ms().div_euclid(60_000) * 60_000;
    let clock = log_ms.div_euclid(60_000) * 60_000;
    let windows = truth.totals.entry((event.account, event.dims.clone())).or_default();
    for (window, total) in Window::ALL.into_iter().zip(windows) {
        let length = window.minutes().map(|minutes| i64::from(minutes) * 60_000);
        let held = length.is_none_or(|length| clock - length < minute_start && minute_start <= clock);
        if held {
            *total = total.checked_add(usage).unwrap();
        }
    }
    let hour = Minute(i32::try_from(minute_start / 60_000).unwrap()).hour();
    let hour = truth.hours.entry((hour, event.account, event.dims.clone())).or_default();
    *hour = hour.checked_add(usage).unwrap();
    if let Some(session) = &event.session {
        let session = truth.sessions.get_mut(&(event.account, SessionKey::of(session))).unwrap();
        session.2 = session.2.checked_add(usage).unwrap();
    }
}

impl Truth {
    /// Without the rows that say nothing: a key that became zero is published, one that never was is not.
    pub(crate) fn without_zeros(mut self) -> Self {
        self.totals.retain(|_, windows| windows.iter().any(|usage| !usage.is_zero()));
        self.hours.retain(|_, usage| !usage.is_zero());
        self
    }

    pub(crate) fn collect(&mut self, rows: &Rows) {
        let dims = |dims: &Dims| dims.clone();
        for row in &rows.totals {
            self.totals.insert((row.account, dims(&row.dims)), row.windows);
        }
        for row in &rows.hours {
            self.hours.insert((row.hour, row.account, dims(&row.dims)), row.usage);
        }
        for row in &rows.receipts {
            let run = (row.account, row.producer, row.epoch);
            self.receipts.insert((run, row.day, dims(&row.dims)), (row.counts, row.usage));
        }
        for row in &rows.producers {
            let run = (row.account, row.producer, row.epoch);
            self.producers.insert(run, (row.mark.0, row.gaps, row.last.ms()));
        }
        for row in &rows.sessions {
            let value = (row.first.ms(), row.last.ms(), row.usage);
            self.sessions.insert((row.account, row.session), value);
        }
    }
}
