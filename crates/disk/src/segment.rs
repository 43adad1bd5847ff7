//! Checksummed frames in a file that grows: what the log keeps records in and the store its manifest.
//!
//! ```text
//! frame   = crc32c (4) · payload bytes (4) · unsynced bytes (4) · payload
//! ```
//! All integers are little-endian; the checksum covers everything after itself. *Unsynced bytes* says how much
//! of the file before this frame was not known to be durable when it was written. That settles what a checksum
//! alone cannot: a frame that fails, with a good frame behind it that was written when the failing one was
//! already durable, has **rotted**, and the file must not be used further; any other failing frame was never
//! acknowledged, and is the **torn** tail of a crash, to be cut off.

mod read;
mod write;

pub use read::{FrameReader, Step};
pub use write::{FrameWriter, push_frame};

/// Bytes of a frame besides its payload.
pub const HEADER_BYTES: usize = 12;
/// Longest payload; a length above it is damage.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// The checksum of everything on disk: CRC-32C, in hardware where there is any.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a length fits 64 bits")
}

#[cfg(test)]
mod tests;
