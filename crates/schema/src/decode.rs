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
        Record::UsageEvent => Entry::Usage(usage(&mut cursor)),
        Record::Heartbeat => Entry::Heartbeat,
        Record::Barrier => Entry::Barrier(barrier(&mut cursor)),
        Record::Prices => Entry::Prices(document(&mut cursor)),
        Record::Policy => Entry::Policy(document(&mut cursor)),
        Record::Identity | Record::AccountTotals | Record::Progress | Record::Reject => {
            return Err(DecodeError::Misplaced(record));
        }
    };
    cursor.end()?;
    Ok(entry)
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
        source: cursor.text("source").to_owned(),
        subject: cursor.text("subject").to_owned(),
        email: cursor.optional_text("email").map(str::to_owned),
        name: cursor.optional_text("name").map(str::to_owned),
        first_seen_ms: cursor.long("first_seen_ms"),
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
        Record::AccountTotals => total(&mut cursor),
        Record::Progress => Totals::Progress(progress(&mut cursor)),
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
    let partition = Partition(u16_of(&mut cursor, "partition"));
    let offset = cursor.long("offset");
    let of_48_bits = u64::try_from(offset).ok().and_then(Offset::new);
    let reject = RejectRef {
        partition,
        offset: cursor.within("offset", offset, "0 to 2^48-1", Offset::ZERO, of_48_bits),
        reason: cursor
            .symbol("reason", Reason::Undecodable, |index| Reason::ALL.get(usize::from(index)).copied()),
        detail: cursor.text("detail"),
        original: cursor.bytes("original"),
    };
    cursor.end().map(|()| reject)
}

fn open(bytes: &[u8]) -> Result<(Record, Cursor<'_>), DecodeError> {
    let (id, body) = unframe(bytes).ok_or(DecodeError::NoFrame { bytes: bytes.len() })?;
    let record = Record::from_id(id).ok_or(DecodeError::UnknownSchema(id))?;
    Ok((record, Cursor::new(body)))
}

#[inline]
fn usage<'a>(cursor: &mut Cursor<'a>) -> UsageRef<'a> {
    let account = AccountKey(cursor.hash("account"));
    let event_id = cursor.text("event_id");
    let minted = minted(cursor);
    let minted_at_ms = if cursor.is_some("minted_at_ms") { Some(cursor.long("minted_at_ms")) } else { None };
    let producer = ProducerId(cursor.hash("producer"));
    let epoch = Epoch(cursor.long("epoch"));
    let sequence = Sequence(cursor.long("sequence"));
    let revision = Revision(u32_of(cursor, "revision"));
    let kind = cursor.symbol("kind", Kind::Report, Kind::from_code);
    let occurred_at = occurred_at(cursor);
    let begun = cursor.here();
    let session = cursor.optional_span("session", begun);
    let request_id = cursor.optional_span("request_id", begun);
    let (model, tool) = (cursor.span("model", begun), cursor.span("tool", begun));
    let view = cursor.symbol("view", View::Unknown, View::from_code);
    let (service_tier, region) = (cursor.span("service_tier", begun), cursor.span("region", begun));
    let (client_version, agent) = (cursor.span("client_version", begun), cursor.span("agent", begun));
    let texts = cursor.texts(begun);
    let session = session.map(|span| cursor.text_of("session", span, &texts));
    let request_id = request_id.map(|span| cursor.text_of("request_id", span, &texts));
    let mut text = |field, span| cursor.text_of(field, span, &texts);
    let (model, tool) = (text("model", model), text("tool", tool));
    let (service_tier, region) = (text("service_tier", service_tier), text("region", region));
    let (client_version, agent) = (text("client_version", client_version), text("agent", agent));
    let tokens = tokens(cursor);
    let requests = cursor.long("requests");
    let unsplit = unsplit(cursor);
    let (actor, reason) = (cursor.optional_text("actor"), cursor.optional_text("reason"));
    UsageRef {
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
    }
}

#[inline]
fn minted(cursor: &mut Cursor<'_>) -> Option<Minted> {
    cursor.is_some("minted").then(|| Minted {
        producer: ProducerId(cursor.hash("minted.producer")),
        epoch: Epoch(cursor.long("minted.epoch")),
        sequence: Sequence(cursor.long("minted.sequence")),
    })
}

#[inline]
fn tokens(cursor: &mut Cursor<'_>) -> [i64; 6] {
    [
        cursor.long("input"),
        cursor.long("cache_read"),
        cursor.long("cache_write_5m"),
        cursor.long("cache_write_1h"),
        cursor.long("output"),
        cursor.long("reasoning"),
    ]
}

#[inline]
fn unsplit(cursor: &mut Cursor<'_>) -> Unsplit {
    let bits = cursor.int("unsplit");
    let set = u8::try_from(bits).ok().map(Unsplit);
    cursor.within("unsplit", i64::from(bits), "0 to 7", Unsplit::default(), set)
}

fn barrier(cursor: &mut Cursor<'_>) -> Barrier {
    let number = u16_of(cursor, "number");
    let topic = TopicId(cursor.hash("topic"));
    let partitions = u16_of(cursor, "partitions");
    let count = PartitionCount::new(partitions);
    Barrier {
        number,
        topic,
        partitions: cursor.within("partitions", 0, "1 to 65535", PartitionCount::LOCAL, count),
        fold_version: FoldVersion(u32_of(cursor, "fold_version")),
        secret_check: cursor.hash("secret_check"),
    }
}

fn document<'a>(cursor: &mut Cursor<'a>) -> Document<'a> {
    Document { number: u32_of(cursor, "number"), body: cursor.bytes("body") }
}

fn total(cursor: &mut Cursor<'_>) -> Totals {
    let version = version(cursor);
    let partition = Partition(u16_of(cursor, "partition"));
    let account = AccountKey(cursor.hash("account"));
    let (model, tool) = (cursor.text("model"), cursor.text("tool"));
    let view = cursor.symbol("view", View::Unknown, View::from_code);
    let (service_tier, region) = (cursor.text("service_tier"), cursor.text("region"));
    let unsplit = unsplit(cursor);
    let dims = DimsRef { model, tool, view, service_tier, region, unsplit };
    let windows = [window(cursor), window(cursor), window(cursor), window(cursor)];
    Totals::Total(TotalRow { partition, account, dims: Arc::new(dims.to_owned()), windows }, version)
}

fn window(cursor: &mut Cursor<'_>) -> Usage {
    let tokens = tokens(cursor);
    Usage {
        tokens,
        requests: cursor.long("requests"),
        unpriced: cursor.long("unpriced"),
        cost_nano_usd: cursor.long("cost_nano_usd"),
    }
}

fn progress(cursor: &mut Cursor<'_>) -> Progress {
    let version = version(cursor);
    let partition = Partition(u16_of(cursor, "partition"));
    let clock = Minute(cursor.int("clock"));
    let ms = cursor.long("log_time");
    let log_time = cursor.within("log_time", ms, CALENDAR, LogTime::default(), LogTime::from_ms(ms));
    Progress { partition, version, clock, log_time }
}

fn version(cursor: &mut Cursor<'_>) -> Version {
    Version::from_u64(cursor.long("version").cast_unsigned())
}

const CALENDAR: &str = "milliseconds since 1970 within years 1 to 9999";

#[inline]
fn occurred_at(cursor: &mut Cursor<'_>) -> EventTime {
    let ms = cursor.long("occurred_at");
    cursor.within("occurred_at", ms, CALENDAR, EventTime::default(), EventTime::from_ms(ms))
}

fn u16_of(cursor: &mut Cursor<'_>, field: &'static str) -> u16 {
    let value = cursor.int(field);
    cursor.within(field, i64::from(value), "0 to 65535", 0, u16::try_from(value).ok())
}

#[inline]
fn u32_of(cursor: &mut Cursor<'_>, field: &'static str) -> u32 {
    let value = cursor.long(field);
    cursor.within(field, value, "0 to 4294967295", 0, u32::try_from(value).ok())
}
