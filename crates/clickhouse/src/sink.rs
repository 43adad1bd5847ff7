//! Where publications go: handed over without waiting, written by one thread, acknowledged when polled.
//!
//! A publication is acknowledged when every table of it is. Its progress is written after all its other rows,
//! so that no reader sees a progress whose rows are missing, and in the life of the server that was looked at alone. What fails is handed back with its rows: present
//! values may have overtaken them, so trying again is for whoever knows those.

use crate::database::Database;
use crate::error::ClickHouseError;
use crate::life::Life;
use crate::rows::{
    AccountTotalRecord, ProducerRecord, ProgressRecord, ReceiptRecord, SessionRecord, UsageHourlyRecord,
};
use crate::writer::{Desk, Writer};
use std::sync::mpsc::Receiver;
use tally_domain::published::Rows;

/// Names a submission until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The sink has its hands full; here are the rows back, nothing was taken.
#[derive(Debug)]
pub struct Full(pub Box<Rows>);

/// What became of a submission.
#[derive(Debug)]
pub struct Outcome {
    /// Which one.
    pub ticket: Ticket,
    /// Its rows, to acknowledge their keys and to use their room again.
    pub rows: Rows,
    /// `Ok`: every table of it is acknowledged. Otherwise some may be in, which harms nothing.
    pub result: Result<(), std::sync::Arc<ClickHouseError>>,
}

/// The sink's end that a part holds. Dropping it lets the thread finish what was taken, then waits for it.
#[derive(Debug)]
pub struct Sink {
    writer: Writer<Submission, Outcome>,
    next: u64,
}

/// Rows on their way, for one life of the server.
type Submission = (Ticket, Life, Rows);

/// How many submissions may wait; more are refused.
const WAITING_MAX: usize = 64;

impl Sink {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// When the operating system gives no thread, or no runtime can be made.
    pub fn start(database: Database) -> std::io::Result<Self> {
        let writer =
            Writer::spawn("clickhouse-sink", database, WAITING_MAX, |desk| write_until_closed(&desk))?;
        Ok(Self { writer, next: 0 })
    }

    /// Hands over a publication; never waits. It is acknowledged only if the server was in `life` all the while.
    ///
    /// # Errors
    /// [`Full`] with the rows when too many wait.
    pub fn submit(&mut self, rows: Rows, life: Life) -> Result<Ticket, Full> {
        let ticket = Ticket(self.next);
        self.writer.submit((ticket, life, rows)).map_err(|(_, _, rows)| Full(Box::new(rows)))?;
        self.next = self.next.wrapping_add(1);
        Ok(ticket)
    }

    /// Adds what has been answered since the last call, in the order of submission; never waits.
    pub fn acknowledged(&mut self, into: &mut Vec<Outcome>) {
        into.extend(std::iter::from_fn(|| self.writer.answered()));
    }
}

fn write_until_closed(desk: &Desk<Submission, Outcome>) {
    while let Ok(first) = desk.taken.recv() {
        let together = gather(first, &desk.taken, desk.database.insert_rows_max());
        // Of two lives, hardly ever.
        let results: Vec<_> = together
            .chunk_by(|before, after| before.1 == after.1)
            .flat_map(|of_one_life| {
                let (_, life, _) = of_one_life.first().expect("a chunk has a first");
                let publications: Vec<&Rows> = of_one_life.iter().map(|(_, _, rows)| rows).collect();
                let written = desk.runtime.block_on(write(&desk.database, *life, &publications));
                vec![written.map_err(std::sync::Arc::new); of_one_life.len()]
            })
            .collect();
        for ((ticket, _, rows), result) in together.into_iter().zip(results) {
            desk.answer(Outcome { ticket, rows, result });
        }
    }
}

/// The first submission and those that wait behind it, until there are rows for an insert; more are divided again.
fn gather(first: Submission, taken: &Receiver<Submission>, rows: usize) -> Vec<Submission> {
    let mut count = first.2.len();
    let mut together = vec![first];
    while count < rows {
        let Ok(next) = taken.try_recv() else { break };
        count = count.saturating_add(next.2.len());
        together.push(next);
    }
    together
}

/// Writes publications together: all other tables side by side, then progress, if the server is still in `life`.
///
/// # Errors
/// When a table is not acknowledged; some may be in.
pub async fn write(database: &Database, life: Life, publications: &[&Rows]) -> Result<(), ClickHouseError> {
    let versioned = || publications.iter().map(|rows| (rows.version.get(), *rows));
    let totals = database.insert(
        versioned()
            .flat_map(|(at, rows)| rows.totals.iter().map(move |row| Ok(AccountTotalRecord::of(row, at)))),
    );
    let hours = database.insert(
        versioned().flat_map(|(at, rows)| rows.hours.iter().map(move |row| UsageHourlyRecord::of(row, at))),
    );
    let receipts = database.insert(
        versioned()
            .flat_map(|(at, rows)| rows.receipts.iter().map(move |row| Ok(ReceiptRecord::of(row, at)))),
    );
    let producers =
        database
            .insert(versioned().flat_map(|(at, rows)| {
                rows.producers.iter().map(move |row| Ok(ProducerRecord::of(row, at)))
            }));
    let sessions = database.insert(
        versioned()
            .flat_map(|(at, rows)| rows.sessions.iter().map(move |row| Ok(SessionRecord::of(row, at)))),
    );
    tokio::try_join!(totals, hours, receipts, producers, sessions)?;
    let progress = publications.iter().flat_map(|rows| rows.progress.iter().map(ProgressRecord::of));
    let progress = progress.collect::<Result<Vec<_>, _>>();
    let progress = progress.map_err(|error| ClickHouseError::row("inserting into progress", error))?;
    database.claim(life, &progress).await
}
