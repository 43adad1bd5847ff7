//! Rows as ClickHouse holds them, and how what the fold publishes becomes them.
//!
//! Hashes are `FixedString(16)`, tokens `Int64`, list cost `Decimal(18, 9)` (nano-USD as its integer), times
//! seconds or milliseconds since the Unix epoch in UTC. Rows that are written often are generic over their
//! text: `&str` to write without a copy, `String` (the default) to read.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tally_domain::event::Unsplit;
use tally_domain::published::{HourRow, ProducerRow, Progress, ReceiptRow, SessionRow, TotalRow};
use tally_domain::{AccountKey, Dims, Hash128, Hour, Minute, Partition, Usage, View};

pub use archive::{
    ArchiveProgressRecord, EntryCode, EventRecord, KindCode, RejectRecord, RejectTopic, RejectsProgressRecord,
};
pub use columns::{Hash, StandingColumns, UsageColumns};
pub use standings::{
    AlertRecord, AwardRecord, KeepCode, OPEN_END, PersonRecord, PriceRecord, RankingRecord, SnapshotRecord,
    UserTotalRecord, WindowCode,
};

mod archive;
pub(crate) mod columns;
mod standings;

/// Declares a table's row type together with its table name.
macro_rules! tables {
    ($($row:ident => $name:literal;)*) => {$(
        impl<S> Table for $row<S> { const TABLE: &'static str = $name; }
    )*};
}
pub(crate) use tables;

/// A row type that has a table of its own.
pub trait Table {
    /// Name of the table, prefix excepted.
    const TABLE: &'static str;
}

/// What cannot be written down as a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// ClickHouse's `DateTime` holds 1970 to 2106.
    #[error(
        "writing a row: minute {0:?} lies outside the years 1970 to 2106 that a DateTime holds; correct the clock of the log"
    )]
    Time(Minute),
}

/// `view` as ClickHouse holds it: the schema's symbols in lower case.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde_repr::Serialize_repr, serde_repr::Deserialize_repr,
)]
#[repr(i8)]
#[expect(missing_docs, reason = "symbol by symbol as documented on View")]
pub enum ViewCode {
    #[default]
    Unknown = 0,
    Sdk = 1,
    CollectorOtel = 2,
    Transcript = 3,
    Gateway = 4,
    ProviderReport = 5,
    Table = 6,
}

impl From<View> for ViewCode {
    fn from(view: View) -> Self {
        match view {
            View::Unknown => Self::Unknown,
            View::Sdk => Self::Sdk,
            View::CollectorOtel => Self::CollectorOtel,
            View::Transcript => Self::Transcript,
            View::Gateway => Self::Gateway,
            View::ProviderReport => Self::ProviderReport,
            View::Table => Self::Table,
        }
    }
}

impl From<ViewCode> for View {
    fn from(code: ViewCode) -> Self {
        match code {
            ViewCode::Unknown => Self::Unknown,
            ViewCode::Sdk => Self::Sdk,
            ViewCode::CollectorOtel => Self::CollectorOtel,
            ViewCode::Transcript => Self::Transcript,
            ViewCode::Gateway => Self::Gateway,
            ViewCode::ProviderReport => Self::ProviderReport,
            ViewCode::Table => Self::Table,
        }
    }
}

/// `account_totals`: one account and dims, all four windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0001_published.sql")]
pub struct AccountTotalRecord<S = String> {
    pub partition: u16,
    pub account: Hash,
    pub model: S,
    pub tool: S,
    pub view: ViewCode,
    pub service_tier: S,
    pub region: S,
    pub unsplit: u8,
    pub h24: UsageColumns,
    pub d7: UsageColumns,
    pub d30: UsageColumns,
    pub lifetime: UsageColumns,
    pub version: u64,
}

/// Written by hand because the four windows are nine columns each; the tests hold it against the table.
impl<S> Row for AccountTotalRecord<S> {
    const NAME: &'static str = "AccountTotalRecord";
    const COLUMN_NAMES: &'static [&'static str] = columns::per_window!(
        ["partition" "account" "model" "tool" "view" "service_tier" "region" "unsplit"]
        ["input" "cache_read" "cache_write_5m" "cache_write_1h" "output" "reasoning" "requests" "unpriced" "cost"]
        ["version"]
    );
    const COLUMN_COUNT: usize = Self::COLUMN_NAMES.len();
    const KIND: clickhouse::_priv::RowKind = clickhouse::_priv::RowKind::Struct;
    type Value<'a> = Self;
}

/// `usage_hourly`: one account and dims in one hour.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0001_published.sql")]
pub struct UsageHourlyRecord<S = String> {
    pub partition: u16,
    pub account: Hash,
    pub hour: u32,
    pub model: S,
    pub tool: S,
    pub view: ViewCode,
    pub service_tier: S,
    pub region: S,
    pub unsplit: u8,
    pub input: i64,
    pub cache_read: i64,
    pub cache_write_5m: i64,
    pub cache_write_1h: i64,
    pub output: i64,
    pub reasoning: i64,
    pub requests: i64,
    pub unpriced: i64,
    pub cost: i64,
    pub version: u64,
}

/// `receipts`: what one run of a producer did to one account, by day and dims.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0001_published.sql")]
pub struct ReceiptRecord<S = String> {
    pub partition: u16,
    pub account: Hash,
    pub producer: Hash,
    pub epoch: i64,
    pub day: i32,
    pub model: S,
    pub tool: S,
    pub view: ViewCode,
    pub service_tier: S,
    pub region: S,
    pub unsplit: u8,
    pub read: u64,
    pub fresh: u64,
    pub revised: u64,
    pub duplicate: u64,
    pub rejected: u64,
    pub conflicts: u64,
    pub input: i64,
    pub cache_read: i64,
    pub cache_write_5m: i64,
    pub cache_write_1h: i64,
    pub output: i64,
    pub reasoning: i64,
    pub requests: i64,
    pub unpriced: i64,
    pub cost: i64,
    pub version: u64,
}

/// `producers`: how far one run of a producer has been read.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0001_published.sql")]
pub struct ProducerRecord {
    pub partition: u16,
    pub account: Hash,
    pub producer: Hash,
    pub epoch: i64,
    pub mark: i64,
    pub gaps: i64,
    pub last: i64,
    pub version: u64,
}

/// `sessions`: span and usage of one session.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0001_published.sql")]
pub struct SessionRecord {
    pub partition: u16,
    pub account: Hash,
    pub session: u64,
    pub first: i64,
    pub last: i64,
    pub input: i64,
    pub cache_read: i64,
    pub cache_write_5m: i64,
    pub cache_write_1h: i64,
    pub output: i64,
    pub reasoning: i64,
    pub requests: i64,
    pub unpriced: i64,
    pub cost: i64,
    pub version: u64,
}

/// `progress`: how far a partition is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0001_published.sql")]
pub struct ProgressRecord {
    pub partition: u16,
    pub version: u64,
    pub clock: u32,
    pub log_time: i64,
}

tables! {
    AccountTotalRecord => "account_totals";
    UsageHourlyRecord => "usage_hourly";
    ReceiptRecord => "receipts";
}
impl Table for ProducerRecord {
    const TABLE: &'static str = "producers";
}
impl Table for SessionRecord {
    const TABLE: &'static str = "sessions";
}
impl Table for ProgressRecord {
    const TABLE: &'static str = "progress";
}

/// Seconds since the epoch at which `minute` starts, as a `DateTime` holds it.
///
/// # Errors
/// Outside 1970 to 2106.
pub fn date_time(minute: Minute) -> Result<u32, RowError> {
    u32::try_from(minute.start_ms().div_euclid(1_000)).map_err(|_| RowError::Time(minute))
}

/// The minute that starts at, or holds, a `DateTime`.
#[must_use]
pub fn minute_of(date_time: u32) -> Minute {
    Minute(i32::try_from(date_time / 60).expect("a u32 of seconds is fewer than 2^27 minutes"))
}

impl<'a> AccountTotalRecord<&'a str> {
    /// The row at `version`.
    #[must_use]
    pub fn of(row: &'a TotalRow, version: u64) -> Self {
        let [h24, d7, d30, lifetime] = row.windows.map(UsageColumns::from);
        let Dims { model, tool, view, service_tier, region, unsplit } = &*row.dims;
        Self {
            partition: row.partition.0,
            account: *row.account.bytes(),
            model,
            tool,
            view: (*view).into(),
            service_tier,
            region,
            unsplit: unsplit.0,
            h24,
            d7,
            d30,
            lifetime,
            version,
        }
    }
}

impl AccountTotalRecord {
    /// The published row.
    #[must_use]
    pub fn to_row(&self) -> TotalRow {
        TotalRow {
            partition: Partition(self.partition),
            account: AccountKey(Hash128(self.account)),
            dims: Arc::new(dims_of(
                [&self.model, &self.tool, &self.service_tier, &self.region],
                self.view,
                self.unsplit,
            )),
            windows: [self.h24, self.d7, self.d30, self.lifetime].map(Usage::from),
        }
    }
}

/// Dims from their columns: model, tool, service tier and region; view; unsplit bits.
#[must_use]
pub fn dims_of([model, tool, service_tier, region]: [&str; 4], view: ViewCode, unsplit: u8) -> Dims {
    Dims {
        model: model.to_owned(),
        tool: tool.to_owned(),
        view: view.into(),
        service_tier: service_tier.to_owned(),
        region: region.to_owned(),
        unsplit: Unsplit(unsplit),
    }
}

impl UsageHourlyRecord {
    /// The published row.
    #[must_use]
    pub fn to_row(&self) -> HourRow {
        let tokens = [
            self.input,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
            self.output,
            self.reasoning,
        ];
        let usage =
            Usage { tokens, requests: self.requests, unpriced: self.unpriced, cost_nano_usd: self.cost };
        HourRow {
            partition: Partition(self.partition),
            account: AccountKey(Hash128(self.account)),
            hour: minute_of(self.hour).hour(),
            dims: Arc::new(dims_of(
                [&self.model, &self.tool, &self.service_tier, &self.region],
                self.view,
                self.unsplit,
            )),
            usage,
        }
    }
}

impl<'a> UsageHourlyRecord<&'a str> {
    /// The row at `version`.
    ///
    /// # Errors
    /// When the hour lies outside the years that a `DateTime` holds.
    pub fn of(row: &'a HourRow, version: u64) -> Result<Self, RowError> {
        let Hour(_) = row.hour;
        let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, unpriced, cost] =
            row.usage.lanes();
        let Dims { model, tool, view, service_tier, region, unsplit } = &*row.dims;
        Ok(Self {
            partition: row.partition.0,
            account: *row.account.bytes(),
            hour: date_time(row.hour.start())?,
            model,
            tool,
            view: (*view).into(),
            service_tier,
            region,
            unsplit: unsplit.0,
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            requests,
            unpriced,
            cost,
            version,
        })
    }
}

impl<'a> ReceiptRecord<&'a str> {
    /// The row at `version`.
    #[must_use]
    pub fn of(row: &'a ReceiptRow, version: u64) -> Self {
        let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, unpriced, cost] =
            row.usage.lanes();
        let Dims { model, tool, view, service_tier, region, unsplit } = &*row.dims;
        Self {
            partition: row.partition.0,
            account: *row.account.bytes(),
            producer: *row.producer.bytes(),
            epoch: row.epoch.0,
            day: row.day.0,
            model,
            tool,
            view: (*view).into(),
            service_tier,
            region,
            unsplit: unsplit.0,
            read: row.counts.read,
            fresh: row.counts.fresh,
            revised: row.counts.revised,
            duplicate: row.counts.duplicate,
            rejected: row.counts.rejected,
            conflicts: row.counts.conflicts,
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            requests,
            unpriced,
            cost,
            version,
        }
    }
}

impl ProducerRecord {
    /// The row at `version`.
    #[must_use]
    pub fn of(row: &ProducerRow, version: u64) -> Self {
        Self {
            partition: row.partition.0,
            account: *row.account.bytes(),
            producer: *row.producer.bytes(),
            epoch: row.epoch.0,
            mark: row.mark.0,
            gaps: row.gaps,
            last: row.last.ms(),
            version,
        }
    }
}

impl SessionRecord {
    /// The row at `version`.
    #[must_use]
    pub fn of(row: &SessionRow, version: u64) -> Self {
        let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, unpriced, cost] =
            row.usage.lanes();
        Self {
            partition: row.partition.0,
            account: *row.account.bytes(),
            session: row.session.0,
            first: row.first.ms(),
            last: row.last.ms(),
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            requests,
            unpriced,
            cost,
            version,
        }
    }
}

impl ProgressRecord {
    /// The row of a progress.
    ///
    /// # Errors
    /// When the clock lies outside the years that a `DateTime` holds.
    pub fn of(progress: &Progress) -> Result<Self, RowError> {
        Ok(Self {
            partition: progress.partition.0,
            version: progress.version.get(),
            clock: date_time(progress.clock)?,
            log_time: progress.log_time.ms(),
        })
    }
}
