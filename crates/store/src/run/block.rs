//! A few kilobytes of rows under one checksum.

use tally_disk::segment::checksum;

use crate::keyspace::to_u64;

/// A block is closed when it has this many bytes.
pub(crate) const BLOCK_BYTES: usize = 4 << 10;
const HEADER_BYTES: usize = 6;

/// Collects rows for one block.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    keys: Vec<u8>,
    ends: Vec<u8>,
    values: Vec<u8>,
}

impl BlockBuilder {
    pub(crate) fn push(&mut self, key: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        self.keys.extend_from_slice(key);
        value(&mut self.values);
        let end = u16::try_from(self.values.len()).expect("a block closes long before 64 KiB of values");
        self.ends.extend_from_slice(&end.to_le_bytes());
    }

    pub(crate) fn bytes(&self) -> usize {
        HEADER_BYTES + self.keys.len() + self.ends.len() + self.values.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(crate) fn first_key(&self, key_bytes: usize) -> &[u8] {
        &self.keys[..key_bytes]
    }

    /// Adds the block to `into` and starts the next one.
    pub(crate) fn finish(&mut self, into: &mut Vec<u8>) {
        let start = into.len();
        into.extend_from_slice(&[0; 4]);
        let rows = u16::try_from(self.ends.len() / 2).expect("a block has fewer rows than bytes");
        into.extend_from_slice(&rows.to_le_bytes());
        for part in [&mut self.keys, &mut self.ends, &mut self.values] {
            into.append(part);
        }
        let sum = checksum(&into[start + 4..]);
        into[start..start + 4].copy_from_slice(&sum.to_le_bytes());
    }
}

/// A checked block.
#[derive(Debug, Default)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    rows: usize,
    key_bytes: usize,
}

impl Block {
    /// Takes the bytes of a block, or says what is wrong with them.
    pub(crate) fn check(bytes: Vec<u8>, key_bytes: usize) -> Result<Self, String> {
        let Some((sum, body)) = bytes.split_first_chunk::<4>() else {
            return Err("no block fits".to_owned());
        };
        let (found, expected) = (checksum(body), u32::from_le_bytes(*sum));
        if found != expected {
            return Err(format!(
                "its {} bytes have checksum {found:08x}, not {expected:08x}",
                to_u64(bytes.len())
            ));
        }
        let rows = body.first_chunk::<2>().map_or(0, |rows| usize::from(u16::from_le_bytes(*rows)));
        let block = Self { bytes, rows, key_bytes };
        if block.is_sound() { Ok(block) } else { Err("its row table does not fit its bytes".to_owned()) }
    }

    fn is_sound(&self) -> bool {
        let values = self.values_start();
        let room = self.bytes.len().checked_sub(values);
        self.rows > 0
            && room.is_some_and(|room| {
                let ends = (0..self.rows).map(|row| self.end(row));
                ends.is_sorted() && self.end(self.rows - 1) == room
            })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn key(&self, row: usize) -> &[u8] {
        let start = HEADER_BYTES + row * self.key_bytes;
        &self.bytes[start..start + self.key_bytes]
    }

    pub(crate) fn packed(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.end(row - 1) };
        &self.bytes[self.values_start() + start..self.values_start() + self.end(row)]
    }

    /// The row of `key`, or the first one behind it.
    pub(crate) fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = low.midpoint(high);
            match self.key(middle).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    fn values_start(&self) -> usize {
        HEADER_BYTES + self.rows * (self.key_bytes + 2)
    }

    fn end(&self, row: usize) -> usize {
        let at = HEADER_BYTES + self.rows * self.key_bytes + row * 2;
        usize::from(u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]))
    }
}
