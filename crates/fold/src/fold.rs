//! The state machine: what a record, a batch and a minute do to it.

use crate::admit::Acceptance;
use crate::batch::{Batch, Minting, Probe, Recalled, Refused, Sender};
use crate::changes::{Changes, Moving};
use crate::names::{Names, RunName};
use crate::outbox::{Outbox, Point, Slot};
use crate::price::Prices;
use crate::producer::Producers;
use crate::report::{AccountIx, Report, RunIx};
use crate::step::Work;
use crate::window::Totals;
use tally_domain::planted::{self, Bug};
use tally_domain::published::Counts;
use tally_domain::{
    Day, EventTime, FoldVersion, Hash128, Incarnation, Kind, LogTime, Minute, Offset, Reason, Reject,
    Revision, TopicId, Usage, UsageRef, Version, Window,
};

/// The number of this logic: another number may compute other values from the same log.
pub const FOLD_VERSION: FoldVersion = FoldVersion(1);

/// What a partition is told once, and what no record of its log may contradict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which partition of how many, and what it accepts.
    pub acceptance: Acceptance,
    /// [`tally_domain::Secret::check`] of the installation's secret.
    pub secret_check: Hash128,
}

/// Where a record lies and what it lies under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordAt<'a> {
    /// Its offset.
    pub offset: Offset,
    /// When the log took it, by the log's clock; not yet monotone.
    pub appended_at: LogTime,
    /// Its key.
    pub key: &'a [u8],
}

/// Bytes of memory that a fold holds, roughly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Totals of all windows.
    pub totals: usize,
    /// Runs and receipts.
    pub producers: usize,
    /// Pending keys of both destinations.
    pub outbox: usize,
    /// Interned accounts, dims and runs.
    pub names: usize,
}

/// One partition's state.
#[derive(Clone, Debug)]
pub struct Fold {
    pub(crate) settings: Settings,
    pub(crate) log_time: LogTime,
    pub(crate) clock: Minute,
    pub(crate) next: Offset,
    pub(crate) last_record: u64,
    pub(crate) incarnation: Incarnation,
    pub(crate) topic: Option<TopicId>,
    pub(crate) policy: u32,
    pub(crate) prices: Prices,
    pub(crate) book_text: Vec<u8>,
    pub(crate) counts: Counts,
    pub(crate) names: Names,
    pub(crate) totals: Totals,
    pub(crate) producers: Producers,
    pub(crate) clickhouse: Outbox,
    pub(crate) topic_totals: Outbox,
    pub(crate) saved: Saved,
    pub(crate) work: Work,
}

/// How many names the last checkpoint holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Saved {
    pub(crate) accounts: usize,
    pub(crate) dims: usize,
    pub(crate) runs: usize,
}

impl Fold {
    /// The state before the first record of a log.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let log_time = LogTime::MIN;
        let clock = log_time.minute();
        let start = Point { version: Version::ZERO, clock, log_time };
        Self {
            settings,
            log_time,
            clock,
            next: Offset::ZERO,
            last_record: 0,
            incarnation: Incarnation(0),
            topic: None,
            policy: 0,
            prices: Prices::default(),
            book_text: Vec::new(),
            counts: Counts::default(),
            names: Names::default(),
            totals: Totals::default(),
            producers: Producers::default(),
            clickhouse: Outbox::new(start),
            topic_totals: Outbox::new(start),
            saved: Saved::default(),
            work: Work::default(),
        }
    }

    /// What this partition was told.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }
    /// The offset of the first record that is not folded.
    #[must_use]
    pub const fn next(&self) -> Offset {
        self.next
    }
    /// Hash of the last folded record, as its reader gave it; 0 before the first.
    #[must_use]
    pub const fn last_record(&self) -> u64 {
        self.last_record
    }
    /// The greatest appended-at of the folded records.
    #[must_use]
    pub const fn log_time(&self) -> LogTime {
        self.log_time
    }
    /// The minute of LogTime.
    #[must_use]
    pub const fn clock(&self) -> Minute {
        self.clock
    }
    /// That of the present state.
    #[must_use]
    pub const fn version(&self) -> Version {
        Version::new(self.incarnation, self.next)
    }
    /// The life of the topic, once its first barrier was folded.
    #[must_use]
    pub const fn topic(&self) -> Option<TopicId> {
        self.topic
    }
    /// Verdicts on all usage records so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }
    /// Number of the price book in force; 0 before the first.
    #[must_use]
    pub const fn price_book(&self) -> u32 {
        self.prices.book.number()
    }
    /// What its dense indices stand for.
    #[must_use]
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// Begins a batch at the present state.
    pub fn begin(&self, batch: &mut Batch) {
        batch.clear();
        (batch.first, batch.next, batch.log_time) = (self.next, self.next, self.log_time);
    }

    /// Adds a usage record that [`Batch::fits`] to the batch, as a report or as a reject.
    ///
    /// `form` is what the rules of form say of it; they are asked before those of time and after those of
    /// routing. Between this and [`Self::step`] the state is not whole: nothing is published, nothing saved.
    pub fn take(
        &mut self,
        at: &RecordAt<'_>,
        usage: &UsageRef<'_>,
        form: Result<(), (Reason, String)>,
        batch: &mut Batch,
    ) {
        batch.reach(at);
        if let Err((reason, detail)) = self.settings.acceptance.route(at.key, usage) {
            return self.reject(at.offset, reason, detail, batch);
        }
        let run = self.sender(usage);
        let log_time = if planted::is(Bug::RawAppendedAt) { at.appended_at } else { batch.log_time };
        if let Err((reason, detail)) = form.and_then(|()| self.settings.acceptance.time(log_time, usage)) {
            batch.refused.push(Refused {
                offset: at.offset,
                log_time: batch.log_time,
                run,
                sequence: usage.sequence,
                day: usage.occurred_at.minute().day(),
                dims: self.names.intern_dims(usage.dims),
            });
            return self.reject(at.offset, reason, detail, batch);
        }
        self.accept(at, usage, run, batch);
    }

    /// Adds a record that cannot be read as one of the log's.
    pub fn refuse(&self, at: &RecordAt<'_>, reason: Reason, detail: String, batch: &mut Batch) {
        batch.reach(at);
        self.reject(at.offset, reason, detail, batch);
    }

    fn reject(&self, offset: Offset, reason: Reason, detail: String, batch: &mut Batch) {
        let partition = self.settings.acceptance.partition;
        batch.rejects.push(Reject { partition, offset, reason, detail });
    }

    fn sender(&mut self, usage: &UsageRef<'_>) -> RunIx {
        let account = self.names.intern_account(usage.account);
        self.names.intern_run(RunName { account, producer: usage.producer, epoch: usage.epoch })
    }

    fn accept(&mut self, at: &RecordAt<'_>, usage: &UsageRef<'_>, run: RunIx, batch: &mut Batch) {
        let account = self.names.run(run).account;
        let minted = self.minting(account, run, usage);
        let counted = if usage.kind == Kind::Retraction { Usage::ZERO } else { usage.usage };
        batch.reports.push(Report {
            offset: at.offset,
            revision: usage.revision,
            kind: usage.kind,
            occurred: usage.occurred_at,
            session: usage.session_key(),
            dims: self.names.intern_dims(usage.dims),
            usage: Usage { unpriced: 0, cost_nano_usd: 0, ..counted },
            content: usage.content_hash(),
        });
        batch.keys.push(usage.event_key());
        batch.accounts.push(account);
        batch.senders.push(Sender { run, sequence: usage.sequence, minted });
        batch.log_times.push(batch.log_time);
        batch.probes.push(self.probe(run, minted, usage));
    }

    fn minting(&mut self, account: AccountIx, run: RunIx, usage: &UsageRef<'_>) -> Minting {
        let Some(minted) = usage.minted else { return Minting::No };
        let by = RunName { account, producer: minted.producer, epoch: minted.epoch };
        let by = if self.names.run(run) == by { run } else { self.names.intern_run(by) };
        if by == run && minted.sequence == usage.sequence && is_original(usage) {
            Minting::Own
        } else {
            Minting::Other { run: by, sequence: minted.sequence }
        }
    }

    /// Where an earlier report of the event may lie; names the minted id, so that the next report of it is
    /// looked up.
    fn probe(&mut self, run: RunIx, minted: Minting, usage: &UsageRef<'_>) -> Probe {
        let named = match minted {
            Minting::Own => Some((run, usage.sequence)),
            Minting::Other { run, sequence } => Some((run, sequence)),
            Minting::No => None,
        };
        let new = minted == Minting::Own && usage.sequence > self.producers.named(run)
            || planted::is(Bug::FreshBySequence)
                && self.producers.run(run).is_none_or(|run| usage.sequence > run.mark);
        let late = planted::is(Bug::MarkTooLate) && minted != Minting::Own;
        if let Some((run, sequence)) = named.filter(|_| !late) {
            self.producers.name(run, sequence);
        }
        if new {
            return Probe::None;
        }
        let mut minted_at = usage.minted_at_ms.filter(|_| is_original(usage)).and_then(EventTime::from_ms);
        if planted::is(Bug::LookupFromOccurred) {
            minted_at = Some(usage.occurred_at);
        }
        minted_at.map_or(Probe::All, |at| Probe::FromDay(Day(at.minute().day().0.saturating_sub(1))))
    }

    /// Folds a batch: admit, price, window. `recalled` holds what the store remembers of it, and in the end
    /// what stands now. The clock must already be at the batch's minute.
    pub fn step(&mut self, batch: &Batch, recalled: &mut Recalled, into: &mut Changes) -> Counts {
        assert_eq!(self.clock, batch.log_time.minute(), "the clock is raised before the batch is folded");
        let mut work = std::mem::take(&mut self.work);
        let counts = work.step(self, batch, recalled, into);
        self.work = work;
        self.counts = self.counts.plus(&counts);
        self.reach(batch.log_time, batch.next, batch.last_record);
        counts
    }

    /// The clock rises to `to`, because the record at `by` says so; that record is folded next. `moving`
    /// holds the slices that enter or leave a window.
    pub fn advance(&mut self, to: Minute, by: Offset, moving: &Moving) {
        if to <= self.clock {
            return;
        }
        let minutes = [self.clock, to];
        let version = Version::new(self.incarnation, by.next());
        let Self { totals, clickhouse, topic_totals, .. } = self;
        let mut shift = |windows: &[Window], posting| {
            if let Some(place) = totals.shift(minutes, windows, posting) {
                clickhouse.mark(Slot::Total(place), version);
                topic_totals.mark(Slot::Total(place), version);
            }
        };
        // A slice that enters some windows may in the same leap leave none: it was in none.
        moving.entering.iter().for_each(|posting| shift(&Window::SLIDING, posting));
        for (window, leaving) in Window::SLIDING.iter().zip(&moving.leaving) {
            let held = leaving.iter().filter(|posting| posting.minute <= minutes[0]);
            held.for_each(|posting| shift(std::slice::from_ref(window), posting));
        }
        self.clock = to;
        if planted::is(Bug::ClockByTicks) {
            self.log_time = self.log_time.after(to.start_ms());
        }
    }

    /// Everything up to `next` is folded: the state is whole.
    pub(crate) fn reach(&mut self, log_time: LogTime, next: Offset, last_record: u64) {
        (self.log_time, self.next, self.last_record) = (log_time, next, last_record);
        let point = Point { version: self.version(), clock: self.clock, log_time };
        self.clickhouse.seal(point);
        self.topic_totals.seal(point);
    }

    /// Where the memory goes.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory {
            totals: self.totals.memory(),
            producers: self.producers.memory(),
            outbox: self.clickhouse.memory().saturating_add(self.topic_totals.memory()),
            names: self.names.memory(),
        }
    }
}

/// True for the first telling of an event, by the one who measured it.
fn is_original(usage: &UsageRef<'_>) -> bool {
    usage.kind == Kind::Report && usage.revision == Revision(0)
}
