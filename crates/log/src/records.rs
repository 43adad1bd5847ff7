//! Records as they are read: one arena of bytes and an index into it, reused from read to read.

use std::ops::Range;

use tally_domain::{LogTime, Offset};

pub(crate) use crate::local::batch::TOMBSTONE;
use crate::local::batch::{Batch, Entry};

/// A record of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the lane.
    pub offset: Offset,
    /// When the log took it, by the log's wall clock: not yet monotone, it may step back.
    pub appended_at: LogTime,
    /// May be empty.
    pub key: &'a [u8],
    /// `None` is a tombstone: the key is to be forgotten.
    pub value: Option<&'a [u8]>,
}

/// Where a record lies in the arena: its key at `at`, its value right after the key.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: Offset,
    appended_at: LogTime,
    at: u32,
    key_len: u32,
    value_len: u32,
}

/// Records in offset order. Allocates only to grow.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// Only its first `filled` bytes mean anything; the rest is room that was used before.
    arena: Vec<u8>,
    filled: usize,
    places: Vec<Place>,
}

impl Records {
    /// Forgets every record; keeps the room.
    pub fn clear(&mut self) {
        self.filled = 0;
        self.places.clear();
    }

    /// Adds a record after the others.
    ///
    /// # Panics
    /// When the arena would pass 4 GiB: readers are asked for megabytes.
    pub fn push(&mut self, offset: Offset, appended_at: LogTime, key: &[u8], value: Option<&[u8]>) {
        let at = short(self.filled);
        let bytes = value.unwrap_or_default();
        let room = self.room(key.len() + bytes.len());
        room[..key.len()].copy_from_slice(key);
        room[key.len()..].copy_from_slice(bytes);
        let value_len = value.map_or(TOMBSTONE, |value| short(value.len()));
        self.places.push(Place { offset, appended_at, at, key_len: short(key.len()), value_len });
    }

    /// Room for `bytes` more bytes after those that are filled; they count as filled from now on.
    pub(crate) fn room(&mut self, bytes: usize) -> &mut [u8] {
        let start = self.filled;
        self.filled += bytes;
        if self.arena.len() < self.filled {
            self.arena.resize(self.filled, 0);
        }
        &mut self.arena[start..self.filled]
    }

    /// Takes back what was filled from `len` on.
    pub(crate) fn cut(&mut self, len: usize) {
        self.filled = self.filled.min(len);
    }

    /// The bytes that are filled.
    pub(crate) fn arena(&self) -> &[u8] {
        &self.arena[..self.filled]
    }

    /// Adds the records of a batch that lies in the arena, from offset `from` on, without moving a byte. Gives
    /// the offset after the batch; `None` when the bytes are no batch.
    pub(crate) fn index(&mut self, payload: Range<usize>, from: Offset) -> Option<Offset> {
        let start = payload.start;
        let Self { arena, places, .. } = self;
        let batch = Batch::read(arena.get(payload)?)?;
        for entry in batch.entries() {
            let Entry { offset, at, key_len, value_len } = entry?;
            if offset >= from {
                let at = short(start + at);
                places.push(Place { offset, appended_at: batch.appended_at, at, key_len, value_len });
            }
        }
        Some(batch.end)
    }

    /// Every record, in offset order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> + DoubleEndedIterator {
        self.places.iter().map(|place| self.record(place))
    }

    /// The record at `index`, counted from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Record<'_>> {
        self.places.get(index).map(|place| self.record(place))
    }

    /// The last one.
    #[must_use]
    pub fn last(&self) -> Option<Record<'_>> {
        self.places.last().map(|place| self.record(place))
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes they occupy.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.filled
    }

    fn record(&self, place: &Place) -> Record<'_> {
        let key_end = wide(place.at) + wide(place.key_len);
        let value =
            (place.value_len != TOMBSTONE).then(|| &self.arena[key_end..key_end + wide(place.value_len)]);
        Record {
            offset: place.offset,
            appended_at: place.appended_at,
            key: &self.arena[wide(place.at)..key_end],
            value,
        }
    }
}

pub(crate) fn short(len: usize) -> u32 {
    u32::try_from(len).expect("a batch of records is far below 4 GiB")
}

pub(crate) fn to_u64(len: usize) -> u64 {
    u64::try_from(len).expect("a length fits 64 bits")
}

pub(crate) fn wide(len: u32) -> usize {
    usize::try_from(len).expect("a usize holds 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_were_pushed() {
        let mut records = Records::default();
        let at = LogTime::from_ms(5).unwrap();
        records.push(Offset::ZERO, at, b"key", Some(b"value"));
        records.push(Offset::ZERO.next(), at, b"", None);
        records.push(Offset::ZERO.next().next(), at, b"", Some(b""));
        let seen: Vec<_> = records.iter().map(|r| (r.offset.get(), r.key, r.value)).collect();
        assert_eq!(seen, [(0, &b"key"[..], Some(&b"value"[..])), (1, b"", None), (2, b"", Some(b""))]);
        assert_eq!((records.len(), records.bytes()), (3, 8));
        records.clear();
        assert!(records.is_empty());
    }
}
