//! Rows that the ranker writes: see `migrations/0003_standings.sql`.

use super::{Hash, StandingColumns, Table, tables};
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use tally_domain::Window;

/// `window` as ClickHouse holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde_repr::Serialize_repr, serde_repr::Deserialize_repr)]
#[repr(i8)]
pub enum WindowCode {
    /// 24 hours.
    Hours24 = 0,
    /// 7 days.
    Days7 = 1,
    /// 30 days.
    Days30 = 2,
    /// All that was ever accepted.
    Lifetime = 3,
}

impl From<Window> for WindowCode {
    fn from(window: Window) -> Self {
        match window {
            Window::Hours24 => Self::Hours24,
            Window::Days7 => Self::Days7,
            Window::Days30 => Self::Days30,
            Window::Lifetime => Self::Lifetime,
        }
    }
}

/// How long a snapshot is kept.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde_repr::Serialize_repr,
    serde_repr::Deserialize_repr,
)]
#[repr(i8)]
pub enum KeepCode {
    /// Like every snapshot: an hour.
    #[default]
    All = 0,
    /// The first of its hour: seven days.
    Hourly = 1,
    /// The first of its UTC day: 400 days.
    Daily = 2,
}

impl KeepCode {
    /// As the column calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
        }
    }
}

/// `people`: an account and the person who owns it.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0003_standings.sql")]
pub struct PersonRecord<S = String> {
    pub account: Hash,
    pub valid_from: u32,
    pub valid_to: u32,
    pub person: Hash,
    pub source: S,
    pub subject: S,
    pub name: S,
    pub email: S,
    pub team: S,
    pub erased: u8,
    pub version: u64,
}

/// 2106-01-01: the person owns the account until further notice.
pub const OPEN_END: u32 = 4_291_747_200;

/// `user_totals`: usage of one person in one window.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0003_standings.sql")]
pub struct UserTotalRecord {
    pub person: Hash,
    pub window: WindowCode,
    pub tokens: i128,
    pub input: i128,
    pub cache_read: i128,
    pub cache_write_5m: i128,
    pub cache_write_1h: i128,
    pub output: i128,
    pub reasoning: i128,
    pub requests: i128,
    pub unpriced: i128,
    pub cost: i128,
    pub as_of: u32,
    pub version: u64,
}

/// `rankings`: one person in one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0003_standings.sql")]
pub struct RankingRecord<S = String> {
    pub snapshot: u64,
    pub people_version: u64,
    pub keep: KeepCode,
    pub as_of: u32,
    pub person: Hash,
    pub h24: StandingColumns,
    pub d7: StandingColumns,
    pub d30: StandingColumns,
    pub lifetime: StandingColumns,
    pub tier: S,
    pub titles: Vec<S>,
}

/// Written by hand because the four windows are eleven columns each; the tests hold it against the table.
impl<S> Row for RankingRecord<S> {
    const NAME: &'static str = "RankingRecord";
    const COLUMN_NAMES: &'static [&'static str] = super::columns::per_window!(
        ["snapshot" "people_version" "keep" "as_of" "person"]
        ["tokens" "cache_read" "requests" "unpriced" "cost" "rank_tokens" "place_tokens" "climbed_tokens"
         "rank_cost" "place_cost" "climbed_cost"]
        ["tier" "titles"]
    );
    const COLUMN_COUNT: usize = Self::COLUMN_NAMES.len();
    const KIND: clickhouse::_priv::RowKind = clickhouse::_priv::RowKind::Struct;
    type Value<'a> = Self;
}

/// `snapshots`: the marker row of a complete snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0003_standings.sql")]
pub struct SnapshotRecord {
    pub snapshot: u64,
    pub people_version: u64,
    pub policy_version: u64,
    pub keep: KeepCode,
    pub as_of: u32,
    pub people: u64,
    pub earlier: u64,
    pub vector: Vec<(u16, u64)>,
}

/// `awards`: a title or milestone of a person.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0003_standings.sql")]
pub struct AwardRecord<S = String> {
    pub person: Hash,
    pub award: S,
    pub season: S,
    pub held: u8,
    pub since: u32,
    pub policy_version: u64,
    pub version: u64,
}

/// `alerts`: a bound that was passed.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0003_standings.sql")]
pub struct AlertRecord<S = String> {
    pub scope: S,
    pub scope_id: S,
    pub rule: S,
    pub period: u32,
    pub raised: u8,
    pub value: i128,
    pub bound: i128,
    pub detail: S,
    pub as_of: u32,
    pub version: u64,
}

/// `prices`: one dated rate of a price book.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0003_standings.sql")]
pub struct PriceRecord<S = String> {
    pub number: u32,
    pub model: S,
    pub service_tier: S,
    pub context_tokens_min: i64,
    pub valid_from: u16,
    pub input: Option<i64>,
    pub cache_read: Option<i64>,
    pub cache_write_5m: Option<i64>,
    pub cache_write_1h: Option<i64>,
    pub output: Option<i64>,
    pub reasoning: Option<i64>,
}

tables! {
    PersonRecord => "people";
    RankingRecord => "rankings";
    AwardRecord => "awards";
    AlertRecord => "alerts";
    PriceRecord => "prices";
}
impl Table for UserTotalRecord {
    const TABLE: &'static str = "user_totals";
}
impl Table for SnapshotRecord {
    const TABLE: &'static str = "snapshots";
}
