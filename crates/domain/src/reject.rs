//! Why a record cannot become an event. Rejects are kept, counted and shown; none is dropped.

use crate::partition::Partition;
use crate::version::Offset;

/// A closed set: every refusal anywhere in Tally has one of these reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The bytes are no record of a known schema.
    Undecodable,
    /// A line of a source is no JSON, no UTF-8, or too long.
    Unreadable,
    /// The record key and the account it names differ.
    KeyMismatch,
    /// The record lies in a partition that its key does not belong to.
    Misrouted,
    /// A field is missing or has a value outside its range.
    Malformed,
    /// A class claims more than 10¹² tokens, or fewer than none.
    TokensOutOfRange,
    /// Occurred, or was minted, more than five minutes ahead of LogTime.
    Future,
    /// Occurred before what the index still remembers.
    TooOld,
    /// Adding it would leave the range of a 64-bit total.
    Overflow,
    /// A control record that is not to be obeyed: its body cannot be read.
    BadControl,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::Undecodable,
        Self::Unreadable,
        Self::KeyMismatch,
        Self::Misrouted,
        Self::Malformed,
        Self::TokensOutOfRange,
        Self::Future,
        Self::TooOld,
        Self::Overflow,
        Self::BadControl,
    ];

    /// Its name in tables, metrics and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Unreadable => "unreadable",
            Self::KeyMismatch => "key_mismatch",
            Self::Misrouted => "misrouted",
            Self::Malformed => "malformed",
            Self::TokensOutOfRange => "tokens_out_of_range",
            Self::Future => "future",
            Self::TooOld => "too_old",
            Self::Overflow => "overflow",
            Self::BadControl => "bad_control",
        }
    }

    /// The reason of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// A record of the log that did not become an event. Its bytes are found at its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Where it lies.
    pub partition: Partition,
    /// Where it lies.
    pub offset: Offset,
    /// Why.
    pub reason: Reason,
    /// Which field had which value, and what it should be; one line.
    pub detail: String,
}
