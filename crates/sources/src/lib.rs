//! What tools write down about their usage. A source is one pure file: bytes in, every usage line out as an
//! event, or as a reject; walking and resuming are the importer's, de-duplication is the fold's.
//!
//! Whose usage it is stays with the caller: a transcript does not know.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::indexing_slicing))]

pub mod claude_code;
mod event;
mod json;
pub mod lines;
mod redact;
pub mod table;

pub use event::{Found, SourceEvent, SourceReject};
pub use redact::{Redacted, redact};

#[cfg(test)]
mod tests;
