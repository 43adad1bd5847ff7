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

/// A state on its way into a directory. Until it is finished there is no state, or the older one; then all of it.
#[derive(Debug)]
pub struct Incoming<D: Disk> {
    disk: D,
    /// Where it is to go once it is whole; `None` where it is there already.
    place: Option<Place<D>>,
    _lock: D::Lock,
}

/// A directory whose state is to be replaced.
#[derive(Debug)]
struct Place<D: Disk> {
    /// What both directories lie in.
    above: D,
    dir: String,
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
        remove_all(&disk, &names)?;
        Ok(Self { disk, place: None, _lock: lock })
    }

    /// The same for a directory with a state, which stays until the new one is whole: that gathers in a directory
    /// beside it.
    ///
    /// # Errors
    /// When the directory is held by another, or the disk refuses.
    pub fn begin_beside(disk: &D, dir: &str) -> Result<Self, StoreError> {
        let (old, lock) = enter(disk, dir)?;
        let incoming = Self::begin(disk, &beside(dir))?;
        let place = Place { above: disk.clone(), dir: dir.to_owned(), disk: old, _lock: lock };
        Ok(Self { place: Some(place), ..incoming })
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
    /// When there is no manifest, or the disk refuses: then there is no state, or this one, or the older one.
    pub fn finish(self) -> Result<(), StoreError> {
        if let Some(place) = &self.place {
            place.take(&self.disk)?;
        }
        let disk = self.place.as_ref().map_or(&self.disk, |place| &place.disk);
        // The names of runs must be durable before a manifest can name them.
        disk.sync_dir("").doing(BRINGING)?;
        disk.rename(manifest::NEW_NAME, manifest::NAME).doing(BRINGING)?;
        disk.sync_dir("").doing(BRINGING)
    }
}

impl<D: Disk> Place<D> {
    /// Takes over the files of a whole state. There is none in between: runs of two lives may have the same names.
    fn take(&self, from: &D) -> Result<(), StoreError> {
        let new = from.list("").doing(BRINGING)?;
        if !new.iter().any(|name| name == manifest::NEW_NAME) {
            return Err(StoreError::Missing { path: from.show(manifest::NAME) });
        }
        self.disk.remove(manifest::NAME).doing(BRINGING)?;
        self.disk.sync_dir("").doing(BRINGING)?;
        remove_all(&self.disk, &self.disk.list("").doing(BRINGING)?)?;
        for name in new.iter().filter(|name| ours(name).is_some()) {
            let (from, to) = (format!("{}/{name}", beside(&self.dir)), format!("{}/{name}", self.dir));
            self.above.rename(&from, &to).doing(BRINGING)?;
        }
        Ok(())
    }
}

/// Where a state gathers that is to replace the one in `dir`.
fn beside(dir: &str) -> String {
    format!("{dir}.incoming")
}

/// Removes what belongs to a state but its manifest.
fn remove_all<D: Disk>(disk: &D, names: &[String]) -> Result<(), StoreError> {
    for name in names.iter().filter(|name| ours(name).is_some()) {
        disk.remove(name).doing(BRINGING)?;
    }
    Ok(())
}
