//! The keeping thread: from the queue to the backlog. It never waits for the network.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::backlog::Backlog;
use crate::client::{Shared, State};
use crate::event::{Numbered, Sender};

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

pub(crate) struct Keeper {
    shared: Arc<Shared>,
    backlog: Arc<Mutex<Backlog>>,
    sender: Sender,
    pace: Pace,
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>, backlog: Arc<Mutex<Backlog>>, sender: Sender, pace: Pace) -> Self {
        Self { shared, backlog, sender, pace }
    }

    /// Until the client is gone and everything is kept.
    pub(crate) fn run(self) {
        loop {
            let stop = self.wait();
            let events = self.take();
            if !events.is_empty() {
                self.keep(&events);
            } else if stop {
                self.shared.state().kept = true;
                self.shared.ready.notify_one();
                return;
            }
        }
    }

    /// Waits for an event, and for company for it. True once the client is gone.
    fn wait(&self) -> bool {
        let nothing = |state: &mut State| state.queue.is_empty() && state.stop_at.is_none();
        let waited = self.shared.recorded.wait_while(self.shared.state(), nothing);
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        let alone = |state: &mut State| {
            state.queue.len() < self.pace.batch_events && !state.keep_now && state.stop_at.is_none()
        };
        let waited = self.shared.recorded.wait_timeout_while(state, self.pace.linger, alone);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.keep_now = false;
        state.stop_at.is_some()
    }

    fn take(&self) -> Vec<Numbered> {
        let mut state = self.shared.state();
        let count = state.queue.len().min(DRAIN_EVENTS);
        state.held += count;
        state.queue.drain(..count).collect()
    }

    fn keep(&self, events: &[Numbered]) {
        let lines = events.iter().map(|event| self.sender.line(event)).collect();
        let pushed = self.backlog.lock().unwrap_or_else(PoisonError::into_inner).push(lines);
        let mut state = self.shared.state();
        state.backlog = true;
        match pushed {
            Ok(durable) => {
                state.held -= durable;
                state.counts.safe += u64::try_from(durable).unwrap_or(u64::MAX);
            }
            Err(error) => state.counts.last_error = Some(error),
        }
        drop(state);
        self.shared.ready.notify_one();
        self.shared.progress.notify_all();
    }
}
