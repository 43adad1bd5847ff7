//! JSON as tools write it: a field that is not what it should be is missing, never the end of the line.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
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

/// What a visitor makes of every kind of value that it does not want: nothing.
macro_rules! anything_else_is_missing {
    ($($visit:ident: $type:ty),*) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("anything") }
        $(fn $visit<E>(self, _: $type) -> Result<Self::Value, E> { Ok(Self::Value::default()) })*
        fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok(Self::Value::default()) }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
}

fn pass_over<'de, A: MapAccess<'de>, T: Default>(mut map: A) -> Result<T, A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(T::default())
}

/// An object, or nothing.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;
    anything_else_is_missing!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|object| Object(Some(object)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ObjectVisitor(PhantomData))
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

struct TextVisitor<'a>(PhantomData<&'a str>);

impl<'de: 'a, 'a> Visitor<'de> for TextVisitor<'a> {
    type Value = Text<'a>;
    anything_else_is_missing!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        pass_over(map)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextVisitor(PhantomData))
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

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_unit<E>(self) -> Result<Count, E> {
        Ok(Count::Missing)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Count, E> {
        Ok(Count::Wrong(value.to_string()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Count, E> {
        Ok(Count::Whole(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Count, E> {
        Ok(i64::try_from(value).map_or_else(|_| Count::Wrong(value.to_string()), Count::Whole))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Count, E> {
        Ok(Count::parse(&value.to_string()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Count, E> {
        Ok(Count::parse(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Count::Wrong("a list".to_owned()))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Count, A::Error> {
        pass_over::<A, Count>(map).map(|_| Count::Wrong("an object".to_owned()))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(CountVisitor)
    }
}
