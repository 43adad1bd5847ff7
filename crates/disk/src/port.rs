//! The port: a directory tree, and files that are appended to, read by position and synced.

use std::fmt::Debug;

use crate::error::{DiskError, Kind, Operation};

/// A directory tree rooted somewhere. A handle is cheap to clone, and clones see the same tree.
///
/// Paths are relative to the root, `/`-separated, never empty except for the root itself (`""`).
/// Nothing is durable before it is synced: the bytes of a file by [`DiskFile::sync`], and its *name*
/// (created, renamed, removed) by [`Disk::sync_dir`] of the directory that holds it.
pub trait Disk: Clone + Debug + Send + Sync + 'static {
    /// An open file.
    type File: DiskFile;
    /// Holds a lock until dropped, or until the process dies.
    type Lock: Debug + Send + Sync + 'static;

    /// The tree below `dir`, which need not exist yet.
    #[must_use]
    fn at(&self, dir: &str) -> Self;

    /// `path` as the user would find it, for messages.
    fn show(&self, path: &str) -> String;

    /// A new, empty file, open for appending and reading.
    ///
    /// # Errors
    /// [`Kind::Exists`] if the name is taken; the directory must exist.
    fn create(&self, path: &str) -> Result<Self::File, DiskError>;

    /// An existing file, open for appending and reading.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is none.
    fn open(&self, path: &str) -> Result<Self::File, DiskError>;

    /// The names in a directory, files and directories alike, sorted by bytes.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such directory.
    fn list(&self, dir: &str) -> Result<Vec<String>, DiskError>;

    /// Gives a file another name, replacing what had it. Readers see one file or the other, also after a crash.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if `from` does not exist.
    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError>;

    /// Removes a file. Handles that are open keep reading it.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is none.
    fn remove(&self, path: &str) -> Result<(), DiskError>;

    /// Makes a directory and those above it; fine if it exists. Its name is durable after `sync_dir` of its parent.
    ///
    /// # Errors
    /// [`Kind::Exists`] if a file has the name.
    fn make_dir(&self, dir: &str) -> Result<(), DiskError>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such directory.
    fn sync_dir(&self, dir: &str) -> Result<(), DiskError>;

    /// Takes the lock file at `path`, making it if need be, without waiting.
    ///
    /// # Errors
    /// [`Kind::Locked`] if anyone holds it, this process included.
    fn lock(&self, path: &str) -> Result<Self::Lock, DiskError>;

    /// Bytes that can still be written, as far as the system tells.
    ///
    /// # Errors
    /// Whatever the system refuses.
    fn free_bytes(&self) -> Result<u64, DiskError>;
}

/// An open file. It grows at its end only; readers may share it.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// The path as the user would find it, for messages.
    fn path(&self) -> &str;

    /// Adds bytes at the end. After an error any prefix of them may be in the file.
    ///
    /// # Errors
    /// [`Kind::Full`] when they do not fit.
    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError>;

    /// Reads from `offset` until `into` is full or the file ends; says how many bytes it read.
    ///
    /// # Errors
    /// Whatever the device refuses.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError>;

    /// Bytes in the file.
    ///
    /// # Errors
    /// Whatever the system refuses.
    fn len(&self) -> Result<u64, DiskError>;

    /// Makes the bytes durable (not the name: see [`Disk::sync_dir`]).
    ///
    /// # Errors
    /// After an error nobody knows which bytes are durable, and a second sync may lie: write a new file.
    fn sync(&mut self) -> Result<(), DiskError>;

    /// Cuts the file to `len` bytes, at most its length.
    ///
    /// # Errors
    /// Whatever the system refuses.
    fn truncate(&mut self, len: u64) -> Result<(), DiskError>;

    /// Whether there are no bytes.
    ///
    /// # Errors
    /// Whatever the system refuses.
    fn is_empty(&self) -> Result<bool, DiskError> {
        Ok(self.len()? == 0)
    }

    /// Fills `into` from `offset`.
    ///
    /// # Errors
    /// [`Kind::Short`] if the file ends before that.
    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let read = self.read_at(offset, into)?;
        if read == into.len() {
            return Ok(());
        }
        let cause =
            format!("the file ends {read} bytes after position {offset}, where {} are wanted", into.len());
        Err(DiskError::of(Operation::Read, self.path(), Kind::Short, &cause))
    }
}
