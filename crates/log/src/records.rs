//! Records as they are read: one arena of bytes and an index into it, reused from read to read.

use tally_domain::{LogTime, Offset};

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

/// The length that stands for a tombstone.
pub(crate) const TOMBSTONE: u32 = u32::MAX;

/// Records in offset order. Allocates only to grow.
#[derive(Clone, Debug, Default)]
pub struct Records {
    arena: Vec<u8>,
    places: Vec<Place>,
}

impl Records {
    /// Forgets every record; keeps the room.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.places.clear();
    }

    /// Adds a record after the others.
    ///
    /// # Panics
    /// When the arena would pass 4 GiB: readers are asked for megabytes.
    pub fn push(&mut self, offset: Offset, appended_at: LogTime, key: &[u8], value: Option<&[u8]>) {
        let at = short(self.arena.len());
        self.arena.extend_from_slice(key);
        self.arena.extend_from_slice(value.unwrap_or_default());
        let value_len = value.map_or(TOMBSTONE, |value| short(value.len()));
        self.places.push(Place { offset, appended_at, at, key_len: short(key.len()), value_len });
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
        self.arena.len()
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

fn short(len: usize) -> u32 {
    u32::try_from(len).expect("a batch of records is far below 4 GiB")
}

fn wide(len: u32) -> usize {
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
