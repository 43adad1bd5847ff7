//! Bytes of the fold's own state: varints for values, big-endian fixed widths for keys, so that keys sort
//! as what they mean.

use tally_domain::event::{DimsRef, Unsplit};
use tally_domain::{Dims, Hash128, Usage, View};

/// Bytes of a checkpoint that are not what this program writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "reading {what} of a checkpoint: the bytes end early or hold a value that was never written; \
     restore the partition's directory from a copy, or remove it so that it is folded anew"
)]
pub struct Damaged {
    /// Which part.
    pub what: &'static str,
}

/// Appends an unsigned number, 7 bits a byte, low ones first.
pub(crate) fn put_u64(to: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = (value & 0x7f).to_le_bytes();
        value >>= 7;
        if value == 0 {
            to.push(low);
            return;
        }
        to.push(low | 0x80);
    }
}

/// Appends a signed number, zigzag.
pub(crate) fn put_i64(to: &mut Vec<u8>, value: i64) {
    put_u64(to, (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
}

/// Appends a length and the bytes.
pub(crate) fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(to, u64::try_from(bytes.len()).expect("lengths in memory fit a u64"));
    to.extend_from_slice(bytes);
}

/// Appends the nine lanes.
pub(crate) fn put_usage(to: &mut Vec<u8>, usage: &Usage) {
    usage.lanes().iter().for_each(|&lane| put_i64(to, lane));
}

/// Appends dims; equal dims and no others give equal bytes.
pub(crate) fn put_dims(to: &mut Vec<u8>, dims: DimsRef<'_>) {
    to.extend_from_slice(&[dims.view.code(), dims.unsplit.0]);
    for text in [dims.model, dims.tool, dims.service_tier, dims.region] {
        put_bytes(to, text.as_bytes());
    }
}

/// Reads what the functions above wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }
    pub(crate) fn damaged(&self) -> Damaged {
        Damaged { what: self.what }
    }
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(self.damaged())?;
        self.rest = rest;
        Ok(head)
    }
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let damaged = self.damaged();
        self.take(N)?.try_into().map_err(|_| damaged)
    }
    pub(crate) fn u8(&mut self) -> Result<u8, Damaged> {
        self.array::<1>().map(|[byte]| byte)
    }
    pub(crate) fn fixed_u32(&mut self) -> Result<u32, Damaged> {
        self.array().map(u32::from_be_bytes)
    }
    pub(crate) fn hash(&mut self) -> Result<Hash128, Damaged> {
        self.array().map(Hash128)
    }
    pub(crate) fn u64(&mut self) -> Result<u64, Damaged> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            let moved = bits << shift;
            if moved >> shift != bits {
                return Err(self.damaged());
            }
            value |= moved;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.damaged())
    }
    pub(crate) fn i64(&mut self) -> Result<i64, Damaged> {
        let value = self.u64()?;
        Ok((value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg())
    }
    pub(crate) fn u32(&mut self) -> Result<u32, Damaged> {
        self.u64()?.try_into().map_err(|_| self.damaged())
    }
    pub(crate) fn i32(&mut self) -> Result<i32, Damaged> {
        self.i64()?.try_into().map_err(|_| self.damaged())
    }
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = usize::try_from(self.u64()?).map_err(|_| self.damaged())?;
        self.take(length)
    }
    pub(crate) fn text(&mut self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| self.damaged())
    }
    pub(crate) fn usage(&mut self) -> Result<Usage, Damaged> {
        let mut lanes = [0; tally_domain::usage::LANES];
        for lane in &mut lanes {
            *lane = self.i64()?;
        }
        Ok(Usage::from_lanes(lanes))
    }
    pub(crate) fn dims(&mut self) -> Result<Dims, Damaged> {
        let view = View::from_code(self.u8()?).ok_or(self.damaged())?;
        let unsplit = Unsplit(self.u8()?);
        let mut text = || self.text().map(str::to_owned);
        let (model, tool, service_tier, region) = (text()?, text()?, text()?, text()?);
        Ok(Dims { model, tool, view, service_tier, region, unsplit })
    }
    pub(crate) fn end(&self) -> Result<(), Damaged> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.damaged()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_read_back(signed: i64, unsigned: u64) {
            let mut bytes = Vec::new();
            put_i64(&mut bytes, signed);
            put_u64(&mut bytes, unsigned);
            let mut reader = Reader::new(&bytes, "numbers");
            prop_assert_eq!((reader.i64(), reader.u64(), reader.end()), (Ok(signed), Ok(unsigned), Ok(())));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes, "anything");
            while reader.end().is_err() && reader.i64().is_ok() {}
            drop(Reader::new(&bytes, "dims").dims());
        }
    }
}
