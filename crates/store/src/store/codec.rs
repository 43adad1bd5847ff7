//! Bytes of the store's typed keyspaces. Keys sort as what they mean; values are 64-bit little-endian words, as
//! the engine packs them best.

use tally_domain::planted::{self, Bug};
use tally_domain::{
    ContentHash, EventTime, Hour, Kind, Minute, Offset, Revision, SessionKey, Usage, usage::LANES,
};
use tally_fold::{AccountIx, DimsIx, HourKey, Posting, Report, SessionChange, SessionId};

use crate::keyspace::{prefix, prefix_of};

pub(super) const USAGE_BYTES: usize = LANES * 8;
/// Offset, occurred at, session, content, usage, revision ‖ dims; kind.
pub(super) const REPORT_BYTES: usize = 4 * 8 + USAGE_BYTES + 8 + 1;
/// First, last, usage.
pub(super) const SESSION_BYTES: usize = 2 * 8 + USAGE_BYTES;

/// The key of a slice or an hour.
pub(super) fn dated_key(at: i32, account: AccountIx, dims: DimsIx) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&prefix(at));
    key[4..8].copy_from_slice(&account.0.to_be_bytes());
    key[8..].copy_from_slice(&dims.0.to_be_bytes());
    key
}

pub(super) fn read_hour_key(key: &[u8]) -> HourKey {
    HourKey { hour: Hour(prefix_of(key)), account: AccountIx(big(key, 4)), dims: DimsIx(big(key, 8)) }
}

pub(super) fn read_slice(key: &[u8], value: &[u8]) -> Posting {
    Posting {
        minute: Minute(prefix_of(key)),
        account: AccountIx(big(key, 4)),
        dims: DimsIx(big(key, 8)),
        usage: read_usage(value),
    }
}

pub(super) fn session_key(id: &SessionId) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&id.account.0.to_be_bytes());
    key[4..].copy_from_slice(&id.session.0.to_be_bytes());
    key
}

pub(super) fn read_session_key(key: &[u8]) -> SessionId {
    let session = key[4..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    SessionId { account: AccountIx(big(key, 0)), session: SessionKey(session) }
}

pub(super) fn usage(usage: &Usage) -> [u8; USAGE_BYTES] {
    let mut bytes = [0; USAGE_BYTES];
    put_words(&mut bytes, usage.lanes().into_iter().map(i64::cast_unsigned));
    bytes
}

pub(super) fn read_usage(bytes: &[u8]) -> Usage {
    Usage::from_lanes(std::array::from_fn(|lane| word(bytes, lane).cast_signed()))
}

pub(super) fn report(report: &Report) -> [u8; REPORT_BYTES] {
    let mut bytes = [0; REPORT_BYTES];
    // The dims below the revision, which is nearly always small: so the word is short.
    let revision = u64::from(report.revision.0) << 32 | u64::from(report.dims.0);
    let head = [
        report.offset.get(),
        report.occurred.ms().cast_unsigned(),
        report.session.0,
        report.content.0,
        revision,
    ];
    put_words(&mut bytes, head.into_iter().chain(report.usage.lanes().into_iter().map(i64::cast_unsigned)));
    bytes[REPORT_BYTES - 1] = report.kind.code();
    bytes
}

/// `None` if these bytes were never a report.
pub(super) fn read_report(bytes: &[u8]) -> Option<Report> {
    let (kind, words) = bytes.split_last()?;
    let revision = word(words, 4);
    Some(Report {
        offset: Offset::new(word(words, 0))?,
        revision: Revision(u32::try_from(revision >> 32).ok()?),
        kind: Kind::from_code(*kind)?,
        occurred: EventTime::from_ms(word(words, 1).cast_signed())?,
        session: SessionKey(word(words, 2)),
        dims: DimsIx(u32::try_from(revision & u64::from(u32::MAX)).ok()?),
        usage: read_usage(words.get(5 * 8..)?),
        content: if planted::is(Bug::ThinEntry) { ContentHash(0) } else { ContentHash(word(words, 3)) },
    })
}

/// A session's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) first: EventTime,
    pub(super) last: EventTime,
    pub(super) usage: Usage,
}

impl Session {
    pub(super) fn of(change: &SessionChange) -> Self {
        Self { first: change.first, last: change.last, usage: change.usage }
    }

    /// Both together; `None` when a sum leaves 64 bits.
    pub(super) fn join(self, other: Option<Self>) -> Option<Self> {
        let Some(other) = other else { return Some(self) };
        Some(Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            usage: self.usage.checked_add(&other.usage)?,
        })
    }

    pub(super) fn bytes(&self) -> [u8; SESSION_BYTES] {
        let mut bytes = [0; SESSION_BYTES];
        let head = [self.first.ms().cast_unsigned(), self.last.ms().cast_unsigned()];
        put_words(&mut bytes, head.into_iter().chain(self.usage.lanes().into_iter().map(i64::cast_unsigned)));
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Self {
        let time = |at| EventTime::from_ms(word(bytes, at).cast_signed()).unwrap_or_default();
        Self { first: time(0), last: time(1), usage: read_usage(&bytes[16..]) }
    }
}

fn put_words(bytes: &mut [u8], words: impl Iterator<Item = u64>) {
    for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
}

fn word(bytes: &[u8], place: usize) -> u64 {
    bytes[place * 8..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn big(key: &[u8], at: usize) -> u32 {
    key[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
