//! Archives every record of the usage log: what `verify` recounts from, and what SQL users read.
//!
//! The archive is written from the log alone, independently of the aggregator. It resumes from contiguous
//! progress: the offset up to which every insert was acknowledged, never the greatest offset that is there.

use tally_clickhouse::rows::{ArchiveProgressRecord, EntryCode, EventRecord, RejectRecord, RejectTopic};
use tally_domain::event::FUTURE_TOLERANCE_MS;
use tally_domain::planted::{self, Bug};
use tally_domain::{
    Entry, Incarnation, Lane, LogTime, Offset, Partition, PartitionCount, Reason, Topic, UsageRef, Version,
    partition_of,
};
use tally_log::{LogError, ReadLog, Record, Records};

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

    /// What a row of `archive_progress` says.
    #[must_use]
    pub fn of(row: &ArchiveProgressRecord) -> Self {
        let version = Version::from_u64(row.version);
        let log_time = if planted::is(Bug::ArchiveClockLost) { None } else { LogTime::from_ms(row.log_time) };
        Self {
            partition: Partition(row.partition),
            next: version.next(),
            log_time: log_time.unwrap_or(LogTime::MIN),
            incarnation: version.incarnation(),
        }
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

/// What one read of a partition gave: rows, and how far they reach.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// One row per record, in log order.
    pub events: Vec<EventRecord>,
    /// The same for those that are not accepted.
    pub rejects: Vec<RejectRecord>,
    /// Where the archive stands once they are acknowledged.
    pub then: Archived,
}

impl Chunk {
    /// The progress row to write after the rows.
    #[must_use]
    pub fn progress(&self) -> ArchiveProgressRecord {
        ArchiveProgressRecord {
            partition: self.then.partition.0,
            version: Version::new(self.then.incarnation, self.then.next).get(),
            log_time: self.then.log_time.ms(),
        }
    }
}

/// Reads the next records of a partition, about `bytes_max` and none from `until` on, and turns them into rows; no
/// rows mean that there is nothing new.
///
/// # Errors
/// What the log says: a start beyond `at` means that retention outran the archive.
pub fn next_chunk<L: ReadLog>(
    log: &mut L,
    rules: Rules,
    at: &Archived,
    (bytes_max, until): (usize, Offset),
    records: &mut Records,
) -> Result<Chunk, LogError> {
    let lane = Lane { topic: Topic::Usage, partition: at.partition };
    log.read(lane, at.next, bytes_max, records)?;
    let mut chunk = Chunk { events: Vec::with_capacity(records.len()), rejects: Vec::new(), then: *at };
    for record in records.iter().take_while(|record| record.offset < until) {
        chunk.add(record, rules);
    }
    Ok(chunk)
}

impl Chunk {
    fn add(&mut self, record: Record<'_>, rules: Rules) {
        self.then.log_time = self.then.log_time.after(record.appended_at.ms());
        self.then.next = record.offset.next();
        let bytes = record.value.unwrap_or_default();
        let decoded = tally_schema::decode(bytes);
        if let Ok(Entry::Barrier(barrier)) = decoded {
            self.then.incarnation = self.then.incarnation.max(Incarnation(barrier.number));
        }
        let row = EventRecord {
            incarnation: self.then.incarnation.0,
            partition: self.then.partition.0,
            offset: record.offset.get(),
            appended_at: record.appended_at.ms(),
            log_time: self.then.log_time.ms(),
            ..EventRecord::default()
        };
        let row = match decoded {
            Ok(Entry::Usage(event)) => {
                let refused = refusal(&event, record.key, self.then.partition, self.then.log_time, rules);
                self.refuse(usage_row(row, &event), refused, record)
            }
            Ok(entry) => EventRecord { entry: control(&entry), body: bytes.to_vec(), ..row },
            Err(error) => {
                let row = EventRecord { entry: EntryCode::Unreadable, ..row };
                self.refuse(row, Some((error.reason(), error.to_string())), record)
            }
        };
        self.events.push(row);
    }

    /// The row with its refusal, if there is one; what is refused is kept with its bytes.
    fn refuse(&mut self, row: EventRecord, why: Option<(Reason, String)>, record: Record<'_>) -> EventRecord {
        let Some((reason, detail)) = why else { return row };
        let body = record.value.unwrap_or_default().to_vec();
        let reject = RejectRecord {
            topic: RejectTopic::Usage,
            incarnation: row.incarnation,
            partition: row.partition,
            offset: row.offset,
            appended_at: row.appended_at,
            reason: reason.name().to_owned(),
            detail: detail.clone(),
            record_key: record.key.to_vec(),
            body: body.clone(),
        };
        if !planted::is(Bug::RefusedUnlisted) {
            self.rejects.push(reject);
        }
        EventRecord { reason: reason.name().to_owned(), detail, record_key: record.key.to_vec(), body, ..row }
    }
}

const fn control(entry: &Entry<'_>) -> EntryCode {
    match entry {
        Entry::Usage(_) => EntryCode::Usage,
        Entry::Prices(_) => EntryCode::Prices,
        Entry::Policy(_) => EntryCode::Policy,
        Entry::Heartbeat => EntryCode::Heartbeat,
        Entry::Barrier(_) => EntryCode::Barrier,
    }
}

fn usage_row(row: EventRecord, event: &UsageRef<'_>) -> EventRecord {
    let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning] = event.usage.tokens;
    EventRecord {
        entry: EntryCode::Usage,
        account: *event.account.bytes(),
        event_key: *event.event_key().bytes(),
        event_id: event.event_id.to_owned(),
        minted: u8::from(event.minted.is_some()),
        minted_producer: event.minted.map_or([0; 16], |minted| *minted.producer.bytes()),
        minted_epoch: event.minted.map_or(0, |minted| minted.epoch.0),
        minted_sequence: event.minted.map_or(0, |minted| minted.sequence.0),
        minted_at: event.minted_at_ms,
        producer: *event.producer.bytes(),
        epoch: event.epoch.0,
        sequence: event.sequence.0,
        revision: event.revision.0,
        kind: event.kind.into(),
        occurred_at: event.occurred_at.ms(),
        session: event.session.map(str::to_owned),
        request_id: event.request_id.map(str::to_owned),
        model: event.dims.model.to_owned(),
        tool: event.dims.tool.to_owned(),
        view: event.dims.view.into(),
        service_tier: event.dims.service_tier.to_owned(),
        region: event.dims.region.to_owned(),
        unsplit: event.dims.unsplit.0,
        client_version: event.client_version.to_owned(),
        agent: event.agent.to_owned(),
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
        requests: event.usage.requests,
        content_hash: event.content_hash().0,
        actor: event.actor.map(str::to_owned),
        motive: event.reason.map(str::to_owned),
        ..row
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
        return Some((Reason::KeyMismatch, format!("the record key is not its account {}", event.account)));
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
        return Some((
            Reason::Future,
            format!("occurred_at {} is over 5 minutes after {at}", event.occurred_at),
        ));
    }
    if event.minted_at_ms.is_some_and(|minted| minted > latest) {
        return Some((Reason::Future, format!("minted_at is over 5 minutes after {at}")));
    }
    if event.occurred_at.ms() < at.ms().saturating_sub(rules.index_retention_ms) {
        return Some((
            Reason::TooOld,
            format!("occurred_at {} is before what {at} remembers", event.occurred_at),
        ));
    }
    None
}
