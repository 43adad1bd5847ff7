//! Notices a ClickHouse that restarted or came back from an earlier day, so that it is filled again.

use std::sync::Arc;
use std::time::Duration;

use tally_audit::{Archived, Listed, Observed, Shown};
use tally_clickhouse::{ClickHouseError, Database, Life};
use tally_domain::{Partition, PartitionCount, Version};

use crate::shared::Shared;
use crate::sink::SharedSink;

/// The name under which the tables' troubles are told.
const PART: &str = "clickhouse tables";

/// How often ClickHouse is looked at, unless it refused something before.
const EVERY: Duration = Duration::from_secs(5);

/// Shows every partition what ClickHouse holds of it. Called before anything is published.
///
/// # Errors
/// When ClickHouse cannot be asked.
pub async fn look(
    database: &Database,
    sink: &SharedSink,
    partitions: PartitionCount,
) -> Result<Seen, ClickHouseError> {
    let seen = see(database).await?;
    seen.show_to(sink, partitions.all());
    Ok(seen)
}

/// Shows one partition what ClickHouse holds of it. Called before anything of it is published.
///
/// # Errors
/// When ClickHouse cannot be asked.
pub async fn look_at(
    database: &Database,
    sink: &SharedSink,
    partition: Partition,
) -> Result<(), ClickHouseError> {
    see(database).await?.show_to(sink, std::iter::once(partition));
    Ok(())
}

/// What ClickHouse showed of what is published, all of it in one life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    life: Life,
    progress: Vec<(Partition, Version)>,
}

impl Seen {
    fn of(&self, partition: Partition) -> Option<Version> {
        self.progress.iter().find(|(known, _)| *known == partition).map(|(_, version)| *version)
    }

    /// True when it restarted since, or holds less than before. A newer progress is no news.
    fn is_other_than(&self, before: &Self) -> bool {
        self.life != before.life
            || before.progress.iter().any(|(partition, had)| self.of(*partition).is_none_or(|has| has < *had))
    }

    fn show_to(&self, sink: &SharedSink, partitions: impl Iterator<Item = Partition>) {
        sink.show(self.life, |partition| self.of(partition), partitions);
    }
}

async fn see(database: &Database) -> Result<Seen, ClickHouseError> {
    let mut life = database.life().await?;
    loop {
        let progress = database.progress().await?.into_iter();
        if is_still(database, &mut life).await? {
            let progress = progress.map(|row| (Partition(row.partition), Version::from_u64(row.version)));
            return Ok(Seen { life, progress: progress.collect() });
        }
    }
}

/// True when the server is in this life; else it is told which one it is in.
async fn is_still(database: &Database, life: &mut Life) -> Result<bool, ClickHouseError> {
    let before = std::mem::replace(life, database.life().await?);
    Ok(before == *life)
}

/// Looks again and again; shows only what is less than before, because a progress that is written while it
/// is read would look like a loss. `before` is what [`look`] showed: a restart in between is one too. Whoever was
/// refused for another life than the present one is shown that one at once.
pub async fn keep_looking(
    database: Database,
    sink: Arc<SharedSink>,
    shared: Arc<Shared>,
    (partitions, mut before): (PartitionCount, Seen),
) {
    loop {
        let _asked = tokio::time::timeout(EVERY, sink.refused()).await;
        let seen = see(&database).await;
        let seen = seen_or_made_anew(&database, &shared, seen, |seen| seen.life != before.life).await;
        let Some(seen) = seen else { continue };
        let refused = sink.take_refused();
        if seen.is_other_than(&before) {
            seen.show_to(&sink, partitions.all());
        } else {
            seen.show_to(&sink, refused.into_iter());
        }
        before = seen;
    }
}

/// What ClickHouse shows of the archive.
///
/// # Errors
/// When it cannot be asked.
pub async fn look_at_archive(database: &Database) -> Result<Observed, ClickHouseError> {
    let mut life = database.life().await?;
    loop {
        let (archived, listed) = (archived(database).await?, listed(database).await?);
        if is_still(database, &mut life).await? {
            return Ok(Observed { life, archived, listed });
        }
    }
}

/// Looks at the archive again and again, and shows only what is less than before, or of another life.
pub async fn keep_looking_at_archive(
    database: Database,
    archive: Shown,
    shared: Arc<Shared>,
    mut before: Observed,
) {
    loop {
        tokio::time::sleep(EVERY).await;
        let seen = look_at_archive(&database).await;
        let seen = seen_or_made_anew(&database, &shared, seen, |seen| seen.life != before.life).await;
        let Some(seen) = seen else { continue };
        if seen.life != before.life || seen.is_behind(&before) {
            archive.show(seen.clone());
        }
        before = seen;
    }
}

/// One that came back empty, or in another life without a view, gets what it lacks before anything else is done with
/// what it shows. One that does not answer at all has the writers' attention already.
async fn seen_or_made_anew<T>(
    database: &Database,
    shared: &Shared,
    seen: Result<T, ClickHouseError>,
    is_restarted: impl FnOnce(&T) -> bool,
) -> Option<T> {
    let lacks = match &seen {
        Ok(seen) => is_restarted(seen),
        Err(error) if error.is_missing() => true,
        Err(_) => return None,
    };
    if lacks && let Err(error) = tally_clickhouse::migrate(database).await {
        shared.tell_trouble(PART, error.to_string());
        return None;
    }
    shared.tell_recovered(PART);
    seen.ok()
}

async fn archived(database: &Database) -> Result<Vec<Archived>, ClickHouseError> {
    Ok(database.archive_progress().await?.iter().map(Archived::of).collect())
}

async fn listed(database: &Database) -> Result<Vec<Listed>, ClickHouseError> {
    Ok(database.rejects_progress().await?.iter().filter_map(Listed::of).collect())
}
