//! Avro's binary primitives and Confluent's frame, over borrowed bytes.

use tally_domain::Hash128;

use crate::error::DecodeError;
use crate::registry::{Record, SchemaId};

const MAGIC: u8 = 0;
const CONTINUES: u8 = 0x80;

/// Takes the frame off; `None` when there is none.
pub(crate) fn unframe(bytes: &[u8]) -> Option<(SchemaId, &[u8])> {
    let (head, body) = bytes.split_first_chunk::<5>()?;
    let [magic, id @ ..] = *head;
    (magic == MAGIC).then(|| (SchemaId(u32::from_be_bytes(id)), body))
}

/// Writes the frame of a record type.
pub(crate) fn put_frame(record: Record, into: &mut Vec<u8>) {
    into.push(MAGIC);
    into.extend_from_slice(&record.id().0.to_be_bytes());
}

/// Writes a long (or an int: both are zigzag varints).
#[inline]
pub(crate) fn put_long(value: i64, into: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= u64::from(CONTINUES) {
        let [low, ..] = rest.to_le_bytes();
        into.push(low | CONTINUES);
        rest >>= 7;
    }
    let [low, ..] = rest.to_le_bytes();
    into.push(low);
}

/// Writes a string or bytes.
pub(crate) fn put_bytes(bytes: &[u8], into: &mut Vec<u8>) {
    put_long(i64::try_from(bytes.len()).expect("memory is smaller than an i64"), into);
    into.extend_from_slice(bytes);
}

/// Writes a `["null", "string"]`.
pub(crate) fn put_optional_text(text: Option<&str>, into: &mut Vec<u8>) {
    put_long(i64::from(text.is_some()), into);
    if let Some(text) = text {
        put_bytes(text.as_bytes(), into);
    }
}

/// A record's body, and how far it is read.
///
/// A read never fails on its own: the first fault is kept, everything after it reads as nothing, and [`Cursor::end`] tells.
/// So thirty fields cost one check of a result and not thirty, which is most of the decoder's speed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    fault: Option<DecodeError>,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body, fault: None }
    }

    /// Keeps the first fault, and lets nothing more be read.
    #[cold]
    pub(crate) fn fail(&mut self, fault: DecodeError) {
        self.rest = &[];
        self.fault.get_or_insert(fault);
    }

    /// A long. Ten bytes hold 64 bits; what a tenth byte holds beyond them is dropped, as Avro's own readers do.
    #[inline]
    pub(crate) fn long(&mut self, field: &'static str) -> i64 {
        match *self.rest {
            [byte, ref rest @ ..] if byte < CONTINUES => {
                self.rest = rest;
                unzigzag(u64::from(byte))
            }
            [first, second, ref rest @ ..] if second < CONTINUES => {
                self.rest = rest;
                unzigzag(u64::from(first & !CONTINUES) | (u64::from(second) << 7))
            }
            _ => self.long_of_many(field),
        }
    }

    /// Eight bytes at once where there are so many; else, and beyond them, one by one.
    #[inline(never)]
    fn long_of_many(&mut self, field: &'static str) -> i64 {
        if let Some((word, rest)) = self.rest.split_first_chunk::<8>() {
            let word = u64::from_le_bytes(*word);
            let ends = !word & 0x8080_8080_8080_8080;
            let bits = ends.trailing_zeros();
            if bits < 64 {
                // Keeps the bytes up to the one that ends the number.
                let kept = word & (u64::MAX >> 63_u32.saturating_sub(bits));
                self.rest =
                    self.rest.get(usize::from(place_of(bits)).saturating_add(1)..).unwrap_or_default();
                return unzigzag(without_marks(kept));
            }
            return self.long_beyond(without_marks(word), 56, rest, field);
        }
        self.long_beyond(0, 0, self.rest, field)
    }

    fn long_beyond(&mut self, mut bits: u64, from: u32, rest: &'a [u8], field: &'static str) -> i64 {
        let mut rest = rest;
        for shift in (from..=63).step_by(7) {
            let Some((&byte, after)) = rest.split_first() else {
                self.fail(DecodeError::Ends { field });
                return 0;
            };
            rest = after;
            bits |= u64::from(byte & !CONTINUES) << shift;
            if byte < CONTINUES {
                self.rest = rest;
                return unzigzag(bits);
            }
        }
        self.fail(DecodeError::Number { field });
        0
    }

    /// An int: a long within 32 bits.
    #[inline]
    pub(crate) fn int(&mut self, field: &'static str) -> i32 {
        let long = self.long(field);
        i32::try_from(long).unwrap_or_else(|_| {
            self.fail(DecodeError::Number { field });
            0
        })
    }

    #[inline]
    pub(crate) fn bytes(&mut self, field: &'static str) -> &'a [u8] {
        let length = self.long(field);
        let Ok(length) = usize::try_from(length) else {
            self.fail(DecodeError::Number { field });
            return &[];
        };
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            self.fail(DecodeError::Ends { field });
            return &[];
        };
        self.rest = rest;
        taken
    }

    #[inline]
    pub(crate) fn text(&mut self, field: &'static str) -> &'a str {
        let bytes = self.bytes(field);
        str::from_utf8(bytes).unwrap_or_else(|_| {
            self.fail(DecodeError::Utf8 { field });
            ""
        })
    }

    /// What is left, to tell later where a span lies in it.
    #[inline]
    pub(crate) const fn here(&self) -> &'a [u8] {
        self.rest
    }

    /// A text that is looked at later, as a span of what was left at `begun`.
    #[inline]
    pub(crate) fn span(&mut self, field: &'static str, begun: &[u8]) -> Span {
        let length = self.bytes(field).len();
        let end = begun.len().saturating_sub(self.rest.len());
        Span { start: end.saturating_sub(length), end }
    }

    #[inline]
    pub(crate) fn optional_span(&mut self, field: &'static str, begun: &[u8]) -> Option<Span> {
        if self.is_some(field) { Some(self.span(field, begun)) } else { None }
    }

    /// The texts since `begun`. Between short texts there are only ASCII bytes, so that all of it is UTF-8 together and
    /// is checked in one go; where it is not, each text is checked alone.
    #[inline]
    pub(crate) fn texts(&self, begun: &'a [u8]) -> Texts<'a> {
        let read = begun.get(..begun.len().saturating_sub(self.rest.len())).unwrap_or_default();
        Texts { bytes: read, checked: str::from_utf8(read).ok() }
    }

    #[inline]
    pub(crate) fn text_of(&mut self, field: &'static str, span: Span, texts: &Texts<'a>) -> &'a str {
        if let Some(text) = texts.checked.and_then(|text| text.get(span.start..span.end)) {
            return text;
        }
        let bytes = texts.bytes.get(span.start..span.end).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_else(|_| {
            self.fail(DecodeError::Utf8 { field });
            ""
        })
    }

    #[inline]
    pub(crate) fn hash(&mut self, field: &'static str) -> Hash128 {
        let Some((hash, rest)) = self.rest.split_first_chunk::<16>() else {
            self.fail(DecodeError::Ends { field });
            return Hash128::default();
        };
        self.rest = rest;
        Hash128(*hash)
    }

    /// Which branch of `["null", …]` follows: true for the second.
    #[inline]
    pub(crate) fn is_some(&mut self, field: &'static str) -> bool {
        let index = self.long(field);
        if index != 0 && index != 1 {
            self.fail(DecodeError::Index { field, index });
        }
        index == 1
    }

    #[inline]
    pub(crate) fn optional_text(&mut self, field: &'static str) -> Option<&'a str> {
        if self.is_some(field) { Some(self.text(field)) } else { None }
    }

    /// An enum: the index of a symbol, turned into what it stands for.
    #[inline]
    pub(crate) fn symbol<T>(&mut self, field: &'static str, none: T, of: impl FnOnce(u8) -> Option<T>) -> T {
        let index = self.int(field);
        u8::try_from(index).ok().and_then(of).unwrap_or_else(|| {
            self.fail(DecodeError::Index { field, index: i64::from(index) });
            none
        })
    }

    /// A number that its field can hold, or a fault that names it.
    #[inline]
    pub(crate) fn within<T>(
        &mut self,
        field: &'static str,
        value: i64,
        expected: &'static str,
        none: T,
        as_field: Option<T>,
    ) -> T {
        as_field.unwrap_or_else(|| {
            self.fail(DecodeError::Value { field, value, expected });
            none
        })
    }

    /// Ends the record: nothing may have gone wrong, and nothing may be left.
    #[inline]
    pub(crate) fn end(self) -> Result<(), DecodeError> {
        match self.fault {
            Some(fault) => Err(fault),
            None if self.rest.is_empty() => Ok(()),
            None => Err(DecodeError::Trailing { bytes: self.rest.len() }),
        }
    }
}

/// Where a text lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

/// Texts that lie side by side, and whether they are UTF-8 with all that is between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texts<'a> {
    bytes: &'a [u8],
    checked: Option<&'a str>,
}

/// The byte of a word that a bit lies in.
#[inline]
fn place_of(bit: u32) -> u8 {
    let [place, ..] = (bit >> 3).to_le_bytes();
    place
}

/// Eight groups of seven bits, each below the mark of its byte, pushed together.
#[inline]
const fn without_marks(word: u64) -> u64 {
    let word = word & 0x7f7f_7f7f_7f7f_7f7f;
    let word = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
    let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x3fff_0000_3fff_0000) >> 2);
    (word & 0x0000_0000_0fff_ffff) | ((word & 0x0fff_ffff_0000_0000) >> 4)
}

#[inline]
fn unzigzag(bits: u64) -> i64 {
    (bits >> 1).cast_signed() ^ (bits & 1).cast_signed().wrapping_neg()
}
