//! Rows of the fold's own state that changed since the last checkpoint, as bytes.

use std::ops::Range;

/// Keyspaces in which the newest value of a key stands; their keys and values are the fold's to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Keyspace {
    /// Interned accounts.
    Accounts,
    /// Interned dims.
    Dims,
    /// Interned runs.
    Runs,
    /// Totals of all windows.
    Totals,
    /// Marks and gaps of runs.
    Producers,
    /// Receipts of runs.
    Receipts,
}

impl Keyspace {
    /// All keyspaces, in the order in which they are to be restored.
    pub const ALL: [Self; 6] =
        [Self::Accounts, Self::Dims, Self::Runs, Self::Totals, Self::Producers, Self::Receipts];

    /// Its name in file names and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Dims => "dims",
            Self::Runs => "runs",
            Self::Totals => "totals",
            Self::Producers => "producers",
            Self::Receipts => "receipts",
        }
    }

    /// Its place among [`Self::ALL`].
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Accounts => 0,
            Self::Dims => 1,
            Self::Runs => 2,
            Self::Totals => 3,
            Self::Producers => 4,
            Self::Receipts => 5,
        }
    }
}

/// Rows whose value changed since the last checkpoint: one arena and an index, sorted by keyspace and key
/// bytes, each key once.
#[derive(Clone, Debug, Default)]
pub struct DirtyRows {
    bytes: Vec<u8>,
    index: Vec<(Keyspace, Range<usize>, Range<usize>)>,
}

impl DirtyRows {
    /// Forgets every row; keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.index.clear();
    }
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }
    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
    /// Bytes of keys and values together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }
    /// Every row: keyspace, key, value.
    pub fn iter(&self) -> impl Iterator<Item = (Keyspace, &[u8], &[u8])> {
        self.index.iter().map(|(space, key, value)| (*space, self.slice(key), self.slice(value)))
    }
    /// Adds a row whose value `value` appends.
    pub fn push(&mut self, space: Keyspace, key: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        value(&mut self.bytes);
        self.index.push((space, start..middle, middle..self.bytes.len()));
    }
    /// Brings the rows into order of keyspace and key.
    pub fn sort(&mut self) {
        let Self { bytes, index } = self;
        // Sorting numbers that lie together: the keys themselves lie all over the arena.
        index.sort_by_cached_key(|(space, key, _)| {
            (*space, first_16(bytes.get(key.clone()).unwrap_or_default()))
        });
        let key_of = |row: &(Keyspace, Range<usize>, Range<usize>)| (row.0, bytes.get(row.1.clone()));
        if !index.is_sorted_by_key(key_of) {
            index.sort_unstable_by(|a, b| key_of(a).cmp(&key_of(b)));
        }
    }
    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).expect("ranges of the index lie in the arena")
    }
}

/// A number that sorts like the first 16 bytes; keys of one keyspace have one length, and none is longer.
fn first_16(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(key).for_each(|(to, &byte)| *to = byte);
    u128::from_be_bytes(bytes)
}
