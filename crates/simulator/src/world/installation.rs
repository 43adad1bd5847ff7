//! The log of the simulated installation: its machine, its settings, and what was read of it.

use crate::oracle::{Oracle, RETENTION_DAYS};
use crate::world::{Broken, Kept, World, all_partitions, broken};
use tally_aggregator::{AggregatorSettings, Cadence};
use tally_disk::{Disk as _, MemoryDisk};
use tally_domain::{
    Barrier, FoldVersion, Hash128, Lane, Offset, Partition, PartitionCount, Topic, TopicId, WallTime,
};
use tally_fold::{Acceptance, Settings};
use tally_log::{
    AppendLog, Bounds, Durability, LocalConfig, LocalLog, LogError, ReadLog, Record, Records, RetentionDays,
};
use tally_store::StoreSettings;

pub(crate) const PARTITIONS: u16 = 2;

/// The log's machine.
#[derive(Debug)]
pub(crate) struct Log {
    pub(super) disk: MemoryDisk,
    pub(super) opened: Option<LocalLog<MemoryDisk>>,
    pub(super) skew_ms: i64,
    /// Counts the lives of the topic.
    pub(super) topic: u8,
    /// A hash of every usage record that was ever read, by partition and offset, and the first that is kept.
    pub(super) read: Vec<(u64, Vec<u64>)>,
    records: Records,
}

pub(crate) fn count() -> PartitionCount {
    PartitionCount::new(PARTITIONS).expect("more than none")
}

pub(super) const fn usage(partition: Partition) -> Lane {
    Lane { topic: Topic::Usage, partition }
}

pub(super) const SECRET_CHECK: Hash128 = Hash128([9; 16]);

impl Log {
    pub(super) fn new(seed: u64) -> Self {
        let mut log = Self {
            disk: MemoryDisk::new(seed),
            opened: None,
            skew_ms: 0,
            topic: 1,
            read: vec![(0, vec![]); usize::from(PARTITIONS)],
            records: Records::default(),
        };
        log.open().expect("a new disk takes a new log");
        log
    }

    pub(super) fn topic_id(&self) -> TopicId {
        TopicId(Hash128([self.topic; 16]))
    }

    pub(super) fn open(&mut self) -> Result<(), LogError> {
        self.opened = None;
        self.disk.make_dir("log")?;
        self.disk.sync_dir("")?;
        self.opened = Some(LocalLog::open(self.disk.at("log"), config(), self.topic_id())?);
        Ok(())
    }

    pub(super) fn get(&self) -> &LocalLog<MemoryDisk> {
        self.opened.as_ref().expect("the log is opened after every crash")
    }

    pub(super) fn get_mut(&mut self) -> &mut LocalLog<MemoryDisk> {
        self.opened.as_mut().expect("the log is opened after every crash")
    }

    pub(super) fn bounds(&self, lane: Lane) -> Result<Bounds, Broken> {
        self.get().reader().bounds(lane).map_err(|error| error.to_string())
    }

    /// Every record of a lane from an offset on.
    pub(super) fn each(
        &mut self,
        lane: Lane,
        from: Offset,
        mut each: impl FnMut(&Record<'_>) -> Kept,
    ) -> Kept {
        let mut next = from;
        while let Some(then) = self.page(lane, next, 100_000, &mut each)? {
            next = then;
        }
        Ok(())
    }

    /// The records of one read; where the next one begins, if there were any.
    pub(super) fn page(
        &mut self,
        lane: Lane,
        from: Offset,
        bytes_max: usize,
        mut each: impl FnMut(&Record<'_>) -> Kept,
    ) -> Result<Option<Offset>, Broken> {
        let read = self.get().reader().read(lane, from, bytes_max, &mut self.records);
        read.map_err(|error| format!("reading the log: {error}"))?;
        self.records.iter().try_for_each(|record| each(&record))?;
        Ok(self.records.last().map(|last| last.offset.next()))
    }
}

/// Small enough that segments, batches and pages end all the time.
fn config() -> LocalConfig {
    LocalConfig {
        partitions: PARTITIONS,
        durability: Durability::Synced,
        commit_interval_ms: 0,
        segment_bytes: 3_000,
        batch_bytes: 300,
        pending_bytes_max: 4_000,
        record_bytes_max: 2 << 20,
        retention_days: RetentionDays { usage: 38, outcomes: 38, rejects: 10_000, alerts: 90 },
        tombstone_hours: 24,
        compact_percent: 50,
    }
}

pub(super) fn settings(partition: Partition, topic: TopicId) -> AggregatorSettings {
    let acceptance = Acceptance { partition, partitions: count(), index_retention_days: RETENTION_DAYS };
    AggregatorSettings {
        fold: Settings { acceptance, secret_check: SECRET_CHECK },
        topic,
        store: StoreSettings { index_filter_bits: 12 },
        cadence: Cadence {
            read_bytes_max: 700,
            batch_events_max: 4,
            commit_interval_ms: 2_000,
            commit_events: 9,
            fresh_bytes_max: 20_000,
            publish_rows_max: 6,
            idle_ms: 100,
            heartbeats: true,
        },
    }
}

/// Prices with halves of a billionth of a dollar, so that rounding shows.
pub(super) fn price_book(number: u32) -> Vec<u8> {
    let body = format!(
        r#"{{"number":{number},"source":"simulated","models":[{{"model":"m0","prices":[
        {{"from":"2026-01-01","usd_per_million":{{"input":"0.0005","output":"{number}.0015"}}}}]}}]}}"#
    );
    tally_schema::encode_prices(number, body.as_bytes())
}

impl World {
    pub(super) fn barrier_record(&self, partitions: PartitionCount, number: u16) -> Vec<u8> {
        tally_schema::encode_barrier(&Barrier {
            number,
            topic: self.log.topic_id(),
            partitions,
            fold_version: FoldVersion(1),
            secret_check: SECRET_CHECK,
        })
    }

    /// Whoever makes a log writes the first barrier and the first price book into it, until both are there.
    pub(super) fn begin_topic(&mut self) {
        self.first_incarnation = self.barrier + 1;
        self.barrier = self.first_incarnation;
        self.oracles = all_partitions().map(|partition| Oracle::new(partition, count())).collect();
        self.log.read = vec![(0, vec![]); usize::from(PARTITIONS)];
        for partition in all_partitions() {
            let barrier = self.barrier_record(count(), self.barrier);
            self.append(partition, &[], &barrier);
            self.append(partition, &[], &price_book(1));
        }
        let _turn = self.log_turn();
    }

    pub(super) fn log_now(&self) -> WallTime {
        self.now.plus_ms(self.log.skew_ms)
    }

    pub(super) fn log_turn(&mut self) -> tally_log::Turn {
        let now = self.log_now();
        self.log.get_mut().turn(now)
    }

    /// Appends without waiting for anything.
    pub(super) fn append(&mut self, partition: Partition, key: &[u8], value: &[u8]) {
        let _full = self.log.get().appender().append(usage(partition), key, Some(value));
    }

    /// The log's machine lost power and comes back.
    pub(super) fn log_crash(&mut self) -> Kept {
        for instance in &mut self.instances {
            instance.stop();
        }
        self.producers.iter_mut().for_each(crate::producers::Producer::disconnect);
        self.keepers.disconnect();
        (self.archivers, self.standing) = ([None, None], None);
        self.log.opened = None;
        self.log.disk.crash();
        self.log.open().map_err(|error| format!("opening the log after a crash: {error}"))?;
        self.reread()
    }

    /// What readers saw before the crash is there, as it was.
    fn reread(&mut self) -> Kept {
        for partition in all_partitions() {
            let (first, known) = self.log.read[usize::from(partition.0)].clone();
            let bounds = self.log.bounds(usage(partition))?;
            let end = first + u64::try_from(known.len()).expect("short");
            if bounds.end.get() < end {
                return broken(format!(
                    "partition {partition}: readers saw {end} records, after the loss of power the log ends at {}",
                    bounds.end
                ));
            }
            let start = bounds.start;
            self.log.each(usage(partition), start, |record| {
                let place =
                    record.offset.get().checked_sub(first).and_then(|place| usize::try_from(place).ok());
                let before = place.and_then(|place| known.get(place));
                if before.is_some_and(|before| *before != hash(record)) {
                    return broken(format!(
                        "partition {partition}: the record at {} is another one after the loss of power",
                        record.offset
                    ));
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The oracle reads what is new in the log.
    pub(super) fn feed(&mut self) -> Kept {
        for partition in all_partitions() {
            let at = usize::from(partition.0);
            let next = Offset::new(self.oracles[at].next).expect("short");
            let mut lines = vec![];
            let (oracle, mut hashes) = (&mut self.oracles[at], vec![]);
            let drawn = self.drawing.is_some();
            self.log.each(usage(partition), next, |record| {
                if record.offset.get() != oracle.next {
                    return broken(format!("partition {partition}: a hole before offset {}", record.offset));
                }
                hashes.push(hash(record));
                let meaning = oracle.read(record);
                if drawn {
                    lines.push(format!("log {partition}@{} {} {meaning}", record.offset, record.appended_at));
                }
                Ok(())
            })?;
            self.log.read[at].1.extend(hashes);
            for line in lines {
                self.note(|| line);
            }
        }
        Ok(())
    }
}

fn hash(record: &Record<'_>) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&record.offset.get().to_le_bytes());
    hasher.update(&record.appended_at.ms().to_le_bytes());
    hasher.update(record.key);
    hasher.update(record.value.unwrap_or_default());
    hasher.digest()
}
