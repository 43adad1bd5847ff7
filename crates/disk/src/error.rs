//! What a disk refuses: the operation, the path, the cause, and what to do about it.

use std::{fmt, io};

/// What was being done when the disk refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening the root of the tree.
    Root,
    /// Creating a file that must not exist yet.
    Create,
    /// Opening a file that must exist.
    Open,
    /// Listing a directory.
    List,
    /// Giving a file another name.
    Rename,
    /// Removing a file.
    Remove,
    /// Making a directory.
    MakeDir,
    /// Making the names of a directory durable.
    SyncDir,
    /// Taking a lock file.
    Lock,
    /// Asking for free space.
    FreeSpace,
    /// Appending bytes.
    Append,
    /// Reading bytes at a position.
    Read,
    /// Asking for a length.
    Length,
    /// Making bytes durable.
    Sync,
    /// Cutting a file.
    Truncate,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "opening the root directory",
            Self::Create => "creating",
            Self::Open => "opening",
            Self::List => "listing",
            Self::Rename => "renaming",
            Self::Remove => "removing",
            Self::MakeDir => "making the directory",
            Self::SyncDir => "syncing the directory",
            Self::Lock => "locking",
            Self::FreeSpace => "asking for the free space of",
            Self::Append => "appending to",
            Self::Read => "reading",
            Self::Length => "asking for the length of",
            Self::Sync => "syncing",
            Self::Truncate => "truncating",
        })
    }
}

/// The causes that callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no such file or directory.
    NotFound,
    /// There is one already.
    Exists,
    /// No space left, or the quota is used up.
    Full,
    /// The user may not do this.
    Permission,
    /// The file system is mounted read-only.
    ReadOnly,
    /// Another process, or another handle of this one, holds the lock.
    Locked,
    /// The file ends before the bytes that were asked for.
    Short,
    /// Too many open files.
    TooManyFiles,
    /// The simulated machine has crashed; nothing works until it is restarted.
    Crashed,
    /// Anything else: the device, most likely.
    Other,
}

impl Kind {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::AlreadyExists => Self::Exists,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full
            }
            io::ErrorKind::PermissionDenied => Self::Permission,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::WouldBlock => Self::Locked,
            io::ErrorKind::UnexpectedEof => Self::Short,
            // EMFILE and ENFILE have no kind of their own yet.
            _ if matches!(error.raw_os_error(), Some(23 | 24)) => Self::TooManyFiles,
            _ => Self::Other,
        }
    }

    /// What to do about it, as the end of a message; empty where nothing general can be said.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Full => {
                "; free space on this volume, or move the data directory to a larger one, then start again"
            }
            Self::Permission => "; give the user that runs tally read and write access to it",
            Self::ReadOnly => {
                "; remount the volume writable: a kernel does this after device errors, see its log"
            }
            Self::Locked => "; another tally process uses this directory: stop it, or attach to it",
            Self::TooManyFiles => "; raise the limit of open files (ulimit -n) for the user that runs tally",
            Self::Other => "; see the kernel log for errors of the device",
            Self::NotFound | Self::Exists | Self::Short | Self::Crashed => "",
        }
    }
}

/// A refused operation. Its message names operation, path, cause and remedy.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {path}: {source}{}", .kind.remedy())]
pub struct DiskError {
    /// What was being done.
    pub operation: Operation,
    /// To which path, as the user would find it.
    pub path: String,
    /// Which of the causes that callers tell apart.
    pub kind: Kind,
    /// What the system said.
    pub source: io::Error,
}

impl DiskError {
    /// An error of the system, with its kind derived.
    #[must_use]
    pub fn new(operation: Operation, path: impl Into<String>, source: io::Error) -> Self {
        Self { operation, path: path.into(), kind: Kind::of(&source), source }
    }

    /// An error this crate found itself.
    pub(crate) fn of(operation: Operation, path: impl Into<String>, kind: Kind, cause: &str) -> Self {
        Self { operation, path: path.into(), kind, source: io::Error::other(cause.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_operation_path_cause_and_remedy() {
        let error = DiskError::new(Operation::Append, "data/p3/log", io::ErrorKind::StorageFull.into());
        assert_eq!(
            error.to_string(),
            "appending to data/p3/log: no storage space; free space on this volume, or move the data directory \
             to a larger one, then start again"
        );
        assert_eq!(error.kind, Kind::Full);
    }
}
