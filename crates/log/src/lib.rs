//! The record log: append to a lane by key with acknowledgement, read durable records from an offset, bounds,
//! offset for a time, retention by time and compaction by key.
//!
//! [`ports`] is what the rest of Tally sees.
#![forbid(unsafe_code)]

pub mod error;
pub mod ports;
pub mod records;

pub use error::{Corruption, Full, LogError};
pub use ports::{AppendLog, Bounds, ReadLog, Ticket};
pub use records::{Record, Records};
