//! Records → bytes, by our own schemas.

use tally_domain::event::DimsRef;
use tally_domain::published::{Progress, TotalRow};
use tally_domain::{Barrier, ClaimedIdentity, Reason, Reject, Usage, UsageRef, Version};

use crate::registry::Record;
use crate::wire::{put_bytes, put_frame, put_long, put_optional_text};

/// Appends a usage record to `into`; cost and `unpriced` have no place in it. Anything can be written: what may be
/// accepted is said by [`crate::check()`].
pub fn encode_usage(event: &UsageRef<'_>, into: &mut Vec<u8>) {
    put_frame(Record::UsageEvent, into);
    into.extend_from_slice(event.account.bytes());
    put_bytes(event.event_id.as_bytes(), into);
    put_long(i64::from(event.minted.is_some()), into);
    if let Some(minted) = event.minted {
        into.extend_from_slice(minted.producer.bytes());
        put_long(minted.epoch.0, into);
        put_long(minted.sequence.0, into);
    }
    put_long(i64::from(event.minted_at_ms.is_some()), into);
    event.minted_at_ms.into_iter().for_each(|ms| put_long(ms, into));
    into.extend_from_slice(event.producer.bytes());
    put_long(event.epoch.0, into);
    put_long(event.sequence.0, into);
    put_long(i64::from(event.revision.0), into);
    put_long(i64::from(event.kind.code()), into);
    put_long(event.occurred_at.ms(), into);
    put_optional_text(event.session, into);
    put_optional_text(event.request_id, into);
    put_names(event.dims, into);
    put_bytes(event.client_version.as_bytes(), into);
    put_bytes(event.agent.as_bytes(), into);
    event.usage.tokens.iter().for_each(|&tokens| put_long(tokens, into));
    put_long(event.usage.requests, into);
    put_long(i64::from(event.dims.unsplit.0), into);
    put_optional_text(event.actor, into);
    put_optional_text(event.reason, into);
}

/// A heartbeat.
#[must_use]
pub fn encode_heartbeat() -> Vec<u8> {
    framed(Record::Heartbeat)
}

/// A barrier.
#[must_use]
pub fn encode_barrier(barrier: &Barrier) -> Vec<u8> {
    let mut bytes = framed(Record::Barrier);
    put_long(i64::from(barrier.number), &mut bytes);
    bytes.extend_from_slice(barrier.topic.bytes());
    put_long(i64::from(barrier.partitions.get()), &mut bytes);
    put_long(i64::from(barrier.fold_version.0), &mut bytes);
    bytes.extend_from_slice(&barrier.secret_check.0);
    bytes
}

/// A price book.
#[must_use]
pub fn encode_prices(number: u32, body: &[u8]) -> Vec<u8> {
    document(Record::Prices, number, body)
}

/// A policy.
#[must_use]
pub fn encode_policy(number: u32, body: &[u8]) -> Vec<u8> {
    document(Record::Policy, number, body)
}

/// A claimed identity.
#[must_use]
pub fn encode_identity(identity: &ClaimedIdentity) -> Vec<u8> {
    let mut bytes = framed(Record::Identity);
    put_bytes(identity.source.as_bytes(), &mut bytes);
    put_bytes(identity.subject.as_bytes(), &mut bytes);
    put_optional_text(identity.email.as_deref(), &mut bytes);
    put_optional_text(identity.name.as_deref(), &mut bytes);
    put_long(identity.first_seen_ms, &mut bytes);
    bytes
}

/// Appends an account's totals, as of a version, to `into`.
pub fn encode_total(row: &TotalRow, version: Version, into: &mut Vec<u8>) {
    put_frame(Record::AccountTotals, into);
    put_long(version.get().cast_signed(), into);
    put_long(i64::from(row.partition.0), into);
    into.extend_from_slice(row.account.bytes());
    put_names(row.dims.as_ref().as_ref(), into);
    put_long(i64::from(row.dims.unsplit.0), into);
    row.windows.iter().flat_map(Usage::lanes).for_each(|lane| put_long(lane, into));
}

/// A partition's progress.
#[must_use]
pub fn encode_progress(progress: &Progress) -> Vec<u8> {
    let mut bytes = framed(Record::Progress);
    put_long(progress.version.get().cast_signed(), &mut bytes);
    put_long(i64::from(progress.partition.0), &mut bytes);
    put_long(i64::from(progress.clock.0), &mut bytes);
    put_long(progress.log_time.ms(), &mut bytes);
    bytes
}

/// A reject and the bytes that it speaks of.
#[must_use]
pub fn encode_reject(reject: &Reject, original: &[u8]) -> Vec<u8> {
    let mut bytes = framed(Record::Reject);
    put_long(i64::from(reject.partition.0), &mut bytes);
    put_long(i64::try_from(reject.offset.get()).expect("offsets have 48 bits"), &mut bytes);
    let symbol = Reason::ALL.iter().position(|&reason| reason == reject.reason);
    let symbol = symbol.and_then(|index| i64::try_from(index).ok()).expect("every reason is in ALL");
    put_long(symbol, &mut bytes);
    put_bytes(reject.detail.as_bytes(), &mut bytes);
    put_bytes(original, &mut bytes);
    bytes
}

/// Model, tool, view, service tier, region: the dims as they stand together; the unsplit bits come later.
fn put_names(dims: DimsRef<'_>, into: &mut Vec<u8>) {
    put_bytes(dims.model.as_bytes(), into);
    put_bytes(dims.tool.as_bytes(), into);
    put_long(i64::from(dims.view.code()), into);
    put_bytes(dims.service_tier.as_bytes(), into);
    put_bytes(dims.region.as_bytes(), into);
}

fn document(record: Record, number: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = framed(record);
    put_long(i64::from(number), &mut bytes);
    put_bytes(body, &mut bytes);
    bytes
}

fn framed(record: Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_frame(record, &mut bytes);
    bytes
}
