//! The ranker: started from what ClickHouse holds, then driven by one thread.

use std::sync::Arc;
use std::thread::JoinHandle;

use clickhouse::Row;
use tally_clickhouse::rows::RankingRecord;
use tally_clickhouse::{ClickHouseError, Database};
use tally_disk::OsDisk;
use tally_domain::{Secret, Version, WallTime};
use tally_log::local::Reader;
use tally_ranker::{Ledger, Ranker, RankerError, Settings, SnapshotWriter, Turn};
use tally_standings::Earlier;

use crate::clock::Clock;
use crate::config::Config;
use crate::drive::{Next, Stop, drive};
use crate::roles::log::Log;
use crate::shared::Shared;
use crate::supervise::StartError;

/// Movement is measured against the ranking of a day ago.
const MOVEMENT_MS: i64 = 86_400_000;

/// The ranker on this machine's log.
pub type LocalRanker = Ranker<Reader<OsDisk>, SnapshotWriter>;

/// Makes a ranker that knows what ClickHouse knows.
///
/// # Errors
/// When ClickHouse cannot be read, or the operating system gives no thread.
pub async fn open(
    config: &Config,
    log: &Log,
    secret: &Secret,
    clock: Clock,
    database: &Database,
) -> Result<(LocalRanker, Arc<Ledger>), StartError> {
    let ledger = Arc::new(Ledger::new(secret.clone()));
    for row in database.account_totals().await? {
        ledger.take(&row.to_row(), Version::from_u64(row.version));
    }
    let earlier = earlier(database, clock.now()).await?;
    let writer = SnapshotWriter::start(database.clone())?;
    let settings = Settings::every(log.partitions(), config.ranker.snapshot_interval_s);
    Ok((Ranker::new(log.reader(), writer, settings, Arc::clone(&ledger), earlier), ledger))
}

/// The ranks of a day ago, if there was a ranking.
async fn earlier(database: &Database, now: WallTime) -> Result<Option<(u64, Earlier)>, ClickHouseError> {
    let Some(head) = database.snapshot_at(now.plus_ms(-MOVEMENT_MS).minute()).await? else { return Ok(None) };
    let columns = <RankingRecord as Row>::COLUMN_NAMES.join(", ");
    let text = format!(
        "SELECT {columns} FROM ${{t}}rankings FINAL WHERE snapshot = {{snapshot: UInt64}} AND people_version = {{people_version: UInt64}}"
    );
    let query =
        database.query(&text).param("snapshot", head.snapshot).param("people_version", head.people_version);
    let rows = database.fetch::<RankingRecord>("reading the ranks of a day ago", query).await?;
    Ok(Some((head.snapshot, tally_ranker::rows::earlier(&rows))))
}

/// Drives the ranker until it is told to stop.
///
/// # Errors
/// When the operating system gives no thread.
pub fn run(
    mut ranker: LocalRanker,
    clock: Clock,
    shared: &Arc<Shared>,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    let telling = Arc::clone(shared);
    drive("ranker", shared, move || {
        let turn = ranker.turn(clock.now(), &telling.wanted())?;
        telling.tell_ranked(ranker.complete(), ranker.people());
        match turn {
            _ if stop.is_asked() => Ok(Next::End),
            Turn::Worked => Ok(Next::Again),
            Turn::Idle => Ok::<_, RankerError>(Next::Rest),
        }
    })
}
