//! The atomic store of one partition. Rows are put into memory; a commit writes them as sorted runs and switches
//! one manifest to {runs, meta}: all of it or nothing. The log is the write-ahead log, so there is none here.
//!
//! [`engine`] keeps keyspaces of bytes; [`store`] knows what a partition keeps in them.

mod error;
mod keyspace;

pub mod engine;
pub mod store;

mod commit;
mod copy;
mod manifest;
mod memtable;
mod merge;
mod order;
mod run;
mod walk;

pub use copy::{Committed, CommittedFile, Incoming};
pub use engine::Engine;
pub use error::StoreError;
pub use keyspace::{Expiry, Keyspace, Merge, VALUE_BYTES_MAX, prefix, prefix_of};
pub use merge::Merged;
pub use store::{Store, StoreSettings};
