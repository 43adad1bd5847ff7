//! The log: opened once, begun as an installation begins it; on this machine's disk it is driven by one thread.

mod begin;
mod either;
mod kafka;
mod upkeep;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tally_disk::OsDisk;
use tally_domain::{Hash128, Lane, Offset, Partition, Secret, Topic, TopicId, WallTime};
use tally_log::local::{Durability, LocalConfig, LocalLog, RetentionDays};
use tally_log::{AppendLog, LogError, ReadLog, Records};
use tally_log_kafka::Membership;

use crate::clock::Clock;
use crate::config::{Config, LogSync};
use crate::drive::{Next, Stop, drive};
use crate::installation::{DataDir, SecretFile};
use crate::parts;
use crate::shared::Shared;
use crate::supervise::StartError;
pub use either::{Appender, Log, Pace, Reader};
use upkeep::Upkeep;

/// The price book that comes with this version of Tally.
pub const SHIPPED_BOOK: &[u8] = include_bytes!("../../../../schemas/prices/book.json");

/// How long the log's thread rests when nobody appends.
const REST: Duration = Duration::from_millis(200);

/// The log on the disk of this machine.
type Local = LocalLog<OsDisk>;

/// Opens the configured log: on Kafka where brokers are named, else in the data directory. Begins it if it is new; the
/// secret is what it was begun under.
///
/// # Errors
/// When it cannot be opened or begun, was begun under another secret, or a clock that stands still lies before what it
/// already holds.
pub fn open(
    config: &Config,
    dir: &DataDir,
    secret: &SecretFile,
    clock: Clock,
) -> Result<(Log, Secret), StartError> {
    let mut log = if config.kafka.brokers.is_empty() {
        Log::Local(Box::new(open_local(config, dir, clock)?))
    } else if matches!(clock, Clock::Fixed(_)) {
        return Err(StartError::ClockOnKafka);
    } else {
        Log::Kafka(Box::new(kafka::open(config)?))
    };
    let secret = begin::begin(&mut log, secret, clock.now())?;
    Ok((log, secret))
}

/// A place in the group that shares the partitions; none where this process has all of them.
///
/// # Errors
/// When the client cannot be made.
pub fn join(log: &Log, config: &Config) -> Result<Option<Membership>, LogError> {
    match (log, parts::group(config)) {
        (Log::Kafka(log), Some(group)) => kafka::join(log, config, group).map(Some),
        _ => Ok(None),
    }
}

fn open_local(config: &Config, dir: &DataDir, clock: Clock) -> Result<Local, StartError> {
    let mut fresh = [0; 16];
    getrandom::fill(&mut fresh).map_err(|error| StartError::Random(error.to_string()))?;
    let disk = OsDisk::open(dir.log()).map_err(crate::installation::InstallationError::from)?;
    let log = LocalLog::open(disk, local_config(config, clock), TopicId(Hash128(fresh)))?;
    if let Clock::Fixed(at) = clock {
        refuse_the_past(&log, at)?;
    }
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
fn refuse_the_past(log: &Local, at: WallTime) -> Result<(), StartError> {
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

/// Drives a local log: writes what waits, syncs, acknowledges; `check_every` it drops and compacts what may go. Brokers
/// drive themselves.
///
/// # Errors
/// When the operating system gives no thread.
pub fn run(
    log: Log,
    (clock, check_every): (Clock, Duration),
    shared: &Arc<Shared>,
    stop: Stop,
) -> std::io::Result<Option<JoinHandle<()>>> {
    let Log::Local(mut log) = log else { return Ok(None) };
    let bell = log.bell();
    let mut upkeep = Upkeep::new(check_every, Arc::clone(shared));
    let driving = drive("log", shared, move || {
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
    });
    driving.map(Some)
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

    #[test]
    fn the_shipped_book_can_be_read() {
        assert!(shipped_number() > 0);
    }
}
