//! A body taken apart: one event, an envelope of many, a list, or lines.

use serde_json::value::RawValue;
use tally_domain::Reason;

use super::{Format, Refusal};

/// What a body holds, still as text.
#[derive(Debug, Default)]
pub(super) struct Elements<'a> {
    pub(super) events: Vec<Element<'a>>,
    pub(super) rejects: Vec<&'a RawValue>,
    /// What is wrong with the body as a whole.
    pub(super) broken: Option<Refusal>,
}

/// Something that is to be an event.
#[derive(Debug)]
pub(super) struct Element<'a> {
    pub(super) bytes: &'a [u8],
    /// As text, or why it is none.
    pub(super) text: Result<&'a str, Refusal>,
}

impl<'a> From<&'a RawValue> for Element<'a> {
    fn from(raw: &'a RawValue) -> Self {
        Self { bytes: raw.get().as_bytes(), text: Ok(raw.get()) }
    }
}

/// The envelope, by its parts.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    events: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    rejects: Vec<&'a RawValue>,
}

pub(super) fn split(body: &[u8], format: Format) -> Elements<'_> {
    if format == Format::Lines {
        return lines(body);
    }
    let whole = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str::<&RawValue>(text).map_err(|error| error.to_string()),
        Err(error) => Err(format!("byte {} is not UTF-8", error.valid_up_to())),
    };
    match whole {
        Ok(document) => self::document(document),
        Err(_) if looks_like_lines(body) => lines(body),
        Err(cause) => broken(format!("the body is no JSON: {cause}; send a JSON object, or one per line")),
    }
}

fn document(document: &RawValue) -> Elements<'_> {
    let text = document.get();
    if text.starts_with('[') {
        return match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(events) => {
                Elements { events: events.into_iter().map(Element::from).collect(), ..Elements::default() }
            }
            Err(error) => broken(error.to_string()),
        };
    }
    if !is_envelope(text) {
        return Elements { events: vec![Element::from(document)], ..Elements::default() };
    }
    match serde_json::from_str::<Envelope<'_>>(text) {
        Ok(Envelope { events, rejects }) => {
            Elements { events: events.into_iter().map(Element::from).collect(), rejects, broken: None }
        }
        Err(error) => broken(format!("the body is no list of events: {error}; see docs/steps/collect.md")),
    }
}

/// Whether a document has the fields of the envelope, and is not an event itself.
fn is_envelope(text: &str) -> bool {
    /// Only whether the fields are there.
    #[derive(serde::Deserialize)]
    struct Peek {
        events: Option<serde::de::IgnoredAny>,
        rejects: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_str::<Peek>(text).is_ok_and(|peek| peek.events.is_some() || peek.rejects.is_some())
}

/// Several lines, the first of which is a JSON object by itself.
fn looks_like_lines(body: &[u8]) -> bool {
    let mut lines = body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let first = lines.next().and_then(|line| serde_json::from_slice::<&RawValue>(line).ok());
    first.is_some_and(|first| first.get().starts_with('{')) && lines.next().is_some()
}

fn lines(body: &[u8]) -> Elements<'_> {
    let lines = body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let element = |bytes| {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            (Reason::Unreadable, format!("byte {} of the line is not UTF-8", error.valid_up_to()))
        });
        Element { bytes, text }
    };
    Elements { events: lines.map(element).collect(), ..Elements::default() }
}

fn broken(detail: String) -> Elements<'static> {
    Elements { broken: Some((Reason::Unreadable, detail)), ..Elements::default() }
}
