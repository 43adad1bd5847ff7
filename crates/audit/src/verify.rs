//! Recounts everything that is published from the archive, account by account, in one pass over three
//! sorted streams.

use std::collections::BTreeMap;
use std::sync::Arc;

use clickhouse::query::RowCursor;
use clickhouse::{Row, RowRead};
use tally_clickhouse::rows::{AccountTotalRecord, Hash, KindCode, UsageHourlyRecord, ViewCode, minute_of};
use tally_clickhouse::{ClickHouseError, Database};
use tally_domain::event::Unsplit;
use tally_domain::price::PriceBook;
use tally_domain::{
    AccountKey, ContentHash, Dims, Entry, EventKey, EventTime, Hash128, Incarnation, Minute, Offset,
    Partition, Revision, Usage, Version,
};

use crate::compare::{Account, Bounds, Published, compare};
use crate::difference::Findings;
use crate::recount::Sum;
use crate::rules::Counted;

/// What a look at the archive came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verified {
    /// Everything was recounted.
    Done {
        /// The least clock of the partitions: the minute that the totals were checked for.
        as_of: Minute,
        /// What was found.
        findings: Findings,
    },
    /// The archive is not contiguous up to what is published.
    NotYet {
        /// Partitions that wait, with how far they are archived and how far they must be.
        waiting: Vec<(Partition, Version, Version)>,
    },
}

/// What keeps a verification from an answer.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// ClickHouse refuses or is away.
    #[error(transparent)]
    ClickHouse(#[from] ClickHouseError),
    /// A stream of rows broke.
    #[error("verifying: reading {table}: {cause}")]
    Stream {
        /// Which table.
        table: &'static str,
        /// Why.
        cause: clickhouse::error::Error,
    },
    /// A row that no part of Tally writes.
    #[error(
        "verifying: {table} holds {field} {value}, which nothing writes; somebody changed the table by hand"
    )]
    Foreign {
        /// Which table.
        table: &'static str,
        /// Which column.
        field: &'static str,
        /// What it holds.
        value: String,
    },
}

/// Recounts every published value. `seen` is told how many accounts are done.
///
/// # Errors
/// When ClickHouse cannot be read, or holds what nothing writes.
pub async fn verify(database: &Database, mut seen: impl FnMut(u64)) -> Result<Verified, VerifyError> {
    let bounds = read_bounds(database).await?;
    let waiting: Vec<_> = bounds
        .iter()
        .filter(|(_, bounds)| bounds.archived < bounds.progress)
        .map(|(partition, bounds)| (*partition, bounds.archived, bounds.progress))
        .collect();
    if !waiting.is_empty() {
        return Ok(Verified::NotYet { waiting });
    }
    let clock = |bounds: &Bounds| bounds.moment(bounds.progress).clock;
    let as_of = bounds.values().map(clock).min().unwrap_or(Minute::BEFORE_ALL);
    let mut streams = Streams::open(database).await?;
    let mut findings = Findings::default();
    while let Some((key, partition, account)) = streams.next_account().await? {
        if let Some(bounds) = bounds.get(&partition) {
            compare(key, partition, &account, bounds, &mut findings);
        }
        seen(findings.checked.accounts);
    }
    Ok(Verified::Done { as_of, findings })
}

/// One step of a partition's clock: from this version on it stands at this minute.
#[derive(Debug, Row, serde::Deserialize)]
struct ClockStep {
    partition: u16,
    incarnation: u16,
    offset: u64,
    minute: u32,
}

const CLOCKS: &str =
    "SELECT partition, incarnation, min(offset) AS offset, toStartOfMinute(log_time) AS minute
    FROM ${t}events GROUP BY partition, incarnation, minute ORDER BY partition, incarnation, offset";

/// A price book where it lies.
#[derive(Debug, Row, serde::Deserialize)]
struct BookRow {
    partition: u16,
    incarnation: u16,
    offset: u64,
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
}

const BOOKS: &str =
    "SELECT DISTINCT partition, incarnation, offset, body FROM ${t}events WHERE entry = 'prices'
    ORDER BY partition, incarnation, offset";

async fn read_bounds(database: &Database) -> Result<BTreeMap<Partition, Bounds>, VerifyError> {
    let mut all: BTreeMap<Partition, Bounds> = BTreeMap::new();
    for row in database.progress().await? {
        all.entry(Partition(row.partition)).or_default().progress = Version::from_u64(row.version);
    }
    for row in database.archive_progress().await? {
        all.entry(Partition(row.partition)).or_default().archived = Version::from_u64(row.version);
    }
    for step in
        database.fetch::<ClockStep>("reading the clocks of the archive", database.query(CLOCKS)).await?
    {
        let after = place(step.incarnation, step.offset.saturating_add(1))?;
        all.entry(Partition(step.partition)).or_default().clocks.push((after, minute_of(step.minute)));
    }
    for row in
        database.fetch::<BookRow>("reading the price books of the archive", database.query(BOOKS)).await?
    {
        let Ok(Entry::Prices(document)) = tally_schema::decode(&row.body) else { continue };
        // A book that cannot be read is a reject of the fold too: the one before it stays in force.
        if let Ok(book) = PriceBook::parse(document.body) {
            let at = place(row.incarnation, row.offset)?;
            all.entry(Partition(row.partition)).or_default().books.add(at, book);
        }
    }
    Ok(all)
}

/// The accepted reports, by account and event.
#[derive(Debug, Row, serde::Deserialize)]
struct ReportRow<'a> {
    account: Hash,
    event_key: Hash,
    partition: u16,
    incarnation: u16,
    offset: u64,
    revision: u32,
    kind: KindCode,
    occurred_at: i64,
    model: &'a str,
    tool: &'a str,
    view: ViewCode,
    service_tier: &'a str,
    region: &'a str,
    unsplit: u8,
    input: i64,
    cache_read: i64,
    cache_write_5m: i64,
    cache_write_1h: i64,
    output: i64,
    reasoning: i64,
    requests: i64,
    content_hash: u64,
}

const REPORTS: &str =
    "SELECT account, event_key, partition, incarnation, offset, revision, kind, occurred_at,
    toString(model) AS model, toString(tool) AS tool, view, toString(service_tier) AS service_tier,
    toString(region) AS region, unsplit, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning,
    requests, content_hash
    FROM ${t}events WHERE entry = 'usage' AND reason = '' ORDER BY account";

const TOTALS: &str = "SELECT * FROM ${t}account_totals FINAL ORDER BY account";

const HOURS: &str = "SELECT partition, account, hour, toString(model) AS model, toString(tool) AS tool, view,
    toString(service_tier) AS service_tier, toString(region) AS region, unsplit, input, cache_read, cache_write_5m,
    cache_write_1h, output, reasoning, requests, unpriced, cost, version
    FROM ${t}usage_hourly FINAL ORDER BY account";

/// Three streams sorted by account, each with the row that it read too far.
struct Streams {
    reports: Stream<ReportRow<'static>, Report>,
    totals: Stream<AccountTotalRecord, AccountTotalRecord>,
    hours: Stream<UsageHourlyRecord, UsageHourlyRecord>,
}

/// A report with the place it was read from.
struct Report {
    account: AccountKey,
    partition: Partition,
    event: EventKey,
    counted: Counted,
}

struct Stream<R, T = R> {
    table: &'static str,
    cursor: RowCursor<R>,
    ahead: Option<T>,
}

impl Streams {
    async fn open(database: &Database) -> Result<Self, VerifyError> {
        let mut streams = Self {
            reports: Stream::open(database, "events", REPORTS)?,
            totals: Stream::open(database, "account_totals", TOTALS)?,
            hours: Stream::open(database, "usage_hourly", HOURS)?,
        };
        streams.read_report(&mut None).await?;
        streams.totals.advance().await?;
        streams.hours.advance().await?;
        Ok(streams)
    }

    /// The next account of any stream, with all that the streams say of it.
    async fn next_account(&mut self) -> Result<Option<(AccountKey, Partition, Account)>, VerifyError> {
        let firsts = [
            self.reports.ahead.as_ref().map(|report| (report.account, report.partition)),
            self.totals.ahead.as_ref().map(|row| (key(row.account), Partition(row.partition))),
            self.hours.ahead.as_ref().map(|row| (key(row.account), Partition(row.partition))),
        ];
        let Some((account, partition)) = firsts.into_iter().flatten().min() else { return Ok(None) };
        let mut all = Account::default();
        let mut last = None;
        while self.reports.ahead.as_ref().is_some_and(|report| report.account == account) {
            if let Some(report) = self.reports.ahead.take() {
                last = Some(Arc::clone(&report.counted.dims));
                all.reports.entry(report.event).or_default().push(report.counted);
            }
            self.read_report(&mut last).await?;
        }
        while let Some(row) = self.totals.ahead.take_if(|row| key(row.account) == account) {
            let (dims, published) = total(row);
            all.totals.insert(dims, published);
            self.totals.advance().await?;
        }
        while let Some(row) = self.hours.ahead.take_if(|row| key(row.account) == account) {
            let (dims, hour, published) = hour(row);
            all.hours.insert((hour, dims), published);
            self.hours.advance().await?;
        }
        Ok(Some((account, partition, all)))
    }

    /// Reads one report ahead; `last` are the dims of the one before, shared when they are the same.
    async fn read_report(&mut self, last: &mut Option<Arc<Dims>>) -> Result<(), VerifyError> {
        let row = self.reports.cursor.next().await;
        let row = row.map_err(|cause| VerifyError::Stream { table: "events", cause })?;
        self.reports.ahead = row.map(|row| report(&row, last)).transpose()?;
        Ok(())
    }
}

impl<R, T> Stream<R, T>
where
    R: Row,
{
    fn open(database: &Database, table: &'static str, text: &str) -> Result<Self, VerifyError>
    where
        R: Row,
    {
        let cursor = database.query(text).fetch().map_err(|cause| VerifyError::Stream { table, cause })?;
        Ok(Self { table, cursor, ahead: None })
    }
}

impl<R: for<'a> Row<Value<'a> = R> + RowRead> Stream<R> {
    async fn advance(&mut self) -> Result<(), VerifyError> {
        let table = self.table;
        self.ahead = self.cursor.next().await.map_err(|cause| VerifyError::Stream { table, cause })?;
        Ok(())
    }
}

fn key(account: Hash) -> AccountKey {
    AccountKey(Hash128(account))
}

fn place(incarnation: u16, offset: u64) -> Result<Version, VerifyError> {
    Offset::new(offset)
        .map(|offset| Version::new(Incarnation(incarnation), offset))
        .ok_or_else(|| VerifyError::Foreign { table: "events", field: "offset", value: offset.to_string() })
}

fn report(row: &ReportRow<'_>, last: &mut Option<Arc<Dims>>) -> Result<Report, VerifyError> {
    let dims = Dims {
        model: row.model.to_owned(),
        tool: row.tool.to_owned(),
        view: row.view.into(),
        service_tier: row.service_tier.to_owned(),
        region: row.region.to_owned(),
        unsplit: Unsplit(row.unsplit),
    };
    let dims = last.take_if(|known| **known == dims).unwrap_or_else(|| Arc::new(dims));
    let occurred_at = EventTime::from_ms(row.occurred_at).ok_or_else(|| VerifyError::Foreign {
        table: "events",
        field: "occurred_at",
        value: row.occurred_at.to_string(),
    })?;
    let tokens =
        [row.input, row.cache_read, row.cache_write_5m, row.cache_write_1h, row.output, row.reasoning];
    Ok(Report {
        account: key(row.account),
        partition: Partition(row.partition),
        event: EventKey(Hash128(row.event_key)),
        counted: Counted {
            place: place(row.incarnation, row.offset)?,
            revision: Revision(row.revision),
            kind: row.kind.into(),
            occurred_at,
            dims,
            usage: Usage { tokens, requests: row.requests, ..Usage::ZERO },
            content: ContentHash(row.content_hash),
        },
    })
}

fn total(row: AccountTotalRecord) -> (Arc<Dims>, Published<[Sum; 4]>) {
    let value = [row.h24, row.d7, row.d30, row.lifetime].map(|usage| Sum::from(Usage::from(usage)));
    let dims = Dims {
        model: row.model,
        tool: row.tool,
        view: row.view.into(),
        service_tier: row.service_tier,
        region: row.region,
        unsplit: Unsplit(row.unsplit),
    };
    (Arc::new(dims), Published { value, version: Version::from_u64(row.version) })
}

fn hour(row: UsageHourlyRecord) -> (Arc<Dims>, tally_domain::Hour, Published<Sum>) {
    let usage = Usage {
        tokens: [
            row.input,
            row.cache_read,
            row.cache_write_5m,
            row.cache_write_1h,
            row.output,
            row.reasoning,
        ],
        requests: row.requests,
        unpriced: row.unpriced,
        cost_nano_usd: row.cost,
    };
    let dims = Dims {
        model: row.model,
        tool: row.tool,
        view: row.view.into(),
        service_tier: row.service_tier,
        region: row.region,
        unsplit: Unsplit(row.unsplit),
    };
    let published = Published { value: Sum::from(usage), version: Version::from_u64(row.version) };
    (Arc::new(dims), minute_of(row.hour).hour(), published)
}
