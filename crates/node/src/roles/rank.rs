//! The ranker: driven by one thread, read by its endpoints.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tally_clickhouse::Database;
use tally_domain::{Partition, Secret, Version};
use tally_ranker::{Live, Pace, Ranker, SnapshotWriter, Turn};

use crate::config::Config;
use crate::drive::{Next, Stop, follow};
use crate::roles::log::{Log, Reader};
use crate::shared::{Positions, Shared};
use crate::supervise::StartError;

/// The ranker on the installation's log.
pub type LogRanker = Ranker<Reader, SnapshotWriter>;

/// Makes a ranker, and what its endpoints read. It asks ClickHouse for what was published once it is driven.
///
/// # Errors
/// When the operating system gives no thread.
pub fn open(
    config: &Config,
    log: &Log,
    secret: &Secret,
    database: &Database,
) -> Result<(LogRanker, Arc<Live>), StartError> {
    let writer = SnapshotWriter::start(database.clone())?;
    let pace = Pace {
        live: Duration::from_millis(config.ranker.live_interval_ms),
        snapshot: Duration::from_secs(config.ranker.snapshot_interval_s),
        heartbeats_are_news: log.pace().goes_on,
    };
    let ranker = Ranker::new(log.reader(), writer, secret.clone(), log.partitions(), pace);
    let live = ranker.live();
    Ok((ranker, live))
}

/// Drives the ranker until it is told to stop. Its pace goes by time that passes, which a `--clock` does not stop.
///
/// # Errors
/// When the operating system gives no thread.
pub fn run(
    mut ranker: LogRanker,
    rest: Duration,
    shared: &Arc<Shared>,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    let (telling, live, started) = (Arc::clone(shared), ranker.live(), Instant::now());
    follow("ranker", shared, (stop.clone(), rest), move || {
        if is_wanted(&telling.wanted(), &live) {
            live.want_snapshot();
        }
        let turn = ranker.turn(started.elapsed())?;
        if let Some(stored) = &*live.stored().borrow() {
            telling.tell_ranked(&stored.vector, stored.people, stored.is_own);
        }
        match turn {
            _ if stop.is_asked() => Ok(Next::End),
            Turn::Worked => Ok(Next::Again),
            Turn::Idle => Ok(Next::Rest),
        }
    })
}

/// True when somebody waits for positions that the live board has passed and no complete snapshot has.
fn is_wanted(wanted: &Positions, live: &Live) -> bool {
    let passes = |version: Option<Version>, at: tally_domain::Offset| version.is_some_and(|v| v.next() >= at);
    let ranked = live.ranked();
    let stored = live.stored();
    let stored = stored.borrow();
    let in_stored = |partition: &Partition| stored.as_ref()?.vector.get(partition).copied();
    let is_ranked = wanted.iter().all(|(p, &at)| passes(ranked.snapshot.vector.get(p).copied(), at));
    is_ranked && wanted.iter().any(|(p, &at)| !passes(in_stored(p), at))
}
