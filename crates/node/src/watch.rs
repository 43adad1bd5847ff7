//! Notices a ClickHouse that restarted or came back from an earlier day, so that it is filled again.

use std::sync::Arc;
use std::time::Duration;

use clickhouse::Row;
use tally_clickhouse::{ClickHouseError, Database};
use tally_domain::{Partition, PartitionCount, Version};

use crate::sink::SharedSink;

/// How often ClickHouse is looked at.
const EVERY: Duration = Duration::from_secs(5);
/// Two starts of a server closer than this are one: its uptime is given in whole seconds.
const SAME_LIFE_SECONDS: u64 = 3;

/// ClickHouse's codes of a table and of a database that does not exist.
const NOT_THERE: [u16; 2] = [60, 81];

/// When the server started, in seconds since the Unix epoch by its own clock.
#[derive(Debug, Row, serde::Deserialize)]
struct Life {
    started: u64,
}

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
    show(&seen, sink, partitions);
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
    let seen = see(database).await?;
    sink.show(seen.started, |partition| seen.of(partition.0), std::iter::once(partition));
    Ok(())
}

/// What ClickHouse showed of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    started: u64,
    progress: Vec<(u16, Version)>,
}

impl Seen {
    fn of(&self, partition: u16) -> Option<Version> {
        self.progress.iter().find(|(known, _)| *known == partition).map(|(_, version)| *version)
    }

    /// True when it restarted since, or holds less than before. A newer progress is no news.
    fn is_other_than(&self, before: &Self) -> bool {
        self.started.abs_diff(before.started) > SAME_LIFE_SECONDS
            || before.progress.iter().any(|(partition, had)| self.of(*partition).is_none_or(|has| has < *had))
    }
}

async fn see(database: &Database) -> Result<Seen, ClickHouseError> {
    let text = "SELECT toUInt64(toUnixTimestamp(now()) - uptime()) AS started";
    let lives = database.fetch::<Life>("asking when ClickHouse started", database.query(text)).await?;
    let progress = database.progress().await?;
    Ok(Seen {
        started: lives.first().map_or(0, |life| life.started),
        progress: progress.iter().map(|row| (row.partition, Version::from_u64(row.version))).collect(),
    })
}

fn show(seen: &Seen, sink: &SharedSink, partitions: PartitionCount) {
    sink.show(seen.started, |partition| seen.of(partition.0), partitions.all());
}

/// Looks again and again; shows only what is less than before, because a progress that is written while it
/// is read would look like a loss. `before` is what [`look`] showed: a restart in between is one too.
pub async fn keep_looking(
    database: Database,
    sink: Arc<SharedSink>,
    partitions: PartitionCount,
    mut before: Seen,
) {
    loop {
        tokio::time::sleep(EVERY).await;
        let seen = match see(&database).await {
            Ok(seen) => seen,
            Err(error) => {
                // It came back empty. One that does not answer at all has the writers' attention already.
                if error.code.is_some_and(|code| NOT_THERE.contains(&code)) {
                    let _again = tally_clickhouse::migrate(&database).await;
                }
                continue;
            }
        };
        if seen.is_other_than(&before) {
            show(&seen, &sink, partitions);
        }
        before = seen;
    }
}
