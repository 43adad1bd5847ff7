//! Why a partition stops, and what to do about it.

use tally_domain::{Offset, Partition, TopicId};
use tally_fold::Refusal;
use tally_log::LogError;
use tally_store::StoreError;

/// A partition stops; starting it again from its last checkpoint is always safe.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum PartError {
    #[error("partition {partition}: {source}")]
    Log { partition: Partition, source: LogError },
    #[error("partition {partition}: {source}")]
    Store { partition: Partition, source: StoreError },
    #[error("partition {partition}: {source}")]
    Refused { partition: Partition, source: Refusal },
    #[error(
        "partition {partition}: there is no state, and the log starts at offset {start}; copy a state into {dir}, \
         or refold the archive up to offset {start} first"
    )]
    NoLineage { partition: Partition, start: Offset, dir: String },
    #[error(
        "partition {partition}: the state in {dir} goes on at offset {next}, but the log starts at {start}; \
         copy a newer state, or refold the archive up to offset {start}"
    )]
    Gap { partition: Partition, next: Offset, start: Offset, dir: String },
    #[error(
        "partition {partition}: the state in {dir} goes on at offset {next}, but the log ends at {end}; \
         give back the log that it was folded from, or move the state away and fold this log anew"
    )]
    BeyondEnd { partition: Partition, next: Offset, end: Offset, dir: String },
    #[error(
        "partition {partition}: the record at offset {offset} is not the one that the state in {dir} folded last; \
         give back the log that it was folded from, or move the state away and fold this log anew"
    )]
    OtherLog { partition: Partition, offset: Offset, dir: String },
    #[error(
        "partition {partition}: the log is of topic {found}, this state or installation of topic {known}; \
         give back the log of topic {known}, or move the state away and fold this log anew"
    )]
    OtherTopic { partition: Partition, known: TopicId, found: TopicId },
    #[error(
        "partition {partition}: usage at offset {offset} before the first barrier; the log was not begun as an \
         installation begins it: append barrier 1 before any usage"
    )]
    NoBarrier { partition: Partition, offset: Offset },
}
