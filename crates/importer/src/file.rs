//! One file, plain or compressed, as lines.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tally_sources::lines::{Line, Lines};

use crate::positions::Position;

const CHUNK_BYTES: usize = 1 << 18;

/// A file that is being read.
pub(crate) struct Open {
    pub(crate) path: PathBuf,
    from: Box<dyn Read + Send>,
    lines: Lines,
    /// What the file was when it was opened.
    now: Position,
    chunk: Vec<u8>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open")
            .field("path", &self.path)
            .field("at", &self.lines.unfinished_from())
            .finish_non_exhaustive()
    }
}

/// Whether there is more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    Yes,
    No,
}

pub(crate) fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

impl Open {
    /// Opens a file `from` a position; a compressed one is unpacked up to there again.
    pub(crate) fn at(path: &Path, from: u64, now: Position) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let reader: Box<dyn Read + Send> = if is_compressed(path) {
            let mut unpacked = flate2::read::MultiGzDecoder::new(file);
            io::copy(&mut unpacked.by_ref().take(from), &mut io::sink())?;
            Box::new(unpacked)
        } else {
            file.seek(SeekFrom::Start(from))?;
            Box::new(file)
        };
        Ok(Self {
            path: path.to_owned(),
            from: reader,
            lines: Lines::starting_at(from),
            now,
            chunk: vec![0; CHUNK_BYTES],
        })
    }

    /// Reads the next piece; gives its lines with their starts.
    pub(crate) fn read(&mut self, each: impl FnMut(u64, Line<'_>)) -> io::Result<(u64, More)> {
        let bytes = self.from.read(&mut self.chunk)?;
        let piece = self.chunk.get(..bytes).expect("a read fills at most the buffer");
        self.lines.push(piece, each);
        let bytes = u64::try_from(bytes).expect("a chunk is small");
        Ok((bytes, if bytes == 0 { More::No } else { More::Yes }))
    }

    /// Gives the last line, when it has no end.
    pub(crate) fn finish(&mut self, each: impl FnMut(u64, Line<'_>)) {
        self.lines.finish(each);
    }

    /// True when no line of it is waiting for its end: a compressed file is not written on.
    pub(crate) fn is_complete(&self) -> bool {
        is_compressed(&self.path) || self.lines.unfinished_from() >= self.now.length
    }

    /// Up to where every line was given whole: a last line without an end is read again when it has one.
    pub(crate) fn position(&self) -> Position {
        self.now.at(self.lines.unfinished_from())
    }
}
