//! Walks what tools left on disk, reads every line of it through a source, and hands it to a collector.
//!
//! Nothing here decides what counts: a line may be sent twice, in any order and from two files, and the fold keeps it
//! once. So the positions that are kept are worth only the time that reading takes.

#![forbid(unsafe_code)]

mod client;
mod config;
mod drive;
mod file;
mod importer;
mod occurrence;
mod outcome;
mod positions;
mod reading;
mod walk;

pub use client::ClientError;
pub use config::{Import, Origin, fresh_epoch, person_of};
pub use drive::{Told, drive, drive_to};
pub use importer::{ImportError, Importer, Turn};
pub use outcome::{Outcome, Progress, Sample, Unreadable, Warning};
pub use walk::{Walk, default_roots, walk};
