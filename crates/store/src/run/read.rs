//! Opening a run and finding keys in it.

use tally_disk::{Disk, DiskFile, Kind, segment::checksum};

use super::{
    FOOTER_BYTES, MAGIC, RunFacts,
    block::Block,
    file_name,
    filter::{Filter, fingerprint},
    pack::unpack,
};
use crate::{
    error::{Doing, StoreError},
    keyspace::{Keyspace, to_u64, to_usize},
};

const READING: &str = "reading a run of the state";

/// An open run: its directory and filter in memory, its blocks read when asked for.
#[derive(Debug)]
pub(crate) struct Run<F> {
    pub(crate) facts: RunFacts,
    keyspace: Keyspace,
    file: F,
    /// Position of each block, and where the directory begins.
    starts: Vec<u64>,
    /// First key of each block, one after the other.
    first_keys: Vec<u8>,
    filter: Filter,
}

/// The block read last, for sorted sweeps.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    at: Option<usize>,
    block: Block,
}

/// The numbers of a footer.
struct Footer {
    rows: u64,
    blocks: u64,
    directory_at: u64,
    filter_at: u64,
    ages: (i32, i32),
    directory_sum: u32,
    filter_sum: u32,
    keyspace: u32,
}

impl Footer {
    /// `None` if these are not the bytes of a footer.
    fn read(bytes: &[u8; FOOTER_BYTES]) -> Option<Self> {
        let long = |at: usize| bytes[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let word = |at: usize| bytes[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let signed = |at: usize| bytes[at..].first_chunk().map(|bytes| i32::from_le_bytes(*bytes));
        let sound = bytes.starts_with(&MAGIC) && word(60) == Some(checksum(&bytes[..60]));
        sound.then_some(())?;
        Some(Self {
            rows: long(8)?,
            blocks: long(16)?,
            directory_at: long(24)?,
            filter_at: long(32)?,
            ages: (signed(40)?, signed(44)?),
            directory_sum: word(48)?,
            filter_sum: word(52)?,
            keyspace: word(56)?,
        })
    }
}

impl<F: DiskFile> Run<F> {
    /// Opens the run that the manifest speaks of and checks all but its blocks.
    pub(crate) fn open<D: Disk<File = F>>(
        disk: &D,
        (keyspace_number, keyspace): (u32, Keyspace),
        facts: RunFacts,
    ) -> Result<Self, StoreError> {
        let name = file_name(facts.number);
        let file = disk.open(&name).map_err(|source| match source.kind {
            Kind::NotFound => StoreError::Missing { path: disk.show(&name) },
            _ => StoreError::Disk { doing: READING, source },
        })?;
        let footer = read_footer(&file, &facts)?;
        if (footer.rows, footer.ages, footer.keyspace) != (facts.rows, facts.ages, keyspace_number) {
            return Err(damaged(
                &file,
                facts.file_bytes - to_u64(FOOTER_BYTES),
                "its footer contradicts the manifest",
            ));
        }
        let directory =
            section(&file, footer.directory_at..footer.filter_at, footer.directory_sum, "its directory")?;
        let filter_end = facts.file_bytes - to_u64(FOOTER_BYTES);
        let filter = section(&file, footer.filter_at..filter_end, footer.filter_sum, "its filter")?;
        let entry = 8 + keyspace.key_bytes;
        if to_u64(directory.len()) != footer.blocks.saturating_mul(to_u64(entry)) {
            return Err(damaged(
                &file,
                footer.directory_at,
                "its directory has another length than its blocks",
            ));
        }
        let mut starts: Vec<u64> = directory.chunks_exact(entry).filter_map(start_of).collect();
        starts.push(footer.directory_at);
        let first_keys = directory.chunks_exact(entry).flat_map(|entry| &entry[8..]).copied().collect();
        let filter = Filter::from_bytes(&filter)
            .ok_or_else(|| damaged(&file, footer.filter_at, "its filter is not whole"))?;
        Ok(Self { facts, keyspace, file, starts, first_keys, filter })
    }

    /// Bytes that it keeps in memory: directory and filter.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.starts.len() * 8 + self.first_keys.len() + self.filter_bytes()
    }

    fn filter_bytes(&self) -> usize {
        self.filter.bytes_len()
    }

    pub(crate) fn blocks(&self) -> usize {
        self.starts.len() - 1
    }

    /// False only if the run does not have the key.
    pub(crate) fn may_have(&self, key: &[u8]) -> bool {
        self.keyspace.filter_bits == 0 || self.filter.may_have(fingerprint(&self.keyspace, key))
    }

    /// Unpacks the stored value of `key` into `stored`; false if the run does not have the key.
    pub(crate) fn get(
        &self,
        key: &[u8],
        probe: &mut Probe,
        stored: &mut Vec<u8>,
    ) -> Result<bool, StoreError> {
        let Some(at) = self.block_before(key) else { return Ok(false) };
        if probe.at != Some(at) {
            probe.at = None;
            probe.block = self.block(at)?;
            probe.at = Some(at);
        }
        let Ok(row) = probe.block.search(key) else { return Ok(false) };
        self.unpack(at, probe.block.packed(row), stored)?;
        Ok(true)
    }

    /// Unpacks a value of block `at`.
    pub(crate) fn unpack(&self, at: usize, packed: &[u8], stored: &mut Vec<u8>) -> Result<(), StoreError> {
        stored.clear();
        match self.keyspace.stored_bytes() {
            None => stored.extend_from_slice(packed),
            Some(bytes) => {
                stored.resize(bytes, 0);
                if !unpack(packed, stored) {
                    return Err(damaged(&self.file, self.starts[at], "a value does not unpack"));
                }
            }
        }
        Ok(())
    }

    /// The last block whose first key is not behind `key`; `None` if the run begins behind it.
    pub(crate) fn block_before(&self, key: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, self.blocks());
        while low < high {
            let middle = low.midpoint(high);
            if self.first_key(middle) <= key { low = middle + 1 } else { high = middle }
        }
        low.checked_sub(1)
    }

    fn first_key(&self, block: usize) -> &[u8] {
        let start = block * self.keyspace.key_bytes;
        &self.first_keys[start..start + self.keyspace.key_bytes]
    }

    /// Reads and checks a block.
    pub(crate) fn block(&self, at: usize) -> Result<Block, StoreError> {
        let (start, end) = (self.starts[at], self.starts[at + 1]);
        let mut bytes = vec![0; to_usize(end - start)];
        self.file.read_exact_at(start, &mut bytes).doing(READING)?;
        self.check(at, bytes)
    }

    /// Reads the blocks from `at` on, up to about `bytes` of them, in one go.
    pub(crate) fn blocks_from(&self, at: usize, bytes: u64) -> Result<Vec<Block>, StoreError> {
        let start = self.starts[at];
        let count = self.starts[at + 1..].iter().take_while(|&&end| end - start <= bytes).count().max(1);
        let ends = &self.starts[at + 1..=at + count];
        let mut all = vec![0; to_usize(ends[count - 1] - start)];
        self.file.read_exact_at(start, &mut all).doing(READING)?;
        let mut from = 0;
        let cut = ends.iter().enumerate().map(|(n, &end)| {
            let end = to_usize(end - start);
            let bytes = all[from..end].to_vec();
            from = end;
            self.check(at + n, bytes)
        });
        cut.collect()
    }

    fn check(&self, at: usize, bytes: Vec<u8>) -> Result<Block, StoreError> {
        Block::check(bytes, self.keyspace.key_bytes)
            .map_err(|what| damaged(&self.file, self.starts[at], &format!("block {at}: {what}")))
    }
}

fn start_of(entry: &[u8]) -> Option<u64> {
    entry.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn read_footer<F: DiskFile>(file: &F, facts: &RunFacts) -> Result<Footer, StoreError> {
    let len = file.len().doing(READING)?;
    if len != facts.file_bytes {
        return Err(damaged(
            file,
            len.min(facts.file_bytes),
            &format!("it has {len} bytes, not {}", facts.file_bytes),
        ));
    }
    let at = len.saturating_sub(to_u64(FOOTER_BYTES));
    let mut bytes = [0; FOOTER_BYTES];
    file.read_exact_at(at, &mut bytes).doing(READING)?;
    let footer = Footer::read(&bytes)
        .filter(|footer| footer.directory_at <= footer.filter_at && footer.filter_at <= at);
    match footer {
        Some(footer) if checksum(&bytes) == facts.footer_sum => Ok(footer),
        _ => Err(damaged(file, at, "its footer is not the one that was written")),
    }
}

fn section<F: DiskFile>(
    file: &F,
    at: std::ops::Range<u64>,
    sum: u32,
    what: &str,
) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![0; to_usize(at.end - at.start)];
    file.read_exact_at(at.start, &mut bytes).doing(READING)?;
    if checksum(&bytes) == sum {
        Ok(bytes)
    } else {
        Err(damaged(file, at.start, &format!("{what} fails its checksum")))
    }
}

fn damaged<F: DiskFile>(file: &F, position: u64, what: &str) -> StoreError {
    StoreError::Damaged { path: file.path().to_owned(), position, what: what.to_owned() }
}
