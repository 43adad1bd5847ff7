//! What a keyspace is: how long its keys are, how two values of one key become one, and when they go.

use crate::error::StoreError;

/// How two values of one key become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The later one stands.
    Newest,
    /// Little-endian i64 lanes are added; a sum out of range is an error.
    Sum,
}

/// What ends the life of a row. A horizon is an i32; rows below it are invisible at once, whether or not their
/// files are gone already, so that what is read depends on the horizon and on nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Nothing.
    Never,
    /// The generation that it was put with (a day of LogTime).
    Generation,
    /// The first four bytes of its key, written by [`prefix`] (a minute, an hour).
    Prefix,
}

/// A set of rows with keys of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyspace {
    /// Its name, in messages and in the layout.
    pub name: &'static str,
    /// Length of every key, 4 to 64.
    pub key_bytes: usize,
    /// Length of every value if they share one (needed for [`Merge::Sum`], a multiple of 8); `None`: any, up to
    /// [`VALUE_BYTES_MAX`].
    pub value_bytes: Option<usize>,
    /// See [`Merge`].
    pub merge: Merge,
    /// See [`Expiry`].
    pub expiry: Expiry,
    /// Bits of filter per key, 0 for none: for keyspaces that are asked for keys they do not have.
    pub filter_bits: u32,
    /// Keys are hashes already: their first and last 8 bytes are as good as random.
    pub uniform: bool,
}

/// Longest value.
pub const VALUE_BYTES_MAX: usize = 32 << 10;
/// Bytes of the generation that follows a value in a keyspace with [`Expiry::Generation`].
pub(crate) const GENERATION_BYTES: usize = 4;

impl Keyspace {
    /// Length of values as stored, generation included.
    pub(crate) fn stored_bytes(&self) -> Option<usize> {
        let generation = if self.expiry == Expiry::Generation { GENERATION_BYTES } else { 0 };
        self.value_bytes.map(|bytes| bytes + generation)
    }

    /// What a horizon is held against. `tail`: the stored value, or its packed form (both end alike).
    pub(crate) fn age(&self, key: &[u8], tail: &[u8]) -> i32 {
        match (self.expiry, tail.last_chunk()) {
            (Expiry::Generation, Some(bytes)) => i32::from_le_bytes(*bytes),
            (Expiry::Prefix, _) => prefix_of(key),
            _ => 0,
        }
    }

    /// A stored value without its generation.
    pub(crate) fn value<'v>(&self, stored: &'v [u8]) -> &'v [u8] {
        if self.expiry == Expiry::Generation { &stored[..stored.len() - GENERATION_BYTES] } else { stored }
    }

    /// Whether a row can be seen above `horizon`.
    pub(crate) fn is_live(&self, key: &[u8], tail: &[u8], horizon: i32) -> bool {
        self.expiry == Expiry::Never || self.age(key, tail) >= horizon
    }

    /// Adds the lanes of `more` to `sum`: all of them, or none if one leaves its range.
    pub(crate) fn add(&self, key: &[u8], sum: &mut [u8], more: &[u8]) -> Result<(), StoreError> {
        let lane = |bytes: &[u8; 8]| i64::from_le_bytes(*bytes);
        let (mores, _) = more.as_chunks::<8>();
        let (sums, _) = sum.as_chunks_mut::<8>();
        if sums.iter().zip(mores).any(|(sum, more)| lane(sum).checked_add(lane(more)).is_none()) {
            return Err(StoreError::Overflow { keyspace: self.name, key: key.to_vec() });
        }
        for (sum, more) in sums.iter_mut().zip(mores) {
            *sum = lane(sum).wrapping_add(lane(more)).to_le_bytes();
        }
        Ok(())
    }

    /// One line that changes whenever files of the old layout cannot be read as the new.
    pub(crate) fn layout(&self) -> String {
        let value = self.value_bytes.map_or_else(|| "*".to_owned(), |bytes| bytes.to_string());
        format!("{}:{}>{value}/{:?}/{:?}", self.name, self.key_bytes, self.merge, self.expiry)
    }
}

/// The four bytes that sort like `number`, for the beginning of a key with [`Expiry::Prefix`].
#[must_use]
pub fn prefix(number: i32) -> [u8; 4] {
    (number ^ i32::MIN).to_be_bytes()
}

/// The number whose [`prefix`] a key begins with.
#[must_use]
pub fn prefix_of(key: &[u8]) -> i32 {
    key.first_chunk().map_or(i32::MIN, |bytes| i32::from_be_bytes(*bytes) ^ i32::MIN)
}

pub(crate) fn to_u64(length: usize) -> u64 {
    u64::try_from(length).expect("a length fits 64 bits")
}

pub(crate) fn to_usize(position: u64) -> usize {
    usize::try_from(position).expect("what was read from memory or a block fits the address space")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_sort_like_numbers() {
        let numbers = [i32::MIN, -60, -1, 0, 1, 29_400_000, i32::MAX];
        assert!(numbers.map(prefix).is_sorted());
        assert_eq!(numbers.map(|n| prefix_of(&prefix(n))), numbers);
    }
}
