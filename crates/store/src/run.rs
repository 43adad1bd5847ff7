//! An immutable, sorted, checksummed file of rows of one keyspace.
//!
//! ```text
//! run     = block … · directory · filter · footer (64 bytes)
//! block   = crc32c (4) · rows (2) · keys · end of each value (2 each) · values, packed
//! directory = position of each block (8) and its first key
//! footer  = magic (8) · rows (8) · blocks (8) · directory at (8) · filter at (8) · ages (4 + 4)
//!           · crc32c of directory (4) · of filter (4) · keyspace number (4) · crc32c of the footer (4)
//! ```
//! Every byte lies under a checksum, and what is read is checked. Directory and filter are kept in memory.

pub(crate) mod block;
pub(crate) mod cursor;
pub(crate) mod filter;
pub(crate) mod pack;
pub(crate) mod read;
pub(crate) mod write;

pub(crate) use cursor::Cursor;
pub(crate) use read::{Probe, Run};
pub(crate) use write::RunWriter;

/// The first bytes of every footer; the last is the format's number.
const MAGIC: [u8; 8] = *b"tallyrn\x01";
const FOOTER_BYTES: usize = 64;

/// What the manifest and the footer say of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunFacts {
    /// Names the file; never given twice.
    pub(crate) number: u64,
    pub(crate) file_bytes: u64,
    pub(crate) rows: u64,
    /// Least and greatest of what horizons are held against (see [`crate::Expiry`]); 0 where nothing expires.
    pub(crate) ages: (i32, i32),
    /// Checksum of the footer: a swapped file is not taken for this one.
    pub(crate) footer_sum: u32,
}

/// The file of a run.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:012}.run")
}
