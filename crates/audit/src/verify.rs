//! Recounts everything that is published from the archive, account by account.
//!
//! While records come, published rows run ahead of the archive by moments. So a verification has two halves: it begins
//! by holding on to what is published and says how far the archive must be to judge all of it; once the archive is
//! there, it recounts. What is published meanwhile is for the next verification, and no row is left out of this one.

use std::collections::BTreeMap;

use clickhouse::Row;
use tally_clickhouse::rows::minute_of;
use tally_clickhouse::{ClickHouseError, Database};
use tally_domain::price::PriceBook;
use tally_domain::{Entry, Offset, Partition, Version};

use crate::compare::{Bounds, compare};
use crate::difference::{Findings, RecountedAt};
use crate::explain;
use crate::requests;
use crate::streams::{Shown, place};

/// What a look at the archive came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verified {
    /// Everything was recounted.
    Done(Box<Findings>),
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

/// A verification that holds on to what was published when it began.
pub struct Verification {
    database: Database,
    progress: BTreeMap<Partition, Version>,
    needs: BTreeMap<Partition, Version>,
    shown: Shown,
}

impl std::fmt::Debug for Verification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verification").field("needs", &self.needs).finish_non_exhaustive()
    }
}

/// The newest version of any row, by partition.
#[derive(Debug, Row, serde::Deserialize)]
struct Newest {
    partition: u16,
    version: u64,
}

const NEWEST: &str = "SELECT partition, max(version) AS version FROM (
        SELECT partition, version FROM ${t}account_totals UNION ALL SELECT partition, version FROM ${t}usage_hourly
    ) GROUP BY partition";

impl Verification {
    /// Reads progress, then holds on to the published rows, so that every change up to that progress is among them.
    ///
    /// # Errors
    /// When ClickHouse cannot be read.
    pub async fn begin(database: &Database) -> Result<Self, VerifyError> {
        let rows = database.progress().await?.into_iter();
        let progress: BTreeMap<_, _> =
            rows.map(|row| (Partition(row.partition), Version::from_u64(row.version))).collect();
        let shown = Shown::open(database).await?;
        // Asked after the rows are held: none of them is newer than this.
        let newest = database.fetch::<Newest>("reading the newest versions", database.query(NEWEST)).await?;
        let mut needs = progress.clone();
        for row in newest {
            let need = needs.entry(Partition(row.partition)).or_default();
            *need = Version::from_u64(row.version).max(*need);
        }
        Ok(Self { database: database.clone(), progress, needs, shown })
    }

    /// No row can be newer than the log: one that claims to be is recounted at the log's end instead. `ends` are
    /// positions that the log reached after [`Verification::begin`].
    pub fn bound_by(&mut self, ends: impl IntoIterator<Item = (Partition, Offset)>) {
        for (partition, end) in ends {
            let incarnation = self.progress.get(&partition).copied().unwrap_or_default().incarnation();
            if let Some(need) = self.needs.get_mut(&partition) {
                *need = Version::new(incarnation, end).min(*need);
            }
        }
    }

    /// How far the archive of each partition must be contiguous.
    #[must_use]
    pub const fn needs(&self) -> &BTreeMap<Partition, Version> {
        &self.needs
    }

    /// Recounts every key at max(version of its row, progress). `seen` is told how many accounts are done.
    ///
    /// # Errors
    /// When ClickHouse cannot be read, or holds what nothing writes.
    pub async fn finish(self, mut seen: impl FnMut(u64)) -> Result<Verified, VerifyError> {
        let Self { database, progress, needs, shown } = self;
        let bounds = read_bounds(&database, &progress).await?;
        let archived = |partition| bounds.get(partition).map_or(Version::ZERO, |bounds| bounds.archived);
        let waiting: Vec<_> = needs
            .iter()
            .filter(|(partition, need)| archived(partition) < **need)
            .map(|(partition, need)| (*partition, archived(partition), *need))
            .collect();
        if !waiting.is_empty() {
            return Ok(Verified::NotYet { waiting });
        }
        let mut findings =
            Findings { partitions: bounds.iter().map(recounted_at).collect(), ..Findings::default() };
        let mut streams = shown.beside_reports(&database).await?;
        while let Some((key, partition, account)) = streams.next_account().await? {
            if let Some(bounds) = bounds.get(&partition) {
                compare(key, partition, &account, bounds, &mut findings);
            }
            seen(findings.checked.accounts);
        }
        explain::name(&database, &mut findings).await?;
        findings.shared_requests = requests::shared(&database).await?;
        Ok(Verified::Done(Box::new(findings)))
    }
}

fn recounted_at((partition, bounds): (&Partition, &Bounds)) -> RecountedAt {
    RecountedAt {
        partition: *partition,
        version: bounds.progress,
        clock: bounds.moment(bounds.progress).clock,
        archived: bounds.archived,
    }
}

/// Recounts every published value at once, where nobody writes: see [`Verification`] for a live installation.
///
/// # Errors
/// When ClickHouse cannot be read, or holds what nothing writes.
pub async fn verify(database: &Database, seen: impl FnMut(u64)) -> Result<Verified, VerifyError> {
    Verification::begin(database).await?.finish(seen).await
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

async fn read_bounds(
    database: &Database,
    progress: &BTreeMap<Partition, Version>,
) -> Result<BTreeMap<Partition, Bounds>, VerifyError> {
    let at = |(partition, progress): (&Partition, &Version)| {
        (*partition, Bounds { progress: *progress, ..Bounds::default() })
    };
    let mut all: BTreeMap<Partition, Bounds> = progress.iter().map(at).collect();
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
        // A book that cannot be read, or is numbered otherwise than its record, is a reject of the fold too: the one
        // before it stays in force.
        if let Some(book) =
            PriceBook::parse(document.body).ok().filter(|book| book.number() == document.number)
        {
            let at = place(row.incarnation, row.offset)?;
            all.entry(Partition(row.partition)).or_default().books.add(at, book);
        }
    }
    Ok(all)
}
