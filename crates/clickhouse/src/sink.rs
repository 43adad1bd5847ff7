//! Where publications go: handed over without waiting, written by one thread, acknowledged when polled.
//!
//! A publication is acknowledged when every table of it is. Its progress is written after all its other rows,
//! so that no reader sees a progress whose rows are missing. What fails is handed back with its rows: present
//! values may have overtaken them, so trying again is for whoever knows those.

use crate::database::Database;
use crate::error::ClickHouseError;
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
    writer: Writer<(Ticket, Rows), Outcome>,
    next: u64,
}

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

    /// Hands over a publication; never waits.
    ///
    /// # Errors
    /// [`Full`] with the rows when too many wait.
    pub fn submit(&mut self, rows: Rows) -> Result<Ticket, Full> {
        let ticket = Ticket(self.next);
        self.writer.submit((ticket, rows)).map_err(|(_, rows)| Full(Box::new(rows)))?;
        self.next = self.next.wrapping_add(1);
        Ok(ticket)
    }

    /// Adds what has been answered since the last call, in the order of submission; never waits.
    pub fn acknowledged(&mut self, into: &mut Vec<Outcome>) {
        into.extend(std::iter::from_fn(|| self.writer.answered()));
    }
}

fn write_until_closed(desk: &Desk<(Ticket, Rows), Outcome>) {
    while let Ok(first) = desk.taken.recv() {
        let together = gather(first, &desk.taken, desk.database.insert_rows_max());
        let publications: Vec<&Rows> = together.iter().map(|(_, rows)| rows).collect();
        let result = desk.runtime.block_on(write(&desk.database, &publications)).map_err(std::sync::Arc::new);
        for (ticket, rows) in together {
            desk.answer(Outcome { ticket, rows, result: result.clone() });
        }
    }
}

/// The first submission and those that wait behind it, until there are rows for an insert; more are divided again.
fn gather(first: (Ticket, Rows), taken: &Receiver<(Ticket, Rows)>, rows: usize) -> Vec<(Ticket, Rows)> {
    let mut count = first.1.len();
    let mut together = vec![first];
    while count < rows {
        let Ok(next) = taken.try_recv() else { break };
        count = count.saturating_add(next.1.len());
        together.push(next);
    }
    together
}

/// Writes publications together: all other tables side by side, then progress.
///
/// # Errors
/// When a table is not acknowledged; some may be in.
pub async fn write(database: &Database, publications: &[&Rows]) -> Result<(), ClickHouseError> {
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
    database.insert(progress).await.map(|_| ())
}
