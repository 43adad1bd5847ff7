//! Archives every record of the log and recounts what was published, independently of the fold.
//!
//! There is no path from here to the fold or the standings: a bug there must not hide itself here.
#![forbid(unsafe_code)]

pub mod archive;
pub mod archiver;
pub mod compare;
pub mod difference;
pub mod explain;
pub mod overflow;
pub mod recount;
pub mod rejects;
pub mod requests;
pub mod rules;
pub mod verify;
pub mod writer;

mod occurrences;
mod streams;

pub use archive::{Archived, Chunk, Rules};
pub use archiver::{Archiver, Turn};
pub use difference::{
    Difference, Evidence, Findings, Hint, RecountedAt, SharedRequest, SharedRequests, Sharing, What,
};
pub use occurrences::Recounted;
pub use rejects::Listed;
pub use verify::{Verification, Verified, VerifyError, verify};
pub use writer::{Answer, ArchiveSink, ArchiveWriter, Insert, Observed, Piece, Reach, Shown};
