//! Bytes of known writer schemas → records, borrowed: nothing is allocated.

use std::sync::Arc;

use tally_domain::event::{DimsRef, Unsplit};
use tally_domain::identity::{AccountKey, ProducerId, TopicId};
use tally_domain::published::{Progress, TotalRow};
use tally_domain::{
    Barrier, ClaimedIdentity, Document, Entry, Epoch, EventTime, FoldVersion, Kind, LogTime, Minted, Minute,
    Offset, Partition, PartitionCount, Reason, Revision, Sequence, Usage, UsageRef, Version, View,
};

use crate::error::DecodeError;
use crate::registry::Record;
use crate::wire::{Cursor, unframe};

/// Reads a record of the usage log.
///
/// # Errors
/// When the bytes are no such record: [`DecodeError::reason`] says why it is rejected, and
/// [`DecodeError::UnknownSchema`] that another registry may know better.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Entry<'_>, DecodeError> {
    let (record, mut cursor) = open(bytes)?;
    let entry = match record {
        Record::UsageEvent => Entry::Usage(usage(&mut cursor)?),
        Record::Heartbeat => Entry::Heartbeat,
        Record::Barrier => Entry::Barrier(barrier(&mut cursor)?),
        Record::Prices => Entry::Prices(document(&mut cursor)?),
        Record::Policy => Entry::Policy(document(&mut cursor)?),
        Record::Identity | Record::AccountTotals | Record::Progress | Record::Reject => {
            return Err(DecodeError::Misplaced(record));
        }
    };
    cursor.end().map(|()| entry)
}

/// Reads a record of the identities topic.
///
/// # Errors
/// When the bytes are no such record.
pub fn decode_identity(bytes: &[u8]) -> Result<ClaimedIdentity, DecodeError> {
    let (record, mut cursor) = open(bytes)?;
    if record != Record::Identity {
        return Err(DecodeError::Misplaced(record));
    }
    let identity = ClaimedIdentity {
        source: cursor.text("source")?.to_owned(),
        subject: cursor.text("subject")?.to_owned(),
        email: cursor.optional_text("email")?.map(str::to_owned),
        name: cursor.optional_text("name")?.map(str::to_owned),
        first_seen_ms: cursor.long("first_seen_ms")?,
    };
    cursor.end().map(|()| identity)
}

/// A record of the totals topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every record is a total, and each is taken apart at once"
)]
pub enum Totals {
    /// An account's usage per dims, at a version.
    Total(TotalRow, Version),
    /// How far its partition is acknowledged.
    Progress(Progress),
}

/// Reads a record of the totals topic.
///
/// # Errors
/// When the bytes are no such record.
pub fn decode_totals(bytes: &[u8]) -> Result<Totals, DecodeError> {
    let (record, mut cursor) = open(bytes)?;
    let totals = match record {
        Record::AccountTotals => total(&mut cursor)?,
        Record::Progress => Totals::Progress(progress(&mut cursor)?),
        other => return Err(DecodeError::Misplaced(other)),
    };
    cursor.end().map(|()| totals)
}

/// A record of the rejects topic, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectRef<'a> {
    /// Where the original lies.
    pub partition: Partition,
    /// Where the original lies.
    pub offset: Offset,
    /// Why it was rejected.
    pub reason: Reason,
    /// Which field had which value, and what it should be.
    pub detail: &'a str,
    /// The original's value.
    pub original: &'a [u8],
}

/// Reads a record of the rejects topic.
///
/// # Errors
/// When the bytes are no such record.
pub fn decode_reject(bytes: &[u8]) -> Result<RejectRef<'_>, DecodeError> {
    let (record, mut cursor) = open(bytes)?;
    if record != Record::Reject {
        return Err(DecodeError::Misplaced(record));
    }
    let partition = Partition(u16_of(cursor.int("partition")?, "partition")?);
    let offset = cursor.long("offset")?;
    let reject = RejectRef {
        partition,
        offset: u64::try_from(offset).ok().and_then(Offset::new).ok_or(DecodeError::Value {
            field: "offset",
            value: offset,
            expected: "0 to 2^48-1",
        })?,
        reason: cursor.symbol("reason", |index| Reason::ALL.get(usize::from(index)).copied())?,
        detail: cursor.text("detail")?,
        original: cursor.bytes("original")?,
    };
    cursor.end().map(|()| reject)
}

fn open(bytes: &[u8]) -> Result<(Record, Cursor<'_>), DecodeError> {
    let (id, body) = unframe(bytes).ok_or(DecodeError::NoFrame { bytes: bytes.len() })?;
    let record = Record::from_id(id).ok_or(DecodeError::UnknownSchema(id))?;
    Ok((record, Cursor::new(body)))
}

#[inline]
fn usage<'a>(cursor: &mut Cursor<'a>) -> Result<UsageRef<'a>, DecodeError> {
    let account = AccountKey(cursor.hash("account")?);
    let event_id = cursor.text("event_id")?;
    let minted = minted(cursor)?;
    let minted_at_ms =
        if cursor.is_some("minted_at_ms")? { Some(cursor.long("minted_at_ms")?) } else { None };
    let producer = ProducerId(cursor.hash("producer")?);
    let epoch = Epoch(cursor.long("epoch")?);
    let sequence = Sequence(cursor.long("sequence")?);
    let revision = Revision(u32_of(cursor.long("revision")?, "revision")?);
    let kind = cursor.symbol("kind", kind_of)?;
    let occurred_at = instant(cursor.long("occurred_at")?, "occurred_at")?;
    let session = cursor.optional_text("session")?;
    let request_id = cursor.optional_text("request_id")?;
    let (model, tool) = (cursor.text("model")?, cursor.text("tool")?);
    let view = cursor.symbol("view", view_of)?;
    let (service_tier, region) = (cursor.text("service_tier")?, cursor.text("region")?);
    let (client_version, agent) = (cursor.text("client_version")?, cursor.text("agent")?);
    let tokens = tokens(cursor)?;
    let requests = cursor.long("requests")?;
    let unsplit = unsplit(cursor)?;
    let (actor, reason) = (cursor.optional_text("actor")?, cursor.optional_text("reason")?);
    Ok(UsageRef {
        account,
        event_id,
        minted,
        minted_at_ms,
        producer,
        epoch,
        sequence,
        revision,
        kind,
        occurred_at,
        session,
        request_id,
        dims: DimsRef { model, tool, view, service_tier, region, unsplit },
        client_version,
        agent,
        usage: Usage { tokens, requests, ..Usage::ZERO },
        actor,
        reason,
    })
}

#[inline]
fn minted(cursor: &mut Cursor<'_>) -> Result<Option<Minted>, DecodeError> {
    if !cursor.is_some("minted")? {
        return Ok(None);
    }
    Ok(Some(Minted {
        producer: ProducerId(cursor.hash("minted.producer")?),
        epoch: Epoch(cursor.long("minted.epoch")?),
        sequence: Sequence(cursor.long("minted.sequence")?),
    }))
}

#[inline]
fn tokens(cursor: &mut Cursor<'_>) -> Result<[i64; 6], DecodeError> {
    Ok([
        cursor.long("input")?,
        cursor.long("cache_read")?,
        cursor.long("cache_write_5m")?,
        cursor.long("cache_write_1h")?,
        cursor.long("output")?,
        cursor.long("reasoning")?,
    ])
}

fn unsplit(cursor: &mut Cursor<'_>) -> Result<Unsplit, DecodeError> {
    let bits = cursor.int("unsplit")?;
    u8::try_from(bits).map(Unsplit).map_err(|_| DecodeError::Value {
        field: "unsplit",
        value: i64::from(bits),
        expected: "0 to 7",
    })
}

fn barrier(cursor: &mut Cursor<'_>) -> Result<Barrier, DecodeError> {
    let number = u16_of(cursor.int("number")?, "number")?;
    let topic = TopicId(cursor.hash("topic")?);
    let partitions = u16_of(cursor.int("partitions")?, "partitions")?;
    Ok(Barrier {
        number,
        topic,
        partitions: PartitionCount::new(partitions).ok_or(DecodeError::Value {
            field: "partitions",
            value: 0,
            expected: "1 to 65535",
        })?,
        fold_version: FoldVersion(u32_of(cursor.long("fold_version")?, "fold_version")?),
        secret_check: cursor.hash("secret_check")?,
    })
}

fn document<'a>(cursor: &mut Cursor<'a>) -> Result<Document<'a>, DecodeError> {
    Ok(Document { number: u32_of(cursor.long("number")?, "number")?, body: cursor.bytes("body")? })
}

fn total(cursor: &mut Cursor<'_>) -> Result<Totals, DecodeError> {
    let version = version(cursor)?;
    let partition = Partition(u16_of(cursor.int("partition")?, "partition")?);
    let account = AccountKey(cursor.hash("account")?);
    let (model, tool) = (cursor.text("model")?, cursor.text("tool")?);
    let view = cursor.symbol("view", view_of)?;
    let (service_tier, region) = (cursor.text("service_tier")?, cursor.text("region")?);
    let unsplit = unsplit(cursor)?;
    let dims = DimsRef { model, tool, view, service_tier, region, unsplit };
    let windows = [window(cursor)?, window(cursor)?, window(cursor)?, window(cursor)?];
    Ok(Totals::Total(TotalRow { partition, account, dims: Arc::new(dims.to_owned()), windows }, version))
}

fn window(cursor: &mut Cursor<'_>) -> Result<Usage, DecodeError> {
    let tokens = tokens(cursor)?;
    Ok(Usage {
        tokens,
        requests: cursor.long("requests")?,
        unpriced: cursor.long("unpriced")?,
        cost_nano_usd: cursor.long("cost_nano_usd")?,
    })
}

fn progress(cursor: &mut Cursor<'_>) -> Result<Progress, DecodeError> {
    let version = version(cursor)?;
    let partition = Partition(u16_of(cursor.int("partition")?, "partition")?);
    let clock = Minute(cursor.int("clock")?);
    let log_time = cursor.long("log_time")?;
    let log_time = LogTime::from_ms(log_time).ok_or(DecodeError::Value {
        field: "log_time",
        value: log_time,
        expected: CALENDAR,
    })?;
    Ok(Progress { partition, version, clock, log_time })
}

fn version(cursor: &mut Cursor<'_>) -> Result<Version, DecodeError> {
    Ok(Version::from_u64(cursor.long("version")?.cast_unsigned()))
}

const CALENDAR: &str = "milliseconds since 1970 within years 1 to 9999";

fn instant(ms: i64, field: &'static str) -> Result<EventTime, DecodeError> {
    EventTime::from_ms(ms).ok_or(DecodeError::Value { field, value: ms, expected: CALENDAR })
}

fn u16_of(value: i32, field: &'static str) -> Result<u16, DecodeError> {
    let wrong = |_| DecodeError::Value { field, value: i64::from(value), expected: "0 to 65535" };
    u16::try_from(value).map_err(wrong)
}

fn u32_of(value: i64, field: &'static str) -> Result<u32, DecodeError> {
    u32::try_from(value).map_err(|_| DecodeError::Value { field, value, expected: "0 to 4294967295" })
}

fn kind_of(index: u8) -> Option<Kind> {
    Kind::from_code(index)
}

fn view_of(index: u8) -> Option<View> {
    View::from_code(index)
}
