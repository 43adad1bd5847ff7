//! All that may change an answer, in the one log.

use crate::event::UsageRef;
use crate::identity::{Hash128, TopicId};
use crate::partition::PartitionCount;
use crate::version::FoldVersion;

/// A record of the usage log, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every record is usage, and none is kept")]
pub enum Entry<'a> {
    /// A report, a correction or a retraction: see [`crate::Kind`].
    Usage(UsageRef<'a>),
    /// A price book; a number not above the one in force is ignored.
    Prices(Document<'a>),
    /// A policy; a number not above the one in force is ignored. None is defined yet.
    Policy(Document<'a>),
    /// Time goes on.
    Heartbeat,
    /// A new incarnation of this partition's numbers starts here.
    Barrier(Barrier),
}

/// A numbered control document: JSON text, read when it takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// Rises with every new document of its kind.
    pub number: u32,
    /// The document.
    pub body: &'a [u8],
}

/// Where an incarnation begins. Its number is the incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// The incarnation that starts here; a number not above the present one is ignored.
    pub number: u16,
    /// The life of the topic that it was written to.
    pub topic: TopicId,
    /// Partitions of the topic, for life.
    pub partitions: PartitionCount,
    /// The fold's logic from here on.
    pub fold_version: FoldVersion,
    /// [`crate::Secret::check`] of the installation that wrote it.
    pub secret_check: Hash128,
}
