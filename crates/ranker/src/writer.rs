//! [`Store`] over ClickHouse: one thread, one question at a time.

use crate::keep::{Kept, expired};
use crate::ranker::minute;
use crate::store::{Answer, Baseline, Boot, Newest, Question, Store, Write, Written};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use tally_clickhouse::query::SnapshotHead;
use tally_clickhouse::rows::KeepCode;
use tally_clickhouse::{ClickHouseError, Database};
use tally_domain::published::Progress;
use tally_domain::{Board, Hash128, LogTime, Minute, Partition, PersonId, Version};
use tally_standings::Earlier;

/// How far back movement looks.
const MOVEMENT_MINUTES: i32 = 1_440;

/// The ranker's end. Dropping it finishes what was asked.
#[derive(Debug)]
pub struct SnapshotWriter {
    work: Option<SyncSender<Question>>,
    done: Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
}

impl SnapshotWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives none, or no runtime can be made.
    pub fn start(database: Database) -> std::io::Result<Self> {
        let database = database.with_own_connections();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (work, taken) = sync_channel(1);
        let (answers, done) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("snapshot-writer".to_owned())
            .spawn(move || answer_until_closed(&runtime, &database, &taken, &answers))?;
        Ok(Self { work: Some(work), done, thread: Some(thread) })
    }
}

impl Store for SnapshotWriter {
    fn ask(&mut self, question: Question) -> Result<(), Box<Question>> {
        let work = self.work.as_ref().expect("the channel is open until the writer is dropped");
        work.try_send(question).map_err(|refused| match refused {
            TrySendError::Full(question) | TrySendError::Disconnected(question) => Box::new(question),
        })
    }

    fn answered(&mut self) -> Option<Answer> {
        self.done.try_recv().ok()
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn answer_until_closed(
    runtime: &tokio::runtime::Runtime,
    database: &Database,
    taken: &Receiver<Question>,
    answers: &Sender<Answer>,
) {
    // The snapshot whose ranks the ranker has.
    let mut known = None;
    while let Ok(question) = taken.recv() {
        let answer = match question {
            Question::Boot => {
                runtime.block_on(boot(database, &mut known)).map(|boot| Answer::Booted(Box::new(boot)))
            }
            Question::Write(rows) => {
                runtime.block_on(write(database, *rows, &mut known)).map(Answer::Written)
            }
        };
        let answer = answer.unwrap_or_else(|error| Answer::Failed { error: error.to_string() });
        // Nobody listens while the ranker is being dropped; what was written stays written.
        let _listening = answers.send(answer);
    }
}

/// Progress is read before the totals, so that they are at least as new as it says.
async fn boot(database: &Database, known: &mut Option<u64>) -> Result<Boot, ClickHouseError> {
    let progress = database.progress().await?.into_iter().map(|row| Progress {
        partition: Partition(row.partition),
        version: Version::from_u64(row.version),
        clock: minute(row.clock),
        log_time: LogTime::from_ms(row.log_time).unwrap_or(LogTime::MIN),
    });
    let totals = database.account_totals().await?;
    let newest = database.newest_snapshot().await?;
    let as_of = newest.as_ref().map(|head| minute(head.as_of));
    *known = None;
    Ok(Boot {
        progress: progress.collect(),
        totals: totals.iter().map(|row| (row.to_row(), Version::from_u64(row.version))).collect(),
        people: database.people().await?,
        earlier: match as_of {
            Some(as_of) => baseline(database, as_of, known).await?,
            None => None,
        },
        newest: newest.map(of_head),
    })
}

/// Rows first, then the marker that speaks of them; then what has become too old goes.
async fn write(
    database: &Database,
    rows: Write,
    known: &mut Option<u64>,
) -> Result<Written, ClickHouseError> {
    let Write { people, totals, rankings, marker } = rows;
    database.insert(people.into_iter().map(Ok)).await?;
    database.insert(totals.into_iter().map(Ok)).await?;
    database.insert(rankings.into_iter().map(Ok)).await?;
    database.insert([Ok(marker.clone())]).await?;
    let as_of = minute(marker.as_of);
    let dropped = match marker.keep {
        KeepCode::All => Vec::new(),
        KeepCode::Hourly | KeepCode::Daily => drop_expired(database, as_of).await?,
    };
    let newest = Newest {
        number: marker.snapshot,
        people: marker.people,
        people_version: marker.people_version,
        as_of,
        vector: marker
            .vector
            .iter()
            .map(|&(p, version)| (Partition(p), Version::from_u64(version)))
            .collect(),
    };
    Ok(Written { newest, earlier: baseline(database, as_of, known).await?, dropped })
}

async fn drop_expired(database: &Database, as_of: Minute) -> Result<Vec<Kept>, ClickHouseError> {
    let kept = database.kept().await?.into_iter();
    let kept: Vec<Kept> =
        kept.map(|line| Kept { id: line.id, keep: line.keep, newest: minute(line.newest) }).collect();
    let expired: Vec<Kept> = expired(&kept, as_of).cloned().collect();
    for partition in &expired {
        database.drop_kept(&partition.id).await?;
    }
    Ok(expired)
}

/// The ranks of a day before `as_of`, unless they are those that are known.
async fn baseline(
    database: &Database,
    as_of: Minute,
    known: &mut Option<u64>,
) -> Result<Option<Baseline>, ClickHouseError> {
    let Some(head) = database.snapshot_at(as_of.plus(-MOVEMENT_MINUTES)).await? else { return Ok(None) };
    if *known == Some(head.snapshot) {
        return Ok(None);
    }
    let mut ranks: Earlier = Board::all().map(|_| std::collections::BTreeMap::new()).collect();
    for line in database.ranks(&head).await? {
        for (board, rank) in ranks.iter_mut().zip(line.ranks) {
            board.insert(PersonId(Hash128(line.person)), rank);
        }
    }
    *known = Some(head.snapshot);
    Ok(Some(Baseline { number: head.snapshot, ranks }))
}

fn of_head(head: SnapshotHead) -> Newest {
    Newest {
        number: head.snapshot,
        people: head.people,
        people_version: head.people_version,
        as_of: minute(head.as_of),
        vector: head
            .vector
            .into_iter()
            .map(|(p, version)| (Partition(p), Version::from_u64(version)))
            .collect(),
    }
}
