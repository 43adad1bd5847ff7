//! Why the store could not do what was asked, and what to do about it.

use tally_disk::DiskError;

/// A refusal of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused; nothing was switched, and the same commit may be tried again.
    #[error("{doing}: {source}")]
    Disk {
        /// What the store was doing.
        doing: &'static str,
        /// What the disk said.
        source: DiskError,
    },
    /// A file is not what was written.
    #[error(
        "the state file {path} is damaged at byte {position}: {what}; restore the partition's directory from a \
         copy, or remove it so that the state is folded again from the log"
    )]
    Damaged {
        /// The file.
        path: String,
        /// Where the damage was met.
        position: u64,
        /// What is wrong there.
        what: String,
    },
    /// A file that the manifest names is gone.
    #[error(
        "the state file {path} is missing though the manifest names it; restore the partition's directory from \
         a copy, or remove it so that the state is folded again from the log"
    )]
    Missing {
        /// The file.
        path: String,
    },
    /// The directory was written by a program with other keyspaces.
    #[error(
        "the state in {path} has the keyspace layout {found}, this program has {expected}; run the version that \
         wrote it, or remove the directory so that the state is folded again from the log"
    )]
    Layout {
        /// The manifest.
        path: String,
        /// Its layout.
        found: String,
        /// Ours.
        expected: String,
    },
    /// A state is to be brought in where there is one.
    #[error(
        "bringing in a copied state: {path} holds a state already; open that one, or remove the directory to have \
         the copy instead"
    )]
    Occupied {
        /// The directory.
        path: String,
    },
    /// A copied state names a file that no store writes.
    #[error(
        "bringing in a copied state to {path}: {name:?} is no file of a state; look at who wrote the copy"
    )]
    NotOurs {
        /// The directory.
        path: String,
        /// The name.
        name: String,
    },
    /// A sum left the range of a 64-bit integer.
    #[error("adding to a row of {keyspace} with key {key:02x?}: the sum leaves 64 bits")]
    Overflow {
        /// Which keyspace.
        keyspace: &'static str,
        /// Which row.
        key: Vec<u8>,
    },
    /// A value does not fit a block.
    #[error("putting a value of {bytes} bytes into {keyspace}: at most {most} fit")]
    TooLong {
        /// Which keyspace.
        keyspace: &'static str,
        /// Length of the value.
        bytes: usize,
        /// The longest that fits.
        most: usize,
    },
    /// The fold does not take up what was committed.
    #[error("taking up the state in {path}: {source}")]
    Restore {
        /// The directory.
        path: String,
        /// What the fold said.
        source: tally_fold::RestoreError,
    },
}

/// Says what the store was doing when the disk refused.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, DiskError> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Disk { doing, source })
    }
}
