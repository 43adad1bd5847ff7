//! Archives every record of the log and recounts what was published, independently of the fold.
//!
//! There is no path from here to the fold or the standings: a bug there must not hide itself here.
#![forbid(unsafe_code)]

pub mod compare;
pub mod difference;
pub mod recount;
pub mod archive;
pub mod rules;
