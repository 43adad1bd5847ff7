//! Who owns a data directory: what it is sent, and what it shows.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tally_audit::{Findings, Verified};
use tally_clickhouse::{Database, Layout};

use crate::http;
use crate::installation::{Answer, Installation};
use crate::ledger::{CLASSES, Event, Hours, Totals, WINDOWS};

/// How long all that was taken may need to be published and archived.
const SETTLE_MAX: Duration = Duration::from_mins(5);

/// Where an owner can be reached, by its `owner.json`.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Process id.
    pub pid: u64,
    /// Control endpoints.
    pub control: String,
    /// Collector; empty where it runs none.
    pub collector: String,
    /// ClickHouse; empty where it knows none.
    pub clickhouse: String,
    /// Its database.
    pub database: String,
    /// The ranker's live board; empty where it runs none.
    pub ranker: String,
    /// Pages; empty where it serves none.
    pub web: String,
}

impl Owner {
    /// What stands in the `owner.json` of a data directory; none when nobody owns it.
    #[must_use]
    pub fn read(data: &Path) -> Option<Self> {
        let owner: Value = serde_json::from_slice(&fs::read(data.join("owner.json")).ok()?).ok()?;
        let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Self {
            pid: owner.get("pid")?.as_u64()?,
            control: text("control"),
            collector: text("collector"),
            clickhouse: text("clickhouse"),
            database: text("database"),
            ranker: text("ranker"),
            web: text("web"),
        })
    }
}

/// Sends events to the collector; `Ok` only when all of them are acknowledged.
///
/// # Errors
/// When they are not.
pub fn post(owner: &Owner, batch: &[Event]) -> Result<()> {
    let events: Vec<Value> = batch.iter().map(Event::json).collect();
    let answer = http::send(&owner.collector, "POST", "/v1/usage", &json!({ "events": events }).to_string())?;
    ensure!(answer.status == 200, "posting: {} {}", answer.status, answer.body);
    let body: Value = serde_json::from_str(&answer.body)?;
    ensure!(body["accepted"] == json!(batch.len()), "posting {}: {body}", batch.len());
    Ok(())
}

/// Waits until everything acknowledged so far is published and archived.
///
/// # Errors
/// When that does not happen, or a part failed.
pub fn settle(owner: &Owner) -> Result<()> {
    let positions = http::send(&owner.control, "POST", "/v1/now", "")?;
    ensure!(positions.status == 200, "asking for now: {}", positions.body);
    let begun = Instant::now();
    let mut last = String::new();
    while begun.elapsed() < SETTLE_MAX {
        let settled = http::send(&owner.control, "POST", "/v1/settled?wait_ms=60000", &positions.body)?;
        let body: Value = serde_json::from_str(&settled.body)?;
        if body["behind"] == json!([]) && body["failures"] == json!([]) {
            return Ok(());
        }
        last = settled.body;
        // A failure is told at once; what it can, the installation mends by itself.
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("not settled: {last}")
}

/// Asks ClickHouse.
///
/// # Errors
/// What ClickHouse refuses, in its words.
pub fn sql(owner: &Owner, text: &str) -> Result<String> {
    let answer = http::send(&owner.clickhouse, "POST", &format!("/?database={}", owner.database), text)?;
    ensure!(answer.status == 200, "{text}: {}", answer.body);
    Ok(answer.body)
}

/// What is published, by tool.
///
/// # Errors
/// When ClickHouse refuses, or a tool belongs to two accounts.
pub fn published(owner: &Owner) -> Result<Totals> {
    let lanes = WINDOWS.iter().flat_map(|(window, _)| {
        CLASSES.iter().chain(&["requests"]).map(move |lane| format!("sum({lane}_{window})"))
    });
    let lanes: Vec<String> = lanes.collect();
    let text = format!(
        "SELECT tool, uniqExact(account), {} FROM {}.account_totals FINAL GROUP BY tool FORMAT TSV",
        lanes.join(", "),
        owner.database
    );
    let mut totals = Totals::new();
    for line in sql(owner, &text)?.lines() {
        let mut fields = line.split('\t');
        let tool = fields.next().unwrap_or_default().to_owned();
        ensure!(fields.next() == Some("1"), "{tool} belongs to several accounts: {line}");
        let windows: &mut [[i64; 7]; 4] = totals.entry(tool).or_default();
        for (lane, text) in windows.as_flattened_mut().iter_mut().zip(fields) {
            *lane = text.parse().with_context(|| line.to_owned())?;
        }
    }
    Ok(totals)
}

/// What is published of each hour that holds anything, by tool.
///
/// # Errors
/// When ClickHouse refuses.
pub fn published_hours(owner: &Owner) -> Result<Hours> {
    let lanes: Vec<String> = CLASSES.iter().chain(&["requests"]).map(|lane| format!("sum({lane})")).collect();
    let text = format!(
        "SELECT tool, toInt64(toUnixTimestamp(hour)) AS start, {} FROM {}.usage_hourly FINAL GROUP BY tool, start FORMAT TSV",
        lanes.join(", "),
        owner.database
    );
    let mut hours = Hours::new();
    for line in sql(owner, &text)?.lines() {
        let mut fields = line.split('\t');
        let tool = fields.next().unwrap_or_default().to_owned();
        let numbers =
            fields.map(str::parse).collect::<Result<Vec<i64>, _>>().with_context(|| line.to_owned())?;
        let [start, lanes @ ..] = numbers.as_slice() else { bail!("no hour: {line}") };
        hours.insert((tool, *start), lanes.try_into().with_context(|| line.to_owned())?);
    }
    hours.retain(|_, lanes| lanes.iter().any(|lane| *lane != 0));
    Ok(hours)
}

/// Tokens of 30 days by person, as the ranking says.
///
/// # Errors
/// When the command fails.
pub fn ranked(installation: &Installation, clock_ms: i64) -> Result<BTreeMap<String, i64>> {
    people(&installation.run_at(clock_ms, &["top", "--limit", "1000", "--json"])?)
}

/// Tokens by person, as `tally top --json` answered.
///
/// # Errors
/// When the command failed.
pub fn people(top: &Answer) -> Result<BTreeMap<String, i64>> {
    ensure!(top.code == Some(0), "tally top: {top:?}");
    let board = top.json()?;
    let rows = board["rows"].as_array().context("a board has rows")?;
    let row = |row: &Value| Some((row["person"].as_str()?.to_owned(), row["tokens"].as_i64()?));
    let people: Option<BTreeMap<String, i64>> = rows.iter().map(row).collect();
    let mut people = people.with_context(|| board.to_string())?;
    people.retain(|_, tokens| *tokens > 0);
    Ok(people)
}

/// Recounts everything from the archive.
///
/// # Errors
/// When it cannot be read, or does not reach what is published.
pub fn verify(owner: &Owner) -> Result<Findings> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let database = Database::new(&owner.clickhouse, None, Layout::new(&owner.database, "", None, 60)?);
    let begun = Instant::now();
    loop {
        match runtime.block_on(tally_audit::verify(&database, |_| ()))? {
            Verified::Done(findings) => return Ok(*findings),
            // What keeps the clock going has come in between.
            Verified::NotYet { .. } if begun.elapsed() < SETTLE_MAX => {
                std::thread::sleep(Duration::from_millis(200));
            }
            Verified::NotYet { waiting } => bail!("the archive is behind: {waiting:?}"),
        }
    }
}
