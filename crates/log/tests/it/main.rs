//! The local log on the real disk and on one that crashes: nothing from outside is needed.
#![cfg(test)]

mod contract;
mod crash;
mod damage;
mod keeping;
mod threads;

use tally_disk::Disk;
use tally_domain::{Hash128, Lane, Offset, Partition, Topic, TopicId, WallTime};
use tally_log::{
    AppendLog, Durability, LocalConfig, LocalLog, LogError, ReadLog, Records, RetentionDays, Ticket,
};

/// Small segments and batches, so that little data has every seam.
fn config() -> LocalConfig {
    LocalConfig {
        partitions: 3,
        durability: Durability::Synced,
        commit_interval_ms: 0,
        segment_bytes: 2_000,
        batch_bytes: 300,
        pending_bytes_max: 64 << 10,
        record_bytes_max: 2 << 20,
        retention_days: RetentionDays { usage: 38, outcomes: 38, rejects: 90, alerts: 90 },
        tombstone_hours: 24,
        compact_percent: 50,
    }
}

const TOPIC: TopicId = TopicId(Hash128([7; 16]));

fn open<D: Disk>(disk: &D) -> Result<LocalLog<D>, LogError> {
    LocalLog::open(disk.clone(), config(), TOPIC)
}

fn lane(topic: Topic, partition: u16) -> Lane {
    Lane { topic, partition: Partition(partition) }
}

/// A day of 2026, as a wall clock.
fn day(days: i64) -> WallTime {
    WallTime::from_ms(1_770_000_000_000 + days * 86_400_000).unwrap()
}

fn offset(offset: u64) -> Offset {
    Offset::new(offset).unwrap()
}

/// Every record of a lane: offset, key and value (`-` for a tombstone) as text.
fn all<R: ReadLog>(reader: &mut R, lane: Lane) -> Result<Vec<(u64, String, String)>, LogError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut next = reader.bounds(lane)?.start;
    let mut records = Records::default();
    let mut seen = Vec::new();
    loop {
        reader.read(lane, next, 700, &mut records)?;
        let Some(last) = records.last() else { return Ok(seen) };
        next = last.offset.next();
        seen.extend(records.iter().map(|r| (r.offset.get(), text(r.key), text(r.value.unwrap_or(b"-")))));
    }
}

/// Appends, turns once, and gives the outcome of each.
fn put<D: Disk>(
    log: &mut LocalLog<D>,
    now: WallTime,
    records: &[(Lane, &str, Option<&str>)],
) -> Vec<Result<Offset, LogError>> {
    let mut appender = log.appender();
    let tickets: Vec<Ticket> = records
        .iter()
        .map(|(lane, key, value)| appender.append(*lane, key.as_bytes(), value.map(str::as_bytes)).unwrap())
        .collect();
    let turn = log.turn(now);
    let mut decided = Vec::new();
    appender.acknowledged(&mut decided);
    decided.sort_by_key(|(ticket, _)| *ticket);
    assert_eq!(decided.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), tickets, "{turn:?}");
    decided.into_iter().map(|(_, outcome)| outcome).collect()
}
