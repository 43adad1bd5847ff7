//! The rows of one keyspace that were put since the last commit.

use std::collections::BTreeMap;

use crate::{
    error::StoreError,
    keyspace::{Expiry, Keyspace, Merge, prefix_of, to_usize},
    order,
};

/// A slot holds 32 bits of a key's hash and the number of its row.
const EMPTY: u64 = u64::MAX;
/// Room that a commit left unused beyond this many times what it used is given back.
const ROOM: usize = 4;

/// Rows in the order they first came, with a table to find them: a few arenas, nothing allocated per row.
#[derive(Debug)]
pub(crate) struct Memtable {
    keyspace: Keyspace,
    /// Row after row: its key, then its value, or where in `values` it lies when lengths differ.
    rows: Vec<u8>,
    /// Bytes of a row.
    stride: usize,
    values: Vec<u8>,
    len: usize,
    /// Open addressing; a power of two, at most half full.
    slots: Vec<u64>,
    groups: Groups,
}

/// Rows by the number their key begins with, for keyspaces that expire by it: these are read by range.
#[derive(Debug, Default)]
struct Groups {
    /// Where in `lists` a number's rows are.
    lists_of: BTreeMap<i32, usize>,
    lists: Vec<Vec<u32>>,
    /// The last one, which is nearly always the next one too: rows come sorted.
    latest: Option<(i32, usize)>,
}

impl Memtable {
    pub(crate) fn new(keyspace: Keyspace) -> Self {
        let value_bytes = keyspace.stored_bytes().unwrap_or(size_of::<[u64; 2]>());
        Self {
            keyspace,
            rows: Vec::new(),
            stride: keyspace.key_bytes + value_bytes,
            values: Vec::new(),
            len: 0,
            slots: Vec::new(),
            groups: Groups::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What its rows fill; room that was kept from the last commit is not among it.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.len() + self.values.len() + self.len * size_of::<[u64; 2]>()
    }

    /// Forgets all rows. Keeps the room that they filled, and gives back what they left empty: the next hour may
    /// belong to another partition.
    pub(crate) fn clear(&mut self) {
        let Self { rows, values, slots, len, .. } = self;
        for arena in [rows, values] {
            if arena.len() * ROOM < arena.capacity() {
                *arena = Vec::new();
            }
            arena.clear();
        }
        if *len * 2 * ROOM < slots.len() {
            *slots = Vec::new();
        }
        slots.fill(EMPTY);
        *len = 0;
        self.groups = Groups::default();
    }

    /// Puts a value and what follows it as stored (its generation): replaces or adds, as the keyspace says.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], tail: &[u8]) -> Result<(), StoreError> {
        debug_assert_eq!(key.len(), self.keyspace.key_bytes, "a key of {}", self.keyspace.name);
        debug_assert!(self.keyspace.stored_bytes().is_none_or(|bytes| bytes == value.len() + tail.len()));
        self.grow();
        let hash = self.hash(key);
        let slot = self.slot(key, hash);
        let found = self.slots[slot];
        if found == EMPTY {
            self.slots[slot] = entry(hash, self.push(key, value, tail));
            return Ok(());
        }
        let at = to_index(row_of(found)) * self.stride + self.keyspace.key_bytes;
        match (self.keyspace.merge, self.keyspace.stored_bytes()) {
            (Merge::Sum, _) => {
                let sum = &mut self.rows[at..at + value.len()];
                self.keyspace.add(key, sum, value)?;
            }
            (Merge::Newest, Some(bytes)) => {
                let stored = &mut self.rows[at..at + bytes];
                stored[..value.len()].copy_from_slice(value);
                stored[value.len()..].copy_from_slice(tail);
            }
            (Merge::Newest, None) => {
                let span = self.push_value(value, tail);
                self.rows[at..at + span.len()].copy_from_slice(&span);
            }
        }
        Ok(())
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        if self.len == 0 {
            return None;
        }
        let found = self.slots[self.slot(key, self.hash(key))];
        (found != EMPTY).then(|| self.stored(row_of(found)))
    }

    /// All rows, as they came.
    pub(crate) fn rows(&self) -> impl Iterator<Item = u32> + use<> {
        0..u32::try_from(self.len).expect("rows are counted in 32 bits")
    }

    /// Rows in key order.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        order::sorted(self.rows().map(|row| (order::head(self.key(row)), row)), |row| self.key(row))
    }

    /// Rows whose keys begin with a number in `from..=to`, by number, then as they came.
    pub(crate) fn range(&self, from: i32, to: i32) -> impl Iterator<Item = u32> {
        let groups = (from <= to).then(|| self.groups.lists_of.range(from..=to));
        groups.into_iter().flatten().flat_map(|(_, &list)| self.groups.lists[list].iter().copied())
    }

    pub(crate) fn key(&self, row: u32) -> &[u8] {
        let start = to_index(row) * self.stride;
        &self.rows[start..start + self.keyspace.key_bytes]
    }

    pub(crate) fn stored(&self, row: u32) -> &[u8] {
        let start = to_index(row) * self.stride + self.keyspace.key_bytes;
        let value = &self.rows[start..to_index(row) * self.stride + self.stride];
        if self.keyspace.stored_bytes().is_some() {
            return value;
        }
        let (words, _) = value.as_chunks::<8>();
        let [start, len] = [0, 1].map(|word| to_usize(u64::from_le_bytes(words[word])));
        &self.values[start..start + len]
    }

    fn push(&mut self, key: &[u8], value: &[u8], tail: &[u8]) -> u32 {
        let row = u32::try_from(self.len).expect("a commit comes before 2^32 rows");
        self.rows.extend_from_slice(key);
        if self.keyspace.stored_bytes().is_some() {
            self.rows.extend_from_slice(value);
            self.rows.extend_from_slice(tail);
        } else {
            let span = self.push_value(value, tail);
            self.rows.extend_from_slice(&span);
        }
        self.len += 1;
        if self.keyspace.expiry == Expiry::Prefix {
            self.groups.push(prefix_of(key), row);
        }
        row
    }

    /// Keeps a value of any length; what its row holds of it.
    fn push_value(&mut self, value: &[u8], tail: &[u8]) -> [u8; 16] {
        let mut span = [0; 16];
        span[..8].copy_from_slice(&crate::keyspace::to_u64(self.values.len()).to_le_bytes());
        span[8..].copy_from_slice(&crate::keyspace::to_u64(value.len() + tail.len()).to_le_bytes());
        self.values.extend_from_slice(value);
        self.values.extend_from_slice(tail);
        span
    }

    fn hash(&self, key: &[u8]) -> u64 {
        match key.last_chunk() {
            Some(last) if self.keyspace.uniform => u64::from_le_bytes(*last),
            _ => xxhash_rust::xxh3::xxh3_64(key),
        }
    }

    /// The slot that holds the key, or the empty one where it belongs.
    fn slot(&self, key: &[u8], hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = to_usize(hash) & mask;
        loop {
            let found = self.slots[slot];
            if found == EMPTY || (found >> 32 == hash >> 32 && self.key(row_of(found)) == key) {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        if self.len * 2 < self.slots.len() {
            return;
        }
        self.slots.clear();
        self.slots.resize((self.len * 4).max(1 << 10).next_power_of_two(), EMPTY);
        let mask = self.slots.len() - 1;
        for row in self.rows() {
            let hash = self.hash(self.key(row));
            let mut slot = to_usize(hash) & mask;
            while self.slots[slot] != EMPTY {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = entry(hash, row);
        }
    }
}

impl Groups {
    fn push(&mut self, number: i32, row: u32) {
        let list = match self.latest {
            Some((latest, list)) if latest == number => list,
            _ => *self.lists_of.entry(number).or_insert_with(|| {
                self.lists.push(Vec::new());
                self.lists.len() - 1
            }),
        };
        self.latest = Some((number, list));
        self.lists[list].push(row);
    }
}

fn entry(hash: u64, row: u32) -> u64 {
    hash & 0xffff_ffff_0000_0000 | u64::from(row)
}

fn row_of(entry: u64) -> u32 {
    u32::try_from(entry & 0xffff_ffff).expect("masked to 32 bits")
}

fn to_index(row: u32) -> usize {
    usize::try_from(row).expect("32 bits fit the address space")
}
