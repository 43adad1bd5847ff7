//! The audit's archive: one thread for all partitions, resumed from what is contiguous.

use std::sync::Arc;
use std::thread::JoinHandle;

use tally_audit::{ArchiveWriter, Archiver, Rules, Turn};
use tally_clickhouse::Database;
use tally_domain::PartitionCount;

use crate::config::Config;
use crate::drive::{Next, Stop, follow};
use crate::roles::log::{Log, Pace, Reader};
use crate::shared::Shared;
use crate::supervise::StartError;
use crate::watch;

const MS_PER_DAY: i64 = 86_400_000;

/// The archiver on the installation's log.
pub type LogArchiver = Archiver<Reader, ArchiveWriter>;

/// Makes an archiver that goes on where ClickHouse says that the archive is, now and whenever it comes back. Looks on
/// from the runtime that this runs on.
///
/// # Errors
/// When ClickHouse cannot be asked, or the operating system gives no thread.
pub async fn open(
    config: &Config,
    log: &Log,
    database: &Database,
    shared: &Arc<Shared>,
) -> Result<LogArchiver, StartError> {
    let seen = watch::look_at_archive(database).await?;
    let writer = ArchiveWriter::start(database.clone())?;
    let shown = writer.shown();
    let archiver = Archiver::new(log.reader(), writer, rules(config, log.partitions()), &seen);
    tokio::spawn(watch::keep_looking_at_archive(database.clone(), shown, Arc::clone(shared), seen));
    Ok(archiver)
}

/// What the archive accepts: what the fold accepts.
fn rules(config: &Config, partitions: PartitionCount) -> Rules {
    let days = i64::from(config.store.index_retention_days);
    Rules { partitions, index_retention_ms: days.saturating_mul(MS_PER_DAY) }
}

/// Drives the archive until it is told to stop and has nothing in flight.
///
/// # Errors
/// When the operating system gives no thread.
pub fn run(
    mut archiver: LogArchiver,
    pace: Pace,
    shared: &Arc<Shared>,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    let telling = Arc::clone(shared);
    follow("audit", shared, (stop.clone(), pace.rest), move || {
        let turn = archiver.turn()?;
        telling.tell_archived(archiver.archived());
        match turn {
            Turn::Worked if pace.goes_on && stop.is_asked() => Ok(Next::End),
            Turn::Worked => Ok(Next::Again),
            Turn::Idle if stop.is_asked() => Ok(Next::End),
            Turn::Idle => Ok(Next::Rest),
        }
    })
}
