//! Where chunks of the archive go: handed over without waiting, written by one thread, answered when polled.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tally_clickhouse::{ClickHouseError, Database};

use crate::archive::{Archived, Chunk};

/// Takes chunks and says when they are durable; `Full` is back-pressure.
pub trait ArchiveSink {
    /// Hands over a chunk; gives it back when the sink has its hands full.
    ///
    /// # Errors
    /// The chunk itself.
    fn submit(&mut self, chunk: Chunk) -> Result<(), Box<Chunk>>;

    /// The next answer, in the order of submission; never waits.
    fn answered(&mut self) -> Option<Answer>;
}

/// What became of a chunk.
#[derive(Debug)]
pub enum Answer {
    /// Its rows and its progress are acknowledged.
    Archived(Archived),
    /// Some rows may be in, which harms nothing: read again from what is contiguous.
    Failed {
        /// Which partition, and how far its chunk would have reached.
        then: Archived,
        /// Why.
        error: ClickHouseError,
    },
}

/// Chunks that may wait; more are refused.
const WAITING_MAX: usize = 2;

/// [`ArchiveSink`] over ClickHouse. Dropping it finishes what was taken.
#[derive(Debug)]
pub struct ArchiveWriter {
    work: Option<SyncSender<Chunk>>,
    done: Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
}

impl ArchiveWriter {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// When the operating system gives no thread, or no runtime can be made.
    pub fn start(database: Database) -> std::io::Result<Self> {
        let database = database.with_own_connections();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (work, taken) = sync_channel::<Chunk>(WAITING_MAX);
        let (answers, done) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name("archive-writer".to_owned()).spawn(move || {
            while let Ok(chunk) = taken.recv() {
                let then = chunk.then;
                let answer = match runtime.block_on(write(&database, chunk)) {
                    Ok(()) => Answer::Archived(then),
                    Err(error) => Answer::Failed { then, error },
                };
                // Nobody listens while the writer is being dropped; what was written stays written.
                let _listening = answers.send(answer);
            }
        })?;
        Ok(Self { work: Some(work), done, thread: Some(thread) })
    }
}

/// Rows first, then the progress that speaks of them.
async fn write(database: &Database, chunk: Chunk) -> Result<(), ClickHouseError> {
    let progress = chunk.progress();
    database.insert(chunk.events.into_iter().map(Ok)).await?;
    database.insert(chunk.rejects.into_iter().map(Ok)).await?;
    database.insert([Ok(progress)]).await.map(|_| ())
}

impl ArchiveSink for ArchiveWriter {
    fn submit(&mut self, chunk: Chunk) -> Result<(), Box<Chunk>> {
        let work = self.work.as_ref().expect("the channel is open until the writer is dropped");
        work.try_send(chunk).map_err(|refused| match refused {
            TrySendError::Full(chunk) | TrySendError::Disconnected(chunk) => Box::new(chunk),
        })
    }

    fn answered(&mut self) -> Option<Answer> {
        self.done.try_recv().ok()
    }
}

impl Drop for ArchiveWriter {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
