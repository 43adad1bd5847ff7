//! One batch: every report is admitted, priced and posted, in log order.

use crate::batch::{Batch, Recalled, Refused};
use crate::changes::{Changes, Posting, Seen, SessionChange};
use crate::fold::Fold;
use crate::outbox::{HourKey, SessionId, Slot};
use crate::report::{AccountIx, DimsIx, Report, RunIx, Verdict};
use crate::{admit::admit, price, session};
use tally_domain::lookup::Lookup;
use tally_domain::planted::{self, Bug};
use tally_domain::published::Counts;
use tally_domain::{Day, EventKey, LogTime, Minute, Reason, Reject, Sequence, Usage, Version};

/// Room to work in, kept from batch to batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    postings: Vec<Posting>,
    sessions: Vec<SessionChange>,
    order: Vec<u128>,
    links: Lookup<EventKey, u32>,
}

/// A report with all that its batch says of it.
#[derive(Clone, Copy)]
struct Line<'a> {
    report: &'a Report,
    key: EventKey,
    account: AccountIx,
    run: RunIx,
    sequence: Sequence,
    log_time: LogTime,
}

type ReceiptKey = (RunIx, Day, DimsIx);

/// What a report does, decided before anything is changed.
struct Decision {
    verdict: Verdict,
    /// The report with its cost.
    priced: Report,
    lifetime: Usage,
    /// The places of the receipts that its usage and that of the report before it belong to.
    receipts: [Option<(u32, Usage)>; 2],
}

impl Work {
    pub(crate) fn step(
        &mut self,
        fold: &mut Fold,
        batch: &Batch,
        recalled: &mut Recalled,
        into: &mut Changes,
    ) -> Counts {
        into.clear();
        (into.clock, into.log_time) = (fold.clock, batch.log_time);
        self.link(batch, recalled);
        let mut counts = Counts::default();
        let mut refused = batch.refused.iter().peekable();
        let lines = batch.reports.iter().zip(&batch.keys).zip(&batch.accounts).zip(&batch.senders);
        let lines = lines.zip(&batch.log_times).zip(&recalled.slot_of);
        for (((((report, &key), &account), sender), &log_time), &slot) in lines {
            while let Some(earlier) = refused.next_if(|refused| refused.offset < report.offset) {
                refuse(fold, earlier);
            }
            let (run, sequence) = (sender.run, sender.sequence);
            let line = Line { report, key, account, run, sequence, log_time };
            let slot = usize::try_from(slot).ok().and_then(|slot| recalled.slots.get_mut(slot));
            counts = counts.plus(&self.line(fold, &line, slot, into));
        }
        refused.for_each(|refused| refuse(fold, refused));
        let rejected = u64::try_from(batch.rejects.len()).expect("lengths in memory fit a u64");
        self.merge(into);
        counts.plus(&Counts { read: rejected, rejected, ..Counts::default() })
    }

    /// A report that its mark says is fresh may be followed, or preceded, in the batch by one of the same
    /// key that is looked up: they share its slot, as they would find each other in two batches.
    fn link(&mut self, batch: &Batch, recalled: &mut Recalled) {
        let fresh = |slot: &u32| *slot == Recalled::NOT_LOOKED_UP;
        let some = recalled.slot_of.iter().any(fresh);
        if !some || recalled.slot_of.iter().all(fresh) {
            return;
        }
        self.links.clear();
        for (key, slot) in batch.keys.iter().zip(&recalled.slot_of).filter(|(_, slot)| !fresh(slot)) {
            self.links.insert(*key, *slot);
        }
        for (key, slot) in batch.keys.iter().zip(&mut recalled.slot_of).filter(|(_, slot)| fresh(slot)) {
            *slot = self.links.get(key).copied().unwrap_or(Recalled::NOT_LOOKED_UP);
        }
    }

    fn line(
        &mut self,
        fold: &mut Fold,
        line: &Line<'_>,
        slot: Option<&mut Option<Report>>,
        into: &mut Changes,
    ) -> Counts {
        let seen = slot.as_ref().and_then(|slot| slot.as_ref());
        // A receipt is made for every record of a run; all else is decided before anything is changed.
        let receipt = fold.producers.place(receipt_key(line.run, line.report));
        let before = seen
            .map(|was| receipt_key(line.run, was))
            .filter(|key| *key != receipt_key(line.run, line.report));
        let decision = decide(fold, line, seen, (receipt, before));
        let version = Version::new(fold.incarnation, line.report.offset.next());
        let counts = counts(&decision.verdict);
        producer(fold, line, &decision, (receipt, &counts), version);
        match decision.verdict {
            Verdict::Rejected(reason) => {
                into.rejects.push(overflow(fold, line, reason));
                return counts;
            }
            Verdict::Duplicate { .. } if planted::is(Bug::LiveSessions) => return counts,
            Verdict::Duplicate { .. } => {
                self.session(fold, version, session::hull(line.account, line.report));
                return counts;
            }
            Verdict::Revised { .. } if planted::is(Bug::RevisionNotReversed) => {}
            Verdict::Revised { was, .. } => {
                let back = was.usage.checked_neg().expect("usage of a report is not negative");
                self.post(fold, version, line.account, &was, back);
            }
            Verdict::Fresh => {}
        }
        self.post(fold, version, line.account, &decision.priced, decision.priced.usage);
        if decision.priced.usage.is_zero() {
            // It counts nothing, and its session has been seen.
            self.session(fold, version, session::hull(line.account, line.report));
        }
        fold.totals.set_lifetime(line.account, decision.lifetime);
        into.seen.push(Seen { key: line.key, report: decision.priced });
        if let Some(slot) = slot {
            *slot = Some(decision.priced);
        }
        counts
    }

    /// Moves `usage` of a report into its slice, its hour, the windows that hold it, and its session.
    fn post(&mut self, fold: &mut Fold, version: Version, account: AccountIx, report: &Report, usage: Usage) {
        if usage.is_zero() {
            return;
        }
        let (minute, dims) = (report.occurred.minute(), report.dims);
        let posting = Posting { minute, account, dims, usage };
        let total = Slot::Total(fold.totals.post(fold.clock, &posting));
        self.postings.push(posting);
        fold.clickhouse.mark(total, version);
        fold.topic_totals.mark(total, version);
        fold.clickhouse.mark(Slot::Hour(HourKey { hour: minute.hour(), account, dims }), version);
        self.session(fold, version, session::counted(account, report, usage));
    }

    fn session(&mut self, fold: &mut Fold, version: Version, change: Option<SessionChange>) {
        let Some(change) = change else { return };
        let id = SessionId { account: change.account, session: change.session };
        fold.clickhouse.mark(Slot::Session(id), version);
        self.sessions.push(change);
    }

    /// Sorts what was posted and joins what belongs together.
    fn merge(&mut self, into: &mut Changes) {
        session::merge(&self.sessions, &mut self.order, &mut into.sessions);
        self.order.clear();
        self.order
            .extend((0_u32..).zip(&self.postings).map(|(place, posting)| place_in_order(posting, place)));
        self.order.sort_unstable();
        for key in &self.order {
            let place = usize::try_from(*key & 0xffff_ffff).expect("masked to 32 bits");
            let posting = self.postings.get(place).expect("places were counted over this vector");
            match into.postings.last_mut() {
                Some(last) if slice(last) == slice(posting) => {
                    let sum = last.usage.checked_add(&posting.usage);
                    last.usage = sum.expect("in log order a slice's sum stays within its account's");
                }
                _ => into.postings.push(*posting),
            }
        }
        self.postings.clear();
        self.sessions.clear();
    }
}

const fn slice(posting: &Posting) -> (Minute, AccountIx, DimsIx) {
    (posting.minute, posting.account, posting.dims)
}

/// (minute, account, dims, place) as one number that sorts alike.
fn place_in_order(posting: &Posting, place: u32) -> u128 {
    let minute = posting.minute.0.cast_unsigned() ^ 0x8000_0000;
    (u128::from(minute) << 96)
        | (u128::from(posting.account.0) << 64)
        | (u128::from(posting.dims.0) << 32)
        | u128::from(place)
}

fn receipt_key(run: RunIx, report: &Report) -> ReceiptKey {
    (run, report.occurred.minute().day(), report.dims)
}

fn decide(
    fold: &mut Fold,
    line: &Line<'_>,
    seen: Option<&Report>,
    receipts: (u32, Option<ReceiptKey>),
) -> Decision {
    let verdict = admit(line.report, seen);
    let was = match &verdict {
        Verdict::Fresh => None,
        Verdict::Revised { was, .. } => Some(was),
        Verdict::Duplicate { .. } | Verdict::Rejected(_) => return nothing(line, verdict),
    };
    let decision = standing(fold, line, was, &verdict, receipts);
    decision.unwrap_or_else(|| nothing(line, Verdict::Rejected(Reason::Overflow)))
}

fn nothing(line: &Line<'_>, verdict: Verdict) -> Decision {
    Decision { verdict, priced: *line.report, lifetime: Usage::ZERO, receipts: [None; 2] }
}

/// What a report that stands does; `None` when a sum would leave the range of an i64.
fn standing(
    fold: &mut Fold,
    line: &Line<'_>,
    was: Option<&Report>,
    verdict: &Verdict,
    (receipt, before): (u32, Option<ReceiptKey>),
) -> Option<Decision> {
    let report = line.report;
    let usage = price::price(fold.prices.rate(&fold.names, report), &report.usage)?;
    let minus = was.map_or(Usage::ZERO, |was| was.usage);
    let lifetime = fold.totals.lifetime_after(line.account, &minus, &usage)?;
    let before = before.filter(|_| was.is_some()).map(|key| fold.producers.place(key));
    let after = |place, change: &Usage| Some((place, fold.producers.usage_after(place, change)?));
    let receipts = match before {
        Some(before) => [Some(after(before, &minus.checked_neg()?)?), Some(after(receipt, &usage)?)],
        None => [Some(after(receipt, &usage.checked_sub(&minus)?)?), None],
    };
    Some(Decision { verdict: *verdict, priced: Report { usage, ..*report }, lifetime, receipts })
}

/// The run has sent a copy, and its receipts say what became of it.
fn producer(
    fold: &mut Fold,
    line: &Line<'_>,
    decision: &Decision,
    (receipt, counts): (u32, &Counts),
    version: Version,
) {
    see(fold, (line.run, line.sequence, line.log_time), version);
    for (place, usage) in decision.receipts.iter().flatten() {
        fold.producers.receipt_mut(*place).usage = *usage;
        if *place != receipt {
            fold.clickhouse.mark(Slot::Receipt(*place), version);
        }
    }
    count(fold, receipt, counts, version);
}

fn see(fold: &mut Fold, (run, sequence, log_time): (RunIx, Sequence, LogTime), version: Version) {
    fold.producers.see(run, sequence, log_time);
    fold.clickhouse.mark(Slot::Producer(run), version);
}

fn count(fold: &mut Fold, place: u32, counts: &Counts, version: Version) {
    let receipt = fold.producers.receipt_mut(place);
    receipt.counts = receipt.counts.plus(counts);
    fold.clickhouse.mark(Slot::Receipt(place), version);
}

fn refuse(fold: &mut Fold, refused: &Refused) {
    let version = Version::new(fold.incarnation, refused.offset.next());
    see(fold, (refused.run, refused.sequence, refused.log_time), version);
    let counts = Counts { read: 1, rejected: 1, ..Counts::default() };
    let place = fold.producers.place((refused.run, refused.day, refused.dims));
    count(fold, place, &counts, version);
}

fn overflow(fold: &Fold, line: &Line<'_>, reason: Reason) -> Reject {
    let account = fold.names.account(line.account);
    Reject {
        partition: fold.settings.acceptance.partition,
        offset: line.report.offset,
        reason,
        detail: format!("adding it to account {account} would leave the range of a 64-bit total"),
    }
}

fn counts(verdict: &Verdict) -> Counts {
    let one = Counts { read: 1, ..Counts::default() };
    match verdict {
        Verdict::Fresh => Counts { fresh: 1, ..one },
        Verdict::Revised { conflict, .. } => Counts { revised: 1, conflicts: u64::from(*conflict), ..one },
        Verdict::Duplicate { conflict } => Counts { duplicate: 1, conflicts: u64::from(*conflict), ..one },
        Verdict::Rejected(_) => Counts { rejected: 1, ..one },
    }
}
