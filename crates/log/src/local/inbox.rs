//! What waits to be written, and what has been decided: the meeting point of appenders and the log.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tally_domain::{Lane, Offset};

use super::batch::{HEAD_BYTES, RECORD_BYTES, push_record};
use crate::error::{Full, LogError};
use crate::ports::Ticket;

/// Acknowledgements that one appender may leave unread before it is refused.
const UNREAD_MAX: usize = 1 << 20;

/// An acknowledgement.
pub(crate) type Decided = (Ticket, Result<Offset, LogError>);

/// Who appended: its acknowledgements wait under this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner(pub(crate) u32);

/// Records of one lane that share a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft {
    /// Where its payload ends; it begins where the one before ends.
    pub(crate) end: usize,
    pub(crate) count: u32,
}

/// What waits for one lane: payloads of batches with room left for their heads.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) bytes: Vec<u8>,
    pub(crate) drafts: Vec<Draft>,
    /// One per record, in order.
    pub(crate) tickets: Vec<(Owner, Ticket)>,
}

impl Waiting {
    fn push(&mut self, key: &[u8], value: Option<&[u8]>, batch_bytes: usize) {
        let start = self.drafts.len().checked_sub(2).map_or(0, |index| self.drafts[index].end);
        let full = self.drafts.last().is_none_or(|draft| draft.end - start >= batch_bytes);
        if full {
            self.bytes.resize(self.bytes.len() + HEAD_BYTES, 0);
            self.drafts.push(Draft { end: self.bytes.len(), count: 0 });
        }
        let draft = self.drafts.last_mut().expect("a draft was just made sure of");
        push_record(&mut self.bytes, draft.count, key, value);
        draft.end = self.bytes.len();
        draft.count += 1;
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.drafts.clear();
        self.tickets.clear();
    }
}

#[derive(Debug, Default)]
pub(crate) struct State {
    lanes: Vec<Waiting>,
    /// Waiting or being written.
    bytes: usize,
    records: usize,
    owners: u32,
    decided: BTreeMap<Owner, Vec<Decided>>,
    last_ticket: u64,
    /// Rises when readers or appenders may find something new.
    news: u64,
}

/// Bounded: see [`super::LocalConfig::pending_bytes_max`].
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes_max: usize,
    batch_bytes: usize,
    record_bytes_max: usize,
    state: Mutex<State>,
    /// Something waits to be written.
    bell: Condvar,
    /// Something was decided.
    decided: Condvar,
}

impl Inbox {
    pub(crate) fn new(lanes: usize, config: &super::LocalConfig) -> Self {
        let state = State { lanes: (0..lanes).map(|_| Waiting::default()).collect(), ..State::default() };
        Self {
            bytes_max: config.pending_bytes_max,
            batch_bytes: config.batch_bytes,
            record_bytes_max: config.record_bytes_max,
            state: Mutex::new(state),
            bell: Condvar::new(),
            decided: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below is whole before anything in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(&self) -> Owner {
        let mut state = self.state();
        state.owners += 1;
        let owner = Owner(state.owners);
        let _none = state.decided.insert(owner, Vec::new());
        owner
    }

    pub(crate) fn leave(&self, owner: Owner) {
        let _left = self.state().decided.remove(&owner);
    }

    /// Takes a record for the lane at `index`, or decides at once that it cannot be.
    pub(crate) fn append(
        &self,
        owner: Owner,
        (lane, index): (Lane, Result<usize, LogError>),
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Ticket, Full> {
        let bytes = key.len() + value.map_or(0, <[u8]>::len);
        let cost = bytes + RECORD_BYTES;
        let mut state = self.state();
        // One record is always taken, however small the bound.
        let unread = state.decided.get(&owner).map_or(0, Vec::len);
        if (state.bytes > 0 && state.bytes + cost > self.bytes_max) || unread > UNREAD_MAX {
            return Err(Full { pending_bytes: state.bytes, bytes_max: self.bytes_max });
        }
        state.last_ticket += 1;
        let ticket = Ticket(state.last_ticket);
        let index = match index {
            Ok(_) if bytes > self.record_bytes_max => {
                Err(LogError::TooLarge { lane, bytes, bytes_max: self.record_bytes_max })
            }
            other => other,
        };
        match index {
            Ok(index) => {
                state.bytes += cost;
                state.records += 1;
                state.lanes[index].push(key, value, self.batch_bytes);
                state.lanes[index].tickets.push((owner, ticket));
                if state.records == 1 {
                    self.bell.notify_all();
                }
            }
            Err(error) => state.decide(owner, ticket, Err(error)),
        }
        Ok(ticket)
    }

    /// Moves what was decided for `owner` to the end of `into`.
    pub(crate) fn acknowledged(&self, owner: Owner, into: &mut Vec<Decided>) {
        if let Some(decided) = self.state().decided.get_mut(&owner) {
            into.append(decided);
        }
    }

    /// Swaps what waits against `spare`, which is empty. Gives its bytes; they count until [`Self::settle`].
    pub(crate) fn take(&self, spare: &mut Vec<Waiting>) -> usize {
        let mut state = self.state();
        std::mem::swap(&mut state.lanes, spare);
        state.records = 0;
        state.bytes
    }

    /// Bytes and records that wait.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let state = self.state();
        (state.bytes, state.records)
    }

    /// Hands out one lane's outcome: offsets from `base` on, or the error for each.
    pub(crate) fn decide(&self, waiting: &Waiting, outcome: &Result<Offset, LogError>) {
        let mut state = self.state();
        let mut next = outcome.clone();
        for (owner, ticket) in &waiting.tickets {
            let after = next.clone().map(Offset::next);
            state.decide(*owner, *ticket, std::mem::replace(&mut next, after));
        }
    }

    /// The bytes of a turn do not wait any more.
    pub(crate) fn settle(&self, bytes: usize) {
        let mut state = self.state();
        state.bytes -= bytes;
        state.news += 1;
        self.decided.notify_all();
    }

    /// Waits until something waits to be written, or `at_most` has passed.
    pub(crate) fn wait_for_work(&self, at_most: Duration) {
        let _woken = self.bell.wait_timeout_while(self.state(), at_most, |state| state.records == 0);
    }

    /// Waits until a turn has written something since `seen`, or `at_most` has passed; gives the new count.
    pub(crate) fn wait_for_news(&self, seen: u64, at_most: Duration) -> u64 {
        match self.decided.wait_timeout_while(self.state(), at_most, |state| state.news == seen) {
            Ok((state, _)) => state.news,
            Err(poisoned) => poisoned.into_inner().0.news,
        }
    }
}

impl State {
    fn decide(&mut self, owner: Owner, ticket: Ticket, outcome: Result<Offset, LogError>) {
        // Nobody waits for the acknowledgements of an appender that is gone.
        if let Some(decided) = self.decided.get_mut(&owner) {
            decided.push((ticket, outcome));
        }
    }
}
