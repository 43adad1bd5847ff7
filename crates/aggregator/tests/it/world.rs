//! A small world: one disk, the log on it, one partition, a sink that may lose, delay and double.

use crate::oracle::{Truth, recount};
use crate::rig::{Logged, RETENTION_DAYS};
use std::collections::{BTreeMap, VecDeque};
use tally_aggregator::{
    Aggregator, AggregatorSettings, Answer, Cadence, Full, Observed, PartError, Sink, SinkError, Ticket, Turn,
};
use tally_disk::{Disk, MemoryDisk};
use tally_domain::published::Rows;
use tally_domain::{
    AccountKey, Barrier, Dims, EventTime, FoldVersion, Hash128, Lane, Offset, Partition, PartitionCount,
    Topic, TopicId, Usage, UsageEvent, Version, WallTime, partition_of,
};
use tally_fold::{Acceptance, Settings};
use tally_log::{
    AppendLog, Appender, Durability, LocalConfig, LocalLog, LogError, ReadLog, Reader, Records, RetentionDays,
};
use tally_schema::Totals;
use tally_store::StoreSettings;

pub(crate) const PARTITIONS: u16 = 2;
pub(crate) type Part = Aggregator<Reader<MemoryDisk>, Appender, MemorySink, MemoryDisk>;

pub(crate) fn topic() -> TopicId {
    TopicId(Hash128([7; 16]))
}

pub(crate) fn settings() -> AggregatorSettings {
    let partitions = PartitionCount::new(PARTITIONS).unwrap();
    let acceptance = Acceptance { partition: Partition(0), partitions, index_retention_days: RETENTION_DAYS };
    AggregatorSettings {
        fold: Settings { acceptance, secret_check: Hash128([9; 16]) },
        topic: topic(),
        store: StoreSettings { index_filter_bits: 12 },
        cadence: Cadence {
            read_bytes_max: 900,
            batch_events_max: 5,
            commit_interval_ms: 2_000,
            commit_events: 9,
            fresh_bytes_max: 1 << 20,
            publish_rows_max: 7,
            idle_ms: 100,
            heartbeats: true,
        },
    }
}

fn config() -> LocalConfig {
    LocalConfig {
        partitions: PARTITIONS,
        durability: Durability::Synced,
        commit_interval_ms: 0,
        segment_bytes: 4_000,
        batch_bytes: 300,
        pending_bytes_max: 2_000,
        record_bytes_max: 2 << 20,
        retention_days: RetentionDays { usage: 38, outcomes: 38, rejects: 90, alerts: 90 },
        tombstone_hours: 24,
        compact_percent: 50,
    }
}

pub(crate) fn open_log(disk: &MemoryDisk) -> Result<LocalLog<MemoryDisk>, LogError> {
    disk.make_dir("log").unwrap();
    disk.sync_dir("").unwrap();
    LocalLog::open(disk.at("log"), config(), topic())
}

/// The `nth` account of partition 0, or of another.
pub(crate) fn account(nth: usize, misrouted: bool) -> AccountKey {
    let count = PartitionCount::new(PARTITIONS).unwrap();
    let keys = (0_u8..=255).map(|byte| AccountKey(Hash128([byte; 16])));
    let mut keys = keys.filter(|key| (partition_of(key.bytes(), count) == Partition(0)) != misrouted);
    keys.nth(nth).unwrap()
}

pub(crate) fn wall(text: &str) -> WallTime {
    WallTime::parse(text).unwrap()
}

/// ClickHouse's tables as a reader sees them, and what is on its way to them. Outlives every crash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) rows: BTreeMap<String, (Version, Rows)>,
    pub(crate) progress: Option<Version>,
    pub(crate) life: u64,
}

impl Tables {
    /// Each key at its highest version.
    fn take(&mut self, rows: &Rows) {
        let version = rows.version;
        let one = |change: fn(&mut Rows, &Rows, usize), place| {
            let mut one = Rows { version, ..Rows::default() };
            change(&mut one, rows, place);
            one
        };
        let mut put = |key: String, row: Rows| {
            let held = self.rows.entry(key).or_insert_with(|| (Version::ZERO, Rows::default()));
            if version >= held.0 {
                *held = (version, row);
            }
        };
        for (place, row) in rows.totals.iter().enumerate() {
            let key = format!("total {:?} {:?}", row.account, row.dims);
            put(key, one(|to, from, place| to.totals.push(from.totals[place].clone()), place));
        }
        for (place, row) in rows.hours.iter().enumerate() {
            let key = format!("hour {:?} {:?} {:?}", row.hour, row.account, row.dims);
            put(key, one(|to, from, place| to.hours.push(from.hours[place].clone()), place));
        }
        for (place, row) in rows.receipts.iter().enumerate() {
            let key = format!("receipt {:?} {:?} {:?} {:?}", row.account, row.epoch, row.day, row.dims);
            put(key, one(|to, from, place| to.receipts.push(from.receipts[place].clone()), place));
        }
        for (place, row) in rows.producers.iter().enumerate() {
            let key = format!("producer {:?} {:?}", row.account, row.epoch);
            put(key, one(|to, from, place| to.producers.push(from.producers[place].clone()), place));
        }
        for (place, row) in rows.sessions.iter().enumerate() {
            let key = format!("session {:?} {:?}", row.account, row.session);
            put(key, one(|to, from, place| to.sessions.push(from.sessions[place].clone()), place));
        }
        for progress in &rows.progress {
            self.progress = self.progress.max(Some(progress.version));
        }
    }

    pub(crate) fn shown(&self) -> Truth {
        let mut shown = Truth::default();
        self.rows.values().for_each(|(_, rows)| shown.collect(rows));
        shown.without_zeros()
    }
}

/// A sink whose submissions land when the test says so.
#[derive(Debug, Default)]
pub(crate) struct MemorySink {
    next: u64,
    flying: VecDeque<(Ticket, Rows)>,
    answers: Vec<Answer>,
    observed: Option<Observed>,
}

impl Sink for MemorySink {
    fn submit(&mut self, rows: Rows, _life: u64) -> Result<Ticket, Full> {
        if self.flying.len() >= 2 {
            return Err(Full(Box::new(rows)));
        }
        self.next += 1;
        self.flying.push_back((Ticket(self.next), rows));
        Ok(Ticket(self.next))
    }
    fn acknowledged(&mut self, into: &mut Vec<Answer>) {
        into.append(&mut self.answers);
    }
    fn observed(&mut self) -> Option<Observed> {
        self.observed.take()
    }
}

/// What becomes of a submission.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Taken,
    TakenAndRefused,
    Refused,
    TakenTwice,
}

impl MemorySink {
    pub(crate) fn land(&mut self, tables: &mut Tables, fate: Fate) -> bool {
        let Some((ticket, rows)) = self.flying.pop_front() else { return false };
        if !matches!(fate, Fate::Refused) {
            tables.take(&rows);
        }
        if matches!(fate, Fate::TakenTwice) {
            self.flying.push_back((ticket, rows));
        }
        let result = match fate {
            Fate::Taken | Fate::TakenTwice => Ok(()),
            _ => Err(SinkError("the connection was reset".into())),
        };
        self.answers.push(Answer { ticket, result });
        true
    }
}

pub(crate) struct World {
    pub(crate) disk: MemoryDisk,
    pub(crate) log: LocalLog<MemoryDisk>,
    pub(crate) part: Option<Part>,
    pub(crate) tables: Tables,
    /// The tables of an earlier moment, to which ClickHouse may be set back.
    pub(crate) backup: Tables,
    pub(crate) now: WallTime,
}

impl World {
    /// A log as an installation begins it, and its first partition.
    pub(crate) fn new(seed: u64, now: WallTime) -> Self {
        let disk = MemoryDisk::new(seed);
        let log = open_log(&disk).unwrap();
        let mut world =
            Self { disk, log, part: None, tables: Tables::default(), backup: Tables::default(), now };
        world.begin();
        world
    }

    /// Barrier 1, unless it is there.
    fn begin(&mut self) {
        let bounds = self.log.reader().bounds(lane(Topic::Usage)).unwrap();
        if bounds.end == Offset::ZERO {
            self.append(&[], &tally_schema::encode_barrier(&barrier()));
            let _turn = self.log.turn(self.now);
        }
    }

    /// Appends a record, unless the log is full: then its sender gives up.
    pub(crate) fn append(&mut self, key: &[u8], value: &[u8]) {
        let _ticket = self.log.appender().append(lane(Topic::Usage), key, Some(value));
    }

    pub(crate) fn send(&mut self, event: &UsageEvent) {
        let mut bytes = vec![];
        tally_schema::encode_usage(&event.as_ref(), &mut bytes);
        self.append(event.account.bytes(), &bytes);
    }

    pub(crate) fn open(&self) -> Result<Part, PartError> {
        let sink = MemorySink {
            observed: Some(Observed { life: self.tables.life + 1, progress: self.tables.progress }),
            ..MemorySink::default()
        };
        let ports = (self.log.reader(), self.log.appender(), sink);
        Aggregator::open(settings(), ports, &self.disk, "state")
    }

    pub(crate) fn turn(&mut self) -> Result<Turn, PartError> {
        if self.part.is_none() {
            self.part = Some(self.open()?);
        }
        self.part.as_mut().unwrap().turn(self.now)
    }

    pub(crate) fn land(&mut self, fate: Fate) -> bool {
        self.part.as_mut().is_some_and(|part| part.sink_mut().land(&mut self.tables, fate))
    }

    /// Power is lost and comes back: everything in memory is gone.
    pub(crate) fn crash(&mut self) {
        self.part = None;
        let other = MemoryDisk::new(0);
        self.log = open_log(&other).unwrap();
        self.disk.crash();
        self.log = open_log(&self.disk).unwrap();
        self.begin();
    }

    /// ClickHouse was away, and shows itself again.
    pub(crate) fn observe(&mut self) {
        let observed = Observed { life: self.tables.life + 1, progress: self.tables.progress };
        if let Some(part) = &mut self.part {
            part.sink_mut().observed = Some(observed);
            part.sink_mut().flying.clear();
        }
    }

    /// No fault that is planned and has not happened will happen.
    pub(crate) fn forget_faults(&mut self) {
        self.crash();
    }

    /// Turns everything until there is nothing to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..2_000 {
            let log = self.log.turn(self.now);
            let turn = self.turn().unwrap();
            let landed = self.land(Fate::Taken);
            let status = self.part.as_ref().unwrap().status();
            let claimed = status.claimed == status.version && status.rejects_waiting == 0;
            if log.is_idle() && matches!(turn, Turn::Idle { .. }) && !landed && status.lag() == 0 && claimed {
                return;
            }
        }
        panic!("no end: {:?}", self.part.as_ref().unwrap().status());
    }

    /// Every record of the partition's usage log.
    pub(crate) fn logged(&self) -> Vec<Logged> {
        self.read(Topic::Usage, |record| Logged::of(&record))
    }

    pub(crate) fn read<T>(&self, topic: Topic, each: impl Fn(tally_log::Record<'_>) -> T) -> Vec<T> {
        let mut reader = self.log.reader();
        let mut records = Records::default();
        let mut next = reader.bounds(lane(topic)).unwrap().start;
        let mut all = vec![];
        loop {
            reader.read(lane(topic), next, 10_000, &mut records).unwrap();
            let Some(last) = records.last() else { return all };
            next = last.offset.next();
            all.extend(records.iter().map(&each));
        }
    }

    /// What a reader of the totals topic knows: of each key the highest version.
    fn topic_totals(&self) -> BTreeMap<(AccountKey, Dims), [Usage; 4]> {
        let mut newest = BTreeMap::new();
        let records = self.read(Topic::Totals, |record| tally_schema::decode_totals(record.value.unwrap()));
        for record in records {
            let Totals::Total(row, version) = record.unwrap() else { continue };
            let key = (row.account, row.dims.as_ref().clone());
            let held = newest.entry(key).or_insert((version, row.windows));
            if version >= held.0 {
                *held = (version, row.windows);
            }
        }
        let shown = newest.into_iter().map(|(key, (_, windows))| (key, windows));
        shown.filter(|(_, windows)| windows.iter().any(|usage| !usage.is_zero())).collect()
    }

    /// ClickHouse, the totals topic and the rejects say what the oracle says of the log as it is.
    pub(crate) fn check(&self) {
        let log = self.logged();
        let truth = recount(&log, log.len()).without_zeros();
        assert_eq!(self.tables.shown(), truth);
        assert_eq!(self.topic_totals(), truth.totals);
        let status = self.part.as_ref().unwrap().status();
        assert!(status.counts.adds_up());
        assert_eq!(self.tables.progress, Some(status.version));
        let mut rejects = self.read(Topic::Rejects, |record| {
            let reject = tally_schema::decode_reject(record.value.unwrap()).unwrap();
            assert_eq!(record.key[2..], reject.offset.get().to_be_bytes());
            reject.offset
        });
        rejects.sort_unstable();
        rejects.dedup();
        assert_eq!(u64::try_from(rejects.len()).unwrap(), status.counts.rejected);
    }
}

pub(crate) fn lane(topic: Topic) -> Lane {
    Lane { topic, partition: Partition(0) }
}

pub(crate) fn barrier() -> Barrier {
    Barrier {
        number: 1,
        topic: topic(),
        partitions: PartitionCount::new(PARTITIONS).unwrap(),
        fold_version: FoldVersion(1),
        secret_check: Hash128([9; 16]),
    }
}

/// One token of input, now.
pub(crate) fn event(id: &str, now: WallTime) -> UsageEvent {
    UsageEvent {
        account: account(0, false),
        event_id: id.into(),
        occurred_at: EventTime::from_ms(now.ms()).unwrap(),
        usage: Usage { tokens: [1, 0, 0, 0, 0, 0], requests: 1, ..Usage::ZERO },
        dims: Dims { model: "m0".into(), tool: "t0".into(), ..Dims::default() },
        session: Some("one".into()),
        ..UsageEvent::default()
    }
}
