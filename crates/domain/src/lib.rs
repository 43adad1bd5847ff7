//! The words of Tally as types: what an event is, whose it is, when it happened, and what may be
//! said of it. No I/O, no clock, no order that differs from one run to the next.
//!
//! Reading order is the order of the modules below.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::indexing_slicing))]

pub mod board;
pub mod entry;
pub mod event;
mod gathered;
pub mod identity;
pub mod lookup;
pub mod partition;
pub mod planted;
pub mod price;
pub mod published;
pub mod reject;
pub mod time;
pub mod usage;
pub mod version;
pub mod window;

pub use board::{Board, Metric};
pub use entry::{Barrier, Document, Entry};
pub use event::{ClaimedIdentity, Dims, Kind, Minted, Revision, UsageEvent, UsageRef, View};
pub use identity::{
    AccountKey, ContentHash, Epoch, EventKey, Hash128, PersonId, ProducerId, Secret, Sequence, SessionKey,
    TopicId,
};
pub use partition::{Lane, Partition, PartitionCount, Topic, partition_of};
pub use reject::{Reason, Reject};
pub use time::{Day, EventTime, Hour, LogTime, Minute, WallTime};
pub use usage::{Class, Usage};
pub use version::{FoldVersion, Incarnation, Offset, Version};
pub use window::Window;
