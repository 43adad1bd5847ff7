//! What is to be published, and the rows that the fold itself holds.

use crate::fold::Fold;
use crate::outbox::{Destination, Due, DueKey, HourKey, Outbox, Point, SessionId, Slot, Sweep, SweepPage};
use crate::producer::Producers;
use crate::report::{AccountIx, DimsIx, RunIx};
use crate::window::Totals;
use tally_domain::planted::{self, Bug};
use tally_domain::published::{
    Counts, HourRow, ProducerRow, Progress, ReceiptRow, Rows, SessionRow, TotalRow,
};
use tally_domain::{Day, EventTime, LogTime, Sequence, Usage, Version};

impl Fold {
    /// Marks every key for publishing: a destination lost what it had acknowledged, or the numbers of a new
    /// incarnation begin.
    pub fn republish(&mut self, destinations: &[Destination]) {
        for &destination in destinations {
            self.outbox_mut(destination).sweep_all();
        }
    }

    /// How far everything is acknowledged; `None` while that is not known, as while every key is being
    /// published anew.
    #[must_use]
    pub fn progress(&self, destination: Destination) -> Option<Progress> {
        let Point { version, clock, log_time } = self.outbox(destination).progress()?;
        let partition = self.settings.acceptance.partition;
        Some(Progress { partition, version, clock, log_time })
    }

    /// The destination has acknowledged that progress itself, as a row of its own.
    pub fn claim(&mut self, destination: Destination, version: Version) {
        self.outbox_mut(destination).claim(version);
    }

    /// The greatest progress that the destination has acknowledged since every key was last published anew. A
    /// destination that shows less has lost what it had.
    #[must_use]
    pub fn claimed(&self, destination: Destination) -> Version {
        self.outbox(destination).known().claimed
    }

    /// The greatest version at which the destination has acknowledged anything since then. Of what it took
    /// after its last progress it shows nothing; so one that is another than it was, and shows less than this,
    /// may have lost something.
    #[must_use]
    pub fn acknowledged(&self, destination: Destination) -> Version {
        self.outbox(destination).known().acknowledged
    }

    /// The start of the destination's server that was last seen; 0 = none.
    #[must_use]
    pub fn life(&self, destination: Destination) -> u64 {
        self.outbox(destination).known().life
    }

    /// Remembers which start of the destination's server was last seen; gives the one before, 0 if none.
    pub fn set_life(&mut self, destination: Destination, life: u64) -> u64 {
        self.outbox_mut(destination).set_life(life)
    }

    /// Keys that wait to be acknowledged, those of a sweep apart.
    #[must_use]
    pub fn pending(&self, destination: Destination) -> usize {
        self.outbox(destination).len()
    }

    /// True while every key is being published anew.
    #[must_use]
    pub fn is_republishing(&self, destination: Destination) -> bool {
        self.outbox(destination).sweep().is_some()
    }

    /// The keys of `due` were published with their values at its version, and are safe.
    pub fn acknowledge(&mut self, due: &Due) {
        let Self { totals, producers, clickhouse, topic_totals, .. } = self;
        let outbox = match due.destination {
            Destination::ClickHouse => clickhouse,
            Destination::Totals => topic_totals,
        };
        for key in &due.keys {
            // A key is due once its row is there, and rows stay.
            if let Some(slot) = slot_of(totals, producers, *key) {
                outbox.acknowledge(slot, due.version);
            }
        }
        if let Some(page) = &due.sweep {
            outbox.swept(page);
        }
        if !due.keys.is_empty() {
            outbox.reached(due.version);
        }
        outbox.settle();
    }

    pub(crate) fn outbox(&self, destination: Destination) -> &Outbox {
        match destination {
            Destination::ClickHouse => &self.clickhouse,
            Destination::Totals => &self.topic_totals,
        }
    }

    pub(crate) fn outbox_mut(&mut self, destination: Destination) -> &mut Outbox {
        match destination {
            Destination::ClickHouse => &mut self.clickhouse,
            Destination::Totals => &mut self.topic_totals,
        }
    }

    /// Up to about `limit` keys that `destination` has not acknowledged, oldest first. While every key is
    /// being published anew, half of them come from there.
    pub fn due(&mut self, destination: Destination, limit: usize) -> Due {
        let version = self.version();
        let sweep = self.outbox(destination).sweep();
        let pending = if sweep.is_some() { limit.div_ceil(2) } else { limit };
        let mut slots = Vec::new();
        self.outbox_mut(destination).pending(pending, &mut slots);
        let keys: Vec<DueKey> = slots.into_iter().map(|slot| self.key_of(slot)).collect();
        let room = limit.saturating_sub(keys.len());
        let mut due = Due { destination, version, keys, sweep: None, room };
        if let Some((number, from)) = sweep {
            due.sweep = Some(SweepPage { number, from, to: Some(from) });
            self.page(from, &mut due);
        }
        due
    }

    /// Adds the page that begins at `from`, as far as the fold holds its keys.
    fn page(&self, from: Sweep, due: &mut Due) {
        let totals = due.destination == Destination::Totals;
        let (place, end) = match from {
            Sweep::Totals(place) => (place, self.totals.len()),
            Sweep::Receipts(place) => (place, self.producers.receipts()),
            Sweep::Producers(place) => (place, self.producers.runs()),
            Sweep::Hours(_) | Sweep::Sessions(_) => return,
        };
        let room = u32::try_from(due.room).unwrap_or(u32::MAX);
        let until = place.saturating_add(room).min(end);
        due.keys.extend((place..until).filter_map(|place| self.key_at(from, place)));
        due.room = 0;
        let to = match from {
            _ if until < end => {
                let skipped = u32::from(planted::is(Bug::SweepSkips));
                Some(moved(from, until.saturating_add(skipped)))
            }
            Sweep::Totals(_) if totals => None,
            Sweep::Totals(_) => Some(Sweep::Receipts(0)),
            Sweep::Receipts(_) => Some(Sweep::Producers(0)),
            _ => Some(Sweep::Hours(None)),
        };
        if let Some(page) = &mut due.sweep {
            page.to = to;
        }
    }

    /// The key whose mark lies there.
    pub(crate) fn key_of(&self, slot: Slot) -> DueKey {
        match slot {
            Slot::Total(place) => {
                let row = self.totals.row(place).expect("a total is marked after its row was made");
                DueKey::Total(row.account, row.dims)
            }
            Slot::Hour(hour) => DueKey::Hour(hour),
            Slot::Receipt(place) => {
                let row = self.producers.receipt_at(place).expect("a receipt is marked after it was made");
                DueKey::Receipt(row.key.0, row.key.1, row.key.2)
            }
            Slot::Producer(run) => DueKey::Producer(run),
            Slot::Session(session) => DueKey::Session(session),
        }
    }

    fn key_at(&self, kind: Sweep, place: u32) -> Option<DueKey> {
        match kind {
            Sweep::Totals(_) => self.totals.row(place).map(|row| DueKey::Total(row.account, row.dims)),
            Sweep::Receipts(_) => {
                self.producers.receipt_at(place).map(|row| DueKey::Receipt(row.key.0, row.key.1, row.key.2))
            }
            _ => Some(DueKey::Producer(RunIx(place))),
        }
    }

    /// The present rows of those keys of `due` that the fold holds, added to `into`, which takes its
    /// version. Hours and sessions are the store's; see [`Self::hour_row`] and [`Self::session_row`].
    pub fn fill(&self, due: &Due, into: &mut Rows) {
        into.version = due.version;
        for key in &due.keys {
            match *key {
                DueKey::Total(account, dims) => into.totals.push(self.total_row(account, dims)),
                DueKey::Receipt(run, day, dims) => into.receipts.push(self.receipt_row(run, day, dims)),
                DueKey::Producer(run) => into.producers.push(self.producer_row(run)),
                DueKey::Hour(_) | DueKey::Session(_) => {}
            }
        }
        if planted::is(Bug::ZeroDropped) {
            into.totals.retain(|row| row.windows.iter().any(|usage| !usage.is_zero()));
        }
    }

    fn total_row(&self, account: AccountIx, dims: DimsIx) -> TotalRow {
        TotalRow {
            partition: self.settings.acceptance.partition,
            account: self.names.account(account),
            dims: self.names.dims(dims).clone(),
            windows: self.totals.get(account, dims).map_or([Usage::ZERO; 4], |row| row.windows),
        }
    }

    fn receipt_row(&self, run: RunIx, day: Day, dims: DimsIx) -> ReceiptRow {
        let name = self.names.run(run);
        let receipt = self.producers.receipt(&(run, day, dims));
        let (counts, usage) =
            receipt.map_or((Counts::default(), Usage::ZERO), |receipt| (receipt.counts, receipt.usage));
        ReceiptRow {
            partition: self.settings.acceptance.partition,
            account: self.names.account(name.account),
            producer: name.producer,
            epoch: name.epoch,
            day,
            dims: self.names.dims(dims).clone(),
            counts,
            usage,
        }
    }

    fn producer_row(&self, run: RunIx) -> ProducerRow {
        let name = self.names.run(run);
        let state = self.producers.run(run);
        let (mark, gaps, last) =
            state.map_or((Sequence(0), 0, LogTime::MIN), |run| (run.mark, run.gaps, run.last));
        ProducerRow {
            partition: self.settings.acceptance.partition,
            account: self.names.account(name.account),
            producer: name.producer,
            epoch: name.epoch,
            mark,
            gaps,
            last,
        }
    }

    /// The row of an hour whose sum the store holds.
    #[must_use]
    pub fn hour_row(&self, key: &HourKey, usage: Usage) -> HourRow {
        HourRow {
            partition: self.settings.acceptance.partition,
            account: self.names.account(key.account),
            dims: self.names.dims(key.dims).clone(),
            hour: key.hour,
            usage,
        }
    }

    /// The row of a session that the store holds.
    #[must_use]
    pub fn session_row(&self, id: &SessionId, [first, last]: [EventTime; 2], usage: Usage) -> SessionRow {
        SessionRow {
            partition: self.settings.acceptance.partition,
            account: self.names.account(id.account),
            session: id.session,
            first,
            last,
            usage,
        }
    }
}

fn moved(sweep: Sweep, place: u32) -> Sweep {
    match sweep {
        Sweep::Totals(_) => Sweep::Totals(place),
        Sweep::Receipts(_) => Sweep::Receipts(place),
        Sweep::Producers(_) => Sweep::Producers(place),
        Sweep::Hours(_) | Sweep::Sessions(_) => sweep,
    }
}

/// Where the mark of a key lies; `None` for a row that was never made.
fn slot_of(totals: &Totals, producers: &Producers, key: DueKey) -> Option<Slot> {
    Some(match key {
        DueKey::Total(account, dims) => Slot::Total(totals.find(account, dims)?),
        DueKey::Hour(hour) => Slot::Hour(hour),
        DueKey::Receipt(run, day, dims) => Slot::Receipt(producers.find(&(run, day, dims))?),
        DueKey::Producer(run) => Slot::Producer(run),
        DueKey::Session(session) => Slot::Session(session),
    })
}
