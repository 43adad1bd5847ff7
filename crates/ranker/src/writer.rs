//! [`Store`] over ClickHouse: one thread, one question at a time.

use crate::keep::{Kept, expired};
use crate::rows;
use crate::store::{
    Answer, Baseline, Boot, Look, Looked, MOVEMENT_MINUTES, Newest, Question, Reference, SnapshotId, Store,
    Write,
};
use clickhouse::{Row, RowOwned, RowRead};
use std::collections::BTreeMap;
use tally_clickhouse::query::SnapshotHead;
use tally_clickhouse::rows::{KeepCode, UserTotalRecord, minute_of};
use tally_clickhouse::{ClickHouseError, Database, Writer};
use tally_domain::published::Progress;
use tally_domain::{Board, Hash128, LogTime, Minute, Partition, PersonId, Version, Window};
use tally_standings::{Earlier, Sum};

/// The ranker's end. Dropping it finishes what was asked.
#[derive(Debug)]
pub struct SnapshotWriter(Writer<Question, Answer>);

impl SnapshotWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives none, or no runtime can be made.
    pub fn start(database: Database) -> std::io::Result<Self> {
        Writer::start("snapshot-writer", database, 1, answer).map(Self)
    }
}

impl Store for SnapshotWriter {
    fn ask(&mut self, question: Question) -> Result<(), Box<Question>> {
        self.0.submit(question).map_err(Box::new)
    }

    fn answered(&mut self) -> Option<Answer> {
        self.0.answered()
    }
}

async fn answer(database: &Database, question: Question) -> Answer {
    let answer = match question {
        Question::Boot => boot(database).await.map(|boot| Answer::Booted(Box::new(boot))),
        Question::Look(at) => look(database, at).await.map(|now| Answer::Looked(Box::new(now))),
        Question::Write(rows) => write(database, &rows).await.map(Answer::Written),
    };
    answer.unwrap_or_else(|error| Answer::Failed { error: error.to_string() })
}

/// Progress is read before the totals, so that they are at least as new as it says.
async fn boot(database: &Database) -> Result<Boot, ClickHouseError> {
    let progress = database.progress().await?.into_iter().map(|row| Progress {
        partition: Partition(row.partition),
        version: Version::from_u64(row.version),
        clock: minute_of(row.clock),
        log_time: LogTime::from_ms(row.log_time).unwrap_or(LogTime::MIN),
    });
    let totals = database.account_totals().await?;
    let newest = database.newest_snapshot().await?.map(of_head);
    let swept = sweep(database, newest.as_ref().map(|newest| newest.id)).await?;
    let earlier = match &newest {
        Some(newest) => baseline(database, newest.as_of.plus(-MOVEMENT_MINUTES), None).await?,
        None => Reference::Known,
    };
    Ok(Boot {
        progress: progress.collect(),
        totals: totals.iter().map(|row| (row.to_row(), Version::from_u64(row.version))).collect(),
        people: all(database, "reading people", include_str!("queries/people.sql")).await?,
        written: written(database).await?,
        earlier: match earlier {
            Reference::Other(baseline) => baseline,
            Reference::Known => None,
        },
        newest,
        swept,
    })
}

/// Takes away the rows of snapshots that never got their marker: their numbers may be given again, to other rows.
async fn sweep(database: &Database, newest: Option<SnapshotId>) -> Result<u64, ClickHouseError> {
    const DOING: &str = "sweeping away an unfinished snapshot";
    let SnapshotId { number, people_version } = newest.unwrap_or(SnapshotId { number: 0, people_version: 0 });
    let after = |text: &str| {
        text.replace("${number}", &number.to_string())
            .replace("${people_version}", &people_version.to_string())
    };
    let query = database.query(&after(include_str!("queries/unfinished.sql")));
    let unfinished = database.fetch::<u64>(DOING, query).await?.into_iter().sum();
    if unfinished > 0 {
        database.execute(DOING, &after(include_str!("queries/sweep_rankings.sql"))).await?;
        database.execute(DOING, &after(include_str!("queries/sweep_user_totals.sql"))).await?;
    }
    Ok(unfinished)
}

async fn written(database: &Database) -> Result<BTreeMap<PersonId, [Sum; 4]>, ClickHouseError> {
    let rows: Vec<UserTotalRecord> =
        all(database, "reading totals of people", include_str!("queries/user_totals.sql")).await?;
    let mut written: BTreeMap<PersonId, [Sum; 4]> = BTreeMap::new();
    for row in rows {
        let windows = written.entry(PersonId(Hash128(row.person))).or_default();
        let at = Window::ALL.iter().position(|&window| row.window == window.into());
        if let Some(sum) = at.and_then(|at| windows.get_mut(at)) {
            *sum = rows::sum(&row);
        }
    }
    Ok(written)
}

/// Every row of a type.
async fn all<T: Row + RowOwned + RowRead>(
    database: &Database,
    doing: &str,
    text: &str,
) -> Result<Vec<T>, ClickHouseError> {
    let text = text.replace("${fields}", &T::COLUMN_NAMES.join(", "));
    database.fetch(doing, database.query(&text)).await
}

async fn look(database: &Database, at: Look) -> Result<Looked, ClickHouseError> {
    let newest = database.newest_snapshot().await?.map(of_head);
    Ok(Looked { newest, reference: baseline(database, at.reference, at.known).await? })
}

/// Rows first, then the marker that speaks of them; then what has become too old goes.
async fn write(database: &Database, rows: &Write) -> Result<Vec<Kept>, ClickHouseError> {
    let Write { people, rankings, totals, marker, previous } = rows;
    database.insert(people.iter().cloned().map(Ok)).await?;
    database.insert(rankings.iter().cloned().map(Ok)).await?;
    database.insert(totals.iter().cloned().map(Ok)).await?;
    database.insert([Ok(marker.clone())]).await?;
    match (marker.keep, previous) {
        (KeepCode::Hourly | KeepCode::Daily, Some(previous)) => drop_expired(database, *previous).await,
        (KeepCode::All, _) | (_, None) => Ok(Vec::new()),
    }
}

async fn drop_expired(database: &Database, previous: Minute) -> Result<Vec<Kept>, ClickHouseError> {
    let kept = database.kept().await?.into_iter();
    let kept: Vec<Kept> =
        kept.map(|line| Kept { id: line.id, keep: line.keep, newest: minute_of(line.newest) }).collect();
    let expired: Vec<Kept> = expired(&kept, previous).cloned().collect();
    for partition in &expired {
        database.drop_kept(&partition.id).await?;
    }
    Ok(expired)
}

/// The ranks of the newest complete snapshot that is true for `minute` or an earlier one.
async fn baseline(
    database: &Database,
    minute: Minute,
    known: Option<SnapshotId>,
) -> Result<Reference, ClickHouseError> {
    let Some(head) = database.snapshot_at(minute).await? else { return Ok(Reference::Other(None)) };
    let id = SnapshotId { number: head.snapshot, people_version: head.people_version };
    if known == Some(id) {
        return Ok(Reference::Known);
    }
    let mut ranks: Earlier = Board::all().map(|_| BTreeMap::new()).collect();
    for line in database.ranks(&head).await? {
        for (board, rank) in ranks.iter_mut().zip(line.ranks) {
            board.insert(PersonId(Hash128(line.person)), rank);
        }
    }
    Ok(Reference::Other(Some(Baseline { id, ranks })))
}

fn of_head(head: SnapshotHead) -> Newest {
    let vector = head.vector.into_iter().map(|(p, version)| (Partition(p), Version::from_u64(version)));
    Newest {
        id: SnapshotId { number: head.snapshot, people_version: head.people_version },
        people: head.people,
        as_of: minute_of(head.as_of),
        vector: vector.collect(),
    }
}
