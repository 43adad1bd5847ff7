//! Three streams sorted by account, read side by side: what was reported, and what is published.

use std::sync::Arc;

use clickhouse::query::{Query, RowCursor};
use clickhouse::{Row, RowRead};
use tally_clickhouse::Database;
use tally_clickhouse::rows::{AccountTotalRecord, Hash, KindCode, UsageHourlyRecord, ViewCode, dims_of};
use tally_domain::published::{HourRow, TotalRow};
use tally_domain::{
    AccountKey, ContentHash, Dims, Epoch, EventKey, EventTime, Hash128, Hour, Incarnation, Offset, Partition,
    ProducerId, Revision, Usage, Version,
};

use crate::compare::{Account, Published};
use crate::recount::Sum;
use crate::rules::Counted;
use crate::verify::VerifyError;

/// The accepted reports, by account and event.
#[derive(Debug, Row, serde::Deserialize)]
pub(crate) struct ReportRow<'a> {
    account: Hash,
    event_key: Hash,
    partition: u16,
    incarnation: u16,
    offset: u64,
    producer: Hash,
    epoch: i64,
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

/// A query of accepted reports, as [`ReportRow`]s; `rest` may narrow and sort them.
pub(crate) fn accepted(rest: &str) -> String {
    let columns = "account, event_key, partition, incarnation, offset, producer, epoch, revision, kind, occurred_at,
        toString(model) AS model, toString(tool) AS tool, view, toString(service_tier) AS service_tier,
        toString(region) AS region, unsplit, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning,
        requests, content_hash";
    format!("SELECT {columns} FROM ${{t}}events WHERE entry = 'usage' AND reason = '' {rest}")
}

const TOTALS: &str = "SELECT * FROM ${t}account_totals FINAL ORDER BY account";

const HOURS: &str = "SELECT partition, account, hour, toString(model) AS model, toString(tool) AS tool, view,
    toString(service_tier) AS service_tier, toString(region) AS region, unsplit, input, cache_read, cache_write_5m,
    cache_write_1h, output, reasoning, requests, unpriced, cost, version
    FROM ${t}usage_hourly FINAL ORDER BY account";

/// What is published, as ClickHouse held it at one moment: later rows do not show.
pub(crate) struct Shown {
    totals: Stream<AccountTotalRecord, AccountTotalRecord>,
    hours: Stream<UsageHourlyRecord, UsageHourlyRecord>,
}

impl Shown {
    /// Begins to read; the first row is there, so the moment is past.
    pub(crate) async fn open(database: &Database) -> Result<Self, VerifyError> {
        let mut shown = Self {
            totals: Stream::open(database, "account_totals", TOTALS)?,
            hours: Stream::open(database, "usage_hourly", HOURS)?,
        };
        shown.totals.advance().await?;
        shown.hours.advance().await?;
        Ok(shown)
    }

    /// Reads the reports beside it.
    pub(crate) async fn beside_reports(self, database: &Database) -> Result<Streams, VerifyError> {
        let text = accepted("ORDER BY account");
        let mut streams = Streams { reports: Stream::open(database, "events", &text)?, shown: self };
        streams.read_report(&mut None).await?;
        Ok(streams)
    }
}

/// Each stream with the row that it read too far.
pub(crate) struct Streams {
    reports: Stream<ReportRow<'static>, Report>,
    shown: Shown,
}

/// A report with the place it was read from.
pub(crate) struct Report {
    pub(crate) account: AccountKey,
    pub(crate) partition: Partition,
    pub(crate) event: EventKey,
    pub(crate) counted: Counted,
}

/// All reports of a query that [`accepted`] made.
pub(crate) async fn reports(query: Query) -> Result<Vec<Report>, VerifyError> {
    let wrong = |cause| VerifyError::Stream { table: "events", cause };
    let mut cursor = query.fetch::<ReportRow<'static>>().map_err(wrong)?;
    let mut reports: Vec<Report> = Vec::new();
    while let Some(row) = cursor.next().await.map_err(wrong)? {
        let mut last = reports.last().map(|report| Arc::clone(&report.counted.dims));
        reports.push(report(&row, &mut last)?);
    }
    Ok(reports)
}

struct Stream<R, T = R> {
    table: &'static str,
    cursor: RowCursor<R>,
    ahead: Option<T>,
}

impl Streams {
    /// The next account of any stream, with all that the streams say of it.
    pub(crate) async fn next_account(
        &mut self,
    ) -> Result<Option<(AccountKey, Partition, Account)>, VerifyError> {
        let Shown { totals, hours } = &self.shown;
        let firsts = [
            self.reports.ahead.as_ref().map(|report| (report.account, report.partition)),
            totals.ahead.as_ref().map(|row| (key(row.account), Partition(row.partition))),
            hours.ahead.as_ref().map(|row| (key(row.account), Partition(row.partition))),
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
        let Shown { totals, hours } = &mut self.shown;
        while let Some(row) = totals.ahead.take_if(|row| key(row.account) == account) {
            all.totals.extend([total(&row)]);
            totals.advance().await?;
        }
        while let Some(row) = hours.ahead.take_if(|row| key(row.account) == account) {
            all.hours.extend([hour(&row)]);
            hours.advance().await?;
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

impl<R: Row, T> Stream<R, T> {
    fn open(database: &Database, table: &'static str, text: &str) -> Result<Self, VerifyError> {
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

const fn key(account: Hash) -> AccountKey {
    AccountKey(Hash128(account))
}

/// Where a record lies: incarnation and its own offset.
pub(crate) fn place(incarnation: u16, offset: u64) -> Result<Version, VerifyError> {
    Offset::new(offset)
        .map(|offset| Version::new(Incarnation(incarnation), offset))
        .ok_or_else(|| VerifyError::Foreign { table: "events", field: "offset", value: offset.to_string() })
}

fn report(row: &ReportRow<'_>, last: &mut Option<Arc<Dims>>) -> Result<Report, VerifyError> {
    let dims = dims_of([row.model, row.tool, row.service_tier, row.region], row.view, row.unsplit);
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
            run: (ProducerId(Hash128(row.producer)), Epoch(row.epoch)),
            revision: Revision(row.revision),
            kind: row.kind.into(),
            occurred_at,
            dims,
            usage: Usage { tokens, requests: row.requests, ..Usage::ZERO },
            content: ContentHash(row.content_hash),
        },
    })
}

fn total(row: &AccountTotalRecord) -> (Arc<Dims>, Published<[Sum; 4]>) {
    let TotalRow { dims, windows, .. } = row.to_row();
    (dims, Published { value: windows.map(Sum::from), version: Version::from_u64(row.version) })
}

fn hour(row: &UsageHourlyRecord) -> ((Hour, Arc<Dims>), Published<Sum>) {
    let HourRow { hour, dims, usage, .. } = row.to_row();
    ((hour, dims), Published { value: Sum::from(usage), version: Version::from_u64(row.version) })
}
