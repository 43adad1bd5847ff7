//! A partition driven by hand: log, fold, store in memory, checkpoints.

use crate::memory::Memory;
use std::collections::BTreeMap;
use tally_domain::entry::{Barrier, Document};
use tally_domain::published::Rows;
use tally_domain::{
    AccountKey, EventTime, FoldVersion, Hash128, LogTime, Offset, Partition, PartitionCount, Reason, Reject,
    TopicId, Usage, UsageEvent, partition_of,
};
use tally_fold::{
    Acceptance, Batch, Changes, Control, Destination, DirtyRows, Due, DueKey, Fold, Keyspace, Moving, Obeyed,
    Origin, Recalled, RecordAt, Refusal, Restore, Settings, Sweep,
};

pub(crate) const PARTITIONS: u16 = 2;
pub(crate) const RETENTION_DAYS: u16 = 400;

/// A record of the log, its offset its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Logged {
    pub(crate) appended_ms: i64,
    pub(crate) entry: LoggedEntry,
}

#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a test's log is short")]
pub(crate) enum LoggedEntry {
    Usage(UsageEvent),
    Prices(u32, String),
    Heartbeat,
    Barrier(u16),
}

pub(crate) fn settings() -> Settings {
    let partitions = PartitionCount::new(PARTITIONS).unwrap();
    let acceptance = Acceptance { partition: Partition(0), partitions, index_retention_days: RETENTION_DAYS };
    Settings { acceptance, secret_check: Hash128([9; 16]) }
}

pub(crate) fn barrier(number: u16) -> Barrier {
    Barrier {
        number,
        topic: TopicId(Hash128([7; 16])),
        partitions: PartitionCount::new(PARTITIONS).unwrap(),
        fold_version: FoldVersion(1),
        secret_check: Hash128([9; 16]),
    }
}

/// The `nth` account of partition 0, or of another.
pub(crate) fn account(nth: usize, misrouted: bool) -> AccountKey {
    let count = PartitionCount::new(PARTITIONS).unwrap();
    let keys = (0_u8..=255).map(|byte| AccountKey(Hash128([byte; 16])));
    let mut keys = keys.filter(|key| (partition_of(key.bytes(), count) == Partition(0)) != misrouted);
    keys.nth(nth).unwrap()
}

/// One partition and its store.
#[derive(Clone, Debug)]
pub(crate) struct Rig {
    pub(crate) fold: Fold,
    pub(crate) store: Memory,
    pub(crate) saved: BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>,
    pub(crate) rejects: Vec<Reject>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self {
            fold: Fold::new(settings()),
            store: Memory::default(),
            saved: BTreeMap::new(),
            rejects: vec![],
        }
    }

    pub(crate) fn next(&self) -> usize {
        usize::try_from(self.fold.next().get()).unwrap()
    }

    /// Folds one batch or one control record; a batch takes at most `most` records.
    pub(crate) fn turn(&mut self, log: &[Logged], most: usize) -> Result<(), Refusal> {
        let mut batch = Batch::default();
        self.fold.begin(&mut batch);
        for (place, logged) in log.iter().enumerate().skip(self.next()) {
            let LoggedEntry::Usage(event) = &logged.entry else { break };
            if batch.len() >= most || !batch.fits(logged.appended_ms) {
                break;
            }
            let key = *event.account.bytes();
            let at = at(place, logged, &key);
            self.fold.take(&at, &event.as_ref(), form(event), &mut batch);
        }
        if batch.is_empty() {
            return self.control(log);
        }
        batch.last_record = batch.next.get();
        self.raise(batch.log_time, batch.first);
        let (mut recalled, mut changes) = (Recalled::default(), Changes::default());
        self.store.recall(&batch, &mut recalled);
        let counts = self.fold.step(&batch, &mut recalled, &mut changes);
        assert!(counts.adds_up() && self.fold.counts().adds_up());
        assert_eq!(counts.read, u64::try_from(batch.len()).unwrap());
        self.store.absorb(&changes);
        self.rejects.extend(batch.rejects.drain(..).chain(changes.rejects.drain(..)));
        self.rejects.sort_by_key(|reject| reject.offset);
        Ok(())
    }

    fn raise(&mut self, log_time: LogTime, by: Offset) {
        let mut moving = Moving::default();
        let to = log_time.minute();
        if to > self.fold.clock() {
            self.store.moving(self.fold.clock(), to, &mut moving);
            self.fold.advance(to, by, &moving);
        }
    }

    fn control(&mut self, log: &[Logged]) -> Result<(), Refusal> {
        let place = self.next();
        let Some(logged) = log.get(place) else { return Ok(()) };
        let barrier_of;
        let control = match &logged.entry {
            LoggedEntry::Usage(_) => unreachable!("usage is folded in batches"),
            LoggedEntry::Heartbeat => Control::Heartbeat,
            LoggedEntry::Prices(number, body) => {
                Control::Prices(Document { number: *number, body: body.as_bytes() })
            }
            LoggedEntry::Barrier(number) => {
                barrier_of = barrier(*number);
                Control::Barrier(barrier_of)
            }
        };
        let at = at(place, logged, &[]);
        self.raise(self.fold.log_time().after(logged.appended_ms), at.offset);
        if let Obeyed::Rejected(reject) = self.fold.control(&at, at.offset.next().get(), &control)? {
            self.rejects.push(reject);
        }
        Ok(())
    }

    pub(crate) fn run(&mut self, log: &[Logged]) {
        while self.next() < log.len() {
            self.turn(log, usize::MAX).unwrap();
        }
    }

    /// Saves, forgets and restores the fold; the store lives on as its own files would.
    pub(crate) fn checkpoint(&mut self) {
        let meta = self.save();
        let origin = Origin { topic: self.fold.topic(), version: self.fold.version() };
        assert_eq!(Restore::origin_of(&meta), Ok(origin));
        let mut restore = Restore::begin(settings(), &meta).unwrap();
        for ((space, key), value) in &self.saved {
            restore.row(*space, key, value).unwrap();
        }
        self.fold = restore.finish();
        assert_eq!(self.fold.meta(), meta);
    }

    pub(crate) fn save(&mut self) -> Vec<u8> {
        let mut rows = DirtyRows::default();
        self.fold.drain_dirty(&mut rows);
        for (space, key, value) in rows.iter() {
            self.saved.insert((space, key.to_vec()), value.to_vec());
        }
        self.fold.meta()
    }

    /// A page of what is due, with the keys that the store adds.
    pub(crate) fn due(&mut self, destination: Destination, limit: usize) -> Due {
        let mut due = self.fold.due(destination, limit);
        match due.sweep.map(|page| page.from) {
            Some(Sweep::Hours(after)) => {
                let hours = self.store.hours.keys().copied().filter(|key| Some(*key) > after);
                due.walked_hours(&hours.take(due.room).collect::<Vec<_>>());
            }
            Some(Sweep::Sessions(after)) => {
                let sessions = self.store.sessions.keys().copied().filter(|id| Some(*id) > after);
                due.walked_sessions(&sessions.take(due.room).collect::<Vec<_>>());
            }
            _ => {}
        }
        due
    }

    pub(crate) fn rows(&self, due: &Due) -> Rows {
        let mut rows = Rows::default();
        self.fold.fill(due, &mut rows);
        for key in &due.keys {
            match key {
                DueKey::Hour(key) => {
                    let usage = self.store.hours.get(key).copied().unwrap_or(Usage::ZERO);
                    rows.hours.push(self.fold.hour_row(key, usage));
                }
                DueKey::Session(id) => {
                    let (hull, usage) = self.store.sessions[id];
                    rows.sessions.push(self.fold.session_row(id, hull, usage));
                }
                _ => {}
            }
        }
        rows
    }

    /// Every row there is, by a sweep over a copy.
    pub(crate) fn all_rows(&self) -> Vec<Rows> {
        let mut copy = self.clone();
        copy.fold.republish(&[Destination::ClickHouse]);
        let mut all = vec![];
        while copy.fold.is_republishing(Destination::ClickHouse) {
            let due = copy.due(Destination::ClickHouse, 7);
            all.push(copy.rows(&due));
            copy.fold.acknowledge(&due);
        }
        all
    }
}

/// A rule of form: the reason does not matter here, only that there is one.
pub(crate) fn form(event: &UsageEvent) -> Result<(), (Reason, String)> {
    if event.usage.tokens.iter().all(|tokens| *tokens >= 0) {
        return Ok(());
    }
    Err((Reason::TokensOutOfRange, "a class claims fewer than no tokens".into()))
}

fn at<'a>(place: usize, logged: &Logged, key: &'a [u8]) -> RecordAt<'a> {
    let offset = Offset::new(u64::try_from(place).unwrap()).unwrap();
    RecordAt { offset, appended_at: LogTime::from_ms(logged.appended_ms).unwrap(), key }
}

pub(crate) fn time(text: &str) -> i64 {
    EventTime::parse(text).unwrap().ms()
}
