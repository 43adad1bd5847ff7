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

/// What is left to read of a record's body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// A long. Ten bytes hold 64 bits; what a tenth byte holds beyond them is dropped, as Avro's own readers do.
    #[inline]
    pub(crate) fn long(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        match *self.rest {
            [byte, ref rest @ ..] if byte < CONTINUES => {
                self.rest = rest;
                Ok(unzigzag(u64::from(byte)))
            }
            [first, second, ref rest @ ..] if second < CONTINUES => {
                self.rest = rest;
                Ok(unzigzag(u64::from(first & !CONTINUES) | (u64::from(second) << 7)))
            }
            _ => self.long_of_many(field),
        }
    }

    fn long_of_many(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        let mut bits = 0_u64;
        for shift in (0..=63_u32).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(DecodeError::Ends { field })?;
            self.rest = rest;
            bits |= u64::from(byte & !CONTINUES) << shift;
            if byte < CONTINUES {
                return Ok(unzigzag(bits));
            }
        }
        Err(DecodeError::Number { field })
    }

    /// An int: a long within 32 bits.
    #[inline]
    pub(crate) fn int(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        i32::try_from(self.long(field)?).map_err(|_| DecodeError::Number { field })
    }

    #[inline]
    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.long(field)?;
        let length = usize::try_from(length).map_err(|_| DecodeError::Number { field })?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Ends { field })?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        str::from_utf8(self.bytes(field)?).map_err(|_| DecodeError::Utf8 { field })
    }

    #[inline]
    pub(crate) fn hash(&mut self, field: &'static str) -> Result<Hash128, DecodeError> {
        let (hash, rest) = self.rest.split_first_chunk::<16>().ok_or(DecodeError::Ends { field })?;
        self.rest = rest;
        Ok(Hash128(*hash))
    }

    /// Which branch of `["null", …]` follows: true for the second.
    #[inline]
    pub(crate) fn is_some(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.long(field)? {
            0 => Ok(false),
            1 => Ok(true),
            index => Err(DecodeError::Index { field, index }),
        }
    }

    #[inline]
    pub(crate) fn optional_text(&mut self, field: &'static str) -> Result<Option<&'a str>, DecodeError> {
        if self.is_some(field)? { self.text(field).map(Some) } else { Ok(None) }
    }

    /// An enum: the index of a symbol, turned into what it stands for.
    #[inline]
    pub(crate) fn symbol<T>(
        &mut self,
        field: &'static str,
        of: impl FnOnce(u8) -> Option<T>,
    ) -> Result<T, DecodeError> {
        let index = i64::from(self.int(field)?);
        u8::try_from(index).ok().and_then(of).ok_or(DecodeError::Index { field, index })
    }

    /// Ends the record: nothing may be left.
    pub(crate) fn end(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing { bytes: self.rest.len() }) }
    }
}

fn unzigzag(bits: u64) -> i64 {
    (bits >> 1).cast_signed() ^ (bits & 1).cast_signed().wrapping_neg()
}
