//! The objects of one partition. The only file that waits for a store.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload};
use tally_disk::DiskFile;
use tally_domain::Version;
use tokio::runtime::Runtime;

use crate::contents::{Contents, Hash};
use crate::error::CheckpointError;

/// Larger files travel in parts of this size, bytes; stores take 10,000 parts, and none below 5 MiB but the last.
const PART_BYTES: usize = 16 << 20;

/// Where the copies of one partition lie.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) root: Path,
}

/// A copy, by its name: its version, and the hash of what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CopyName {
    pub(crate) version: Version,
    pub(crate) hash: Hash,
}

impl CopyName {
    fn text(&self) -> String {
        format!("{:020}-{}.json", self.version.get(), self.hash)
    }

    /// `None` of a name that nobody here gives.
    fn read(name: &str) -> Option<Self> {
        let (version, hash) = name.strip_suffix(".json")?.split_once('-')?;
        Some(Self { version: Version::from_u64(version.parse().ok()?), hash: hash.parse().ok()? })
    }
}

impl Place {
    fn copy_path(&self, name: &CopyName) -> Path {
        self.root.clone().join("copies").join(name.text())
    }

    pub(crate) fn file_path(&self, hash: &Hash) -> Path {
        self.root.clone().join("files").join(hash.to_string())
    }

    /// All copies, oldest first.
    pub(crate) fn copies(&self) -> Result<Vec<CopyName>, CheckpointError> {
        let found = self.list("copies")?;
        let mut names: Vec<CopyName> =
            found.iter().filter_map(|meta| CopyName::read(meta.location.filename()?)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// All files, named by a copy or not.
    pub(crate) fn files(&self) -> Result<BTreeMap<Hash, ObjectMeta>, CheckpointError> {
        let found = self.list("files")?.into_iter();
        Ok(found.filter_map(|meta| Some((meta.location.filename()?.parse().ok()?, meta))).collect())
    }

    /// What a copy says.
    pub(crate) fn contents(&self, name: &CopyName) -> Result<Contents, CheckpointError> {
        let path = self.copy_path(name);
        let mut bytes = Vec::new();
        self.get(&path, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        let damaged = |what: String| CheckpointError::Damaged { object: path.to_string(), what };
        if Hash::of(&bytes) != name.hash {
            return Err(damaged("it has another hash than its name".to_owned()));
        }
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))
    }

    /// Writes a copy, whose files are all there.
    pub(crate) fn put_copy(
        &self,
        version: Version,
        contents: &Contents,
    ) -> Result<CopyName, CheckpointError> {
        let bytes = serde_json::to_vec_pretty(contents).expect("names and numbers are JSON");
        let name = CopyName { version, hash: Hash::of(&bytes) };
        self.put(&self.copy_path(&name), bytes)?;
        Ok(name)
    }

    pub(crate) fn put_file<F: DiskFile>(
        &self,
        hash: &Hash,
        file: &F,
        bytes: u64,
    ) -> Result<(), CheckpointError> {
        let path = self.file_path(hash);
        if bytes <= u64::try_from(PART_BYTES).unwrap_or(u64::MAX) {
            let mut whole = Vec::new();
            pieces(file, bytes, |piece| {
                whole.extend_from_slice(piece);
                Ok(())
            })?;
            return self.put(&path, whole);
        }
        let upload = self.runtime.block_on(self.store.put_multipart(&path));
        let mut upload = upload.map_err(|error| service("writing", &path, &error))?;
        let sent = pieces(file, bytes, |piece| {
            let part = upload.put_part(PutPayload::from(piece.to_vec()));
            self.runtime.block_on(part).map_err(|error| service("writing", &path, &error))
        });
        let done = sent.and_then(|()| {
            let done = self.runtime.block_on(upload.complete());
            done.map(drop).map_err(|error| service("writing", &path, &error))
        });
        if done.is_err() {
            // Parts of it may stay until the store's own rules remove them.
            let _aborted = self.runtime.block_on(upload.abort());
        }
        done
    }

    /// Takes the bytes of an object, piece by piece.
    pub(crate) fn get(
        &self,
        path: &Path,
        mut take: impl FnMut(&[u8]) -> Result<(), CheckpointError>,
    ) -> Result<(), CheckpointError> {
        let missing = |error: &Error| match error {
            Error::NotFound { .. } => {
                CheckpointError::Damaged { object: path.to_string(), what: "it is missing".to_owned() }
            }
            other => service("reading", path, other),
        };
        self.runtime.block_on(async {
            let found = self.store.get(path).await.map_err(|error| missing(&error))?;
            let mut pieces = found.into_stream();
            while let Some(piece) = pieces.next().await {
                take(&piece.map_err(|error| missing(&error))?)?;
            }
            Ok(())
        })
    }

    pub(crate) fn remove_copy(&self, name: &CopyName) -> Result<(), CheckpointError> {
        self.remove(&self.copy_path(name))
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<(), CheckpointError> {
        match self.runtime.block_on(self.store.delete(path)) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(service("removing", path, &error)),
        }
    }

    fn put(&self, path: &Path, bytes: Vec<u8>) -> Result<(), CheckpointError> {
        let put = self.runtime.block_on(self.store.put(path, PutPayload::from(bytes)));
        put.map(drop).map_err(|error| service("writing", path, &error))
    }

    fn list(&self, below: &str) -> Result<Vec<ObjectMeta>, CheckpointError> {
        let path = self.root.clone().join(below);
        let listed = self.runtime.block_on(self.store.list(Some(&path)).try_collect());
        listed.map_err(|error| service("listing", &path, &error))
    }
}

/// The bytes of a file, in pieces of [`PART_BYTES`].
pub(crate) fn pieces<F: DiskFile>(
    file: &F,
    bytes: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), CheckpointError>,
) -> Result<(), CheckpointError> {
    let mut piece = Vec::new();
    let mut at = 0;
    while at < bytes {
        let left = usize::try_from(bytes - at).unwrap_or(usize::MAX);
        piece.resize(left.min(PART_BYTES), 0);
        file.read_exact_at(at, &mut piece)?;
        take(&piece)?;
        at = at.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}

fn service(doing: &str, path: &Path, error: &Error) -> CheckpointError {
    CheckpointError::Service { doing: format!("{doing} the copied object {path}"), cause: error.to_string() }
}
