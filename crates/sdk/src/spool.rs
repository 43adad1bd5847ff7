//! The spool: events on disk until Tally has them.
//!
//! ```text
//! <spool_dir>/producer                    32 hexadecimal digits, made once
//!             <epoch>.lock                held by the process whose epoch it is
//!             <epoch>-00000001.events     lines: checksum, space, JSON
//! ```
//! Whoever can take another epoch's lock finds a dead process, and sends what it left.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tally_domain::{Epoch, Hash128, ProducerId};

/// A file that has grown to this is sealed and another begun.
const FILE_BYTES: u64 = 1 << 20;
const EVENTS: &str = "events";
const LOCK: &str = "lock";

/// The spool of one process: its own files, and those that dead processes left.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
    epoch: Epoch,
    /// Held for as long as this process lives.
    _own: File,
    /// Held until everything of them is sent.
    adopted: Vec<(PathBuf, File)>,
    /// Sealed, oldest first.
    sealed: VecDeque<PathBuf>,
    open: Option<Writing>,
    files: u32,
    /// How far the oldest file was read and sent.
    sent_bytes: u64,
    bytes: u64,
    bytes_max: u64,
}

#[derive(Debug)]
struct Writing {
    path: PathBuf,
    file: File,
    /// Whole, durable lines.
    bytes: u64,
}

/// Lines read from the oldest file.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) lines: Vec<String>,
    /// Lines whose checksum does not hold: what a dying process tore.
    pub(crate) damaged: u64,
    /// Where the file is to be read on.
    next: u64,
    /// Nothing follows in a file that is no longer written.
    last: bool,
}

impl Chunk {
    /// True when there is nothing to send and nothing to clear away.
    pub(crate) fn is_nothing(&self) -> bool {
        self.lines.is_empty() && self.damaged == 0 && !self.last
    }
}

/// The producer of a spool directory: the same for every process that uses it.
pub(crate) fn producer(dir: &Path) -> io::Result<ProducerId> {
    fs::create_dir_all(dir)?;
    let path = dir.join("producer");
    if !path.exists() {
        // Written whole under another name first: two processes may start at once, and either's will do.
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        let draft = dir.join(format!("producer.{}", Hash128(bytes)));
        let mut file = File::create_new(&draft)?;
        file.write_all(Hash128(bytes).to_string().as_bytes())?;
        file.sync_data()?;
        match fs::hard_link(&draft, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        fs::remove_file(&draft)?;
        File::open(dir)?.sync_all()?;
    }
    let text = fs::read_to_string(&path)?;
    text.trim().parse().map_err(|error| {
        io::Error::other(format!("{}: {error}; remove this file, another one is made", path.display()))
    })
}

impl Spool {
    /// Takes a directory into use, and what dead processes left in it.
    pub(crate) fn open(dir: &Path, epoch: Epoch, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let own = lock_own(dir, epoch)?;
        let mut spool = Self {
            dir: dir.to_owned(),
            epoch,
            _own: own,
            adopted: Vec::new(),
            sealed: VecDeque::new(),
            open: None,
            files: 0,
            sent_bytes: 0,
            bytes: 0,
            bytes_max,
        };
        spool.adopt()?;
        Ok(spool)
    }

    /// Takes over what processes left that have died.
    pub(crate) fn adopt(&mut self) -> io::Result<()> {
        for path in names(&self.dir, LOCK)? {
            let mine = stem(&path) == format!("{:016x}", self.epoch.0);
            if mine || self.adopted.iter().any(|(adopted, _)| *adopted == path) {
                continue;
            }
            // A live process holds its lock, and sends its own.
            let Some(held) = lock(&path)? else { continue };
            if self.sent_bytes > 0 && self.sealed.is_empty() {
                // What is half sent stays the oldest.
                self.seal();
            }
            for file in
                names(&self.dir, EVENTS)?.into_iter().filter(|file| stem(file).starts_with(&stem(&path)))
            {
                self.bytes += fs::metadata(&file)?.len();
                self.sealed.push_back(file);
            }
            self.adopted.push((path, held));
        }
        self.release();
        Ok(())
    }

    /// Adds lines, durably, or none of them.
    pub(crate) fn push(&mut self, lines: &[String]) -> io::Result<()> {
        let mut text = String::new();
        for line in lines {
            writeln!(text, "{:08x} {line}", crc_fast::crc32_iscsi(line.as_bytes()))
                .expect("a String takes whatever is written");
        }
        let len = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if self.bytes + len > self.bytes_max {
            return Err(io::Error::other(format!(
                "the spool holds {} bytes, {} are allowed",
                self.bytes, self.bytes_max
            )));
        }
        let writing = self.writing()?;
        let written = writing.file.write_all(text.as_bytes()).and_then(|()| writing.file.sync_data());
        if let Err(error) = written {
            // Half a line must not stay before the next one; if even that fails, its checksum tells.
            let _cut = writing.file.set_len(writing.bytes);
            self.seal();
            return Err(error);
        }
        writing.bytes += len;
        let full = writing.bytes >= FILE_BYTES;
        self.bytes += len;
        if full {
            self.seal();
        }
        Ok(())
    }

    fn writing(&mut self) -> io::Result<&mut Writing> {
        if self.open.is_none() {
            self.files += 1;
            let path = self.dir.join(format!("{:016x}-{:08}.{EVENTS}", self.epoch.0, self.files));
            let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
            File::open(&self.dir)?.sync_all()?;
            self.open = Some(Writing { path, file, bytes: 0 });
        }
        Ok(self.open.as_mut().expect("it was just made"))
    }

    fn seal(&mut self) {
        if let Some(writing) = self.open.take() {
            self.sealed.push_back(writing.path);
        }
    }

    /// The next lines to be sent, oldest first; the same ones until [`Self::done`].
    pub(crate) fn next(&self, events_max: usize, bytes_max: usize) -> io::Result<Chunk> {
        let (path, end) = match (self.sealed.front(), &self.open) {
            (Some(path), _) => (path, u64::MAX),
            (None, Some(writing)) => (&writing.path, writing.bytes),
            (None, None) => return Ok(Chunk::default()),
        };
        let mut chunk = Chunk { next: self.sent_bytes, ..Chunk::default() };
        let mut file = match File::open(path) {
            Ok(file) => file,
            // Somebody cleared the spool away: there is nothing left to send of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Chunk { last: true, ..chunk });
            }
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(self.sent_bytes))?;
        let mut reader = BufReader::new(file);
        let (mut text, mut bytes) = (Vec::new(), 0);
        while chunk.next < end && chunk.lines.len() < events_max && bytes < bytes_max {
            text.clear();
            let read = reader.read_until(b'\n', &mut text)?;
            if read == 0 {
                chunk.last = true;
                break;
            }
            chunk.next += u64::try_from(read).unwrap_or(u64::MAX);
            bytes += read;
            match checked(&text) {
                Some(line) => chunk.lines.push(line),
                None => chunk.damaged += 1,
            }
        }
        Ok(chunk)
    }

    /// What [`Self::next`] gave is done with; a file of which nothing is left goes.
    pub(crate) fn done(&mut self, chunk: &Chunk) -> io::Result<()> {
        self.bytes = self.bytes.saturating_sub(chunk.next - self.sent_bytes);
        self.sent_bytes = chunk.next;
        match self.sealed.front() {
            Some(path) if chunk.last => {
                remove(path)?;
                let _sent = self.sealed.pop_front();
                self.sent_bytes = 0;
                self.release();
            }
            // Somebody removed the open file: what comes next begins another.
            None if chunk.last => {
                self.open = None;
                self.sent_bytes = 0;
            }
            // All of the open file is sent: it need not be sent again after a restart.
            None if self.open.as_ref().is_some_and(|writing| writing.bytes == self.sent_bytes) => {
                let writing = self.open.take().expect("it was just seen");
                remove(&writing.path)?;
                self.sent_bytes = 0;
            }
            _ => {}
        }
        Ok(())
    }

    /// Lets go of dead processes of which everything is sent.
    fn release(&mut self) {
        let sealed = &self.sealed;
        self.adopted.retain(|(path, _)| {
            let left = sealed.iter().any(|file| stem(file).starts_with(&stem(path)));
            if !left {
                // Best effort: an empty lock file is taken and removed by the next process.
                let _removed = fs::remove_file(path);
            }
            left
        });
    }

    /// Whether nothing waits in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.sealed.is_empty() && self.open.as_ref().is_none_or(|writing| writing.bytes == self.sent_bytes)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let own = format!("{:016x}", self.epoch.0);
        let left =
            names(&self.dir, EVENTS).map(|files| files.iter().any(|file| stem(file).starts_with(&own)));
        if matches!(left, Ok(false)) {
            // Nobody has to look after this epoch any more. Best effort: the next process would remove it too.
            let _removed = fs::remove_file(self.dir.join(format!("{own}.{LOCK}")));
        }
    }
}

/// The line, if its checksum holds.
fn checked(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text.strip_suffix(b"\n")?).ok()?;
    let (sum, line) = text.split_once(' ')?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    (crc_fast::crc32_iscsi(line.as_bytes()) == sum).then(|| line.to_owned())
}

/// Takes the lock of a new epoch. It is locked before it has its name: a process that looks for dead ones must not
/// find it free.
fn lock_own(dir: &Path, epoch: Epoch) -> io::Result<File> {
    let path = dir.join(format!("{:016x}.{LOCK}", epoch.0));
    let draft = path.with_extension("new");
    let held = lock(&draft)?.ok_or_else(|| io::Error::other("another process has the same epoch"))?;
    fs::rename(&draft, &path)?;
    Ok(held)
}

/// The lock, or `None` if a live process holds it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The files of a kind, by name.
fn names(dir: &Path, kind: &str) -> io::Result<Vec<PathBuf>> {
    let entries: io::Result<Vec<_>> = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect();
    let mut paths = entries?;
    paths.retain(|path| path.extension().is_some_and(|found| found == kind));
    paths.sort();
    Ok(paths)
}

/// The name without its kind.
fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
