//! What a log refuses, and what to do about it.

use std::sync::Arc;

use tally_disk::DiskError;
use tally_domain::{Lane, Offset, TopicId};

/// Back-pressure: nothing was taken. Poll for acknowledgements, then append again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "appending to the log: {pending_bytes} bytes wait to be written, {bytes_max} are allowed; try again later"
)]
pub struct Full {
    /// Bytes that wait to be written.
    pub pending_bytes: usize,
    /// How many may.
    pub bytes_max: usize,
}

/// Bytes that were acknowledged once and cannot be read any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// The file, as the user would find it.
    pub file: String,
    /// Where in the file, in bytes.
    pub position: u64,
    /// What is wrong there.
    pub cause: String,
}

/// Why a log could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The records are gone by retention.
    #[error(
        "reading {lane} from offset {from}: the log starts at {start}; \
         start from a newer state, or refold the archive up to {start} first"
    )]
    BelowStart {
        /// Which lane.
        lane: Lane,
        /// Where reading was to begin.
        from: Offset,
        /// The first offset that is kept.
        start: Offset,
    },
    /// The log ends before that: another log, or one that lost its end.
    #[error(
        "reading {lane} from offset {from}: the log ends at {end}; \
         this state was made from another log, or the log lost its end: restore it, or refold the state"
    )]
    BeyondEnd {
        /// Which lane.
        lane: Lane,
        /// Where reading was to begin.
        from: Offset,
        /// The offset after the last durable record.
        end: Offset,
    },
    /// There is no such partition.
    #[error("opening {lane}: the log has {partitions} partitions, numbered from 0")]
    NoSuchLane {
        /// Which lane.
        lane: Lane,
        /// How many partitions there are.
        partitions: u16,
    },
    /// A record is larger than the log takes.
    #[error("appending to {lane}: the record has {bytes} bytes, {bytes_max} are allowed; send a smaller one")]
    TooLarge {
        /// Which lane.
        lane: Lane,
        /// Its size, key and value.
        bytes: usize,
        /// The greatest size.
        bytes_max: usize,
    },
    /// Damage among acknowledged records.
    #[error(
        "reading {lane}: {} is damaged at byte {}: {}; restore this file from a copy, or move it away and refold \
         the archive up to the next file's first offset", .at.file, .at.position, .at.cause
    )]
    Corrupt {
        /// Which lane.
        lane: Lane,
        /// Where and what.
        at: Box<Corruption>,
    },
    /// The log was made with another number of partitions, which it keeps for life.
    #[error(
        "opening the log {file}: it has {found} partitions and {wanted} are configured; \
         set the number back to {found}, or start another log in an empty directory and import into it"
    )]
    Partitions {
        /// The log's meta file.
        file: String,
        /// Of the log.
        found: u16,
        /// Of the configuration.
        wanted: u16,
    },
    /// The meta file is damaged, or missing beside records.
    #[error(
        "opening the log {file}: {cause}; restore this file from a copy, or move the whole log directory away"
    )]
    Meta {
        /// The log's meta file.
        file: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A value in the configuration that no log can work with.
    #[error("configuring the log: {field} is {value}; it must be {range}")]
    Config {
        /// The key.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        range: &'static str,
    },
    /// The topic was deleted and created again while it was open: another log under the same name.
    #[error(
        "reading the topic {name}: it was deleted and created again (its id was {known} and is {found}); stop, and \
         start with the state of that topic, or begin a new installation"
    )]
    Recreated {
        /// Of the topic, with its prefix.
        name: String,
        /// The life of the topic that was opened.
        known: TopicId,
        /// The life that is there now.
        found: TopicId,
    },
    /// The service that keeps the log refuses, or does not answer.
    #[error("{doing}: {cause}; {remedy}")]
    Service {
        /// What was asked of it.
        doing: String,
        /// What it said.
        cause: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// What the disk refuses.
    #[error(transparent)]
    Disk(Arc<DiskError>),
}

impl From<DiskError> for LogError {
    fn from(error: DiskError) -> Self {
        Self::Disk(Arc::new(error))
    }
}
