//! The sending thread: from the queue to the backlog, from the backlog to Tally.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::backlog::{Backlog, Batch};
use crate::client::Shared;
use crate::event::{Numbered, Sender};
use crate::send::{Endpoint, Outcome};

/// Bytes of one request, about.
const BATCH_BYTES: usize = 512 << 10;
/// Events taken from the queue at once.
const DRAIN_EVENTS: usize = 2_000;

/// How fast it goes, and how slowly when it has to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) linger: Duration,
    pub(crate) backoff_first: Duration,
    pub(crate) backoff_most: Duration,
    pub(crate) batch_events: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(200),
            backoff_first: Duration::from_millis(200),
            backoff_most: Duration::from_secs(30),
            batch_events: 500,
        }
    }
}

pub(crate) struct Worker {
    shared: Arc<Shared>,
    sender: Sender,
    /// As it stands in each line: tells own events from those of dead processes.
    own: String,
    backlog: Backlog,
    endpoint: Endpoint,
    pace: Pace,
    /// Halved when a request is too large.
    batch_events: usize,
    failures: u32,
    not_before: Option<Instant>,
    dice: u64,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        sender: Sender,
        backlog: Backlog,
        endpoint: Endpoint,
        pace: Pace,
    ) -> Self {
        let own = format!("\"epoch\":{},", sender.epoch.0);
        // Only for jitter; never zero, so that it goes on.
        let dice = u64::from_le_bytes(sender.epoch.0.to_le_bytes()) | 1;
        let batch_events = pace.batch_events;
        Self {
            shared,
            sender,
            own,
            backlog,
            endpoint,
            pace,
            batch_events,
            failures: 0,
            not_before: None,
            dice,
        }
    }

    /// Until the client is gone and everything is sent, or its time is up.
    pub(crate) fn run(mut self) {
        // Made here: a blocking client must not be made inside an async runtime.
        let http = match reqwest::blocking::Client::builder().build() {
            Ok(http) => http,
            Err(error) => {
                self.say(format!("making an HTTP client: {error}"));
                return self.keep_only();
            }
        };
        loop {
            let stop_at = self.wait();
            self.drain();
            let now = Instant::now();
            if self.not_before.is_none_or(|at| at <= now) {
                self.send(&http, stop_at);
            }
            if let Some(stop_at) = stop_at {
                let nothing_left = self.backlog.is_empty() && self.shared.state().queue.is_empty();
                if nothing_left || Instant::now() >= stop_at {
                    return self.drain();
                }
            }
        }
    }

    /// Nothing can be sent; what is recorded is still kept.
    fn keep_only(&mut self) {
        while self.wait().is_none() {
            self.drain();
        }
        self.drain();
    }

    /// Waits for something to do. Gives when to stop, once the client is gone.
    fn wait(&mut self) -> Option<Instant> {
        let idle = Duration::from_mins(1);
        let patience = match self.not_before {
            Some(at) => at.saturating_duration_since(Instant::now()),
            None if self.backlog.is_empty() => idle,
            None => Duration::ZERO,
        };
        let mut state = self.shared.state();
        if let Some(stop_at) = state.stop_at {
            // The last moments: retry as often as there is time for.
            self.not_before = self.not_before.map(|at| at.min(Instant::now() + self.pace.backoff_first));
            let until = self
                .not_before
                .map_or(Duration::ZERO, |at| at.min(stop_at).saturating_duration_since(Instant::now()));
            let waited = self.shared.work.wait_timeout_while(state, until, |state| state.queue.is_empty());
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            return Some(stop_at);
        }
        let quiet = |state: &mut crate::client::State| {
            state.queue.is_empty() && !state.hurry && state.stop_at.is_none()
        };
        state = self
            .shared
            .work
            .wait_timeout_while(state, patience, quiet)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        if !state.queue.is_empty() && !patience.is_zero() {
            // Company for the first event.
            let alone = |state: &mut crate::client::State| {
                state.queue.len() < self.batch_events && !state.hurry && state.stop_at.is_none()
            };
            let waited = self.shared.work.wait_timeout_while(state, self.pace.linger, alone);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.hurry {
            // Who flushes does not want to wait out a backoff.
            state.hurry = false;
            self.not_before = None;
        }
        state.stop_at
    }

    /// Moves the queue to the backlog.
    fn drain(&mut self) {
        loop {
            let events: Vec<Numbered> = {
                let mut state = self.shared.state();
                let count = state.queue.len().min(DRAIN_EVENTS);
                state.held += count;
                state.queue.drain(..count).collect()
            };
            if events.is_empty() {
                return;
            }
            let lines: Vec<String> = events.iter().map(|event| self.sender.line(event)).collect();
            let pushed = self.backlog.push(lines);
            let mut state = self.shared.state();
            state.held = self.backlog.in_memory();
            match pushed {
                Ok(durable) => state.counts.safe += u64::try_from(durable).unwrap_or(u64::MAX),
                Err(error) => state.counts.last_error = Some(error),
            }
            drop(state);
            self.shared.progress.notify_all();
        }
    }

    /// Sends one batch, and takes in what became of it.
    fn send(&mut self, http: &reqwest::blocking::Client, stop_at: Option<Instant>) {
        let batch = match self.backlog.next(self.batch_events, BATCH_BYTES) {
            Ok(Some(batch)) => batch,
            Ok(None) => return,
            Err(error) => return self.later(error, None),
        };
        let patience = stop_at.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        if patience.is_zero() {
            return;
        }
        let outcome = if batch.lines.is_empty() {
            Outcome::Settled { rejected: Vec::new(), why: None }
        } else {
            self.endpoint.send(http, &batch.lines, patience)
        };
        match outcome {
            Outcome::Settled { rejected, why } => self.settle(&batch, &rejected, why),
            Outcome::Split if batch.lines.len() > 1 => self.batch_events = batch.lines.len() / 2,
            Outcome::Split => {
                let why = "one event is larger than a request may be".to_owned();
                self.settle(&batch, &[0], Some(why));
            }
            Outcome::Later { why, after } => self.later(why, after),
        }
    }

    fn settle(&mut self, batch: &Batch, rejected: &[usize], why: Option<String>) {
        self.failures = 0;
        self.not_before = None;
        self.batch_events = self.batch_events.saturating_mul(2).min(self.pace.batch_events);
        let done = self.backlog.done(batch);
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let own = batch.lines.iter().filter(|line| line.contains(&self.own)).count();
        let mut state = self.shared.state();
        let in_memory = self.backlog.in_memory();
        // What leaves memory by being settled was never in the spool, and is safe now.
        if state.held > in_memory {
            state.counts.safe += wide(state.held - in_memory);
        }
        state.held = in_memory;
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
