//! What a request body holds, decided in values: events, refusals, kept rejects. No clock, no I/O.

mod body;
mod claim;
mod fields;

use serde_json::value::RawValue;
use tally_domain::{Reason, Secret};

pub use claim::Accepted;

/// Bytes of a refused element that are kept; what is longer is cut, and its reject says so.
pub const REJECT_BYTES_MAX: usize = 1 << 20;

/// How the body says it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON document, or lines of it where one document does not parse.
    Json,
    /// One JSON object per line.
    Lines,
}

/// What one request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events and rejects together.
    pub events_max: usize,
}

/// The request holds more than is taken at once; nothing of it was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reading the body: it holds more than {events_max} events; send them in several requests")]
pub struct TooMuch {
    /// How many are taken.
    pub events_max: usize,
}

/// An element that cannot become an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the request, from 0; `None`: the body as a whole.
    pub index: Option<usize>,
    /// Why.
    pub reason: Reason,
    /// Field, value and what to do; one line.
    pub detail: String,
    /// What was sent.
    pub bytes: Vec<u8>,
}

/// Something another reader could not read, sent here to be kept and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// File, queue or stream it came from.
    pub source: String,
    /// Where in it.
    pub position: String,
    /// Why.
    pub reason: Reason,
    /// What is wrong with it; one line.
    pub detail: String,
    /// What was read.
    pub bytes: Vec<u8>,
}

/// All of a request body: every element is in exactly one of the lists.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Verdict {
    /// Usage, with the identity that was claimed for it.
    pub events: Vec<Accepted>,
    /// What the sender has to correct.
    pub refused: Vec<Refused>,
    /// What the sender asked to keep.
    pub kept: Vec<Kept>,
}

/// Reads a request body.
///
/// # Errors
/// [`TooMuch`]; whatever else is wrong with a body is a refusal in the verdict.
pub fn accept(body: &[u8], format: Format, secret: &Secret, limits: Limits) -> Result<Verdict, TooMuch> {
    let mut verdict = Verdict::default();
    let elements = body::split(body, format);
    let count = elements.events.len() + elements.rejects.len();
    if count > limits.events_max {
        return Err(TooMuch { events_max: limits.events_max });
    }
    if let Some((reason, detail)) = elements.broken {
        verdict.refused.push(Refused { index: None, reason, detail, bytes: cut(body) });
    }
    for (index, element) in elements.events.into_iter().enumerate() {
        match element.text.and_then(|text| claim::read(text, secret)) {
            Ok(accepted) => verdict.events.push(accepted),
            Err((reason, detail)) => {
                let bytes = cut(element.bytes);
                verdict.refused.push(Refused { index: Some(index), reason, detail, bytes });
            }
        }
    }
    for (index, element) in elements.rejects.into_iter().enumerate() {
        match kept(element) {
            Ok(kept) => verdict.kept.push(kept),
            Err((reason, detail)) => {
                let (detail, bytes) = (format!("rejects[{index}]: {detail}"), cut(element.get().as_bytes()));
                verdict.refused.push(Refused { index: None, reason, detail, bytes });
            }
        }
    }
    Ok(verdict)
}

/// Why an element is refused.
type Refusal = (Reason, String);

fn kept(element: &RawValue) -> Result<Kept, Refusal> {
    let mut fields = fields::Fields::read(element.get())?;
    let kept = Kept {
        source: fields.text("source")?.unwrap_or_default(),
        position: fields.text("position")?.unwrap_or_default(),
        reason: fields.reason()?,
        detail: fields.text("detail")?.unwrap_or_default(),
        bytes: fields.base64("bytes_base64")?,
    };
    fields.finish()?;
    Ok(kept)
}

/// At most [`REJECT_BYTES_MAX`] bytes of what was sent.
pub(crate) fn cut(bytes: &[u8]) -> Vec<u8> {
    bytes.get(..REJECT_BYTES_MAX).unwrap_or(bytes).to_vec()
}

#[cfg(test)]
mod tests;
