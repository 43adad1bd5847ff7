//! Bytes → lines, holding at most one line of bounded length, however long lines are.

/// Greatest length of a line that is held; a longer one is passed over and reported.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// A line of a file, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Held.
    Whole(&'a [u8]),
    /// Longer than the bound: only its length is known.
    TooLong {
        /// Length in bytes, without its end.
        bytes: u64,
    },
}

/// Cuts what it is given into lines. Positions are bytes from the start of the file.
#[derive(Debug)]
pub struct Lines {
    bound: usize,
    /// Where the next byte that is pushed lies.
    position: u64,
    /// Where the unfinished line starts.
    start: u64,
    /// The unfinished line, unless it is too long to hold.
    held: Vec<u8>,
    too_long: bool,
}

impl Lines {
    /// Begins at a line's start, `position` bytes into the file.
    #[must_use]
    pub const fn starting_at(position: u64) -> Self {
        Self::bounded(position, LINE_BYTES_MAX)
    }

    const fn bounded(position: u64, bound: usize) -> Self {
        Self { bound, position, start: position, held: Vec::new(), too_long: false }
    }

    /// Where the line starts that has no end yet: reading may resume here.
    #[must_use]
    pub const fn unfinished_from(&self) -> u64 {
        self.start
    }

    /// Takes the next bytes of the file; gives every line that ends in them, with its start.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(u64, Line<'_>)) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            let rest = rest.get(1..).expect("the line end was found here");
            self.position = self.position.saturating_add(length(line));
            if self.held.is_empty() && !self.too_long && line.len() <= self.bound {
                each(self.start, Line::Whole(without_return(line)));
            } else {
                self.hold(line);
                self.give(&mut each);
            }
            self.position = self.position.saturating_add(1);
            self.begin();
            bytes = rest;
        }
        self.hold(bytes);
        self.position = self.position.saturating_add(length(bytes));
    }

    /// The file ends here: gives the line that has no end, if there is one.
    pub fn finish(&mut self, mut each: impl FnMut(u64, Line<'_>)) {
        if self.position > self.start {
            self.give(&mut each);
            self.begin();
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        self.too_long |= self.held.len().saturating_add(bytes.len()) > self.bound;
        if self.too_long {
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(bytes);
        }
    }

    fn give(&self, each: &mut impl FnMut(u64, Line<'_>)) {
        if self.too_long {
            each(self.start, Line::TooLong { bytes: self.position.saturating_sub(self.start) });
        } else {
            each(self.start, Line::Whole(without_return(&self.held)));
        }
    }

    fn begin(&mut self) {
        self.start = self.position;
        self.held.clear();
        self.too_long = false;
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("memory is smaller than 2^64")
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests;
