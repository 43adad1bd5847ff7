//! The real disk: `std::fs` with positioned reads, errors that keep path and operation.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    error::{DiskError, Kind, Operation},
    port::{Disk, DiskFile},
};

/// A directory of the operating system.
#[derive(Clone, Debug)]
pub struct OsDisk {
    root: Arc<Path>,
}

impl OsDisk {
    /// The tree below `root`, which is made, durably, if it does not exist.
    ///
    /// # Errors
    /// When the directory cannot be made or is a file.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, DiskError> {
        let root: PathBuf = root.into();
        let refused = |e| DiskError::new(Operation::Root, root.display().to_string(), e);
        fs::create_dir_all(&root).map_err(refused)?;
        let root = root.canonicalize().map_err(refused)?;
        if let Some(parent) = root.parent() {
            // Best effort: the parent may belong to someone else, and then it is theirs to keep.
            let _synced = File::open(parent).and_then(|dir| dir.sync_all());
        }
        Ok(Self { root: root.into() })
    }

    /// Where the tree begins.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn refused(&self, operation: Operation, path: &str) -> impl FnOnce(io::Error) -> DiskError {
        let path = self.show(path);
        move |e| DiskError::new(operation, path, e)
    }

    fn file(&self, operation: Operation, path: &str, options: &OpenOptions) -> Result<OsFile, DiskError> {
        let file = options.open(self.root.join(path)).map_err(self.refused(operation, path))?;
        Ok(OsFile { file, path: self.show(path).into() })
    }
}

impl Disk for OsDisk {
    type File = OsFile;
    type Lock = OsLock;

    fn at(&self, dir: &str) -> Self {
        Self { root: self.root.join(dir).into() }
    }

    fn show(&self, path: &str) -> String {
        if path.is_empty() {
            self.root.display().to_string()
        } else {
            self.root.join(path).display().to_string()
        }
    }

    fn create(&self, path: &str) -> Result<OsFile, DiskError> {
        self.file(Operation::Create, path, OpenOptions::new().read(true).append(true).create_new(true))
    }

    fn open(&self, path: &str) -> Result<OsFile, DiskError> {
        self.file(Operation::Open, path, OpenOptions::new().read(true).append(true))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, DiskError> {
        let names = |entries: fs::ReadDir| -> io::Result<Vec<String>> {
            entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
        };
        let mut found =
            fs::read_dir(self.root.join(dir)).and_then(names).map_err(self.refused(Operation::List, dir))?;
        found.sort_unstable();
        Ok(found)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        fs::rename(self.root.join(from), self.root.join(to)).map_err(self.refused(Operation::Rename, from))
    }

    fn remove(&self, path: &str) -> Result<(), DiskError> {
        fs::remove_file(self.root.join(path)).map_err(self.refused(Operation::Remove, path))
    }

    fn make_dir(&self, dir: &str) -> Result<(), DiskError> {
        fs::create_dir_all(self.root.join(dir)).map_err(self.refused(Operation::MakeDir, dir))
    }

    fn sync_dir(&self, dir: &str) -> Result<(), DiskError> {
        File::open(self.root.join(dir))
            .and_then(|dir| dir.sync_all())
            .map_err(self.refused(Operation::SyncDir, dir))
    }

    fn lock(&self, path: &str) -> Result<OsLock, DiskError> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).to_owned();
        let OsFile { file, path } = self.file(Operation::Lock, path, &options)?;
        match file.try_lock() {
            Ok(()) => Ok(OsLock { _held: file }),
            Err(TryLockError::WouldBlock) => {
                Err(DiskError::of(Operation::Lock, &*path, Kind::Locked, "it is held"))
            }
            Err(TryLockError::Error(e)) => Err(DiskError::new(Operation::Lock, &*path, e)),
        }
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        let found = rustix::fs::statvfs(&*self.root)
            .map_err(|e| DiskError::new(Operation::FreeSpace, self.show(""), e.into()))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

/// A file of the operating system.
#[derive(Debug)]
pub struct OsFile {
    file: File,
    path: Arc<str>,
}

impl OsFile {
    fn refused(&self, operation: Operation) -> impl FnOnce(io::Error) -> DiskError + '_ {
        move |e| DiskError::new(operation, &*self.path, e)
    }
}

impl DiskFile for OsFile {
    fn path(&self) -> &str {
        &self.path
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        (&self.file).write_all(bytes).map_err(self.refused(Operation::Append))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let mut read = 0;
        while read < into.len() {
            let at = offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            match self.file.read_at(&mut into[read..], at) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.refused(Operation::Read)(e)),
            }
        }
        Ok(read)
    }

    fn len(&self) -> Result<u64, DiskError> {
        Ok(self.file.metadata().map_err(self.refused(Operation::Length))?.len())
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(self.refused(Operation::Sync))
    }

    fn truncate(&mut self, len: u64) -> Result<(), DiskError> {
        self.file.set_len(len).map_err(self.refused(Operation::Truncate))
    }
}

/// Holds an advisory lock until dropped; the kernel lets go when the process dies.
#[derive(Debug)]
pub struct OsLock {
    _held: File,
}
