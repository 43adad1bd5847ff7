//! Which life of the server answers, and what may be written in that one alone.
//!
//! A server that was set back while nobody looked takes new rows as it took the old ones. A progress that it took too
//! would speak of rows that it lost; so a progress is written by a statement that the server refuses when it has
//! started anew since the life was asked for. Everything acknowledged between the two is of one life.

use crate::database::Database;
use crate::error::ClickHouseError;
use crate::rows::{ArchiveProgressRecord, ProgressRecord, RejectsProgressRecord, SnapshotRecord, Table};

/// One life of the server, from its start to its end. No two have the same number, and none has 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life(pub u64);

/// A row that says how far a table is complete.
pub trait Claim: Table {
    /// Its columns.
    type Columns: serde::Serialize;
    /// Inserts `{rows}` in `{life}` alone.
    const STATEMENT: &'static str;
    /// As the statement takes them.
    fn columns(&self) -> Self::Columns;
}

impl Claim for ProgressRecord {
    type Columns = (u16, u64, u32, i64);
    const STATEMENT: &'static str = include_str!("../queries/claim_progress.sql");
    fn columns(&self) -> Self::Columns {
        (self.partition, self.version, self.clock, self.log_time)
    }
}

impl Claim for ArchiveProgressRecord {
    type Columns = (u16, u64, i64);
    const STATEMENT: &'static str = include_str!("../queries/claim_archive_progress.sql");
    fn columns(&self) -> Self::Columns {
        (self.partition, self.version, self.log_time)
    }
}

impl Claim for RejectsProgressRecord {
    type Columns = (u16, u64);
    const STATEMENT: &'static str = include_str!("../queries/claim_rejects_progress.sql");
    fn columns(&self) -> Self::Columns {
        (self.partition, self.next)
    }
}

impl Claim for SnapshotRecord {
    type Columns = (u64, u64, u64, &'static str, u32, u64, u64, Vec<(u16, u64)>);
    const STATEMENT: &'static str = include_str!("../queries/claim_snapshot.sql");
    fn columns(&self) -> Self::Columns {
        let vector = self.vector.clone();
        let ids = (self.snapshot, self.people_version, self.policy_version);
        (ids.0, ids.1, ids.2, self.keep.name(), self.as_of, self.people, self.earlier, vector)
    }
}

impl Database {
    /// The present life of the server, which begins when it is asked for the first time. Two who begin it at once may
    /// be told two numbers: the greater is refused like a former life, and whoever asks again is told the other.
    ///
    /// # Errors
    /// When the server cannot be asked, or the table is not there.
    pub async fn life(&self) -> Result<Life, ClickHouseError> {
        if let Some(life) = self.known_life().await? {
            return Ok(life);
        }
        self.execute("beginning a life", include_str!("../queries/life_begun.sql")).await?;
        let nobody = || ClickHouseError::answer("beginning a life", "the table life keeps no row");
        self.known_life().await?.ok_or_else(nobody)
    }

    async fn known_life(&self) -> Result<Option<Life>, ClickHouseError> {
        let query = self.query(include_str!("../queries/life.sql"));
        let lives = self.fetch::<u64>("asking which life of ClickHouse this is", query).await?;
        Ok(lives.first().filter(|id| **id != 0).map(|id| Life(*id)))
    }

    /// Says how far a table is complete, if the server is still in `life`; no rows only ask whether it is.
    ///
    /// # Errors
    /// When the server does not take them; [`ClickHouseError::is_another_life`] says whether that is why.
    pub async fn claim<T: Claim>(&self, life: Life, rows: &[T]) -> Result<(), ClickHouseError> {
        let doing = || format!("inserting into {}", T::TABLE);
        let rows: Vec<T::Columns> = rows.iter().map(Claim::columns).collect();
        let statement = if rows.is_empty() {
            self.query(include_str!("../queries/life_checked.sql"))
        } else {
            self.query(T::STATEMENT).param("rows", rows)
        };
        let done = statement.param("life", life.0).execute().await;
        done.map_err(|error| ClickHouseError::of(doing(), error))
    }
}
