//! Walking one run in key order.

use std::{collections::VecDeque, sync::Arc};

use tally_disk::DiskFile;

use super::{block::Block, read::Run};
use crate::error::StoreError;

/// Read at once when walking.
const READ_BYTES: u64 = 128 << 10;

/// A place in a run. Owns its run, so that a merge can outlive the list it came from.
#[derive(Debug)]
pub(crate) struct Cursor<F> {
    run: Arc<Run<F>>,
    ahead: VecDeque<Block>,
    /// The number of the block at the front of `ahead`.
    at: usize,
    row: usize,
}

impl<F: DiskFile> Cursor<F> {
    /// At the first row whose key is not before `from`.
    pub(crate) fn seek(run: Arc<Run<F>>, from: &[u8]) -> Result<Self, StoreError> {
        let at = run.block_before(from).unwrap_or(0);
        let mut cursor = Self { run, ahead: VecDeque::new(), at, row: 0 };
        cursor.fill()?;
        if let Some(block) = cursor.ahead.front() {
            cursor.row = block.search(from).unwrap_or_else(|row| row);
            cursor.settle()?;
        }
        Ok(cursor)
    }

    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.ahead.front().map(|block| block.key(self.row))
    }

    /// The packed value; empty at the end.
    pub(crate) fn packed(&self) -> &[u8] {
        self.ahead.front().map_or(&[], |block| block.packed(self.row))
    }

    /// The stored value.
    pub(crate) fn stored(&self, into: &mut Vec<u8>) -> Result<(), StoreError> {
        self.run.unpack(self.at, self.packed(), into)
    }

    /// Unpacks a value that came from a run of the same keyspace.
    pub(crate) fn unpack(&self, packed: &[u8], into: &mut Vec<u8>) -> Result<(), StoreError> {
        self.run.unpack(self.at.min(self.run.blocks()), packed, into)
    }

    pub(crate) fn step(&mut self) -> Result<(), StoreError> {
        self.row += 1;
        self.settle()
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        if self.ahead.front().is_some_and(|block| self.row >= block.rows()) {
            let _done = self.ahead.pop_front();
            self.at += 1;
            self.row = 0;
            self.fill()?;
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        if self.ahead.is_empty() && self.at < self.run.blocks() {
            self.ahead = self.run.blocks_from(self.at, READ_BYTES)?.into();
        }
        Ok(())
    }
}
