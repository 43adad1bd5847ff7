//! A log in memory, and tables that keep a row for each key.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use tally_audit::{Answer, ArchiveSink, Archived, Archiver, Listed, Observed, Piece, Rules, Turn};
use tally_clickhouse::error::Cause;
use tally_clickhouse::rows::{EventRecord, RejectRecord, RejectTopic};
use tally_clickhouse::{ClickHouseError, Life, Retry};
use tally_disk::MemoryDisk;
use tally_domain::{
    AccountKey, Dims, EventTime, Hash128, Lane, Offset, Partition, PartitionCount, Reason, Reject, Topic,
    TopicId, UsageEvent, WallTime, partition_of,
};
use tally_log::{
    AppendLog, Appender, Bounds, Durability, LocalConfig, LocalLog, LogError, ReadLog, Reader, Records,
    RetentionDays,
};

pub(crate) const NOW_MS: i64 = 1_771_000_000_000;

pub(crate) fn count() -> PartitionCount {
    PartitionCount::new(4).unwrap()
}

/// Numbers that are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// As the table's key has it: topic, incarnation, partition, place in the usage log, record key.
type Key = (i8, u16, u16, u64, Vec<u8>);

/// What ClickHouse holds: a row for each key, the progress of both topics.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) events: BTreeMap<(u16, u64), EventRecord>,
    pub(crate) rejects: BTreeMap<Key, RejectRecord>,
    pub(crate) archived: BTreeMap<u16, Archived>,
    pub(crate) listed: BTreeMap<u16, Listed>,
}

impl Tables {
    fn reject(&mut self, row: &RejectRecord) {
        let (topic, place) = match row.topic {
            RejectTopic::Usage => (0, row.offset),
            RejectTopic::Rejects => (1, 0),
        };
        let key = (topic, row.incarnation, row.partition, place, row.record_key.clone());
        let known = self.rejects.get(&key).is_some_and(|known| known.offset > row.offset);
        if !known {
            self.rejects.insert(key, row.clone());
        }
    }

    /// Details of all rejects, sorted.
    pub(crate) fn details(&self) -> Vec<String> {
        let mut details: Vec<_> = self.rejects.values().map(|row| row.detail.clone()).collect();
        details.sort();
        details
    }
}

/// Writes what it took when it is told to, whole or half.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sink(pub(crate) Rc<RefCell<Inner>>);

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) tables: Tables,
    /// What the server holds in this one.
    life: u64,
    taken: VecDeque<(Piece, Life)>,
    /// What the archiver was not shown yet.
    observed: Option<Observed>,
    answers: VecDeque<Answer>,
}

impl ArchiveSink for Sink {
    fn submit(&mut self, piece: Piece, life: Life) -> Result<(), Box<Piece>> {
        let mut inner = self.0.borrow_mut();
        if inner.taken.len() >= 2 {
            return Err(Box::new(piece));
        }
        inner.taken.push_back((piece, life));
        Ok(())
    }

    fn answered(&mut self) -> Option<Answer> {
        self.0.borrow_mut().answers.pop_front()
    }

    fn observed(&mut self) -> Option<Observed> {
        self.0.borrow_mut().observed.take()
    }
}

impl Inner {
    fn shown(&self) -> Observed {
        Observed {
            life: Life(self.life),
            archived: self.tables.archived.values().copied().collect(),
            listed: self.tables.listed.values().copied().collect(),
        }
    }
}

impl Sink {
    /// The server comes back with these tables, and nobody has looked at it yet.
    pub(crate) fn come_back_with(&self, tables: Tables) {
        let mut inner = self.0.borrow_mut();
        inner.tables = tables;
        inner.life += 1;
    }

    /// Somebody looks at the server, and shows the archiver what it holds.
    pub(crate) fn look(&self) {
        let mut inner = self.0.borrow_mut();
        inner.observed = Some(inner.shown());
    }

    /// Writes the first piece that it took, or the second half of its rows and then fails. Rows go into whatever server
    /// is there; their progress only into the one that they are for.
    pub(crate) fn write(&self, whole: bool) {
        let mut inner = self.0.borrow_mut();
        let Some((piece, life)) = inner.taken.pop_front() else { return };
        let reach = piece.reach();
        let claims = whole && life.0 == inner.life;
        match piece {
            Piece::Events(chunk) => {
                let from = if whole { 0 } else { chunk.events.len() / 2 };
                for row in chunk.events.iter().skip(from) {
                    inner.tables.events.insert((row.partition, row.offset), row.clone());
                }
                if whole {
                    chunk.rejects.iter().for_each(|row| inner.tables.reject(row));
                }
                if claims {
                    inner.tables.archived.insert(chunk.then.partition.0, chunk.then);
                }
            }
            Piece::Rejects(chunk) => {
                let from = if whole { 0 } else { chunk.rows.len() / 2 };
                chunk.rows.iter().skip(from).for_each(|row| inner.tables.reject(row));
                if claims {
                    inner.tables.listed.insert(chunk.then.partition.0, chunk.then);
                }
            }
        }
        let refused = ClickHouseError {
            doing: "inserting".to_owned(),
            retry: Retry::Later,
            code: None,
            cause: Cause::Answer("not all of it is in".to_owned()),
        };
        inner.answers.push_back(Answer { reach, result: if claims { Ok(()) } else { Err(refused) } });
    }
}

/// A log that takes records while it is looked at: now and then a reject and then a heartbeat are durable between two
/// questions of the archiver.
pub(crate) struct Busy {
    reader: Reader<MemoryDisk>,
    world: Rc<RefCell<Log>>,
}

impl ReadLog for Busy {
    fn read(
        &mut self,
        lane: Lane,
        from: Offset,
        bytes_max: usize,
        into: &mut Records,
    ) -> Result<(), LogError> {
        self.reader.read(lane, from, bytes_max, into)
    }

    fn bounds(&mut self, lane: Lane) -> Result<Bounds, LogError> {
        self.world.borrow_mut().happen();
        self.reader.bounds(lane)
    }

    fn offset_for_time(&mut self, lane: Lane, at_ms: i64) -> Result<Offset, LogError> {
        self.reader.offset_for_time(lane, at_ms)
    }
}

/// The log with whoever appends to it.
pub(crate) struct Log {
    shipped: LocalLog<MemoryDisk>,
    appender: Appender,
    /// How often something happens between two questions; never at first.
    pub(crate) busy: Option<Dice>,
    /// Keys of rejects, each with a place in the usage log that came after it.
    pub(crate) promised: Vec<(String, Partition, Offset)>,
}

impl Log {
    fn happen(&mut self) {
        if self.busy.as_mut().is_some_and(|dice| dice.below(6) == 0) {
            self.promise();
        }
    }

    /// A reject, and when it is durable, a heartbeat.
    pub(crate) fn promise(&mut self) {
        let key = format!("file {}", self.promised.len());
        self.kept(&key);
        let partition = Partition(u16::from(self.promised.len().is_multiple_of(2)));
        let beat = self.append(Topic::Usage, partition, &[], &tally_schema::encode_heartbeat());
        self.promised.push((key, partition, beat));
    }

    /// A durable record and its offset.
    fn append(&mut self, topic: Topic, partition: Partition, key: &[u8], value: &[u8]) -> Offset {
        let lane = Lane { topic, partition };
        let ticket = self.appender.append(lane, key, Some(value)).unwrap();
        let _written = self.shipped.turn(WallTime::from_ms(NOW_MS).unwrap());
        let mut decided = Vec::new();
        self.appender.acknowledged(&mut decided);
        let (_, offset) = decided.into_iter().find(|(decided, _)| *decided == ticket).unwrap();
        offset.unwrap()
    }

    fn kept(&mut self, key: &str) {
        let partition = partition_of(key.as_bytes(), count());
        let (offset, reason) = (Offset::MAX, Reason::Unreadable);
        let reject = Reject { partition, offset, reason, detail: key.to_owned() };
        let value = tally_schema::encode_reject(&reject, b"line");
        self.append(Topic::Rejects, partition, key.as_bytes(), &value);
    }
}

/// A log, its archiver, and the tables.
pub(crate) struct World {
    pub(crate) log: Rc<RefCell<Log>>,
    archiver: Archiver<Busy, Sink>,
    pub(crate) sink: Sink,
}

impl World {
    pub(crate) fn new() -> Self {
        let config = LocalConfig {
            partitions: count().get(),
            durability: Durability::Synced,
            commit_interval_ms: 0,
            segment_bytes: 64 << 20,
            batch_bytes: 64 << 10,
            pending_bytes_max: 4 << 20,
            record_bytes_max: 4 << 20,
            retention_days: RetentionDays { usage: 38, outcomes: 38, rejects: 90, alerts: 90 },
            tombstone_hours: 24,
            compact_percent: 50,
        };
        let log = LocalLog::open(MemoryDisk::new(1), config, TopicId(Hash128([1; 16]))).unwrap();
        let sink = Sink::default();
        let log = Log { appender: log.appender(), shipped: log, busy: None, promised: Vec::new() };
        let log = Rc::new(RefCell::new(log));
        let archiver = archiver(&log, &sink);
        Self { log, archiver, sink }
    }

    /// The process dies with what was in flight; the next goes on from what the tables say.
    pub(crate) fn restart(&mut self) {
        let was = std::mem::take(&mut *self.sink.0.borrow_mut());
        self.sink =
            Sink(Rc::new(RefCell::new(Inner { tables: was.tables, life: was.life, ..Inner::default() })));
        self.archiver = archiver(&self.log, &self.sink);
    }

    fn append(&mut self, topic: Topic, partition: Partition, key: &[u8], value: &[u8]) -> Offset {
        self.log.borrow_mut().append(topic, partition, key, value)
    }

    pub(crate) fn heartbeat(&mut self, partition: Partition) -> Offset {
        self.append(Topic::Usage, partition, &[], &tally_schema::encode_heartbeat())
    }

    /// A record of the usage log; an hour ahead it is refused.
    pub(crate) fn usage(&mut self, id: &str, ahead_ms: i64) -> (Partition, Offset) {
        let account = AccountKey(Hash128([5; 16]));
        let mut event = UsageEvent { account, event_id: id.to_owned(), ..UsageEvent::default() };
        event.occurred_at = EventTime::from_ms(NOW_MS + ahead_ms).unwrap();
        event.dims = Dims { model: "m".to_owned(), tool: "t".to_owned(), ..Dims::default() };
        let mut value = Vec::new();
        tally_schema::encode_usage(&event.as_ref(), &mut value);
        let partition = partition_of(account.bytes(), count());
        (partition, self.append(Topic::Usage, partition, account.bytes(), &value))
    }

    /// What a sender keeps.
    pub(crate) fn kept(&mut self, key: &str) {
        self.log.borrow_mut().kept(key);
    }

    /// What the fold says again of a record in the usage log.
    pub(crate) fn said_again(&mut self, partition: Partition, offset: Offset, reason: Reason) {
        let mut key = partition.0.to_be_bytes().to_vec();
        key.extend(offset.get().to_be_bytes());
        let reject = Reject { partition, offset, reason, detail: format!("the fold: {}", reason.name()) };
        let value = tally_schema::encode_reject(&reject, b"record");
        self.append(Topic::Rejects, partition, &key, &value);
    }

    pub(crate) fn turn(&mut self) -> Turn {
        self.archiver.turn().unwrap()
    }

    pub(crate) fn archived(&self, partition: Partition) -> Offset {
        self.archiver.archived().find(|lane| lane.partition == partition).unwrap().next
    }

    /// Until nothing is left to do. A refusal pauses for a few hundred turns.
    pub(crate) fn settle(&mut self) {
        let mut idle = 0;
        while idle < 1_000 {
            idle = if self.turn() == Turn::Idle { idle + 1 } else { 0 };
            self.sink.write(true);
        }
    }
}

fn archiver(log: &Rc<RefCell<Log>>, sink: &Sink) -> Archiver<Busy, Sink> {
    let rules = Rules { partitions: count(), index_retention_ms: 400 * 86_400_000 };
    let reader = Busy { reader: log.borrow().shipped.reader(), world: Rc::clone(log) };
    Archiver::new(reader, sink.clone(), rules, &sink.0.borrow().shown())
}
