//! Copies of committed states in an object store, so that a partition's state follows its owner.
//!
//! ```text
//! <url>/<topic id>/<partition>/files/<hash>                 a run or a manifest, by what it contains
//!                             /copies/<version>-<hash>.json  a copy: the names, lengths and hashes of its files
//! ```
//! Every object is named by its bytes and never changes, so nothing needs a lock, an order or a conditional write: the
//! newest copy is the one with the greatest version, whoever wrote it and whenever. A copy is written after its files,
//! and removed before them.
//!
//! Nothing is right or wrong by these copies: a state that is not there is folded again from the log.

mod contents;
mod copier;
mod error;
mod fetch;
mod place;
mod stores;

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use tally_domain::{Partition, TopicId};
use tokio::runtime::{Builder, Runtime};
use url::Url;

pub use copier::{Copied, Copier, Keep};
pub use error::CheckpointError;
pub use fetch::Fetched;
use place::Place;

/// The copies of one installation.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    store: Arc<dyn ObjectStore>,
    root: Path,
    runtime: Arc<Runtime>,
}

impl Checkpoints {
    /// The place at `url`: `file:///var/lib/tally/copies`, `s3://bucket/tally`, `gs://bucket/tally` or
    /// `az://container/tally`. `options` are names and
    /// values as the stores know them from the environment: `AWS_REGION`, `GOOGLE_SERVICE_ACCOUNT`,
    /// `AZURE_STORAGE_ACCOUNT_NAME`, …; what has not the prefix of that store is ignored. Nothing is asked of it yet.
    ///
    /// # Errors
    /// [`CheckpointError::Place`].
    pub fn open(
        url: &str,
        topic: TopicId,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, CheckpointError> {
        let wrong = |cause: String| CheckpointError::Place { url: url.to_owned(), cause };
        let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        let opened = stores::open(&parsed, options).map_err(|error| wrong(error.to_string()))?;
        let (store, root) =
            opened.ok_or_else(|| wrong("it names no kind of store that is known".to_owned()))?;
        Self::over(store.into(), &root, topic)
    }

    /// The place below `root` of a store.
    ///
    /// # Errors
    /// [`CheckpointError::Place`] when the system has no more threads or files.
    pub fn over(store: Arc<dyn ObjectStore>, root: &Path, topic: TopicId) -> Result<Self, CheckpointError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CheckpointError::Place { url: store.to_string(), cause: error.to_string() })?;
        Ok(Self { store, root: root.clone().join(topic.to_string()), runtime: Arc::new(runtime) })
    }

    /// Copies one partition's states away: one for each life of its store.
    #[must_use]
    pub fn copier(&self, partition: Partition, keep: Keep) -> Copier {
        Copier::new(self.place(partition), keep)
    }

    fn place(&self, partition: Partition) -> Place {
        let root = self.root.clone().join(partition.0.to_string());
        Place { store: Arc::clone(&self.store), runtime: Arc::clone(&self.runtime), root }
    }
}
