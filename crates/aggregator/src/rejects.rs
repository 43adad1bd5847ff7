//! Rejects: kept in their own topic, under their position, before the state passes them.

use std::collections::{BTreeMap, VecDeque};
use tally_domain::planted::{self, Bug};
use tally_domain::{Lane, Offset, Reject};
use tally_log::{AppendLog, LogError, Ticket};

/// So many rejects may wait for the log; then folding waits too.
const WAITING_MAX: usize = 10_000;

/// Position and bytes of a reject record.
type Kept = ([u8; 10], Vec<u8>);

/// Rejects on their way into the log. A state is committed only when none is: appended again after a crash
/// they have the same key, so that a reader keeps one.
#[derive(Debug, Default)]
pub(crate) struct Rejects {
    waiting: VecDeque<Kept>,
    flying: BTreeMap<Ticket, Kept>,
}

impl Rejects {
    pub(crate) fn keep(&mut self, reject: &Reject, original: &[u8]) {
        let mut key = [0; 10];
        key[..2].copy_from_slice(&reject.partition.0.to_be_bytes());
        key[2..].copy_from_slice(&reject.offset.get().to_be_bytes());
        self.waiting.push_back((key, tally_schema::encode_reject(reject, original)));
    }

    pub(crate) fn append<A: AppendLog>(&mut self, to: &mut A, lane: Lane) {
        while let Some((key, value)) = self.waiting.front() {
            let Ok(ticket) = to.append(lane, key, Some(value)) else { return };
            let kept = self.waiting.pop_front().expect("it was there a line ago");
            self.flying.insert(ticket, kept);
        }
    }

    pub(crate) fn answered(&mut self, ticket: Ticket, result: &Result<Offset, LogError>) {
        if let Some(kept) = self.flying.remove(&ticket)
            && result.is_err()
        {
            self.waiting.push_front(kept);
        }
    }

    /// True when every reject so far is durable.
    pub(crate) fn are_safe(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty() || planted::is(Bug::RejectsUnsafe)
    }
    pub(crate) fn is_crowded(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.flying.len()
    }
}
