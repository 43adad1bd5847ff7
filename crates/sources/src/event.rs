//! What a line of a source stands for.

use tally_domain::event::{EVENT_ID_BYTES_MAX, TOKENS_MAX};
use tally_domain::{Class, Dims, EventTime, Reason, Usage};

use crate::redact::redact;

/// A usage event but for its account, its sender and its number, which the caller knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceEvent {
    /// Names the event within its account; 1 to 256 bytes.
    pub event_id: String,
    /// By the tool's clock.
    pub occurred_at: EventTime,
    /// The tool's own session.
    pub session: Option<String>,
    /// The provider's id of the call; never identity.
    pub request_id: Option<String>,
    /// What it is broken down by.
    pub dims: Dims,
    /// Not a dim.
    pub client_version: String,
    /// Not a dim.
    pub agent: String,
    /// Tokens and requests; `unpriced` and cost are zero.
    pub usage: Usage,
}

/// A line that looks like usage and cannot be an event, or cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReject {
    /// Why.
    pub reason: Reason,
    /// Which field had which value and what it should be; never text that a person wrote.
    pub detail: String,
    /// The line, after everything that a person may have written was taken out.
    pub original: Vec<u8>,
    /// How many texts were taken out of it.
    pub redacted: u64,
}

/// What a line stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "an event is what is looked for, and is moved on at once")]
pub enum Found {
    /// Nothing that Tally counts.
    Nothing,
    /// Usage.
    Event(SourceEvent),
    /// Usage that cannot be counted, or no readable line.
    Reject(SourceReject),
}

/// Why a line is no event: reason and detail.
pub(crate) type Wrong = (Reason, String);

pub(crate) fn malformed<T>(detail: impl Into<String>) -> Result<T, Wrong> {
    Err((Reason::Malformed, detail.into()))
}

impl Found {
    pub(crate) fn reject((reason, detail): Wrong, line: &[u8]) -> Self {
        let kept = redact(line);
        Self::Reject(SourceReject { reason, detail, original: kept.bytes, redacted: kept.texts })
    }
}

/// The model of a call that names none. It has no price, and is counted as such.
pub(crate) const NO_MODEL: &str = "unknown";

/// An id that a producer could send.
pub(crate) fn checked_id(id: String) -> Result<String, Wrong> {
    match id.len() {
        1..=EVENT_ID_BYTES_MAX => Ok(id),
        length => malformed(format!("the event id has {length} bytes; expected 1 to {EVENT_ID_BYTES_MAX}")),
    }
}

/// Counts as the fold accepts them, so that a wrong one is reported beside its file and not only in the log.
pub(crate) fn checked_usage(usage: Usage) -> Result<Usage, Wrong> {
    match Class::ALL.into_iter().find(|&class| !(0..=TOKENS_MAX).contains(&usage.of(class))) {
        None => Ok(usage),
        Some(class) => {
            let (name, tokens) = (class.name(), usage.of(class));
            Err((Reason::TokensOutOfRange, format!("{name} is {tokens} tokens; expected 0 to {TOKENS_MAX}")))
        }
    }
}
