//! What the ranker wants of ClickHouse, request by request; in which order they come is the writer's.

use crate::store::SnapshotId;
use clickhouse::{Row, RowOwned, RowRead};
use std::future::Future;
use tally_clickhouse::query::{KeptLine, RanksLine, SnapshotHead};
use tally_clickhouse::rows::{PersonRecord, RankingRecord, SnapshotRecord, UserTotalRecord, minute_of};
use tally_clickhouse::{ClickHouseError, Database, Life};
use tally_domain::published::{Progress, TotalRow};
use tally_domain::{LogTime, Minute, Partition, Version};

/// What came back.
pub type Answered<T> = Result<T, ClickHouseError>;

/// What goes into one table.
#[derive(Clone, Copy, Debug)]
pub enum Insert<'a> {
    /// Into `people`.
    People(&'a [PersonRecord]),
    /// Into `rankings`.
    Rankings(&'a [RankingRecord]),
    /// Into `user_totals`.
    Totals(&'a [UserTotalRecord]),
}

/// The tables that the ranker reads and writes.
pub trait Tables {
    /// How far each partition is acknowledged.
    fn progress(&self) -> impl Future<Output = Answered<Vec<Progress>>>;
    /// The newest version of every account total.
    fn account_totals(&self) -> impl Future<Output = Answered<Vec<(TotalRow, Version)>>>;
    /// Who owns which account, the last interval of an account last.
    fn people(&self) -> impl Future<Output = Answered<Vec<PersonRecord>>>;
    /// The newest version of everyone's totals.
    fn user_totals(&self) -> impl Future<Output = Answered<Vec<UserTotalRecord>>>;
    /// The newest complete snapshot.
    fn newest_snapshot(&self) -> impl Future<Output = Answered<Option<SnapshotHead>>>;
    /// The newest complete snapshot that is true for `minute` or an earlier one.
    fn snapshot_at(&self, minute: Minute) -> impl Future<Output = Answered<Option<SnapshotHead>>>;
    /// Everyone's ranks in a snapshot.
    fn ranks(&self, of: &SnapshotHead) -> impl Future<Output = Answered<Vec<RanksLine>>>;
    /// How many rows there are of snapshots after `newest`, which has the newest marker.
    fn unfinished(&self, newest: SnapshotId) -> impl Future<Output = Answered<u64>>;
    /// Takes their rankings away.
    fn sweep_rankings(&self, newest: SnapshotId) -> impl Future<Output = Answered<()>>;
    /// Takes their totals away.
    fn sweep_user_totals(&self, newest: SnapshotId) -> impl Future<Output = Answered<()>>;
    /// The present life of the server.
    fn life(&self) -> impl Future<Output = Answered<Life>>;
    /// Writes rows; a repetition changes nothing.
    fn insert(&self, rows: Insert<'_>) -> impl Future<Output = Answered<()>>;
    /// Writes the row by which a snapshot is complete, if the server is still in `life`.
    fn mark(&self, marker: &SnapshotRecord, life: Life) -> impl Future<Output = Answered<()>>;
    /// The partitions in which snapshots are kept.
    fn kept(&self) -> impl Future<Output = Answered<Vec<KeptLine>>>;
    /// Drops one of them by its id, markers first.
    fn drop_kept(&self, id: &str) -> impl Future<Output = Answered<()>>;
}

const SWEEPING: &str = "sweeping away an unfinished snapshot";

fn after(text: &str, newest: SnapshotId) -> String {
    let SnapshotId { number, people_version } = newest;
    text.replace("${number}", &number.to_string()).replace("${people_version}", &people_version.to_string())
}

impl Tables for Database {
    async fn progress(&self) -> Answered<Vec<Progress>> {
        let rows = Self::progress(self).await?.into_iter().map(|row| Progress {
            partition: Partition(row.partition),
            version: Version::from_u64(row.version),
            clock: minute_of(row.clock),
            log_time: LogTime::from_ms(row.log_time).unwrap_or(LogTime::MIN),
        });
        Ok(rows.collect())
    }

    async fn account_totals(&self) -> Answered<Vec<(TotalRow, Version)>> {
        let rows = Self::account_totals(self).await?;
        Ok(rows.iter().map(|row| (row.to_row(), Version::from_u64(row.version))).collect())
    }

    async fn people(&self) -> Answered<Vec<PersonRecord>> {
        all(self, "reading people", include_str!("queries/people.sql")).await
    }

    async fn user_totals(&self) -> Answered<Vec<UserTotalRecord>> {
        all(self, "reading totals of people", include_str!("queries/user_totals.sql")).await
    }

    async fn newest_snapshot(&self) -> Answered<Option<SnapshotHead>> {
        Self::newest_snapshot(self).await
    }

    async fn snapshot_at(&self, minute: Minute) -> Answered<Option<SnapshotHead>> {
        Self::snapshot_at(self, minute).await
    }

    async fn ranks(&self, of: &SnapshotHead) -> Answered<Vec<RanksLine>> {
        Self::ranks(self, of).await
    }

    async fn unfinished(&self, newest: SnapshotId) -> Answered<u64> {
        let query = self.query(&after(include_str!("queries/unfinished.sql"), newest));
        Ok(self.fetch::<u64>(SWEEPING, query).await?.into_iter().sum())
    }

    async fn sweep_rankings(&self, newest: SnapshotId) -> Answered<()> {
        self.execute(SWEEPING, &after(include_str!("queries/sweep_rankings.sql"), newest)).await
    }

    async fn sweep_user_totals(&self, newest: SnapshotId) -> Answered<()> {
        self.execute(SWEEPING, &after(include_str!("queries/sweep_user_totals.sql"), newest)).await
    }

    async fn life(&self) -> Answered<Life> {
        Self::life(self).await
    }

    async fn mark(&self, marker: &SnapshotRecord, life: Life) -> Answered<()> {
        self.claim(life, std::slice::from_ref(marker)).await
    }

    async fn insert(&self, rows: Insert<'_>) -> Answered<()> {
        match rows {
            Insert::People(rows) => Self::insert(self, rows.iter().cloned().map(Ok)).await?,
            Insert::Rankings(rows) => Self::insert(self, rows.iter().cloned().map(Ok)).await?,
            Insert::Totals(rows) => Self::insert(self, rows.iter().cloned().map(Ok)).await?,
        };
        Ok(())
    }

    async fn kept(&self) -> Answered<Vec<KeptLine>> {
        Self::kept(self).await
    }

    async fn drop_kept(&self, id: &str) -> Answered<()> {
        Self::drop_kept(self, id).await
    }
}

/// Every row of a type.
async fn all<T: Row + RowOwned + RowRead>(database: &Database, doing: &str, text: &str) -> Answered<Vec<T>> {
    let text = text.replace("${fields}", &T::COLUMN_NAMES.join(", "));
    database.fetch(doing, database.query(&text)).await
}
