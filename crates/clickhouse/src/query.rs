//! What pages and commands ask, one file of `queries/` each. No number is computed here that is not in a row.
//!
//! A page first asks for the newest snapshot and then for rows of exactly that one, so that its head and its
//! rows are true for the same minute.

use crate::database::Database;
use crate::error::ClickHouseError;
use crate::rows::{
    AccountTotalRecord, ArchiveProgressRecord, Hash, KeepCode, ProgressRecord, RankingRecord, ReceiptRecord,
    RejectRecord, RejectsProgressRecord,
};
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use tally_domain::{AccountKey, Board, Epoch, Minute, PersonId, ProducerId};

/// A complete snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented on snapshots")]
pub struct SnapshotHead {
    pub snapshot: u64,
    pub people_version: u64,
    pub policy_version: u64,
    pub as_of: u32,
    pub people: u64,
    pub earlier: u64,
    pub vector: Vec<(u16, u64)>,
}

/// One line of a board. Cost in nano-USD.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented on rankings")]
pub struct TopLine {
    pub place: u32,
    pub rank: u32,
    pub climbed: Option<i32>,
    pub person: Hash,
    pub name: String,
    pub team: String,
    pub tokens: i128,
    pub cache_read: i128,
    pub requests: i128,
    pub unpriced: i128,
    pub cost: i128,
    pub tier: String,
}

/// Usage of a person on one UTC day (days since the Unix epoch). Cost in nano-USD.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented on user_hourly")]
pub struct DayLine {
    pub day: i32,
    pub tokens: i128,
    pub cache_read: i128,
    pub requests: i128,
    pub unpriced: i128,
    pub cost: i128,
}

/// Usage of a person with one model. Cost in nano-USD.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented on user_hourly")]
pub struct ModelLine {
    pub model: String,
    pub tokens: i128,
    pub cache_read: i128,
    pub requests: i128,
    pub unpriced: i128,
    pub cost: i128,
}

/// Usage of a person through one tool. Cost in nano-USD.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented on user_hourly")]
pub struct ToolLine {
    pub tool: String,
    pub tokens: i128,
    pub cache_read: i128,
    pub requests: i128,
    pub unpriced: i128,
    pub cost: i128,
}

/// One session of a person; first and last in ms since the Unix epoch, cost in nano-USD.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented on sessions")]
pub struct SessionLine {
    pub session: u64,
    pub source: String,
    pub first: i64,
    pub last: i64,
    pub tokens: i128,
    pub cache_read: i128,
    pub requests: i128,
    pub unpriced: i128,
    pub cost: i128,
}

/// Tokens of one person on one UTC day.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented on user_hourly")]
pub struct SparkPoint {
    pub person: Hash,
    pub day: i32,
    pub tokens: i128,
}

/// An account of a person, with the names it goes by.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented on people")]
pub struct AccountLine {
    pub account: Hash,
    pub valid_from: u32,
    pub valid_to: u32,
    pub person: Hash,
    pub source: String,
    pub subject: String,
    pub name: String,
    pub email: String,
    pub team: String,
    pub erased: u8,
}

/// A person's rank on each board, in the order of [`Board::all`].
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented on rankings")]
pub struct RanksLine {
    pub person: Hash,
    pub ranks: Vec<u32>,
}

/// A partition in which snapshots are kept.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct KeptLine {
    /// Its id in ClickHouse.
    pub id: String,
    /// How long its snapshots are kept.
    pub keep: KeepCode,
    /// The newest minute in it, seconds since the Unix epoch.
    pub newest: u32,
}

/// Who an account claims to be.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented on people")]
pub struct AccountName {
    pub account: Hash,
    pub source: String,
    pub subject: String,
}

/// How much was rejected for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented on rejects")]
pub struct ReasonLine {
    pub reason: String,
    pub records: u64,
}

/// Which part of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Places to leave out.
    pub offset: u32,
    /// Places to show.
    pub limit: u32,
}

/// Column names stand in the text as windows and metrics: closed sets, so nothing is quoted.
fn of_board(text: &str, board: Board) -> String {
    text.replace("${window_name}", board.window.name()).replace("${by}", board.metric.name())
}

/// The columns of a row type, for a query of all of them.
fn with_fields<T: Row>(text: &str) -> String {
    text.replace("${fields}", &T::COLUMN_NAMES.join(", "))
}

type Answer<T> = Result<T, ClickHouseError>;

/// Each asks one file of `queries/`.
///
/// # Errors
/// When the server does, or its tables are not those of this build.
impl Database {
    /// The newest complete snapshot; `None` before the first.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn newest_snapshot(&self) -> Answer<Option<SnapshotHead>> {
        let query = self.query(include_str!("../queries/snapshot.sql"));
        Ok(self.fetch("reading the newest snapshot", query).await?.pop())
    }

    /// The newest complete snapshot that is true for `minute` or an earlier one.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn snapshot_at(&self, minute: Minute) -> Answer<Option<SnapshotHead>> {
        let as_of = u32::try_from(minute.start_ms().div_euclid(1_000).max(0)).unwrap_or(u32::MAX);
        let query = self.query(include_str!("../queries/snapshot_before.sql")).param("as_of", as_of);
        Ok(self.fetch("reading an earlier snapshot", query).await?.pop())
    }

    /// One page of a board, by place.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn top(&self, of: &SnapshotHead, board: Board, page: Page) -> Answer<Vec<TopLine>> {
        let query = self.of_snapshot(&of_board(include_str!("../queries/top.sql"), board), of);
        self.fetch("reading a page of a board", paged(query, page)).await
    }

    /// People whose name, e-mail, subject or hash holds `text`, best first.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn search(
        &self,
        of: &SnapshotHead,
        board: Board,
        text: &str,
        page: Page,
    ) -> Answer<Vec<TopLine>> {
        let query = self.of_snapshot(&of_board(include_str!("../queries/search.sql"), board), of);
        self.fetch("searching a board", paged(query, page).param("search", text)).await
    }

    /// A person's row of a snapshot; `None` when they are not in it.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn person(&self, of: &SnapshotHead, person: PersonId) -> Answer<Option<RankingRecord>> {
        let query = self
            .of_snapshot(&with_fields::<RankingRecord>(include_str!("../queries/person.sql")), of)
            .param("person", person.to_string());
        Ok(self.fetch("reading a person", query).await?.pop())
    }

    /// The accounts of a person.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn person_accounts(&self, person: PersonId) -> Answer<Vec<AccountLine>> {
        let query =
            self.query(include_str!("../queries/person_accounts.sql")).param("person", person.to_string());
        self.fetch("reading the accounts of a person", query).await
    }

    /// Who `accounts` are; without those that nobody claimed by name.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn account_names(&self, accounts: &[AccountKey]) -> Answer<Vec<AccountName>> {
        let accounts: Vec<String> = accounts.iter().map(AccountKey::to_string).collect();
        let query = self.query(include_str!("../queries/account_names.sql")).param("accounts", accounts);
        self.fetch("reading names of accounts", query).await
    }

    /// A person's usage since `since` (seconds since the Unix epoch), by day.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn person_days(&self, person: PersonId, since: u32) -> Answer<Vec<DayLine>> {
        let query = self.of_person(include_str!("../queries/person_days.sql"), person, since);
        self.fetch("reading the days of a person", query).await
    }

    /// A person's usage since `since`, by model.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn person_models(&self, person: PersonId, since: u32) -> Answer<Vec<ModelLine>> {
        let query = self.of_person(include_str!("../queries/person_models.sql"), person, since);
        self.fetch("reading the models of a person", query).await
    }

    /// A person's usage since `since`, by tool.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn person_tools(&self, person: PersonId, since: u32) -> Answer<Vec<ToolLine>> {
        let query = self.of_person(include_str!("../queries/person_tools.sql"), person, since);
        self.fetch("reading the tools of a person", query).await
    }

    /// A person's latest sessions.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn person_sessions(&self, person: PersonId, limit: u32) -> Answer<Vec<SessionLine>> {
        let query = self.query(include_str!("../queries/person_sessions.sql"));
        let query = query.param("person", person.to_string()).param("limit", limit);
        self.fetch("reading the sessions of a person", query).await
    }

    /// Tokens by day of several people, by person and day.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn sparks(&self, people: &[PersonId], since: u32) -> Answer<Vec<SparkPoint>> {
        let people: Vec<String> = people.iter().map(PersonId::to_string).collect();
        let query =
            self.query(include_str!("../queries/sparks.sql")).param("people", people).param("since", since);
        self.fetch("reading tokens by day", query).await
    }

    /// The newest of what could not become an event.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn rejects(&self, limit: u32) -> Answer<Vec<RejectRecord>> {
        let query = self.query(include_str!("../queries/rejects.sql")).param("limit", limit);
        self.fetch("reading rejects", query).await
    }

    /// How much could not become an event, by reason.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn rejects_by_reason(&self) -> Answer<Vec<ReasonLine>> {
        let query = self.query(include_str!("../queries/rejects_by_reason.sql"));
        self.fetch("counting rejects", query).await
    }

    /// What one run of a producer did to one account.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn receipts(
        &self,
        account: AccountKey,
        producer: ProducerId,
        epoch: Epoch,
    ) -> Answer<Vec<ReceiptRecord>> {
        let query = self.query(include_str!("../queries/receipts.sql")).param("account", account.to_string());
        let query = query.param("producer", producer.to_string()).param("epoch", epoch.0);
        self.fetch("reading a receipt", query).await
    }

    /// How far each partition is acknowledged, by partition.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn progress(&self) -> Answer<Vec<ProgressRecord>> {
        self.fetch("reading progress", self.query(include_str!("../queries/progress.sql"))).await
    }

    /// How far the archive of each partition is contiguous, by partition.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn archive_progress(&self) -> Answer<Vec<ArchiveProgressRecord>> {
        let query = self.query(include_str!("../queries/archive_progress.sql"));
        self.fetch("reading the progress of the archive", query).await
    }

    /// How far each partition of the topic `rejects` is archived, by partition.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn rejects_progress(&self) -> Answer<Vec<RejectsProgressRecord>> {
        let query = self.query(include_str!("../queries/rejects_progress.sql"));
        self.fetch("reading how far rejects are archived", query).await
    }

    /// Everyone's ranks in a snapshot.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn ranks(&self, of: &SnapshotHead) -> Answer<Vec<RanksLine>> {
        let query = self.of_snapshot(include_str!("../queries/ranks.sql"), of);
        self.fetch("reading the ranks of a snapshot", query).await
    }

    /// Every account that says who it is.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn people(&self) -> Answer<Vec<AccountLine>> {
        self.fetch("reading people", self.query(include_str!("../queries/people.sql"))).await
    }

    /// The partitions in which snapshots are kept.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn kept(&self) -> Answer<Vec<KeptLine>> {
        self.fetch("reading which snapshots are kept", self.query(include_str!("../queries/kept.sql"))).await
    }

    /// Drops a partition of snapshots by its id: markers first, so that none is left without its rows.
    ///
    /// # Errors
    /// When the server does; an id that holds anything but letters, digits, `-` and `_` is refused.
    pub async fn drop_kept(&self, id: &str) -> Answer<()> {
        const DOING: &str = "dropping old snapshots";
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return Err(ClickHouseError::answer(DOING, format!("{id:?} is no partition id")));
        }
        for table in ["snapshots", "rankings"] {
            let drop = format!("ALTER TABLE ${{t}}{table}${{on_cluster}} DROP PARTITION ID '{id}'");
            self.execute(DOING, &drop).await?;
        }
        Ok(())
    }

    /// The newest version of every account total.
    ///
    /// # Errors
    /// See the `impl`.
    pub async fn account_totals(&self) -> Answer<Vec<AccountTotalRecord>> {
        let query =
            self.query(&with_fields::<AccountTotalRecord>(include_str!("../queries/account_totals.sql")));
        self.fetch("reading account totals", query).await
    }

    fn of_snapshot(&self, text: &str, of: &SnapshotHead) -> clickhouse::query::Query {
        self.query(text).param("snapshot", of.snapshot).param("people_version", of.people_version)
    }

    fn of_person(&self, text: &str, person: PersonId, since: u32) -> clickhouse::query::Query {
        self.query(text).param("person", person.to_string()).param("since", since)
    }
}

fn paged(query: clickhouse::query::Query, page: Page) -> clickhouse::query::Query {
    query.param("offset", page.offset).param("limit", page.limit)
}
