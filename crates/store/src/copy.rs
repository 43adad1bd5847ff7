//! Taking a committed state elsewhere, and bringing one in, file by file. What the files say is nobody's business here:
//! a state is its runs, and then its manifest.

use tally_disk::{Disk, DiskFile};
use tally_domain::Version;

use crate::{
    engine::{Engine, Ours, enter, ours},
    error::{Doing, StoreError},
    manifest::{self, Manifest},
    run::file_name,
};

const TAKING: &str = "taking a copy of the state";
const BRINGING: &str = "bringing in a copied state";

/// A file of a committed state. It is open: what a later commit removes can be read to its end.
#[derive(Debug)]
pub struct CommittedFile<F> {
    /// In the directory of the state. Among the states of one life of a store, a run's name is never given twice; a
    /// manifest's always is.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its bytes.
    pub file: F,
}

impl<F> CommittedFile<F> {
    /// Whether it is the manifest.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        self.name == manifest::NAME
    }
}

/// The last committed state. It may be read by another thread, while the store goes on.
#[derive(Debug)]
pub struct Committed<F> {
    /// Of the fold.
    pub version: Version,
    /// Its runs, and the manifest behind them: the order in which they are to be brought in.
    pub files: Vec<CommittedFile<F>>,
}

impl<D: Disk> Engine<D> {
    /// The last committed state, `None` where nothing was ever committed. `version` reads the version from its meta
    /// blob, which is that of who opened the engine.
    ///
    /// # Errors
    /// When its files cannot be opened, or `version` fails.
    pub fn committed(
        &self,
        version: impl FnOnce(&[u8]) -> Result<Version, StoreError>,
    ) -> Result<Option<Committed<D::File>>, StoreError> {
        let keyspaces: Vec<_> = self.tables.iter().map(|table| table.keyspace).collect();
        // What is in memory may be merged already: the manifest says what is committed.
        let Some(manifest) = Manifest::load(&self.disk, &keyspaces)? else { return Ok(None) };
        let runs = manifest.keyspaces.iter().flat_map(|listed| &listed.runs);
        let names = runs.map(|run| file_name(run.number)).chain([manifest::NAME.to_owned()]);
        let opened = names.map(|name| {
            let file = self.disk.open(&name).doing(TAKING)?;
            Ok(CommittedFile { bytes: file.len().doing(TAKING)?, name, file })
        });
        let files = opened.collect::<Result<_, StoreError>>()?;
        Ok(Some(Committed { version: version(&manifest.meta)?, files }))
    }
}

/// A state on its way into a directory. Until it is finished there is no state, whatever becomes of it; then all of it.
#[derive(Debug)]
pub struct Incoming<D: Disk> {
    disk: D,
    _lock: D::Lock,
}

impl<D: Disk> Incoming<D> {
    /// Prepares a directory, and holds it. What an attempt that was cut off left there is removed.
    ///
    /// # Errors
    /// [`StoreError::Occupied`] when there is a state; when the directory is held by another.
    pub fn begin(disk: &D, dir: &str) -> Result<Self, StoreError> {
        let (disk, lock) = enter(disk, dir)?;
        let names = disk.list("").doing(BRINGING)?;
        if names.iter().any(|name| name == manifest::NAME) {
            return Err(StoreError::Occupied { path: disk.show("") });
        }
        for name in names.iter().filter(|name| ours(name).is_some()) {
            disk.remove(name).doing(BRINGING)?;
        }
        Ok(Self { disk, _lock: lock })
    }

    /// A new file for the bytes of [`CommittedFile::name`]; sync it once it has them.
    ///
    /// # Errors
    /// [`StoreError::NotOurs`] for a name that no store gives; when the disk refuses.
    pub fn create(&self, name: &str) -> Result<D::File, StoreError> {
        let known =
            name == manifest::NAME || matches!(ours(name), Some(Ours::Run(n)) if file_name(n) == name);
        if !known {
            return Err(StoreError::NotOurs { path: self.disk.show(""), name: name.to_owned() });
        }
        let name = if name == manifest::NAME { manifest::NEW_NAME } else { name };
        self.disk.create(name).doing(BRINGING)
    }

    /// Makes it the state of the directory, which may then be opened.
    ///
    /// # Errors
    /// When there is no manifest, or the disk refuses: then there is no state, or this one.
    pub fn finish(self) -> Result<(), StoreError> {
        // The names of runs must be durable before a manifest can name them.
        self.disk.sync_dir("").doing(BRINGING)?;
        self.disk.rename(manifest::NEW_NAME, manifest::NAME).doing(BRINGING)?;
        self.disk.sync_dir("").doing(BRINGING)
    }
}
