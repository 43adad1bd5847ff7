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
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError};
use std::thread::JoinHandle;
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
    work: Option<SyncSender<(Ticket, Rows)>>,
    done: Receiver<Outcome>,
    thread: Option<JoinHandle<()>>,
    next: u64,
}

/// How many submissions may wait; more are refused.
const WAITING_MAX: usize = 64;
/// How many rows are written together when submissions wait.
const TOGETHER_ROWS_MAX: usize = 250_000;

impl Sink {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// When the operating system gives no thread, or no runtime can be made.
    pub fn start(database: Database) -> std::io::Result<Self> {
        let database = database.with_own_connections();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (work, taken) = std::sync::mpsc::sync_channel(WAITING_MAX);
        let (answers, done) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("clickhouse-sink".to_owned())
            .spawn(move || write_until_closed(&runtime, &database, &taken, &answers))?;
        Ok(Self { work: Some(work), done, thread: Some(thread), next: 0 })
    }

    /// Hands over a publication; never waits.
    ///
    /// # Errors
    /// [`Full`] with the rows when too many wait.
    pub fn submit(&mut self, rows: Rows) -> Result<Ticket, Full> {
        let ticket = Ticket(self.next);
        let work = self.work.as_ref().expect("the channel is open until the sink is dropped");
        match work.try_send((ticket, rows)) {
            Ok(()) => {
                self.next = self.next.wrapping_add(1);
                Ok(ticket)
            }
            Err(TrySendError::Full((_, rows)) | TrySendError::Disconnected((_, rows))) => {
                Err(Full(Box::new(rows)))
            }
        }
    }

    /// Adds what has been answered since the last call, in the order of submission; never waits.
    pub fn acknowledged(&mut self, into: &mut Vec<Outcome>) {
        into.extend(self.done.try_iter());
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn write_until_closed(
    runtime: &tokio::runtime::Runtime,
    database: &Database,
    taken: &Receiver<(Ticket, Rows)>,
    answers: &Sender<Outcome>,
) {
    while let Ok(first) = taken.recv() {
        let together = gather(first, taken);
        let publications: Vec<&Rows> = together.iter().map(|(_, rows)| rows).collect();
        let result = runtime.block_on(write(database, &publications)).map_err(std::sync::Arc::new);
        for (ticket, rows) in together {
            // Nobody listens any more when the sink is being dropped; what was written stays written.
            let _listening = answers.send(Outcome { ticket, rows, result: result.clone() });
        }
    }
}

/// The first submission and those that wait behind it, as long as they fit into one insert.
fn gather(first: (Ticket, Rows), taken: &Receiver<(Ticket, Rows)>) -> Vec<(Ticket, Rows)> {
    let mut count = first.1.len();
    let mut together = vec![first];
    while count < TOGETHER_ROWS_MAX {
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
