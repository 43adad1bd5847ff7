//! The record log: append to a lane by key with acknowledgement, read durable records from an offset, bounds,
//! offset for a time, retention by time and compaction by key.
//!
//! [`ports`] is what the rest of Tally sees.
#![forbid(unsafe_code)]

pub mod compact;
pub mod contract;
pub mod error;
pub mod local;
pub mod ports;
pub mod records;
pub mod retain;

pub use compact::Compacted;
pub use error::{Corruption, Full, LogError};
pub use local::{Appender, Bell, Durability, LocalConfig, LocalLog, Reader, Repair, RetentionDays, Turn};
pub use ports::{AppendLog, Bounds, ReadLog, Ticket};
pub use records::{Record, Records};
pub use retain::Dropped;
