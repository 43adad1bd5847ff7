//! What can be wrong with a copy, or with the place where it lies.

use tally_disk::DiskError;
use tally_store::StoreError;

/// Why a state was not copied or fetched.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The place cannot be used as it is configured.
    #[error(
        "copying states to {url}: {cause}; set checkpoints.url to file:///…, s3://…, gs://… or az://…, and in the \
         environment what that store's own tools want, such as AWS_REGION"
    )]
    Place {
        /// As it is configured.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The store refuses, or does not answer.
    #[error(
        "{doing}: {cause}; check that the object store runs and that this process may read and write there"
    )]
    Service {
        /// What was asked of it.
        doing: String,
        /// What it said.
        cause: String,
    },
    /// An object is not what was written.
    #[error(
        "the copied object {object} is damaged: {what}; remove it, and the next copy of that partition brings it again"
    )]
    Damaged {
        /// Its path in the store.
        object: String,
        /// What is wrong with it.
        what: String,
    },
    /// The state here cannot be read, or takes none.
    #[error(transparent)]
    State(#[from] StoreError),
    /// The disk here refuses.
    #[error(transparent)]
    Disk(#[from] DiskError),
}
