//! The rows of one keyspace that were put since the last commit.

use std::collections::BTreeMap;

use crate::{
    error::StoreError,
    keyspace::{Expiry, Keyspace, Merge, prefix_of, to_usize},
};

const EMPTY: u32 = u32::MAX;

/// Rows in the order they first came, with a table to find them: two arenas, nothing allocated per row.
#[derive(Debug)]
pub(crate) struct Memtable {
    keyspace: Keyspace,
    keys: Vec<u8>,
    values: Vec<u8>,
    /// Where in `values` a row's value lies.
    spans: Vec<(usize, usize)>,
    /// Open addressing; a power of two, at most half full.
    slots: Vec<u32>,
    /// Rows by the number their key begins with, for keyspaces that expire by it: these are read by range.
    groups: BTreeMap<i32, Vec<u32>>,
}

impl Memtable {
    pub(crate) fn new(keyspace: Keyspace) -> Self {
        Self {
            keyspace,
            keys: Vec::new(),
            values: Vec::new(),
            spans: Vec::new(),
            slots: Vec::new(),
            groups: BTreeMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.keys.len()
            + self.values.len()
            + self.spans.len() * size_of::<(usize, usize)>()
            + self.slots.len() * 4
    }

    /// Forgets all rows and gives the memory back: the next hour may belong to another partition.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.keyspace);
    }

    /// Puts a stored value (generation included): replaces or adds, as the keyspace says.
    pub(crate) fn put(&mut self, key: &[u8], stored: &[u8]) -> Result<(), StoreError> {
        debug_assert_eq!(key.len(), self.keyspace.key_bytes, "a key of {}", self.keyspace.name);
        debug_assert!(self.keyspace.stored_bytes().is_none_or(|bytes| bytes == stored.len()));
        self.grow();
        let slot = self.slot(key);
        let row = self.slots[slot];
        if row == EMPTY {
            self.slots[slot] = self.push(key, stored);
            return Ok(());
        }
        let (start, len) = self.spans[to_index(row)];
        match self.keyspace.merge {
            Merge::Sum => self.keyspace.add(key, &mut self.values[start..start + len], stored)?,
            Merge::Newest if len == stored.len() => self.values[start..start + len].copy_from_slice(stored),
            Merge::Newest => {
                self.spans[to_index(row)] = (self.values.len(), stored.len());
                self.values.extend_from_slice(stored);
            }
        }
        Ok(())
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        if self.slots.is_empty() {
            return None;
        }
        let row = self.slots[self.slot(key)];
        (row != EMPTY).then(|| self.stored(row))
    }

    /// All rows, as they came.
    pub(crate) fn rows(&self) -> impl Iterator<Item = u32> + use<> {
        0..u32::try_from(self.len()).expect("rows are counted in 32 bits")
    }

    /// Rows in key order.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        // Comparing 8 bytes that lie beside the row's number is what makes this fast; ties look at the key.
        let mut order: Vec<(u64, u32)> = self.rows().map(|row| (head(self.key(row)), row)).collect();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.key(a.1).cmp(self.key(b.1))));
        order.into_iter().map(|(_, row)| row).collect()
    }

    /// Rows whose keys begin with a number in `from..=to`, by number, then as they came.
    pub(crate) fn range(&self, from: i32, to: i32) -> impl Iterator<Item = u32> {
        let groups = (from <= to).then(|| self.groups.range(from..=to));
        groups.into_iter().flatten().flat_map(|(_, rows)| rows.iter().copied())
    }

    pub(crate) fn key(&self, row: u32) -> &[u8] {
        let start = to_index(row) * self.keyspace.key_bytes;
        &self.keys[start..start + self.keyspace.key_bytes]
    }

    pub(crate) fn stored(&self, row: u32) -> &[u8] {
        let (start, len) = self.spans[to_index(row)];
        &self.values[start..start + len]
    }

    fn push(&mut self, key: &[u8], stored: &[u8]) -> u32 {
        let row = u32::try_from(self.len()).expect("a commit comes before 2^32 rows");
        self.keys.extend_from_slice(key);
        self.spans.push((self.values.len(), stored.len()));
        self.values.extend_from_slice(stored);
        if self.keyspace.expiry == Expiry::Prefix {
            self.groups.entry(prefix_of(key)).or_default().push(row);
        }
        row
    }

    /// The slot that holds the key, or the empty one where it belongs.
    fn slot(&self, key: &[u8]) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = to_usize(xxhash_rust::xxh3::xxh3_64(key)) & mask;
        loop {
            let row = self.slots[slot];
            if row == EMPTY || self.key(row) == key {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        if self.len() * 2 < self.slots.len() {
            return;
        }
        self.slots = vec![EMPTY; (self.slots.len() * 2).max(1 << 10)];
        for row in self.rows() {
            let slot = self.slot(self.key(row));
            self.slots[slot] = row;
        }
    }
}

fn head(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let len = key.len().min(8);
    bytes[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(bytes)
}

fn to_index(row: u32) -> usize {
    usize::try_from(row).expect("32 bits fit the address space")
}
