//! Writing a run: rows come in key order, the file is durable when `finish` returns.

use tally_disk::{Disk, DiskFile, segment::checksum};

use super::{
    FOOTER_BYTES, MAGIC, RunFacts,
    block::{BLOCK_BYTES, BlockBuilder},
    file_name,
    filter::{Filter, fingerprint},
    pack::pack,
};
use crate::{
    error::{Doing, StoreError},
    keyspace::{Keyspace, to_u64},
};

/// Handed to the system at once.
const WRITE_BYTES: usize = 1 << 20;
/// A long file is synced as it grows, so that its end does not stall everything.
const SYNC_BYTES: u64 = 32 << 20;
const WRITING: &str = "writing a run of the state";

/// A run that is being written. Dropped unfinished, it leaves a file that no manifest names.
#[derive(Debug)]
pub(crate) struct RunWriter<F> {
    keyspace: Keyspace,
    keyspace_number: u32,
    number: u64,
    file: F,
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
    block: BlockBuilder,
    directory: Vec<u8>,
    blocks: u64,
    filter: Filter,
    rows: u64,
    ages: Option<(i32, i32)>,
}

impl<F: DiskFile> RunWriter<F> {
    /// Begins the file; `rows_max` sizes the filter.
    pub(crate) fn create<D: Disk<File = F>>(
        disk: &D,
        number: u64,
        (keyspace_number, keyspace): (u32, Keyspace),
        rows_max: u64,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            keyspace,
            keyspace_number,
            number,
            file: disk.create(&file_name(number)).doing(WRITING)?,
            buffer: Vec::with_capacity(WRITE_BYTES + 2 * BLOCK_BYTES),
            written: 0,
            synced: 0,
            block: BlockBuilder::default(),
            directory: Vec::new(),
            blocks: 0,
            filter: Filter::for_rows(rows_max, keyspace.filter_bits),
            rows: 0,
            ages: None,
        })
    }

    /// The number that names the file.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Adds a row, value as stored; keys must rise.
    pub(crate) fn push(&mut self, key: &[u8], stored: &[u8]) -> Result<(), StoreError> {
        let packs = self.keyspace.value_bytes.is_some();
        self.block.push(key, |into| if packs { pack(stored, into) } else { into.extend_from_slice(stored) });
        self.pushed(key, stored)
    }

    /// Adds a row whose value comes from another run and stays packed.
    pub(crate) fn push_packed(&mut self, key: &[u8], packed: &[u8]) -> Result<(), StoreError> {
        self.block.push(key, |into| into.extend_from_slice(packed));
        self.pushed(key, packed)
    }

    /// Ends the file and makes its bytes durable. Its name is durable after a sync of the directory.
    pub(crate) fn finish(mut self) -> Result<RunFacts, StoreError> {
        self.close_block();
        let directory_at = self.position();
        self.buffer.extend_from_slice(&self.directory);
        let filter_at = self.position();
        let filter = self.filter.bytes();
        self.flush()?;
        self.file.append(&filter).doing(WRITING)?;
        self.written += to_u64(filter.len());
        let footer = self.footer(directory_at, filter_at, checksum(&filter));
        self.file.append(&footer).doing(WRITING)?;
        self.file.sync().doing(WRITING)?;
        Ok(RunFacts {
            number: self.number,
            file_bytes: self.written + to_u64(footer.len()),
            rows: self.rows,
            ages: self.ages.unwrap_or((0, 0)),
            footer_sum: checksum(&footer),
        })
    }

    fn pushed(&mut self, key: &[u8], tail: &[u8]) -> Result<(), StoreError> {
        if self.keyspace.filter_bits > 0 {
            self.filter.insert(fingerprint(&self.keyspace, key));
        }
        let age = self.keyspace.age(key, tail);
        let (least, greatest) = self.ages.unwrap_or((age, age));
        self.ages = Some((least.min(age), greatest.max(age)));
        self.rows += 1;
        if self.block.bytes() >= BLOCK_BYTES {
            self.close_block();
        }
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
            self.sync_as_it_grows()?;
        }
        Ok(())
    }

    fn close_block(&mut self) {
        if !self.block.is_empty() {
            self.directory.extend_from_slice(&self.position().to_le_bytes());
            self.directory.extend_from_slice(self.block.first_key(self.keyspace.key_bytes));
            self.blocks += 1;
            self.block.finish(&mut self.buffer);
        }
    }

    fn position(&self) -> u64 {
        self.written + to_u64(self.buffer.len())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.file.append(&self.buffer).doing(WRITING)?;
        self.written = self.position();
        self.buffer.clear();
        Ok(())
    }

    fn sync_as_it_grows(&mut self) -> Result<(), StoreError> {
        if self.written - self.synced >= SYNC_BYTES {
            self.file.sync().doing(WRITING)?;
            self.synced = self.written;
        }
        Ok(())
    }

    fn footer(&self, directory_at: u64, filter_at: u64, filter_sum: u32) -> Vec<u8> {
        let (least, greatest) = self.ages.unwrap_or((0, 0));
        let mut footer = Vec::with_capacity(FOOTER_BYTES);
        footer.extend_from_slice(&MAGIC);
        for number in [self.rows, self.blocks, directory_at, filter_at] {
            footer.extend_from_slice(&number.to_le_bytes());
        }
        footer.extend_from_slice(&least.to_le_bytes());
        footer.extend_from_slice(&greatest.to_le_bytes());
        for number in [checksum(&self.directory), filter_sum, self.keyspace_number] {
            footer.extend_from_slice(&number.to_le_bytes());
        }
        let sum = checksum(&footer);
        footer.extend_from_slice(&sum.to_le_bytes());
        debug_assert_eq!(footer.len(), FOOTER_BYTES, "the footer's size is part of the format");
        footer
    }
}
