//! The sending thread: from the backlog to Tally.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tally_domain::Epoch;

use crate::backlog::{Backlog, Batch};
use crate::client::{Shared, State};
use crate::keeper::Pace;
use crate::send::{Endpoint, Outcome};

/// Bytes of one request, about.
const BATCH_BYTES: usize = 512 << 10;
/// How long it rests when nothing calls it, before it looks for what dead processes left.
const IDLE: Duration = Duration::from_secs(10);

pub(crate) struct Courier {
    shared: Arc<Shared>,
    backlog: Arc<Mutex<Backlog>>,
    endpoint: Endpoint,
    pace: Pace,
    /// As it stands in each line: tells own events from those of dead processes.
    own: String,
    /// Halved when a request is too large.
    batch_events: usize,
    failures: u32,
    not_before: Option<Instant>,
    looked: Instant,
    dice: u64,
}

/// Says that the thread has ended, however it ends.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.progress.notify_all();
    }
}

impl Courier {
    pub(crate) fn new(
        shared: Arc<Shared>,
        backlog: Arc<Mutex<Backlog>>,
        endpoint: Endpoint,
        pace: Pace,
        (own, epoch): (String, Epoch),
    ) -> Self {
        // Only for jitter; never zero, so that it goes on.
        let dice = epoch.0.cast_unsigned() | 1;
        let batch_events = pace.batch_events;
        Self {
            shared,
            backlog,
            endpoint,
            pace,
            own,
            batch_events,
            failures: 0,
            not_before: None,
            looked: Instant::now(),
            dice,
        }
    }

    /// Until the client is gone and everything is sent, or its time is up.
    pub(crate) fn run(mut self) {
        let _ending = Ending(Arc::clone(&self.shared));
        // Made here: a blocking client must not be made inside an async runtime.
        let http = match reqwest::blocking::Client::builder().build() {
            Ok(http) => http,
            Err(error) => return self.say(format!("making an HTTP client: {error}")),
        };
        while let Some(patience) = self.wait() {
            self.look();
            if self.not_before.is_none_or(|at| at <= Instant::now()) {
                self.send(&http, patience);
            }
        }
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        // What panicked elsewhere left the spool's files as they are on disk.
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now and then, takes over what processes left that have died since this one started.
    fn look(&mut self) {
        if self.looked.elapsed() < IDLE {
            return;
        }
        self.looked = Instant::now();
        let adopted = self.backlog().adopt();
        self.shared.state().backlog = true;
        if let Err(error) = adopted {
            self.say(error);
        }
    }

    /// Waits until something may be sent, or it is time to look for more. Gives how long that may take; `None`: it is over.
    fn wait(&mut self) -> Option<Duration> {
        let mut state = self.shared.state();
        loop {
            let now = Instant::now();
            if let Some(stop_at) = state.stop_at {
                if stop_at <= now || (state.kept && !state.backlog) {
                    return None;
                }
                // The last moments: as many attempts as there is time for.
                self.not_before = self.not_before.map(|at| at.min(now + self.pace.backoff_first));
            }
            if std::mem::take(&mut state.send_now) {
                // Who flushes does not want to wait out a backoff.
                self.not_before = None;
            }
            let due = self.not_before.filter(|_| state.backlog);
            if state.backlog && due.is_none_or(|at| at <= now) {
                return Some(state.stop_at.map_or(Duration::MAX, |at| at - now));
            }
            let look_at = self.looked + IDLE;
            if look_at <= now {
                return Some(state.stop_at.map_or(Duration::MAX, |at| at - now));
            }
            let until =
                [due, state.stop_at].into_iter().flatten().min().map_or(look_at, |at| at.min(look_at));
            let seen = (state.backlog, state.stop_at.is_some(), state.kept);
            let same = |state: &mut State| {
                (state.backlog, state.stop_at.is_some(), state.kept) == seen && !state.send_now
            };
            let waited = self.shared.ready.wait_timeout_while(state, until - now, same);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends one batch, and takes in what became of it.
    fn send(&mut self, http: &reqwest::blocking::Client, patience: Duration) {
        let next = {
            let mut backlog = self.backlog();
            let next = backlog.next(self.batch_events, BATCH_BYTES);
            if matches!(next, Ok(None)) {
                // Said under the backlog's lock, so that the keeper's word comes before or after, never between.
                self.shared.state().backlog = false;
            }
            next
        };
        let batch = match next {
            Ok(Some(batch)) => batch,
            Ok(None) => return,
            Err(error) => return self.later(error, None),
        };
        let outcome = if batch.lines.is_empty() {
            Outcome::Settled { rejected: Vec::new(), why: None }
        } else {
            self.endpoint.send(http, &batch.lines, patience)
        };
        match outcome {
            Outcome::Settled { rejected, why } => self.settle(&batch, &rejected, why),
            Outcome::Split if batch.lines.len() > 1 => {
                self.batch_events = batch.lines.len() / 2;
                self.backlog().back(batch);
            }
            Outcome::Split => {
                let why = "one event is larger than a request may be".to_owned();
                self.settle(&batch, &[0], Some(why));
            }
            Outcome::Later { why, after } => {
                self.backlog().back(batch);
                self.later(why, after);
            }
        }
    }

    fn settle(&mut self, batch: &Batch, rejected: &[usize], why: Option<String>) {
        self.failures = 0;
        self.not_before = None;
        self.batch_events = self.batch_events.saturating_mul(2).min(self.pace.batch_events);
        let done = self.backlog().done(batch);
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let own = batch.lines.iter().filter(|line| line.contains(&self.own)).count();
        let mut state = self.shared.state();
        // What was in memory only was not safe before.
        state.held -= batch.in_memory();
        state.counts.safe += wide(batch.in_memory());
        state.settled += wide(own);
        state.counts.rejected += wide(rejected.len());
        state.counts.delivered += wide(batch.lines.len().saturating_sub(rejected.len()));
        state.counts.damaged += batch.damaged;
        if let Some(why) = why.or_else(|| done.err()) {
            state.counts.last_error = Some(why);
        }
        drop(state);
        self.shared.progress.notify_all();
    }

    /// The same again, after a while that doubles, and is never the same for two clients.
    fn later(&mut self, why: String, after: Option<Duration>) {
        let doubled = self.pace.backoff_first.saturating_mul(1 << self.failures.min(16));
        let most = doubled.min(self.pace.backoff_most).max(after.unwrap_or_default());
        let half = most / 2;
        self.not_before = Some(Instant::now() + half + half.mul_f64(self.roll()));
        self.failures = self.failures.saturating_add(1);
        let mut state = self.shared.state();
        state.counts.retries += 1;
        state.counts.last_error = Some(why);
    }

    fn say(&self, error: String) {
        self.shared.state().counts.last_error = Some(error);
    }

    /// From 0 to 1: a 16-bit piece of an xorshift.
    fn roll(&mut self) -> f64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        let [a, b, ..] = self.dice.to_le_bytes();
        f64::from(u16::from_le_bytes([a, b])) / f64::from(u16::MAX)
    }
}
