//! The archive: two processes, each of which may believe that it is the one that writes it.

use crate::clickhouse::Fate;
use crate::clickhouse::archive::{RejectKey, SimulatedArchive};
use crate::oracle::RETENTION_DAYS;
use crate::world::installation::{count, usage};
use crate::world::{Broken, Kept, World, all_partitions, broken};
use std::collections::{BTreeMap, BTreeSet};
use tally_audit::{Archiver, Rules, Turn};
use tally_clickhouse::rows::EventRecord;
use tally_disk::MemoryDisk;
use tally_domain::{Lane, Offset, Partition, Reason, Reject, Topic, Version, partition_of};
use tally_log::{AppendLog, Appender, LogError, Reader, Ticket};

/// Turns after which an archiver tries again what was refused.
const PAUSE_TURNS: u32 = 202;

/// One archiver and the end of its way to ClickHouse.
#[derive(Debug)]
pub(crate) struct Archiving {
    archiver: Archiver<Reader<MemoryDisk>, SimulatedArchive>,
    sink: SimulatedArchive,
}

/// Senders who keep what they could not read, and only then send on.
#[derive(Debug, Default)]
pub(crate) struct Keepers {
    appender: Option<Appender>,
    flying: BTreeMap<Ticket, Vec<u8>>,
    kept: u32,
    /// Keys that were acknowledged, with the ends of the usage log at that moment.
    acknowledged: Vec<(Vec<u8>, Vec<Offset>)>,
}

impl Keepers {
    /// Their connection is gone, and nobody knows what of it was taken.
    pub(super) fn disconnect(&mut self) {
        self.flying.clear();
        self.appender = None;
    }
}

fn rules() -> Rules {
    Rules { partitions: count(), index_retention_ms: i64::from(RETENTION_DAYS) * 86_400_000 }
}

impl World {
    fn archiving(&self, owner: usize) -> Archiving {
        let owner = u64::try_from(owner).expect("one of two");
        let (sink, shown) = SimulatedArchive::open(&self.clickhouse, owner);
        let archiver = Archiver::new(self.log.get().reader(), sink.clone(), rules(), &shown);
        Archiving { archiver, sink }
    }

    /// One turn of an archiver, or as many as it waits after a refusal; true when it did something.
    pub(super) fn archive(&mut self, owner: usize) -> Result<bool, Broken> {
        let mut archiving = self.archivers[owner].take().unwrap_or_else(|| self.archiving(owner));
        let turns = if archiving.sink.take_refused() { PAUSE_TURNS } else { 1 };
        let mut worked = false;
        for _ in 0..turns {
            match archiving.archiver.turn() {
                Ok(turn) => worked |= turn == Turn::Worked,
                Err(error) => return self.archive_stopped(&error).map(|()| false),
            }
        }
        self.archivers[owner] = Some(archiving);
        Ok(worked)
    }

    /// An archiver stops only for a disk, or for a log that forgot what ClickHouse lost.
    fn archive_stopped(&mut self, error: &LogError) -> Kept {
        self.note(|| format!("the archiver stops: {error}"));
        match error {
            LogError::Disk(_) => Ok(()),
            LogError::BelowStart { lane, .. } if lane.topic == Topic::Usage => {
                let start = self.log.bounds(*lane)?.start;
                // Another archiver may have written on, and the log may have forgotten that.
                self.archive_is_lost |= self.archived(lane.partition).next() < start;
                Ok(())
            }
            _ => broken(format!("the archiver: {error}")),
        }
    }

    /// How far ClickHouse says that the archive of a partition is.
    pub(super) fn archived(&self, partition: Partition) -> Version {
        let server = self.clickhouse.borrow();
        let row = server.tables.archive.archived.get(&partition);
        row.map_or(Version::ZERO, |row| Version::from_u64(row.version))
    }

    /// What an archiver has sent meets its fate. False when there is nothing.
    pub(super) fn archive_lands(&mut self, owner: usize, fate: Fate, cut: usize) -> Result<bool, Broken> {
        let Some(archiving) = &self.archivers[owner] else { return Ok(false) };
        let Some(landed) = archiving.sink.land(fate, cut) else { return Ok(false) };
        self.note(|| format!("archive: {} events are in", landed.len()));
        self.feed()?;
        landed.iter().try_for_each(|row| self.event_is_right(row))?;
        self.archive_is_contiguous()?;
        Ok(true)
    }

    fn event_is_right(&self, row: &EventRecord) -> Kept {
        let told = usize::try_from(row.offset).ok();
        let told = told.and_then(|at| self.oracles[usize::from(row.partition)].told.get(at));
        match told {
            Some(told) if told.agrees(row) => Ok(()),
            told => broken(format!("archived is {row:?}, the log says {told:?}")),
        }
    }

    /// What is claimed to be archived is there without a hole, and all rejects that came before it are listed.
    pub(super) fn archive_is_contiguous(&self) -> Kept {
        let server = self.clickhouse.borrow();
        let archive = &server.tables.archive;
        for (partition, row) in &archive.archived {
            let (version, oracle) = (Version::from_u64(row.version), &self.oracles[usize::from(partition.0)]);
            let next = version.next().get();
            let last = next.checked_sub(1).and_then(|last| usize::try_from(last).ok());
            let last = last.and_then(|last| oracle.told.get(last));
            if last
                .is_none_or(|last| (last.log_ms, last.incarnation) != (row.log_time, version.incarnation().0))
            {
                return broken(format!(
                    "partition {partition} claims that {row:?} is archived, and {last:?} is there"
                ));
            }
            let there = archive.events.range((partition.0, 0)..(partition.0, next)).count();
            if u64::try_from(there).expect("few records") != next {
                return broken(format!(
                    "partition {partition} claims {next} archived records, {there} are there"
                ));
            }
            let refused = oracle.rejects.range(..next).map(|at| self.reject_key(*partition, *at));
            if let Some(key) = refused.into_iter().find(|key| !archive.rejects.contains_key(key)) {
                return broken(format!(
                    "partition {partition} is archived up to {next}, and {key:?} is not listed"
                ));
            }
        }
        let archived = |partition: Partition| {
            archive.archived.get(&partition).map_or(Offset::ZERO, |row| Version::from_u64(row.version).next())
        };
        for (key, ends) in &self.keepers.acknowledged {
            let passed = all_partitions().zip(ends).find(|(partition, end)| archived(*partition) > **end);
            if let Some((partition, end)) = passed
                && !archive.rejects.contains_key(&kept_key(key))
            {
                return broken(format!(
                    "partition {partition} is archived beyond {end}, and {key:?}, kept before that, is not listed"
                ));
            }
        }
        Ok(())
    }

    fn reject_key(&self, partition: Partition, offset: u64) -> RejectKey {
        let at = usize::try_from(offset).expect("a short log");
        let told = &self.oracles[usize::from(partition.0)].told[at];
        (false, told.incarnation, partition.0, offset, told.key.clone())
    }

    /// In the end everything is archived, and the list of rejects is whole.
    pub(super) fn archive_is_whole(&mut self) -> Kept {
        self.archive_is_contiguous()?;
        if self.archive_is_lost {
            return Ok(());
        }
        for partition in all_partitions() {
            let (archived, version) =
                (self.archived(partition), self.oracles[usize::from(partition.0)].version());
            if archived != version {
                return broken(format!(
                    "partition {partition} is archived up to {archived}, the log is at {version}"
                ));
            }
        }
        let mut expected = self.kept_keys()?;
        for (partition, oracle) in all_partitions().zip(&self.oracles) {
            expected.extend(oracle.rejects.iter().map(|at| self.reject_key(partition, *at)));
        }
        let listed: BTreeSet<RejectKey> =
            self.clickhouse.borrow().tables.archive.rejects.keys().cloned().collect();
        if listed == expected {
            return Ok(());
        }
        broken(format!("the list of rejects has {listed:?}, and should have {expected:?}"))
    }

    /// What senders kept, as the topic has it.
    fn kept_keys(&mut self) -> Result<BTreeSet<RejectKey>, Broken> {
        let mut keys = BTreeSet::new();
        for partition in all_partitions() {
            let lane = Lane { topic: Topic::Rejects, partition };
            let start = self.log.bounds(lane)?.start;
            self.log.each(lane, start, |record| {
                if is_kept(record.value) {
                    keys.insert((true, 0, partition.0, 0, record.key.to_vec()));
                }
                Ok(())
            })?;
        }
        Ok(keys)
    }

    /// A sender keeps something that it could not read; it hears of what it kept before.
    pub(super) fn keep(&mut self, again: bool) -> Kept {
        self.hear_kept()?;
        let Self { keepers, log, .. } = self;
        keepers.kept += u32::from(!again);
        let key = format!("file {}", keepers.kept).into_bytes();
        let (partition, offset, reason) = (partition_of(&key, count()), Offset::MAX, Reason::Unreadable);
        let reject = Reject { partition, offset, reason, detail: "not a line".to_owned() };
        let value = tally_schema::encode_reject(&reject, b"{");
        let lane = Lane { topic: Topic::Rejects, partition };
        let appender = keepers.appender.get_or_insert_with(|| log.get().appender());
        if let Ok(ticket) = appender.append(lane, &key, Some(&value)) {
            keepers.flying.insert(ticket, key);
        }
        Ok(())
    }

    pub(super) fn hear_kept(&mut self) -> Kept {
        let mut answers = vec![];
        if let Some(appender) = &mut self.keepers.appender {
            appender.acknowledged(&mut answers);
        }
        for (ticket, answer) in answers {
            let Some(key) = self.keepers.flying.remove(&ticket) else { continue };
            if answer.is_ok() {
                let ends =
                    all_partitions().map(|partition| self.log.bounds(usage(partition)).map(|it| it.end));
                self.keepers.acknowledged.push((key, ends.collect::<Result<_, _>>()?));
            }
        }
        Ok(())
    }

    /// A new installation begins an archive of its own.
    pub(super) fn begin_archive(&mut self) {
        self.archivers = [None, None];
        self.clickhouse.borrow_mut().tables.archive = <_>::default();
        self.keepers = Keepers::default();
        self.archive_is_lost = false;
    }
}

fn kept_key(key: &[u8]) -> RejectKey {
    (true, 0, partition_of(key, count()).0, 0, key.to_vec())
}

/// True for what a sender kept, false for what a fold refused.
pub(super) fn is_kept(value: Option<&[u8]>) -> bool {
    let reject = value.map(tally_schema::decode_reject);
    reject.is_some_and(|reject| reject.is_ok_and(|reject| reject.offset == Offset::MAX))
}
