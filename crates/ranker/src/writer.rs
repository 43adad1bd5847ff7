//! [`Store`] over ClickHouse: one thread, one question at a time.

use crate::keep::{Kept, expired};
use crate::rows;
use crate::store::{
    Answer, Baseline, Boot, Look, Looked, MOVEMENT_MINUTES, Newest, Question, Reference, SnapshotId, Store,
    Write,
};
use crate::tables::{Answered, Insert, Tables};
use std::collections::BTreeMap;
use tally_clickhouse::query::SnapshotHead;
use tally_clickhouse::rows::{KeepCode, minute_of};
use tally_clickhouse::{Database, Life, Writer};
use tally_domain::planted::{self, Bug};
use tally_domain::{Board, Hash128, Minute, Partition, PersonId, Version, Window};
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
        let answers = async |database: &Database, question| answer(database, question).await;
        Writer::start("snapshot-writer", database, 1, answers).map(Self)
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

/// What comes of a question, asked of the tables request by request. Wherever that ends, no reader sees half a snapshot.
pub async fn answer<T: Tables>(tables: &T, question: Question) -> Answer {
    let answer = match question {
        Question::Boot => boot(tables).await.map(|boot| Answer::Booted(Box::new(boot))),
        Question::Look(at) => look(tables, at).await.map(|now| Answer::Looked(Box::new(now))),
        Question::Write(rows, life) => write(tables, &rows, life).await.map(Answer::Written),
    };
    answer.unwrap_or_else(|error| Answer::Failed { error: error.to_string() })
}

/// Progress is read before the totals, so that they are at least as new as it says.
async fn boot<T: Tables>(tables: &T) -> Answered<Boot> {
    let progress = tables.progress().await?;
    let totals = tables.account_totals().await?;
    let newest = tables.newest_snapshot().await?.map(of_head);
    let swept = sweep(tables, newest.as_ref().map(|newest| newest.id)).await?;
    let earlier = match &newest {
        Some(newest) => baseline(tables, newest.as_of.plus(-MOVEMENT_MINUTES), None).await?,
        None => Reference::Known,
    };
    Ok(Boot {
        progress,
        totals,
        people: tables.people().await?,
        written: written(tables).await?,
        earlier: match earlier {
            Reference::Other(baseline) => baseline,
            Reference::Known => None,
        },
        newest,
        swept,
    })
}

/// Takes away the rows of snapshots that never got their marker: their numbers may be given again, to other rows.
async fn sweep<T: Tables>(tables: &T, newest: Option<SnapshotId>) -> Answered<u64> {
    let newest = newest.unwrap_or(SnapshotId { number: 0, people_version: 0 });
    let unfinished = tables.unfinished(newest).await?;
    if unfinished > 0 && !planted::is(Bug::Unswept) {
        tables.sweep_rankings(newest).await?;
        tables.sweep_user_totals(newest).await?;
    }
    Ok(unfinished)
}

async fn written<T: Tables>(tables: &T) -> Answered<BTreeMap<PersonId, [Sum; 4]>> {
    let mut written: BTreeMap<PersonId, [Sum; 4]> = BTreeMap::new();
    for row in tables.user_totals().await? {
        let windows = written.entry(PersonId(Hash128(row.person))).or_default();
        let at = Window::ALL.iter().position(|&window| row.window == window.into());
        if let Some(sum) = at.and_then(|at| windows.get_mut(at)) {
            *sum = rows::sum(&row);
        }
    }
    Ok(written)
}

/// The life is asked for first: what was read in a later one is held against it when the marker is written.
async fn look<T: Tables>(tables: &T, at: Look) -> Answered<Looked> {
    let life = tables.life().await?;
    let newest = tables.newest_snapshot().await?.map(of_head);
    Ok(Looked { life, newest, reference: baseline(tables, at.reference, at.known).await? })
}

/// Rows first, then the marker that speaks of them, in the life in which the ranker looked; then what has become too
/// old goes.
async fn write<T: Tables>(tables: &T, rows: &Write, life: Life) -> Answered<Vec<Kept>> {
    let Write { people, rankings, totals, marker, previous } = rows;
    if planted::is(Bug::MarkerFirst) {
        tables.mark(marker, life).await?;
    }
    tables.insert(Insert::People(people)).await?;
    tables.insert(Insert::Rankings(rankings)).await?;
    tables.insert(Insert::Totals(totals)).await?;
    let life = if planted::is(Bug::MarkedInAnyLife) { tables.life().await? } else { life };
    tables.mark(marker, life).await?;
    match (marker.keep, previous) {
        (KeepCode::Hourly | KeepCode::Daily, Some(previous)) => drop_expired(tables, *previous).await,
        (KeepCode::All, _) | (_, None) => Ok(Vec::new()),
    }
}

async fn drop_expired<T: Tables>(tables: &T, previous: Minute) -> Answered<Vec<Kept>> {
    let kept = tables.kept().await?.into_iter();
    let kept: Vec<Kept> =
        kept.map(|line| Kept { id: line.id, keep: line.keep, newest: minute_of(line.newest) }).collect();
    let expired: Vec<Kept> = expired(&kept, previous).cloned().collect();
    for partition in &expired {
        tables.drop_kept(&partition.id).await?;
    }
    Ok(expired)
}

/// The ranks of the newest complete snapshot that is true for `minute` or an earlier one.
async fn baseline<T: Tables>(tables: &T, minute: Minute, known: Option<SnapshotId>) -> Answered<Reference> {
    let Some(head) = tables.snapshot_at(minute).await? else { return Ok(Reference::Other(None)) };
    let id = SnapshotId { number: head.snapshot, people_version: head.people_version };
    if known == Some(id) {
        return Ok(Reference::Known);
    }
    let mut ranks: Earlier = Board::all().map(|_| BTreeMap::new()).collect();
    for line in tables.ranks(&head).await? {
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
