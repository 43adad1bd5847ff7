//! A writing thread with connections of its own: what is handed over without waiting is written in order, and
//! answered when polled.

use crate::database::Database;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError};
use std::thread::JoinHandle;
use tokio::runtime::Runtime;

/// The end that a part holds. Dropping it lets the thread finish what was taken, then waits for it.
#[derive(Debug)]
pub struct Writer<P, A> {
    work: Option<SyncSender<P>>,
    done: Receiver<A>,
    thread: Option<JoinHandle<()>>,
}

/// What the writing thread holds.
#[derive(Debug)]
pub(crate) struct Desk<P, A> {
    pub(crate) runtime: Runtime,
    pub(crate) database: Database,
    pub(crate) taken: Receiver<P>,
    pub(crate) answers: Sender<A>,
}

impl<P: Send + 'static, A: Send + 'static> Writer<P, A> {
    /// Starts a thread called `name` that gives each piece to `write`, one after the other. `waiting_max` may wait
    /// besides; more are refused.
    ///
    /// # Errors
    /// When the operating system gives no thread, or no runtime can be made.
    pub fn start<W>(name: &str, database: Database, waiting_max: usize, mut write: W) -> std::io::Result<Self>
    where
        W: AsyncFnMut(&Database, P) -> A + Send + 'static,
    {
        Self::spawn(name, database, waiting_max, move |desk| {
            while let Ok(piece) = desk.taken.recv() {
                let answer = desk.runtime.block_on(write(&desk.database, piece));
                desk.answer(answer);
            }
        })
    }

    pub(crate) fn spawn(
        name: &str,
        database: Database,
        waiting_max: usize,
        write_until_closed: impl FnOnce(Desk<P, A>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let database = database.with_own_connections();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (work, taken) = std::sync::mpsc::sync_channel(waiting_max);
        let (answers, done) = std::sync::mpsc::channel();
        let desk = Desk { runtime, database, taken, answers };
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(move || write_until_closed(desk))?;
        Ok(Self { work: Some(work), done, thread: Some(thread) })
    }

    /// Hands over a piece; never waits.
    ///
    /// # Errors
    /// The piece itself, when too many wait.
    ///
    /// # Panics
    /// Never: the channel is open until this is dropped.
    pub fn submit(&mut self, piece: P) -> Result<(), P> {
        let work = self.work.as_ref().expect("the channel is open until the writer is dropped");
        work.try_send(piece).map_err(|refused| match refused {
            TrySendError::Full(piece) | TrySendError::Disconnected(piece) => piece,
        })
    }

    /// The next answer, in the order of submission; never waits.
    pub fn answered(&mut self) -> Option<A> {
        self.done.try_recv().ok()
    }
}

impl<P, A> Desk<P, A> {
    /// Nobody listens any more when the writer is being dropped; what was written stays written.
    pub(crate) fn answer(&self, answer: A) {
        let _listening = self.answers.send(answer);
    }
}

impl<P, A> Drop for Writer<P, A> {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
