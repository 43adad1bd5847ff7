//! Copying a committed state away: what is not there yet, then the copy that names it; then what nobody needs goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tally_disk::DiskFile;
use tally_domain::Version;
use tally_store::{Committed, CommittedFile};

use crate::contents::{Contents, Hash, Part};
use crate::error::CheckpointError;
use crate::place::{CopyName, Place, pieces};

/// Copies that stay: the newest, and one that was whole when it was the newest.
const COPIES: usize = 2;

/// How long files stay that no copy names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Counted in the store's own time, back from the newest copy. They may be on their way into a copy that another
    /// owner is about to write: longer than any copying takes.
    pub unnamed: Duration,
}

impl Keep {
    /// An hour.
    pub const LONG: Self = Self { unnamed: Duration::from_hours(1) };
}

/// What became of a copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Copied {
    /// The state is there.
    Done {
        /// Files that were not there before.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// Objects that nobody needs any more, and that were removed.
        removed: u64,
    },
    /// A state at least as new was there, and nothing was done.
    Behind {
        /// Its version.
        there: Version,
    },
}

/// Copies the states of one partition away. It belongs to one life of a store, in which a run's name is never given
/// twice: with another life, another copier.
#[derive(Debug)]
pub struct Copier {
    place: Place,
    keep: Keep,
    /// Hashes of the runs of the last state, by name: a run never changes.
    hashed: BTreeMap<String, Hash>,
}

impl Copier {
    pub(crate) fn new(place: Place, keep: Keep) -> Self {
        Self { place, keep, hashed: BTreeMap::new() }
    }

    /// Copies a state. Takes as long as the object store does; the partition may go on meanwhile.
    ///
    /// # Errors
    /// When the store or the disk refuses. What is there then is the copy that was there before, or this one.
    pub fn copy<F: DiskFile>(&mut self, state: &Committed<F>) -> Result<Copied, CheckpointError> {
        let newest = self.place.copies()?.last().map(|copy| copy.version);
        if let Some(there) = newest.filter(|there| *there >= state.version) {
            return Ok(Copied::Behind { there });
        }
        let there = self.place.files()?;
        let mut contents = Contents { files: Vec::with_capacity(state.files.len()) };
        let (mut files, mut bytes) = (0, 0);
        for file in &state.files {
            let hash = self.hash(file)?;
            if there.get(&hash).is_none_or(|there| there.size != file.bytes) {
                self.place.put_file(&hash, &file.file, file.bytes)?;
                files += 1;
                bytes += file.bytes;
            }
            contents.files.push(Part { name: file.name.clone(), bytes: file.bytes, hash });
        }
        self.hashed.retain(|name, _| contents.files.iter().any(|part| part.name == *name));
        let name = self.place.put_copy(state.version, &contents)?;
        let removed = self.remove_unneeded(&name, &contents)?;
        Ok(Copied::Done { files, bytes, removed })
    }

    fn hash<F: DiskFile>(&mut self, file: &CommittedFile<F>) -> Result<Hash, CheckpointError> {
        if let Some(hash) = self.hashed.get(&file.name) {
            return Ok(*hash);
        }
        let mut hasher = blake3::Hasher::new();
        pieces(&file.file, file.bytes, |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        let hash = Hash::from(&hasher.finalize());
        if !file.is_manifest() {
            self.hashed.insert(file.name.clone(), hash);
        }
        Ok(hash)
    }

    /// Removes all but the newest copies, and then the files that these do not name.
    fn remove_unneeded(&self, newest: &CopyName, contents: &Contents) -> Result<u64, CheckpointError> {
        let copies = self.place.copies()?;
        let (old, kept) = copies.split_at(copies.len().saturating_sub(COPIES));
        let mut removed = 0;
        for name in old {
            self.place.remove_copy(name)?;
            removed += 1;
        }
        let mut named: BTreeSet<Hash> = contents.files.iter().map(|part| part.hash).collect();
        for name in kept.iter().filter(|name| *name != newest) {
            match self.place.contents(name) {
                Ok(contents) => named.extend(contents.files.iter().map(|part| part.hash)),
                // Whatever it names is needed, for all we know.
                Err(CheckpointError::Damaged { .. }) => return Ok(removed),
                Err(error) => return Err(error),
            }
        }
        let files = self.place.files()?;
        let now = files.values().map(|meta| meta.last_modified).max();
        for (_, meta) in files.iter().filter(|(hash, _)| !named.contains(*hash)) {
            let age = now.and_then(|now| (now - meta.last_modified).to_std().ok());
            if age.is_some_and(|age| age >= self.keep.unnamed) {
                self.place.remove(&meta.location)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}
