//! JSON as tools write it: a field that is not what it should be is missing, never the end of the line.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;
use tally_domain::Reason;

use crate::event::Wrong;

/// Reads a line as one JSON value. The detail of the error names a place and no text of the line.
pub(crate) fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, Wrong> {
    let text = str::from_utf8(line)
        .map_err(|error| (Reason::Unreadable, format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    serde_json::from_str(text).map_err(|error| {
        let problem = if error.is_eof() { "the JSON ends early" } else { "no JSON" };
        (Reason::Unreadable, format!("{problem} at byte {} of {}", error.column(), line.len()))
    })
}

/// A value as it is written. Each type below looks at its first byte; no number becomes anything but digits.
fn written<'de, D: Deserializer<'de>>(from: D) -> Result<&'de str, D::Error> {
    <&RawValue>::deserialize(from).map(RawValue::get)
}

/// Reads what is written as a `T`; it is sound JSON already, so what is wrong is its shape.
fn read<'de, T: Deserialize<'de>, E: Error>(written: &'de str) -> Result<T, E> {
    serde_json::from_str(written).map_err(E::custom)
}

/// An object, or nothing.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = written(from)?;
        if written.starts_with('{') { read(written).map(|object| Self(Some(object))) } else { Ok(Self(None)) }
    }
}

/// A text that is not empty, or nothing.
#[derive(Debug, Default)]
pub(crate) struct Text<'a>(pub(crate) Option<Cow<'a, str>>);

impl Text<'_> {
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
    pub(crate) fn to_owned(&self) -> Option<String> {
        self.get().map(str::to_owned)
    }
    pub(crate) fn or_empty(&self) -> String {
        self.get().unwrap_or_default().to_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = written(from)?;
        if !written.starts_with('"') {
            return Ok(Self(None));
        }
        let plain = written.get(1..written.len().saturating_sub(1)).filter(|text| !text.contains('\\'));
        match plain {
            Some(text) => Ok(Self(Some(Cow::Borrowed(text)))),
            None => read(written).map(|text: String| Self(Some(Cow::Owned(text)))),
        }
    }
}

/// A whole number, nothing, or a value that is neither; a fraction of zero is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Count {
    #[default]
    Missing,
    Whole(i64),
    Wrong(String),
}

impl Count {
    /// The number of digits: what is no number is wrong, and shown only by its length.
    pub(crate) fn parse(text: &str) -> Self {
        match text.parse() {
            Ok(count) => Self::Whole(count),
            Err(_)
                if text.len() <= 40 && text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) =>
            {
                Self::Wrong(text.to_owned())
            }
            Err(_) => Self::Wrong(format!("a text of {} bytes", text.len())),
        }
    }

    /// The count of `field`; a missing one is none.
    pub(crate) fn get(&self, field: &str) -> Result<i64, Wrong> {
        match self {
            Self::Missing => Ok(0),
            Self::Whole(count) => Ok(*count),
            Self::Wrong(value) => Err((
                Reason::TokensOutOfRange,
                format!("{field} is {value}; expected a whole number of tokens"),
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = written(from)?;
        match written.as_bytes().first() {
            Some(b'n') => Ok(Self::Missing),
            Some(b'"') => read::<String, _>(written).map(|text| Self::parse(&text)),
            Some(b'[') => Ok(Self::Wrong("a list".to_owned())),
            Some(b'{') => Ok(Self::Wrong("an object".to_owned())),
            Some(b't' | b'f') => Ok(Self::Wrong(written.to_owned())),
            _ => Ok(Self::parse(whole(written))),
        }
    }
}

/// A number without its fraction, where that is nothing but zeros: `12.00` is `12`.
fn whole(number: &str) -> &str {
    match number.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole,
        _ => number,
    }
}
