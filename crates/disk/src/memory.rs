//! A disk in memory that is as unkind as a real one may be, and exactly as unkind again from the same seed.
//!
//! A crash ([`MemoryDisk::crash`], or a planned [`Fault::Crash`]) keeps what was synced and draws lots for the
//! rest: each file on its own loses, keeps, tears or perforates its unsynced bytes, each directory loses some of
//! its unsynced names. It fills up ([`MemoryDisk::limit_bytes`]), refuses single operations ([`Fault::Refuse`])
//! and rots ([`MemoryDisk::damage`]).

mod content;
mod random;
mod tree;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    error::{DiskError, Kind, Operation},
    port::{Disk, DiskFile},
};
use tree::{Tree, Verdict};

/// What happens to one operation instead of what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine loses power in the middle of it; every later operation fails until [`MemoryDisk::crash`].
    Crash,
    /// The operation is refused with this cause. An append leaves some of its bytes, a sync syncs nothing.
    Refuse(Kind),
}

/// A disk in memory. Clones see the same disk; [`MemoryDisk::snapshot`] makes another one.
#[derive(Clone, Debug)]
pub struct MemoryDisk {
    tree: Arc<Mutex<Tree>>,
    root: Arc<str>,
}

impl MemoryDisk {
    /// An empty disk whose accidents follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { tree: Arc::new(Mutex::new(Tree::new(seed))), root: "".into() }
    }

    /// Power is lost and comes back: unsynced bytes and names meet their fate, open files and locks are gone,
    /// planned faults are forgotten.
    pub fn crash(&self) {
        self.tree().crash();
    }

    /// How many changing operations (create, append, truncate, sync, rename, remove, `make_dir`, `sync_dir`)
    /// were asked for so far. The next one has this number.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.tree().operations
    }

    /// Plans what happens to the changing operation of that number (see [`MemoryDisk::operations`]).
    pub fn plan(&self, operation: u64, fault: Fault) {
        let _replaced = self.tree().plan.insert(operation, fault);
    }

    /// Whether a planned crash has happened and nobody has restarted the machine yet.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.tree().down
    }

    /// From now on the disk holds `limit` bytes of content at most; `None` lifts the limit.
    pub fn limit_bytes(&self, limit: Option<u64>) {
        self.tree().limit_bytes = limit;
    }

    /// Bytes of content on the disk, files that lost their name unsynced included.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.tree().used_bytes()
    }

    /// Flips the bits of `mask` in one byte of a file, for good. False if the file has no such byte.
    #[must_use]
    pub fn damage(&self, path: &str, offset: u64, mask: u8) -> bool {
        let path = self.full(path);
        self.tree().damage(&path, offset, mask)
    }

    /// An independent disk with the same content, the same unsynced bytes and names, and the same fate ahead.
    /// Files are shared until either side changes them.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { tree: Arc::new(Mutex::new(self.tree().snapshot())), root: Arc::clone(&self.root) }
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        // A panic of a test elsewhere leaves the tree whole: every change is made after its checks.
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn full(&self, path: &str) -> String {
        match (self.root.is_empty(), path.is_empty()) {
            (true, _) => path.to_owned(),
            (_, true) => self.root.to_string(),
            _ => format!("{}/{path}", self.root),
        }
    }

    /// Asks for a changing operation; `act` does it, unless the plan says otherwise. An operation that a
    /// crash interrupts may have been done, unsynced.
    fn change<T>(
        &self,
        operation: Operation,
        path: &str,
        act: impl FnOnce(&mut Tree, &str) -> Result<T, Kind>,
    ) -> Result<T, DiskError> {
        let path = self.full(path);
        let mut tree = self.tree();
        let done = match tree.verdict() {
            Verdict::Proceed => act(&mut tree, &path),
            Verdict::Refuse(kind) => Err(kind),
            Verdict::Down => Err(Kind::Crashed),
            Verdict::Crash => {
                if tree.random.coin() {
                    let _perhaps = act(&mut tree, &path);
                }
                Err(Kind::Crashed)
            }
        };
        done.map_err(|kind| refused(operation, &path, kind))
    }

    fn ask<T>(
        &self,
        operation: Operation,
        path: &str,
        act: impl FnOnce(&mut Tree, &str) -> Result<T, Kind>,
    ) -> Result<T, DiskError> {
        let path = self.full(path);
        let mut tree = self.tree();
        if tree.down {
            return Err(refused(operation, &path, Kind::Crashed));
        }
        act(&mut tree, &path).map_err(|kind| refused(operation, &path, kind))
    }

    fn handle(&self, path: &str, (node, epoch): (u64, u64)) -> MemoryFile {
        MemoryFile { disk: self.clone(), path: self.full(path).into(), node, epoch }
    }
}

impl Disk for MemoryDisk {
    type File = MemoryFile;
    type Lock = MemoryLock;

    fn at(&self, dir: &str) -> Self {
        Self { tree: Arc::clone(&self.tree), root: self.full(dir).into() }
    }

    fn show(&self, path: &str) -> String {
        format!("memory:/{}", self.full(path))
    }

    fn create(&self, path: &str) -> Result<MemoryFile, DiskError> {
        let node = self.change(Operation::Create, path, Tree::create)?;
        Ok(self.handle(path, node))
    }

    fn open(&self, path: &str) -> Result<MemoryFile, DiskError> {
        let node = self.ask(Operation::Open, path, Tree::open)?;
        Ok(self.handle(path, node))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, DiskError> {
        self.ask(Operation::List, dir, |tree, dir| tree.list(dir))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let to = self.full(to);
        self.change(Operation::Rename, from, |tree, from| tree.rename(from, &to))
    }

    fn remove(&self, path: &str) -> Result<(), DiskError> {
        self.change(Operation::Remove, path, Tree::remove)
    }

    fn make_dir(&self, dir: &str) -> Result<(), DiskError> {
        self.change(Operation::MakeDir, dir, Tree::make_dir)
    }

    fn sync_dir(&self, dir: &str) -> Result<(), DiskError> {
        self.change(Operation::SyncDir, dir, Tree::sync_dir)
    }

    fn lock(&self, path: &str) -> Result<MemoryLock, DiskError> {
        let epoch = self.ask(Operation::Lock, path, Tree::lock)?;
        Ok(MemoryLock { disk: self.clone(), path: self.full(path), epoch })
    }

    fn free_bytes(&self) -> Result<u64, DiskError> {
        self.ask(Operation::FreeSpace, "", |tree, _| {
            Ok(tree.limit_bytes.map_or(u64::MAX, |limit| limit.saturating_sub(tree.used_bytes())))
        })
    }
}

/// An open file of a [`MemoryDisk`]; dead after a crash, like the process that held it.
#[derive(Debug)]
pub struct MemoryFile {
    disk: MemoryDisk,
    path: Arc<str>,
    node: u64,
    epoch: u64,
}

impl MemoryFile {
    fn ask<T>(
        &self,
        operation: Operation,
        act: impl FnOnce(&mut Tree) -> Result<T, Kind>,
    ) -> Result<T, DiskError> {
        let mut tree = self.disk.tree();
        let alive = !tree.down && tree.epoch == self.epoch;
        let done = if alive { act(&mut tree) } else { Err(Kind::Crashed) };
        done.map_err(|kind| refused(operation, &self.path, kind))
    }
}

impl DiskFile for MemoryFile {
    fn path(&self) -> &str {
        &self.path
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.ask(Operation::Append, |tree| {
            let stop = match tree.verdict() {
                Verdict::Proceed => None,
                Verdict::Refuse(kind) => Some(kind),
                Verdict::Down | Verdict::Crash => Some(Kind::Crashed),
            };
            tree.append(self.node, bytes, stop)
        })
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.ask(Operation::Read, |tree| Ok(tree.file(self.node).read_at(offset, into)))
    }

    fn len(&self) -> Result<u64, DiskError> {
        self.ask(Operation::Length, |tree| Ok(tree.file(self.node).len()))
    }

    fn sync(&mut self) -> Result<(), DiskError> {
        self.ask(Operation::Sync, |tree| match tree.verdict() {
            Verdict::Proceed => {
                tree.file(self.node).sync();
                Ok(())
            }
            Verdict::Refuse(kind) => Err(kind),
            Verdict::Down | Verdict::Crash => Err(Kind::Crashed),
        })
    }

    fn truncate(&mut self, len: u64) -> Result<(), DiskError> {
        self.ask(Operation::Truncate, |tree| match tree.verdict() {
            Verdict::Proceed => {
                tree.file(self.node).truncate(len);
                Ok(())
            }
            Verdict::Refuse(kind) => Err(kind),
            Verdict::Down | Verdict::Crash => Err(Kind::Crashed),
        })
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let mut tree = self.disk.tree();
        if tree.epoch == self.epoch {
            tree.close(self.node);
        }
    }
}

/// Holds a lock of a [`MemoryDisk`] until dropped.
#[derive(Debug)]
pub struct MemoryLock {
    disk: MemoryDisk,
    path: String,
    epoch: u64,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut tree = self.disk.tree();
        if tree.epoch == self.epoch {
            let _held = tree.locks.remove(&self.path);
        }
    }
}

fn refused(operation: Operation, path: &str, kind: Kind) -> DiskError {
    let source = match kind {
        Kind::NotFound => io::ErrorKind::NotFound.into(),
        Kind::Exists => io::ErrorKind::AlreadyExists.into(),
        Kind::Full => io::ErrorKind::StorageFull.into(),
        Kind::Permission => io::ErrorKind::PermissionDenied.into(),
        Kind::ReadOnly => io::ErrorKind::ReadOnlyFilesystem.into(),
        Kind::Locked => io::Error::other("it is held"),
        Kind::Crashed => io::Error::other("the machine is down"),
        Kind::TooManyFiles => io::Error::other("too many open files"),
        Kind::Short | Kind::Other => io::Error::other("input/output error"),
    };
    DiskError { operation, path: format!("memory:/{path}"), kind, source }
}

#[cfg(test)]
mod tests;
