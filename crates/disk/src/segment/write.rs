//! Appending frames, and knowing how far they are durable.

use super::{PAYLOAD_BYTES_MAX, checksum, to_u64};
use crate::{error::DiskError, port::DiskFile};

/// Adds one frame to `into`. `unsynced`: bytes of the file before this frame that are not known to be durable.
///
/// # Panics
/// If the payload is longer than [`PAYLOAD_BYTES_MAX`].
pub fn push_frame(into: &mut Vec<u8>, payload: &[u8], unsynced: u32) {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX, "a payload of {} bytes is above the limit", payload.len());
    let start = into.len();
    let len = u32::try_from(payload.len()).expect("the limit fits 32 bits");
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(&len.to_le_bytes());
    into.extend_from_slice(&unsynced.to_le_bytes());
    into.extend_from_slice(payload);
    let sum = checksum(&into[start + 4..]);
    into[start..start + 4].copy_from_slice(&sum.to_le_bytes());
}

/// Writes frames at the end of a file: `push` collects, `flush` hands to the system, `sync` makes durable.
#[derive(Debug)]
pub struct FrameWriter<F> {
    file: F,
    buffer: Vec<u8>,
    /// Bytes of the file, the buffer not included.
    written: u64,
    durable: u64,
}

impl<F: DiskFile> FrameWriter<F> {
    /// Goes on at the end of a file, which is `durable` as it is (a new file, or one that was just synced).
    ///
    /// # Errors
    /// When the length cannot be read.
    pub fn new(file: F) -> Result<Self, DiskError> {
        let written = file.len()?;
        Ok(Self { file, buffer: Vec::new(), written, durable: written })
    }

    /// Collects a frame and says at which position of the file it will begin.
    pub fn push(&mut self, payload: &[u8]) -> u64 {
        let at = self.position();
        // More than 4 GiB without a sync would say less than is true; then damage there reads as a torn tail.
        let unsynced = u32::try_from(at - self.durable).unwrap_or(u32::MAX);
        push_frame(&mut self.buffer, payload, unsynced);
        at
    }

    /// Where the next frame will begin.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.written + to_u64(self.buffer.len())
    }

    /// Everything before this position is durable.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Hands what was collected to the system.
    ///
    /// # Errors
    /// After one, any prefix may be in the file: [`FrameWriter::give_up`], or read the file again.
    pub fn flush(&mut self) -> Result<(), DiskError> {
        if !self.buffer.is_empty() {
            self.file.append(&self.buffer)?;
            self.written = self.position();
            self.buffer.clear();
        }
        Ok(())
    }

    /// Flushes and makes all of it durable.
    ///
    /// # Errors
    /// After a failed sync nobody knows what is durable: go on in a new file.
    pub fn sync(&mut self) -> Result<(), DiskError> {
        self.flush()?;
        if self.durable < self.written {
            self.file.sync()?;
            self.durable = self.written;
        }
        Ok(())
    }

    /// Takes back what was not made durable, after a full disk for instance, and makes that certain.
    ///
    /// # Errors
    /// When the file cannot be cut; then it must not be written further.
    pub fn give_up(&mut self) -> Result<(), DiskError> {
        self.buffer.clear();
        self.file.truncate(self.durable)?;
        self.file.sync()?;
        self.written = self.durable;
        Ok(())
    }

    /// The file, for reading.
    pub fn file(&self) -> &F {
        &self.file
    }
}
