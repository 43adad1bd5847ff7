//! The audit's archive: one thread for all partitions, resumed from what is contiguous.

use std::sync::Arc;
use std::thread::JoinHandle;

use tally_audit::{ArchiveWriter, Archived, Archiver, Rules, Turn};
use tally_clickhouse::{ClickHouseError, Database};
use tally_disk::OsDisk;
use tally_domain::{LogTime, Partition, PartitionCount, Version};
use tally_log::LogError;
use tally_log::local::Reader;

use crate::config::Config;
use crate::drive::{Next, Stop, drive};
use crate::shared::Shared;

const MS_PER_DAY: i64 = 86_400_000;

/// The archiver on this machine's log.
pub type LocalArchiver = Archiver<Reader<OsDisk>, ArchiveWriter>;

/// How far the archive is, as ClickHouse says.
///
/// # Errors
/// When it cannot be asked.
pub async fn archived(database: &Database) -> Result<Vec<Archived>, ClickHouseError> {
    let rows = database.archive_progress().await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let version = Version::from_u64(row.version);
            Archived {
                partition: Partition(row.partition),
                next: version.next(),
                log_time: LogTime::from_ms(row.log_time).unwrap_or(LogTime::MIN),
                incarnation: version.incarnation(),
            }
        })
        .collect())
}

/// What the archive accepts: what the fold accepts.
#[must_use]
pub fn rules(config: &Config, partitions: PartitionCount) -> Rules {
    let days = i64::from(config.store.index_retention_days);
    Rules { partitions, index_retention_ms: days.saturating_mul(MS_PER_DAY) }
}

/// Drives the archive until it is told to stop and has nothing in flight.
///
/// # Errors
/// When the operating system gives no thread.
pub fn run(mut archiver: LocalArchiver, shared: &Arc<Shared>, stop: Stop) -> std::io::Result<JoinHandle<()>> {
    let telling = Arc::clone(shared);
    drive("audit", shared, move || {
        let turn = archiver.turn()?;
        telling.tell_archived(archiver.archived());
        match turn {
            Turn::Worked => Ok(Next::Again),
            Turn::Idle if stop.is_asked() => Ok(Next::End),
            Turn::Idle => Ok::<_, LogError>(Next::Rest),
        }
    })
}
