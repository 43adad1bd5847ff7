//! The fields of one JSON object, taken by name, so that every refusal names field, value and remedy.

use std::fmt;

use base64::Engine as _;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use tally_domain::{EventTime, Hash128, Reason};

use super::Refusal;

/// Bytes of a value that a message shows.
const SHOWN_BYTES: usize = 60;

/// Names and values that nobody has asked for yet.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    left: Vec<(String, &'a RawValue)>,
    /// Asked for, whether there or not: what a message offers.
    known: Vec<&'static str>,
}

/// Reads an object as pairs, so that a repeated name is seen.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

impl<'a> Fields<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Refusal> {
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json.deserialize_map(Pairs).and_then(|pairs| json.end().map(|()| pairs));
        let mut left =
            read.map_err(|error| (Reason::Unreadable, format!("the event is no JSON object: {error}")))?;
        left.retain(|(_, value)| value.get() != "null");
        left.sort_by(|a, b| a.0.cmp(&b.0));
        match left.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(malformed(format!("{} is given twice; give it once", pair[0].0))),
            None => Ok(Self { left, known: Vec::new() }),
        }
    }

    /// Refuses what was not asked for: a misspelt field must not lose its tokens in silence.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => {
                let (name, known) = (shown(name), self.known.join(", "));
                Err(malformed(format!("{name} is no field; the fields are {known}")))
            }
        }
    }

    fn take(&mut self, name: &'static str) -> Option<&'a RawValue> {
        self.known.push(name);
        let index = self.left.iter().position(|(field, _)| field == name)?;
        Some(self.left.remove(index).1)
    }

    fn parsed<T: serde::Deserialize<'a>>(
        &mut self,
        name: &'static str,
        expected: &str,
    ) -> Result<Option<T>, Refusal> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        let wrong = |_| malformed(format!("{name} is {}; expected {expected}", shown(raw.get())));
        serde_json::from_str(raw.get()).map(Some).map_err(wrong)
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, Refusal> {
        self.parsed(name, "a string")
    }

    pub(super) fn needed(&mut self, name: &'static str) -> Result<String, Refusal> {
        let text = self.text(name)?.ok_or_else(|| malformed(format!("{name} is missing; it is needed")))?;
        if text.is_empty() { Err(malformed(format!("{name} is empty; it is needed"))) } else { Ok(text) }
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, Refusal> {
        Ok(self.parsed(name, "true or false")?.unwrap_or(false))
    }

    pub(super) fn integer(&mut self, name: &'static str) -> Result<Option<i64>, Refusal> {
        self.parsed(name, "an integer of 64 bits")
    }

    /// Tokens of one class. An integer that does not fit 64 bits is out of range like any other.
    pub(super) fn tokens(&mut self, name: &'static str) -> Result<i64, Refusal> {
        let Some(raw) = self.take(name) else { return Ok(0) };
        let text = raw.get();
        text.parse().map_err(|_| {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let reason = if integer { Reason::TokensOutOfRange } else { Reason::Malformed };
            (reason, format!("{name} is {}; expected an integer from 0 to 10^12", shown(text)))
        })
    }

    pub(super) fn hash(&mut self, name: &'static str) -> Result<Option<Hash128>, Refusal> {
        self.parsed(name, "32 hexadecimal digits in a string")
    }

    /// One of a closed set, written in any case.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        name: &'static str,
        all: &[T],
        symbol: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, Refusal> {
        let names = || all.iter().map(|&one| symbol(one)).collect::<Vec<_>>().join(", ");
        let Some(text) = self.text(name)? else { return Ok(None) };
        match all.iter().find(|&&one| symbol(one).eq_ignore_ascii_case(&text)) {
            Some(one) => Ok(Some(*one)),
            None => Err(malformed(format!("{name} is {:?}; expected one of {}", shown(&text), names()))),
        }
    }

    pub(super) fn reason(&mut self) -> Result<Reason, Refusal> {
        Ok(self.one_of("reason", &Reason::ALL, Reason::name)?.unwrap_or(Reason::Unreadable))
    }

    /// An instant: RFC 3339, or ms since the Unix epoch.
    pub(super) fn time(&mut self, name: &'static str) -> Result<EventTime, Refusal> {
        const EXPECTED: &str =
            "a time as \"2026-02-13T09:30:00Z\" or as ms since 1970, in the years 1 to 9999";
        let raw =
            self.take(name).ok_or_else(|| malformed(format!("{name} is missing; expected {EXPECTED}")))?;
        let text = raw.get();
        let time = match serde_json::from_str::<std::borrow::Cow<'_, str>>(text) {
            Ok(written) => EventTime::parse(&written),
            Err(_) => text.parse().ok().and_then(EventTime::from_ms),
        };
        time.ok_or_else(|| malformed(format!("{name} is {}; expected {EXPECTED}", shown(text))))
    }

    pub(super) fn base64(&mut self, name: &'static str) -> Result<Vec<u8>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(Vec::new()) };
        base64::engine::general_purpose::STANDARD
            .decode(&text)
            .map_err(|error| malformed(format!("{name} is no base64: {error}")))
    }
}

pub(super) fn malformed(detail: String) -> Refusal {
    (Reason::Malformed, detail)
}

/// The beginning of a value, for a message of one line.
fn shown(text: &str) -> String {
    let end = text.char_indices().map(|(at, _)| at).take_while(|&at| at <= SHOWN_BYTES).last().unwrap_or(0);
    let end = if text.len() <= SHOWN_BYTES { text.len() } else { end };
    let mut shown: String = text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if end < text.len() {
        shown.push('…');
    }
    shown
}
