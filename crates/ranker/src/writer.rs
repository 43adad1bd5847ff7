//! Where snapshots go: handed over without waiting, written by one thread, answered when polled.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tally_clickhouse::{ClickHouseError, Database};

use crate::rows::SnapshotRows;

/// Takes a snapshot and says when readers can see it.
pub trait SnapshotSink {
    /// Hands over the rows; gives them back when the one before is still being written.
    ///
    /// # Errors
    /// The rows themselves.
    fn submit(&mut self, rows: SnapshotRows) -> Result<(), Box<SnapshotRows>>;

    /// The next answer; never waits.
    fn answered(&mut self) -> Option<Complete>;
}

/// What became of a snapshot.
#[derive(Debug)]
pub struct Complete {
    /// Its number.
    pub snapshot: u64,
    /// `Ok`: its marker row is acknowledged. Otherwise nobody sees any of it, and the next one is made anew.
    pub result: Result<(), ClickHouseError>,
}

/// [`SnapshotSink`] over ClickHouse.
#[derive(Debug)]
pub struct SnapshotWriter {
    work: Option<SyncSender<SnapshotRows>>,
    done: Receiver<Complete>,
    thread: Option<JoinHandle<()>>,
}

impl SnapshotWriter {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// When the operating system gives no thread, or no runtime can be made.
    pub fn start(database: Database) -> std::io::Result<Self> {
        let database = database.with_own_connections();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (work, taken) = sync_channel::<SnapshotRows>(1);
        let (answers, done) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name("snapshot-writer".to_owned()).spawn(move || {
            while let Ok(rows) = taken.recv() {
                let snapshot = rows.marker.snapshot;
                let result = runtime.block_on(write(&database, rows));
                // Nobody listens while the writer is being dropped; what was written stays written.
                let _listening = answers.send(Complete { snapshot, result });
            }
        })?;
        Ok(Self { work: Some(work), done, thread: Some(thread) })
    }
}

/// Everything else first, then the marker row by which readers know that it is complete.
async fn write(database: &Database, rows: SnapshotRows) -> Result<(), ClickHouseError> {
    database.insert(rows.people.into_iter().map(Ok)).await?;
    database.insert(rows.totals.into_iter().map(Ok)).await?;
    database.insert(rows.rankings.into_iter().map(Ok)).await?;
    database.insert([Ok(rows.marker)]).await.map(|_| ())
}

impl SnapshotSink for SnapshotWriter {
    fn submit(&mut self, rows: SnapshotRows) -> Result<(), Box<SnapshotRows>> {
        let work = self.work.as_ref().expect("the channel is open until the writer is dropped");
        work.try_send(rows).map_err(|refused| match refused {
            TrySendError::Full(rows) | TrySendError::Disconnected(rows) => Box::new(rows),
        })
    }

    fn answered(&mut self) -> Option<Complete> {
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
