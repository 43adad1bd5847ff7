//! Runs of producers: how far each was read, what is missing, and the receipt of what it did.

use crate::codec::{self, Damaged, Reader};
use crate::report::{DimsIx, RunIx};
use tally_domain::lookup::Lookup;
use tally_domain::published::Counts;
use tally_domain::{Day, LogTime, Sequence, Usage};

/// Spans of missing numbers that one run may keep open. Older spans beyond it stay counted as gaps, but a
/// late copy no longer closes them.
const MISSING_SPANS_MAX: usize = 256;

/// How far one run was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Highest number of a copy that it sent; its numbers are dense from 1.
    pub(crate) mark: Sequence,
    /// Highest number that a minted id named: above it an original minted id is new.
    pub(crate) named: Sequence,
    /// Numbers up to `mark` that were never seen.
    pub(crate) gaps: i64,
    /// LogTime of its last copy.
    pub(crate) last: LogTime,
    /// Inclusive spans of numbers up to `mark` that were never seen, ascending; the newest of them.
    missing: Vec<(i64, i64)>,
    /// The receipt that was last asked for, and its place: nearly always the next one too.
    latest: Option<(Day, DimsIx, u32)>,
    dirty: bool,
}

impl Run {
    const NEW: Self = Self {
        mark: Sequence(0),
        named: Sequence(0),
        gaps: 0,
        last: LogTime::MIN,
        missing: Vec::new(),
        latest: None,
        dirty: false,
    };

    /// A copy with this number was read.
    fn see(&mut self, sequence: Sequence) {
        if sequence.0 <= 0 {
            return;
        }
        if sequence > self.mark {
            let first = self.mark.0.saturating_add(1);
            if first < sequence.0 {
                self.open((first, sequence.0.saturating_sub(1)));
            }
            self.mark = sequence;
        } else {
            self.close(sequence.0);
        }
    }

    fn open(&mut self, span: (i64, i64)) {
        self.gaps = self.gaps.saturating_add(span.1.saturating_sub(span.0).saturating_add(1));
        self.missing.push(span);
        if self.missing.len() > MISSING_SPANS_MAX {
            self.missing.remove(0);
        }
    }

    /// A number that was missing arrived after all.
    fn close(&mut self, number: i64) {
        let Some(at) = self.missing.iter().position(|&(first, last)| (first..=last).contains(&number)) else {
            return;
        };
        let (first, last) = self.missing.remove(at);
        self.gaps = self.gaps.saturating_sub(1);
        let after = (number.saturating_add(1), last);
        let before = (first, number.saturating_sub(1));
        for span in [after, before] {
            if span.0 <= span.1 {
                self.missing.insert(at, span);
            }
        }
        if self.missing.len() > MISSING_SPANS_MAX {
            self.missing.remove(0);
        }
    }
}

/// What one run did to its account, of one day of event time and dims.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub(crate) key: (RunIx, Day, DimsIx),
    pub(crate) counts: Counts,
    pub(crate) usage: Usage,
    dirty: bool,
}

/// Every run, by its index, and their receipts, by dense place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producers {
    runs: Vec<Run>,
    dirty_runs: Vec<RunIx>,
    receipts: Vec<Receipt>,
    place_of: Lookup<(RunIx, Day, DimsIx), u32>,
    dirty_receipts: Vec<u32>,
}

impl Producers {
    pub(crate) fn runs(&self) -> u32 {
        crate::names::length(self.runs.len())
    }
    pub(crate) fn receipts(&self) -> u32 {
        crate::names::length(self.receipts.len())
    }
    pub(crate) fn run(&self, run: RunIx) -> Option<&Run> {
        self.runs.get(run.index())
    }
    pub(crate) fn receipt_at(&self, place: u32) -> Option<&Receipt> {
        self.receipts.get(usize::try_from(place).ok()?)
    }
    pub(crate) fn receipt(&self, key: &(RunIx, Day, DimsIx)) -> Option<&Receipt> {
        self.receipt_at(self.find(key)?)
    }
    pub(crate) fn find(&self, key: &(RunIx, Day, DimsIx)) -> Option<u32> {
        self.place_of.get(key).copied()
    }

    fn run_mut(&mut self, run: RunIx) -> &mut Run {
        if self.runs.len() <= run.index() {
            self.runs.resize(run.index().saturating_add(1), Run::NEW);
        }
        let state = self.runs.get_mut(run.index()).expect("resized above");
        if !state.dirty {
            state.dirty = true;
            self.dirty_runs.push(run);
        }
        state
    }

    /// The highest number that a minted id named in this run.
    pub(crate) fn named(&self, run: RunIx) -> Sequence {
        self.run(run).map_or(Sequence(0), |run| run.named)
    }

    /// A record names the id that this run minted as that number.
    pub(crate) fn name(&mut self, run: RunIx, sequence: Sequence) {
        if sequence > self.named(run) {
            self.run_mut(run).named = sequence;
        }
    }

    /// A copy of this run was read.
    pub(crate) fn see(&mut self, run: RunIx, sequence: Sequence, log_time: LogTime) {
        let run = self.run_mut(run);
        run.see(sequence);
        run.last = run.last.max(log_time);
    }

    /// The receipt's usage with `change`; `None` when it would leave the range of an i64. Changes nothing.
    pub(crate) fn usage_after(&self, place: u32, change: &Usage) -> Option<Usage> {
        self.receipt_at(place)?.usage.checked_add(change)
    }

    /// The place of the receipt of a run, day and dims; an empty one is made where there is none.
    pub(crate) fn place(&mut self, key: (RunIx, Day, DimsIx)) -> u32 {
        let (run, day, dims) = key;
        let latest = self.runs.get(run.index()).and_then(|run| run.latest);
        if let Some((_, _, place)) = latest.filter(|&(of, with, _)| (of, with) == (day, dims)) {
            return place;
        }
        let next = self.receipts();
        let place = *self.place_of.get_or_insert_with(key, || next);
        if place == next {
            let new = Receipt { key, counts: Counts::default(), usage: Usage::ZERO, dirty: false };
            self.receipts.push(new);
        }
        if let Some(run) = self.runs.get_mut(run.index()) {
            run.latest = Some((day, dims, place));
        }
        place
    }

    /// A receipt, to change.
    pub(crate) fn receipt_mut(&mut self, place: u32) -> &mut Receipt {
        let index = usize::try_from(place).expect("a u32 fits a usize");
        let receipt = self.receipts.get_mut(index).expect("places are given by this map");
        if !receipt.dirty {
            receipt.dirty = true;
            self.dirty_receipts.push(place);
        }
        receipt
    }

    /// Runs and receipts changed since the last call.
    pub(crate) fn drain_dirty(
        &mut self,
        mut run: impl FnMut(RunIx, &Run),
        mut receipt: impl FnMut(&Receipt),
    ) {
        for ix in self.dirty_runs.drain(..) {
            let state = self.runs.get_mut(ix.index()).expect("a changed run exists");
            state.dirty = false;
            run(ix, state);
        }
        for place in self.dirty_receipts.drain(..) {
            let index = usize::try_from(place).expect("a u32 fits a usize");
            let state = self.receipts.get_mut(index).expect("a changed receipt exists");
            state.dirty = false;
            receipt(state);
        }
    }

    /// Takes a run of a checkpoint.
    pub(crate) fn restore_run(&mut self, ix: RunIx, run: Run) {
        *self.run_mut(ix) = run;
        self.dirty_runs.clear();
    }

    /// Takes a receipt of a checkpoint.
    pub(crate) fn restore_receipt(&mut self, key: (RunIx, Day, DimsIx), counts: Counts, usage: Usage) {
        let place = self.place(key);
        let receipt = self.receipt_mut(place);
        (receipt.counts, receipt.usage, receipt.dirty) = (counts, usage, false);
        self.dirty_receipts.clear();
    }

    /// Bytes held, roughly.
    pub(crate) fn memory(&self) -> usize {
        let receipt = size_of::<Receipt>().saturating_add(size_of::<[(RunIx, Day, DimsIx, u32); 2]>());
        let spans: usize = self.runs.iter().map(|run| run.missing.capacity().saturating_mul(16)).sum();
        let runs = self.runs.len().saturating_mul(size_of::<Run>());
        self.receipts.len().saturating_mul(receipt).saturating_add(runs).saturating_add(spans)
    }
}

pub(crate) fn put_run(to: &mut Vec<u8>, run: &Run) {
    for number in [run.mark.0, run.named.0, run.gaps, run.last.ms()] {
        codec::put_i64(to, number);
    }
    for &(first, last) in &run.missing {
        codec::put_i64(to, first);
        codec::put_i64(to, last);
    }
}

pub(crate) fn read_run(bytes: &[u8]) -> Result<Run, Damaged> {
    let mut from = Reader::new(bytes, "a producer's row");
    let (mark, named, gaps) = (Sequence(from.i64()?), Sequence(from.i64()?), from.i64()?);
    let last = LogTime::from_ms(from.i64()?).ok_or(from.damaged())?;
    let mut missing = Vec::new();
    while from.end().is_err() {
        missing.push((from.i64()?, from.i64()?));
    }
    Ok(Run { mark, named, gaps, last, missing, ..Run::NEW })
}

pub(crate) fn put_counts(to: &mut Vec<u8>, counts: &Counts) {
    let Counts { read, fresh, revised, duplicate, rejected, conflicts } = *counts;
    for number in [read, fresh, revised, duplicate, rejected, conflicts] {
        codec::put_u64(to, number);
    }
}

pub(crate) fn read_counts(from: &mut Reader<'_>) -> Result<Counts, Damaged> {
    let (read, fresh, revised) = (from.u64()?, from.u64()?, from.u64()?);
    let (duplicate, rejected, conflicts) = (from.u64()?, from.u64()?, from.u64()?);
    Ok(Counts { read, fresh, revised, duplicate, rejected, conflicts })
}
