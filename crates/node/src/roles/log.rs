//! The local log: opened once, begun as an installation begins it, driven by one thread.

mod upkeep;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tally_disk::OsDisk;
use tally_domain::{Barrier, Hash128, Lane, Offset, Partition, Secret, Topic, TopicId, WallTime};
use tally_fold::FOLD_VERSION;
use tally_log::local::{Durability, LocalConfig, LocalLog, RetentionDays};
use tally_log::{AppendLog, LogError, ReadLog, Records};

use crate::clock::Clock;
use crate::config::{Config, LogSync};
use crate::drive::{Next, Stop, drive};
use crate::installation::DataDir;
use crate::shared::Shared;
use crate::supervise::StartError;
use upkeep::Upkeep;

/// The price book that comes with this version of Tally.
pub const SHIPPED_BOOK: &[u8] = include_bytes!("../../../../schemas/prices/book.json");

/// How long the log's thread rests when nobody appends.
const REST: Duration = Duration::from_millis(200);

/// The log on the disk of this machine.
pub type Log = LocalLog<OsDisk>;

/// Opens the log of a data directory, and begins it if it is new.
///
/// # Errors
/// When it cannot be opened, or a clock that stands still lies before what it already holds.
pub fn open(config: &Config, dir: &DataDir, secret: &Secret, clock: Clock) -> Result<Log, StartError> {
    let mut fresh = [0; 16];
    getrandom::fill(&mut fresh).map_err(|error| StartError::Random(error.to_string()))?;
    let disk = OsDisk::open(dir.log()).map_err(crate::installation::InstallationError::from)?;
    let mut log = LocalLog::open(disk, local_config(config, clock), TopicId(Hash128(fresh)))?;
    if let Clock::Fixed(at) = clock {
        refuse_the_past(&log, at)?;
    }
    begin(&mut log, secret, clock.now())?;
    Ok(log)
}

fn local_config(config: &Config, clock: Clock) -> LocalConfig {
    let log = &config.log;
    // Under a clock that stands still no time passes in which appends could gather.
    let commit_interval_ms = match clock {
        Clock::System => i64::try_from(log.group_commit_max_ms).unwrap_or(i64::MAX),
        Clock::Fixed(_) => 0,
    };
    LocalConfig {
        partitions: log.partitions,
        durability: match log.sync {
            LogSync::Group => Durability::Synced,
            LogSync::Never => Durability::Written,
        },
        commit_interval_ms,
        segment_bytes: log.segment_bytes,
        batch_bytes: 1 << 20,
        pending_bytes_max: 64 << 20,
        record_bytes_max: 4 << 20,
        retention_days: RetentionDays {
            usage: log.retention.usage_days,
            outcomes: log.retention.outcomes_days,
            rejects: log.retention.rejects_days,
            alerts: log.retention.alerts_days,
        },
        tombstone_hours: log.compaction.tombstone_hours,
        compact_percent: log.compaction.new_percent,
    }
}

/// A clock that stands still is refused below any LogTime: its records would be older than their past.
fn refuse_the_past(log: &Log, at: WallTime) -> Result<(), StartError> {
    let mut reader = log.reader();
    let mut records = Records::default();
    for partition in log.partitions().all() {
        let lane = Lane { topic: Topic::Usage, partition };
        let bounds = reader.bounds(lane)?;
        let last = bounds.end.get().checked_sub(1).and_then(Offset::new);
        // Retention may have emptied the lane.
        let Some(last) = last.filter(|last| *last >= bounds.start) else { continue };
        reader.read(lane, last, 1, &mut records)?;
        let newest = records.iter().map(|record| record.appended_at).max();
        if let Some(newest) = newest.filter(|newest| newest.ms() > at.ms()) {
            return Err(StartError::ClockBehind { at, newest });
        }
    }
    Ok(())
}

/// Writes barrier 1 and then the shipped price book to every partition that does not have both yet.
fn begin(log: &mut Log, secret: &Secret, now: WallTime) -> Result<(), LogError> {
    let barrier = tally_schema::encode_barrier(&Barrier {
        number: 1,
        topic: log.topic_id(),
        partitions: log.partitions(),
        fold_version: FOLD_VERSION,
        secret_check: secret.check(),
    });
    let mut reader = log.reader();
    let mut appender = log.appender();
    for partition in log.partitions().all() {
        let lane = Lane { topic: Topic::Usage, partition };
        // A crash between the two leaves a log of one record, and the next start goes on from there.
        let records = reader.bounds(lane)?.end.get();
        if records == 0 {
            append_now(log, &mut appender, lane, &barrier, now)?;
        }
        if records <= 1 {
            append_now(log, &mut appender, lane, &shipped_book(), now)?;
        }
    }
    Ok(())
}

/// The record of the price book that comes with this version.
#[must_use]
pub fn shipped_book() -> Vec<u8> {
    tally_schema::encode_prices(shipped_number(), SHIPPED_BOOK)
}

/// Its number.
///
/// # Panics
/// Never: a test reads the shipped book.
#[must_use]
pub fn shipped_number() -> u32 {
    tally_domain::price::PriceBook::parse(SHIPPED_BOOK).expect("the shipped book is read by a test").number()
}

fn append_now(
    log: &mut Log,
    appender: &mut impl AppendLog,
    lane: Lane,
    value: &[u8],
    now: WallTime,
) -> Result<Offset, LogError> {
    let ticket =
        appender.append(lane, &[], Some(value)).expect("an empty log has room for its first records");
    let mut decided = Vec::new();
    let mut ahead = now;
    loop {
        // Nobody else appends yet; a little later by the clock of the turn, whatever waits is due.
        let _written = log.turn(ahead);
        appender.acknowledged(&mut decided);
        if let Some((_, result)) = decided.drain(..).find(|(answered, _)| *answered == ticket) {
            return result;
        }
        ahead = ahead.plus_ms(1);
    }
}

/// Drives the log: writes what waits, syncs, acknowledges; `check_every` it drops and compacts what may go.
///
/// # Errors
/// When the operating system gives no thread.
pub fn run(
    mut log: Log,
    (clock, check_every): (Clock, Duration),
    shared: &Arc<Shared>,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    let bell = log.bell();
    let mut upkeep = Upkeep::new(check_every, Arc::clone(shared));
    drive("log", shared, move || {
        let turn = log.turn(clock.now());
        upkeep.turn(&mut log, clock.now());
        if turn.is_idle() {
            if stop.is_asked() {
                return Ok(Next::End);
            }
            let due = u64::try_from(turn.due_in_ms).ok().filter(|&ms| ms > 0);
            match due {
                Some(ms) => std::thread::park_timeout(Duration::from_millis(ms)),
                None => bell.wait(REST),
            }
        }
        Ok::<_, LogError>(Next::Again)
    })
}

/// Appends a heartbeat to every partition of usage: whoever waits for "now" waits for these.
///
/// # Errors
/// What the log says.
pub fn heartbeats<A: AppendLog>(
    appender: &mut A,
    partitions: impl Iterator<Item = Partition>,
) -> Vec<(tally_log::Ticket, Partition)> {
    let heartbeat = tally_schema::encode_heartbeat();
    partitions
        .filter_map(|partition| {
            let lane = Lane { topic: Topic::Usage, partition };
            // A log that is full has records waiting already, and those are what "now" means.
            appender.append(lane, &[], Some(&heartbeat)).ok().map(|ticket| (ticket, partition))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    /// The first records of partition 0, as what they are.
    fn records(log: &Log) -> Vec<&'static str> {
        let mut records = Records::default();
        let lane = Lane { topic: Topic::Usage, partition: Partition(0) };
        log.reader().read(lane, Offset::ZERO, 1 << 20, &mut records).unwrap();
        let name = |value| match tally_schema::decode(value).unwrap() {
            tally_domain::Entry::Barrier(_) => "barrier",
            tally_domain::Entry::Prices(_) => "prices",
            _ => "other",
        };
        records.iter().map(|record| name(record.value.unwrap())).collect()
    }

    #[test]
    fn a_log_is_begun_once_and_one_that_was_cut_short_is_completed() {
        let temp = tempfile::tempdir().unwrap();
        let environment = [("HOME".to_owned(), temp.path().display().to_string())].into();
        let (config, _) = load(&Sources { environment, ..Sources::default() }).unwrap();
        let (dir, secret) = (DataDir::new(temp.path()), Secret::new([1; 32]));
        let disk = OsDisk::open(dir.log()).unwrap();
        let clock = Clock::System;
        let mut cut = LocalLog::open(disk, local_config(&config, clock), TopicId::default()).unwrap();
        let mut appender = cut.appender();
        let lane = Lane { topic: Topic::Usage, partition: Partition(0) };
        let barrier = tally_schema::encode_barrier(&Barrier {
            number: 1,
            topic: cut.topic_id(),
            partitions: cut.partitions(),
            fold_version: FOLD_VERSION,
            secret_check: secret.check(),
        });
        append_now(&mut cut, &mut appender, lane, &barrier, clock.now()).unwrap();
        drop((cut, appender));
        for _ in 0..2 {
            let log = open(&config, &dir, &secret, clock).unwrap();
            assert_eq!(records(&log), ["barrier", "prices"]);
        }
    }

    #[test]
    fn the_shipped_book_can_be_read() {
        assert!(shipped_number() > 0);
    }
}
