//! Archives every record of the usage log: what `verify` recounts from, and what SQL users read.
//!
//! The archive is written from the log alone, independently of the aggregator. It resumes from contiguous
//! progress: the offset up to which every insert was acknowledged, never the greatest offset that is there.

use tally_domain::event::FUTURE_TOLERANCE_MS;
use tally_domain::{
    AccountKey, ContentHash, Entry, EventKey, Hash128, Incarnation, Lane, LogTime, Offset, Partition,
    PartitionCount, Reason, Topic, UsageEvent, UsageRef, partition_of,
};
use tally_log::{LogError, ReadLog, Record, Records};

/// What kind of record it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive {
    /// Report, correction or retraction.
    Usage,
    /// A price book.
    Prices,
    /// A policy.
    Policy,
    /// A heartbeat.
    Heartbeat,
    /// A barrier.
    Barrier,
    /// Bytes that are no record.
    Unreadable,
}

/// One record of the log with its position, as it goes into `events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRow {
    /// Where it lies.
    pub partition: Partition,
    /// Where it lies.
    pub offset: Offset,
    /// The number of the newest barrier up to and including this record.
    pub incarnation: Incarnation,
    /// As the log stamped it, ms UTC.
    pub appended_at_ms: i64,
    /// Its monotone form.
    pub log_time: LogTime,
    /// See [`Archive`].
    pub entry: Archive,
    /// Why it does not count, and what to do; `None` = accepted.
    pub rejected: Option<(Reason, String)>,
    /// The report, when it could be read.
    pub event: Option<UsageEvent>,
    /// Its key and content, when it could be read.
    pub identity: Option<(EventKey, ContentHash)>,
    /// The record's bytes where they are no report: control records and rejects.
    pub body: Vec<u8>,
}

/// How far one partition is archived: every record before `next` is in `events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archived {
    /// See [`Partition`].
    pub partition: Partition,
    /// The next offset to archive.
    pub next: Offset,
    /// LogTime after the last record archived.
    pub log_time: LogTime,
    /// Incarnation after the last record archived.
    pub incarnation: Incarnation,
}

impl Archived {
    /// Nothing yet.
    #[must_use]
    pub fn start(partition: Partition) -> Self {
        Self { partition, next: Offset::ZERO, log_time: LogTime::MIN, incarnation: Incarnation(0) }
    }
}

/// What decides whether a record counts, besides the record and its LogTime.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Partitions of the usage topic.
    pub partitions: PartitionCount,
    /// How long the index remembers, ms.
    pub index_retention_ms: i64,
}

/// Reads the next records of a partition and turns them into rows; `at` moves past them.
///
/// # Errors
/// What the log says: a start beyond `at` means that retention outran the archive.
pub fn next_rows<L: ReadLog>(
    log: &mut L,
    rules: Rules,
    at: &mut Archived,
    bytes_max: usize,
    records: &mut Records,
) -> Result<Vec<ArchiveRow>, LogError> {
    let lane = Lane { topic: Topic::Usage, partition: at.partition };
    log.read(lane, at.next, bytes_max, records)?;
    Ok(records.iter().map(|record| row(record, rules, at)).collect())
}

fn row(record: Record<'_>, rules: Rules, at: &mut Archived) -> ArchiveRow {
    at.log_time = at.log_time.after(record.appended_at.ms());
    at.next = record.offset.next();
    let bytes = record.value.unwrap_or_default();
    let decoded = tally_schema::decode(bytes);
    if let Ok(Entry::Barrier(barrier)) = decoded {
        at.incarnation = at.incarnation.max(Incarnation(barrier.number));
    }
    let blank = ArchiveRow {
        partition: at.partition,
        offset: record.offset,
        incarnation: at.incarnation,
        appended_at_ms: record.appended_at.ms(),
        log_time: at.log_time,
        entry: Archive::Unreadable,
        rejected: None,
        event: None,
        identity: None,
        body: Vec::new(),
    };
    match decoded {
        Ok(Entry::Usage(event)) => usage_row(blank, &event, record, rules),
        Ok(entry) => ArchiveRow { entry: control(&entry), body: bytes.to_vec(), ..blank },
        Err(error) => ArchiveRow {
            rejected: Some((error.reason(), error.to_string())),
            body: bytes.to_vec(),
            ..blank
        },
    }
}

const fn control(entry: &Entry<'_>) -> Archive {
    match entry {
        Entry::Usage(_) => Archive::Usage,
        Entry::Prices(_) => Archive::Prices,
        Entry::Policy(_) => Archive::Policy,
        Entry::Heartbeat => Archive::Heartbeat,
        Entry::Barrier(_) => Archive::Barrier,
    }
}

fn usage_row(blank: ArchiveRow, event: &UsageRef<'_>, record: Record<'_>, rules: Rules) -> ArchiveRow {
    let rejected = refusal(event, record.key, blank.partition, blank.log_time, rules);
    let body = if rejected.is_some() { record.value.unwrap_or_default().to_vec() } else { Vec::new() };
    ArchiveRow {
        entry: Archive::Usage,
        rejected,
        identity: Some((event.event_key(), event.content_hash())),
        event: Some(event.to_owned()),
        body,
        ..blank
    }
}

/// Why a report is not accepted: a function of the record and its LogTime alone.
fn refusal(
    event: &UsageRef<'_>,
    key: &[u8],
    partition: Partition,
    at: LogTime,
    rules: Rules,
) -> Option<(Reason, String)> {
    if key != event.account.bytes() {
        let claimed = AccountKey(Hash128(*event.account.bytes()));
        return Some((Reason::KeyMismatch, format!("the record key is not its account {claimed}")));
    }
    let home = partition_of(key, rules.partitions);
    if home != partition {
        return Some((Reason::Misrouted, format!("the key belongs in partition {home}, not {partition}")));
    }
    if let Err(refused) = tally_schema::check(event) {
        return Some(refused);
    }
    let latest = at.ms().saturating_add(FUTURE_TOLERANCE_MS);
    if event.occurred_at.ms() > latest {
        return Some((Reason::Future, format!("occurred_at {} is over 5 minutes after {at}", event.occurred_at)));
    }
    if event.minted_at_ms.is_some_and(|minted| minted > latest) {
        return Some((Reason::Future, format!("minted_at is over 5 minutes after {at}")));
    }
    if event.occurred_at.ms() < at.ms().saturating_sub(rules.index_retention_ms) {
        return Some((Reason::TooOld, format!("occurred_at {} is before what {at} remembers", event.occurred_at)));
    }
    None
}
