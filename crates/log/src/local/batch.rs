//! A batch of records: the payload of one frame, written in one turn to one lane.
//!
//! ```text
//! batch  = base offset (8) · appended at, ms (8) · span (4) · count (4) · records
//! record = offset − base (4) · key bytes (4) · value bytes (4), all ones for a tombstone · key · value
//! ```
//! All integers are little-endian. *Span* is how many offsets the batch stands for; compaction may have left
//! fewer records than that.

use tally_domain::{LogTime, Offset};

use crate::records::{short, wide};

/// Bytes of a batch before its records.
pub(crate) const HEAD_BYTES: usize = 24;
/// Bytes of a record besides key and value.
pub(crate) const RECORD_BYTES: usize = 12;
/// The length that stands for a tombstone.
pub(crate) const TOMBSTONE: u32 = u32::MAX;

/// A batch, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) base: Offset,
    /// The offset after the batch.
    pub(crate) end: Offset,
    pub(crate) appended_at: LogTime,
    count: u32,
    payload: &'a [u8],
}

/// Where a record lies in its batch's payload: the key at `at`, the value right after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) offset: Offset,
    pub(crate) at: usize,
    pub(crate) key_len: u32,
    pub(crate) value_len: u32,
}

impl<'a> Batch<'a> {
    /// `None` when the bytes are no batch.
    pub(crate) fn read(payload: &'a [u8]) -> Option<Self> {
        let base = Offset::new(u64::from_le_bytes(payload.get(..8)?.try_into().ok()?))?;
        let appended_at = LogTime::from_ms(i64::from_le_bytes(payload.get(8..16)?.try_into().ok()?))?;
        let span = word(payload, 16)?;
        let end = Offset::new(base.get() + u64::from(span))?;
        Some(Self { base, end, appended_at, count: word(payload, 20)?, payload })
    }

    /// Every record; `None` where the bytes are no record, and then nothing more.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Option<Entry>> + use<'a> {
        let Self { base, end, count, payload, .. } = *self;
        let mut at = HEAD_BYTES;
        let mut left = count;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let entry = entry(payload, base, at).filter(|entry| entry.offset < end);
            match &entry {
                Some(entry) => at = entry.at + wide(entry.key_len) + value_bytes(entry.value_len),
                None => left = 0,
            }
            Some(entry)
        })
    }

    /// The bytes of a record from its head on, as [`push_record`] wrote them.
    pub(crate) fn key_and_value(&self, entry: &Entry) -> (&'a [u8], Option<&'a [u8]>) {
        let key_end = entry.at + wide(entry.key_len);
        let value =
            (entry.value_len != TOMBSTONE).then(|| &self.payload[key_end..key_end + wide(entry.value_len)]);
        (&self.payload[entry.at..key_end], value)
    }
}

#[inline]
fn entry(payload: &[u8], base: Offset, at: usize) -> Option<Entry> {
    let head: &[u8; RECORD_BYTES] = payload.get(at..at + RECORD_BYTES)?.try_into().ok()?;
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *head;
    let key_len = u32::from_le_bytes([e, f, g, h]);
    let value_len = u32::from_le_bytes([i, j, k, l]);
    let at = at + RECORD_BYTES;
    let offset = Offset::new(base.get() + u64::from(u32::from_le_bytes([a, b, c, d])))?;
    (at + wide(key_len) + value_bytes(value_len) <= payload.len()).then_some(Entry {
        offset,
        at,
        key_len,
        value_len,
    })
}

fn value_bytes(value_len: u32) -> usize {
    if value_len == TOMBSTONE { 0 } else { wide(value_len) }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Adds a record `delta` offsets after its batch's base.
pub(crate) fn push_record(into: &mut Vec<u8>, delta: u32, key: &[u8], value: Option<&[u8]>) {
    into.extend_from_slice(&delta.to_le_bytes());
    into.extend_from_slice(&short(key.len()).to_le_bytes());
    into.extend_from_slice(&value.map_or(TOMBSTONE, |value| short(value.len())).to_le_bytes());
    into.extend_from_slice(key);
    into.extend_from_slice(value.unwrap_or_default());
}

/// Writes the head of a batch into the room that was left for it.
pub(crate) fn write_head(payload: &mut [u8], base: Offset, appended_at: LogTime, span: u32, count: u32) {
    payload[..8].copy_from_slice(&base.get().to_le_bytes());
    payload[8..16].copy_from_slice(&appended_at.ms().to_le_bytes());
    payload[16..20].copy_from_slice(&span.to_le_bytes());
    payload[20..HEAD_BYTES].copy_from_slice(&count.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_batch_reads_back_and_its_cuts_do_not() {
        let mut payload = vec![0; HEAD_BYTES];
        push_record(&mut payload, 0, b"key", Some(b"value"));
        push_record(&mut payload, 4, b"gone", None);
        write_head(&mut payload, Offset::new(7).unwrap(), LogTime::from_ms(9).unwrap(), 5, 2);
        let batch = Batch::read(&payload).unwrap();
        let seen: Vec<_> = batch
            .entries()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.offset.get(), batch.key_and_value(&entry)))
            .collect();
        assert_eq!(seen, [(7, (&b"key"[..], Some(&b"value"[..]))), (11, (b"gone", None))]);
        assert_eq!((batch.end.get(), batch.appended_at.ms()), (12, 9));
        for len in HEAD_BYTES..payload.len() {
            assert!(Batch::read(&payload[..len]).unwrap().entries().any(|entry| entry.is_none()), "{len}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(batch) = Batch::read(&bytes) {
                for entry in batch.entries().flatten() {
                    let _read = batch.key_and_value(&entry);
                }
            }
        }
    }
}
