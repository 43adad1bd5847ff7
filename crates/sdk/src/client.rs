//! The caller's side: numbers an event, puts it into a bounded queue, and never waits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::builder::Builder;
use crate::event::{Numbered, Usage};

/// What a thread may take to see that its time is up.
const GRACE: Duration = Duration::from_millis(250);

/// Why an event was not taken. The caller's work need not care; [`Client::counts`] does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A value that Tally would refuse.
    #[error("recording usage: {field} is {value:?}; expected {expected}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// So many events wait that no more are taken. This one is lost; its number stays unused, so that the loss is
    /// seen in Tally as a gap.
    #[error("recording usage: {waiting} events wait to be sent, {events_max} are allowed; this one is lost")]
    Full {
        /// Events that wait in memory.
        waiting: usize,
        /// How many may.
        events_max: usize,
    },
}

/// What became of the events of this client so far, and of those it found in the spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken by [`Client::record`].
    pub recorded: u64,
    /// Not taken: the queue was full. Lost, and seen as a gap.
    pub refused: u64,
    /// Of those recorded: written to the spool, or settled; they survive the death of the process.
    pub safe: u64,
    /// Durable in Tally.
    pub delivered: u64,
    /// Tally cannot make events of them; it keeps them as rejects.
    pub rejected: u64,
    /// Lines of the spool whose checksum does not hold.
    pub damaged: u64,
    /// Requests that failed and were, or will be, sent again.
    pub retries: u64,
    /// Why the last request failed, or the last event was rejected; or what the spool refuses.
    pub last_error: Option<String>,
}

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flushed {
    /// Every event recorded before is durable in Tally, or was rejected.
    Delivered,
    /// Not all are, but the rest is in the spool: this process or the next one will send it.
    Spooled,
    /// Not all are, and some are in memory only.
    Waiting,
}

/// Shared by the caller's threads, the keeping and the sending thread. The lock is held for moments only, never over I/O.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one word between threads, and independent of the others"
)]
pub(crate) struct State {
    pub(crate) queue: VecDeque<Numbered>,
    /// Last number of each subject.
    numbers: HashMap<Option<String>, i64>,
    pub(crate) counts: Counts,
    /// Own events delivered or rejected.
    pub(crate) settled: u64,
    /// Events in memory that were taken from the queue and are neither spooled nor settled.
    pub(crate) held: usize,
    /// Someone waits: keep at once.
    pub(crate) keep_now: bool,
    /// Someone waits: send at once.
    pub(crate) send_now: bool,
    /// Something is to be sent.
    pub(crate) backlog: bool,
    /// The client is gone; stop by then.
    pub(crate) stop_at: Option<Instant>,
    /// The keeping thread has kept everything, and ended.
    pub(crate) kept: bool,
    /// The sending thread has ended.
    pub(crate) ended: bool,
}

/// The meeting point.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// For the keeping thread: something was recorded, or someone hurries.
    pub(crate) recorded: Condvar,
    /// For the sending thread: something is to be sent, or someone hurries.
    pub(crate) ready: Condvar,
    /// For whoever flushes: something was settled or spooled.
    pub(crate) progress: Condvar,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Whatever panicked elsewhere, the queue and the counts are whole between two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports usage. Cheap to use from many threads by reference; dropping it flushes for a moment.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    events_max: usize,
    drop_timeout: Duration,
    subject: String,
    keeping: Option<JoinHandle<()>>,
    sending: Option<JoinHandle<()>>,
}

impl Client {
    /// Begins a client; see [`Builder`].
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(
        shared: Arc<Shared>,
        builder: &Builder,
        subject: String,
        keeping: JoinHandle<()>,
        sending: JoinHandle<()>,
    ) -> Self {
        let (events_max, drop_timeout) = (builder.queue_events_max, builder.drop_timeout);
        Self { shared, events_max, drop_timeout, subject, keeping: Some(keeping), sending: Some(sending) }
    }

    /// Takes an event, without waiting for anything: it is numbered and queued.
    ///
    /// # Errors
    /// [`RecordError`]; ignoring it is fine, [`Self::counts`] remembers.
    pub fn record(&self, usage: Usage) -> Result<(), RecordError> {
        usage.check()?;
        let occurred_at_ms = usage.occurred_at_ms.unwrap_or_else(now_ms);
        // Who names the client's own subject means the same account.
        let account = usage.subject.clone().filter(|subject| *subject != self.subject);
        let mut state = self.shared.state();
        let number = state.numbers.entry(account).or_insert(0);
        *number += 1;
        let sequence = *number;
        let waiting = state.queue.len() + state.held;
        if waiting >= self.events_max {
            state.counts.refused += 1;
            return Err(RecordError::Full { waiting, events_max: self.events_max });
        }
        state.queue.push_back(Numbered { usage, sequence, occurred_at_ms });
        state.counts.recorded += 1;
        let first = state.queue.len() == 1;
        drop(state);
        if first {
            self.shared.recorded.notify_one();
        }
        Ok(())
    }

    /// Waits until everything recorded before is delivered, or `timeout` has passed.
    pub fn flush(&self, timeout: Duration) -> Flushed {
        let mut state = self.shared.state();
        let target = state.counts.recorded;
        (state.keep_now, state.send_now) = (true, true);
        self.shared.recorded.notify_one();
        self.shared.ready.notify_one();
        let waited = self.shared.progress.wait_timeout_while(state, timeout, |state| state.settled < target);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.settled >= target {
            Flushed::Delivered
        } else if state.counts.safe >= target {
            Flushed::Spooled
        } else {
            Flushed::Waiting
        }
    }

    /// What became of the events so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.state().counts.clone()
    }
}

impl Drop for Client {
    /// Sends what waits for at most the configured time; what is left stays in the spool.
    fn drop(&mut self) {
        self.shared.state().stop_at = Some(Instant::now() + self.drop_timeout);
        self.shared.recorded.notify_one();
        self.shared.ready.notify_one();
        if let Some(keeping) = self.keeping.take() {
            // It only writes to the disk. A panic over there was shown there.
            let _ended = keeping.join();
        }
        // A request that was begun before may hang for longer; its events are kept, so nobody waits for it.
        let patience = self.drop_timeout + GRACE;
        let state = self.shared.state();
        let waited = self.shared.progress.wait_timeout_while(state, patience, |state| !state.ended);
        let ended = waited.unwrap_or_else(PoisonError::into_inner).0.ended;
        if let Some(sending) = self.sending.take().filter(|_| ended) {
            let _ended = sending.join();
        }
    }
}

/// The wall clock, ms since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
