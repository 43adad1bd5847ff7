//! ClickHouse's own compressed blocks, as `decompress=1` sends and `compress=1` receives them.
//!
//! ```text
//! 16 bytes  CityHash128 (of ClickHouse's old version) over all that follows
//!  1 byte   method: 0x82 LZ4, 0x90 ZSTD, 0x02 none
//!  4 bytes  compressed size, these nine bytes included, little-endian
//!  4 bytes  uncompressed size, little-endian
//!           data
//! ```
//! A body is any number of such blocks.

use std::io::{self, Read};

pub(crate) mod encoding;
#[cfg(test)]
mod tests;

const CHECKSUM: usize = 16;
const HEADER: usize = 9;
/// ClickHouse's own limit of a block (`DBMS_MAX_COMPRESSED_SIZE`).
const MAX_BLOCK: usize = 0x4000_0000;
const LZ4: u8 = 0x82;
const ZSTD: u8 = 0x90;
const NONE: u8 = 0x02;

fn bad(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn size_at(header: &[u8], at: usize) -> io::Result<usize> {
    let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    let size =
        u32::from_le_bytes(bytes.ok_or_else(|| bad("a block header of less than 25 bytes".to_owned()))?);
    usize::try_from(size).map_err(|_| bad(format!("a block of {size} bytes")))
}

/// ClickHouse's checksum of a block, as its sixteen bytes on the wire.
fn checksum(data: &[u8]) -> [u8; CHECKSUM] {
    let hash = cityhash_rs::cityhash_102_128(data);
    // The high half goes first, each half little-endian.
    hash.rotate_left(64).to_le_bytes()
}

/// Reads a body of blocks as the bytes inside.
pub(crate) struct BlockReader<R> {
    inner: R,
    block: Vec<u8>,
    at: usize,
    count: u64,
}

impl<R: Read> BlockReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, block: Vec::new(), at: 0, count: 0 }
    }

    /// Reads the next block; `false` at a clean end.
    fn next_block(&mut self) -> io::Result<bool> {
        let mut head = [0_u8; CHECKSUM + HEADER];
        let got = read_full(&mut self.inner, &mut head)?;
        if got == 0 {
            return Ok(false);
        }
        if got < head.len() {
            return Err(bad(format!("compressed block {} ends within its header", self.count)));
        }
        let (sum, header) = head.split_at(CHECKSUM);
        let (compressed, uncompressed) = (size_at(header, 1)?, size_at(header, 5)?);
        if !(HEADER..=MAX_BLOCK).contains(&compressed) || uncompressed > MAX_BLOCK {
            return Err(bad(format!(
                "compressed block {} claims {compressed} and {uncompressed} bytes",
                self.count
            )));
        }
        let mut data = header.to_vec();
        let body = u64::try_from(compressed - HEADER).map_err(|e| bad(e.to_string()))?;
        self.inner.by_ref().take(body).read_to_end(&mut data)?;
        if data.len() < compressed {
            return Err(bad(format!(
                "compressed block {} ends after {} of {compressed} bytes",
                self.count,
                data.len()
            )));
        }
        if checksum(&data) != sum {
            return Err(bad(format!("the checksum of compressed block {} does not match", self.count)));
        }
        self.block = expand(&data, uncompressed)?;
        self.at = 0;
        self.count += 1;
        Ok(true)
    }
}

fn expand(data: &[u8], uncompressed: usize) -> io::Result<Vec<u8>> {
    let (method, body) = (data.first().copied().unwrap_or(0), data.get(HEADER..).unwrap_or_default());
    let expanded = match method {
        LZ4 => {
            lz4_flex::block::decompress(body, uncompressed).map_err(|e| bad(format!("an LZ4 block: {e}")))?
        }
        ZSTD => zstd::bulk::decompress(body, uncompressed)?,
        NONE => body.to_vec(),
        other => {
            return Err(bad(format!(
                "unknown compression method {other:#04x}; known are LZ4, ZSTD and none"
            )));
        }
    };
    if expanded.len() == uncompressed {
        Ok(expanded)
    } else {
        Err(bad(format!("a block of {} bytes that claimed {uncompressed}", expanded.len())))
    }
}

/// Fills `buffer` as far as the input goes.
fn read_full(inner: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match inner.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

impl<R: Read> Read for BlockReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let rest = self.block.get(self.at..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.at += length;
        Ok(length)
    }
}

/// Writes `data` as one LZ4 block.
pub(crate) fn write_block(data: &[u8], out: &mut Vec<u8>) {
    let body = lz4_flex::block::compress(data);
    let size = |bytes: usize| u32::try_from(bytes).expect("blocks are cut at a mebibyte").to_le_bytes();
    let mut block = vec![LZ4];
    block.extend_from_slice(&size(body.len() + HEADER));
    block.extend_from_slice(&size(data.len()));
    block.extend_from_slice(&body);
    out.extend_from_slice(&checksum(&block));
    out.extend_from_slice(&block);
}
