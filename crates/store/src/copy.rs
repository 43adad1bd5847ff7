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
/// Behind the names of files that are to replace those of an older state.
const INCOMING: &str = ".incoming";

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

/// A state on its way into a directory. Until it is finished there is no state, or the older one; then all of it.
#[derive(Debug)]
pub struct Incoming<D: Disk> {
    disk: D,
    /// The files of another state lie there, whose runs may have the same names: these get theirs at the end.
    replaces: bool,
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
        remove(&disk, names.iter().filter(|name| ours(name).is_some()))?;
        Ok(Self { disk, replaces: false, _lock: lock })
    }

    /// The same for a directory with a state, which stays until the new one is there.
    ///
    /// # Errors
    /// When the directory is held by another, or the disk refuses.
    pub fn begin_beside(disk: &D, dir: &str) -> Result<Self, StoreError> {
        let (disk, lock) = enter(disk, dir)?;
        let names = disk.list("").doing(BRINGING)?;
        remove(&disk, names.iter().filter(|name| is_incoming(name)))?;
        Ok(Self { disk, replaces: true, _lock: lock })
    }

    /// A new file for the bytes of [`CommittedFile::name`]; sync it once it has them.
    ///
    /// # Errors
    /// [`StoreError::NotOurs`] for a name that no store gives; when the disk refuses.
    pub fn create(&self, name: &str) -> Result<D::File, StoreError> {
        if !is_of_a_state(name) {
            return Err(StoreError::NotOurs { path: self.disk.show(""), name: name.to_owned() });
        }
        let created = match (self.replaces, name) {
            (true, name) => self.disk.create(&format!("{name}{INCOMING}")),
            (false, manifest::NAME) => self.disk.create(manifest::NEW_NAME),
            (false, run) => self.disk.create(run),
        };
        created.doing(BRINGING)
    }

    /// Makes it the state of the directory, which may then be opened.
    ///
    /// # Errors
    /// When there is no manifest, or the disk refuses: then there is no state, or this one, or the older one.
    pub fn finish(self) -> Result<(), StoreError> {
        if self.replaces {
            self.take_names()?;
        }
        // The names of runs must be durable before a manifest can name them.
        self.disk.sync_dir("").doing(BRINGING)?;
        self.disk.rename(manifest::NEW_NAME, manifest::NAME).doing(BRINGING)?;
        self.disk.sync_dir("").doing(BRINGING)
    }

    /// Gives the new files their names in place of the old ones. There is no state in between: of a run nobody could say
    /// to which of two manifests it belongs.
    fn take_names(&self) -> Result<(), StoreError> {
        let names = self.disk.list("").doing(BRINGING)?;
        let new: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(INCOMING)).collect();
        if !new.contains(&manifest::NAME) {
            return Err(StoreError::Missing { path: self.disk.show(manifest::NAME) });
        }
        self.disk.remove(manifest::NAME).doing(BRINGING)?;
        self.disk.sync_dir("").doing(BRINGING)?;
        remove(&self.disk, names.iter().filter(|name| ours(name).is_some() && !is_incoming(name)))?;
        for name in new {
            let to = if name == manifest::NAME { manifest::NEW_NAME } else { name };
            self.disk.rename(&format!("{name}{INCOMING}"), to).doing(BRINGING)?;
        }
        Ok(())
    }
}

/// Whether a file of a state may have this name.
fn is_of_a_state(name: &str) -> bool {
    name == manifest::NAME || matches!(ours(name), Some(Ours::Run(number)) if file_name(number) == name)
}

/// Whether it is a file that was brought in and has not got its name.
pub(crate) fn is_incoming(name: &str) -> bool {
    name.strip_suffix(INCOMING).is_some_and(is_of_a_state)
}

fn remove<'n, D: Disk>(disk: &D, names: impl Iterator<Item = &'n String>) -> Result<(), StoreError> {
    for name in names {
        disk.remove(name).doing(BRINGING)?;
    }
    Ok(())
}
