//! What a batch did, flat, for the store to absorb, and what a rising clock moves.

use crate::report::{AccountIx, DimsIx, Report};
use tally_domain::{EventKey, EventTime, LogTime, Minute, Reject, SessionKey, Usage};

/// A signed movement of one account's usage in one slice, and so in its hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The slice.
    pub minute: Minute,
    /// Whose.
    pub account: AccountIx,
    /// Broken down by.
    pub dims: DimsIx,
    /// Signed.
    pub usage: Usage,
}

/// A new entry of the event index; it replaces every earlier one of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The event.
    pub key: EventKey,
    /// The report that stands.
    pub report: Report,
}

/// What a session's row joins: the least `first`, the greatest `last`, the sum of `usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionChange {
    /// Whose.
    pub account: AccountIx,
    /// Never [`SessionKey::NONE`].
    pub session: SessionKey,
    /// Earliest instant of an accepted report.
    pub first: EventTime,
    /// Latest.
    pub last: EventTime,
    /// Signed.
    pub usage: Usage,
}

/// What a batch did. Flat, sorted, merged, reused.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// By (minute, account, dims), each at most once; a sum may be zero, and its hour has then still been
    /// touched. A posting of a minute within the
    /// longest window of `clock`, or ahead of it, belongs to a slice; all belong to their hour.
    pub postings: Vec<Posting>,
    /// In log order; of two entries of one key the later replaces the earlier.
    pub seen: Vec<Seen>,
    /// By (account, session), each at most once.
    pub sessions: Vec<SessionChange>,
    /// Reports that were refused while folding; those refused before lie in the batch.
    pub rejects: Vec<Reject>,
    /// The clock at which the batch was folded.
    pub clock: Minute,
    /// LogTime after the batch: its day is the generation of `seen`.
    pub log_time: LogTime,
}

impl Changes {
    /// Forgets what it holds; keeps the room.
    pub fn clear(&mut self) {
        self.postings.clear();
        self.seen.clear();
        self.sessions.clear();
        self.rejects.clear();
    }
    /// True when the batch changed nothing that the store keeps.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.postings.is_empty() && self.seen.is_empty() && self.sessions.is_empty()
    }
    /// True when the slice `minute` is still to be kept: the longest window holds it at `clock`, or will.
    #[must_use]
    pub fn keeps_slice(clock: Minute, minute: Minute) -> bool {
        minute > clock.plus(tally_domain::Window::LONGEST_MINUTES.saturating_neg())
    }
}

/// Sums of the slices whose minute crosses a window's edge while the clock rises from `from` to `to`.
///
/// Each posting is the whole sum of its (minute, account, dims); the order is free. The fold asks of each posting itself which windows held
/// it at `from` and hold it at `to`, so naming more slices than needed is harmless; naming fewer is not.
#[derive(Clone, Debug, Default)]
pub struct Moving {
    /// Minutes in (from, to].
    pub entering: Vec<Posting>,
    /// For each of [`tally_domain::Window::SLIDING`] of length W, minutes in (from − W, to − W].
    pub leaving: [Vec<Posting>; 3],
}

impl Moving {
    /// Forgets what it holds; keeps the room.
    pub fn clear(&mut self) {
        self.entering.clear();
        self.leaving.iter_mut().for_each(Vec::clear);
    }
}
