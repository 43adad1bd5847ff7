//! Reading frames, and telling a torn tail from rot.

use super::{HEADER_BYTES, PAYLOAD_BYTES_MAX, checksum, to_u64};
use crate::{error::DiskError, port::DiskFile};

/// How much is read from the file at once.
const READ_BYTES: usize = 256 << 10;

/// What stands at a position of a file of frames.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Step<'a> {
    /// A good frame.
    Frame {
        /// Where it begins.
        at: u64,
        /// Where the next one begins.
        next: u64,
        /// What it carries.
        payload: &'a [u8],
    },
    /// The file, or the part that was asked for, ends here, cleanly.
    End {
        /// The position of the end.
        at: u64,
    },
    /// The rest was being written when the machine or process died, and was never acknowledged: cut here.
    Torn {
        /// Where the good frames end.
        at: u64,
        /// How many bytes follow.
        lost_bytes: u64,
    },
    /// A frame that was once durable fails its checksum. The file is damaged and must not be used further.
    Rotten {
        /// Where the damaged frame begins.
        at: u64,
        /// Where the next good frame begins.
        next_good: u64,
    },
}

/// Reads frames in order. After anything but [`Step::Frame`] it stays where it is.
#[derive(Debug)]
pub struct FrameReader<'f, F> {
    file: &'f F,
    /// The position of the file that `buffer[0]` stands for.
    base: u64,
    buffer: Vec<u8>,
    /// The next frame begins at `buffer[used]`.
    used: usize,
    /// Nothing at or behind this position is read.
    end: u64,
}

/// A frame header that was read, and may lie.
struct Header {
    sum: u32,
    payload_bytes: usize,
    unsynced: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let payload_bytes = usize::try_from(word(4)?).ok()?;
        (payload_bytes <= PAYLOAD_BYTES_MAX).then_some(Self {
            sum: word(0)?,
            payload_bytes,
            unsynced: word(8)?,
        })
    }

    fn frame_bytes(&self) -> usize {
        HEADER_BYTES + self.payload_bytes
    }
}

impl<'f, F: DiskFile> FrameReader<'f, F> {
    /// Reads from `from` to the present end of the file.
    ///
    /// # Errors
    /// When the length cannot be read.
    pub fn new(file: &'f F, from: u64) -> Result<Self, DiskError> {
        Ok(Self::until(file, from, file.len()?))
    }

    /// Reads from `from` to `end` only: to the durable end, say.
    pub fn until(file: &'f F, from: u64, end: u64) -> Self {
        Self { file, base: from, buffer: Vec::new(), used: 0, end: end.max(from) }
    }

    /// Where the next frame begins.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.base + to_u64(self.used)
    }

    /// The next frame, or why there is none.
    ///
    /// # Errors
    /// When the file cannot be read.
    #[expect(clippy::should_implement_trait, reason = "a frame borrows the reader's buffer: no Iterator can")]
    pub fn next(&mut self) -> Result<Step<'_>, DiskError> {
        let at = self.position();
        if at == self.end {
            return Ok(Step::End { at });
        }
        let Some(frame_bytes) = self.good_frame()? else { return self.judge(at) };
        let start = self.used;
        self.used += frame_bytes;
        Ok(Step::Frame {
            at,
            next: self.position(),
            payload: &self.buffer[start + HEADER_BYTES..start + frame_bytes],
        })
    }

    /// The size of the frame that begins here, if it is whole and its checksum holds.
    fn good_frame(&mut self) -> Result<Option<usize>, DiskError> {
        if !self.have(HEADER_BYTES)? {
            return Ok(None);
        }
        let Some(header) = Header::read(&self.buffer[self.used..]) else { return Ok(None) };
        if !self.have(header.frame_bytes())? {
            return Ok(None);
        }
        let frame = &self.buffer[self.used..self.used + header.frame_bytes()];
        Ok((checksum(&frame[4..]) == header.sum).then_some(header.frame_bytes()))
    }

    /// Makes `bytes` bytes from the present position available, unless the end comes first.
    fn have(&mut self, bytes: usize) -> Result<bool, DiskError> {
        if self.buffer.len() - self.used >= bytes {
            return Ok(true);
        }
        let position = self.position();
        if self.end - position < to_u64(bytes) {
            return Ok(false);
        }
        self.buffer.drain(..self.used);
        self.base = position;
        self.used = 0;
        let kept = self.buffer.len();
        let left = usize::try_from(self.end - position).unwrap_or(usize::MAX);
        self.buffer.resize(bytes.max(READ_BYTES).min(left), 0);
        let read = self.file.read_at(position + to_u64(kept), &mut self.buffer[kept..])?;
        self.buffer.truncate(kept + read);
        Ok(self.buffer.len() >= bytes)
    }

    /// A frame fails at `at`: torn, unless a good one behind it knew it to be durable.
    fn judge(&self, at: u64) -> Result<Step<'static>, DiskError> {
        let mut rest = vec![0; usize::try_from(self.end - at).unwrap_or(usize::MAX)];
        let read = self.file.read_at(at, &mut rest)?;
        rest.truncate(read);
        let mut start = 1;
        while start + HEADER_BYTES <= rest.len() {
            let Some(header) = good(&rest[start..]) else {
                start += 1;
                continue;
            };
            let next_good = at + to_u64(start);
            if next_good - u64::from(header.unsynced).min(next_good) > at {
                return Ok(Step::Rotten { at, next_good });
            }
            start += header.frame_bytes();
        }
        Ok(Step::Torn { at, lost_bytes: self.end - at })
    }
}

/// The header of the frame that `bytes` begin with, if it is good.
fn good(bytes: &[u8]) -> Option<Header> {
    let header = Header::read(bytes)?;
    let frame = bytes.get(..header.frame_bytes())?;
    (checksum(frame.get(4..)?) == header.sum).then_some(header)
}
