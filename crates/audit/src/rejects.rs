//! Lists what the topic `rejects` keeps: what a sender could not read, what the collector refused, and what only the
//! fold could refuse.
//!
//! What the fold says again of records that the archive refused by itself is left out: `rejects` has it by its place
//! in the usage log, and nothing is listed twice.

use tally_clickhouse::rows::{RejectRecord, RejectTopic, RejectsProgressRecord};
use tally_domain::{Lane, Offset, Partition, Reason, Topic};
use tally_log::{LogError, ReadLog, Record, Records};

/// How far one partition of the topic `rejects` is archived: every record before `next` is in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// See [`Partition`].
    pub partition: Partition,
    /// The next offset to look at.
    pub next: Offset,
}

impl Listed {
    /// What a row of `rejects_progress` says; `None` for what is no offset.
    #[must_use]
    pub fn of(row: &RejectsProgressRecord) -> Option<Self> {
        Some(Self { partition: Partition(row.partition), next: Offset::new(row.next)? })
    }
}

/// What one read of a partition gave: rows, and how far they reach.
#[derive(Clone, Debug)]
pub struct RejectsChunk {
    /// One row for each record that is not known from the usage log, in log order.
    pub rows: Vec<RejectRecord>,
    /// Where the list stands once they are acknowledged.
    pub then: Listed,
}

impl RejectsChunk {
    /// The progress row to write after the rows.
    #[must_use]
    pub const fn progress(&self) -> RejectsProgressRecord {
        RejectsProgressRecord { partition: self.then.partition.0, next: self.then.next.get() }
    }
}

/// Reads the next rejects of a partition; `None` when there is nothing new.
///
/// # Errors
/// What the log says; the caller keeps `at` within its bounds.
pub fn next_rejects<L: ReadLog>(
    log: &mut L,
    at: Listed,
    bytes_max: usize,
    records: &mut Records,
) -> Result<Option<RejectsChunk>, LogError> {
    log.read(Lane { topic: Topic::Rejects, partition: at.partition }, at.next, bytes_max, records)?;
    let Some(last) = records.last() else { return Ok(None) };
    let then = Listed { next: last.offset.next(), ..at };
    let rows = records.iter().filter_map(|record| listed(at.partition, &record)).collect();
    Ok(Some(RejectsChunk { rows, then }))
}

/// The row of a reject; `None` for what is known from the usage log.
fn listed(partition: Partition, record: &Record<'_>) -> Option<RejectRecord> {
    let value = record.value?;
    let row = RejectRecord {
        topic: RejectTopic::Rejects,
        incarnation: 0,
        partition: partition.0,
        offset: record.offset.get(),
        appended_at: record.appended_at.ms(),
        reason: Reason::Undecodable.name().to_owned(),
        detail: String::new(),
        record_key: record.key.to_vec(),
        body: Vec::new(),
    };
    let row = match tally_schema::decode_reject(value) {
        Ok(reject) if reject.offset == Offset::MAX => RejectRecord {
            reason: reject.reason.name().to_owned(),
            detail: reject.detail.to_owned(),
            body: reject.original.to_vec(),
            ..row
        },
        Ok(reject) if is_known_to_the_fold_alone(reject.reason) => RejectRecord {
            topic: RejectTopic::Usage,
            partition: reject.partition.0,
            offset: reject.offset.get(),
            reason: reject.reason.name().to_owned(),
            detail: reject.detail.to_owned(),
            record_key: Vec::new(),
            body: reject.original.to_vec(),
            ..row
        },
        Ok(_) => return None,
        Err(error) => RejectRecord { detail: error.to_string(), body: value.to_vec(), ..row },
    };
    Some(row)
}

/// These depend on what the state held or obeyed at that record; all others the archive judges by itself.
const fn is_known_to_the_fold_alone(reason: Reason) -> bool {
    match reason {
        Reason::Overflow | Reason::BadControl => true,
        Reason::Undecodable
        | Reason::Unreadable
        | Reason::KeyMismatch
        | Reason::Misrouted
        | Reason::Malformed
        | Reason::TokensOutOfRange
        | Reason::Future
        | Reason::TooOld => false,
    }
}
