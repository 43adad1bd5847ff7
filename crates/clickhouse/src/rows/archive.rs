//! Rows that the audit writes: see `migrations/0002_archive.sql`.

use super::{Hash, Table, ViewCode, tables};
use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// What a record of the usage log is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde_repr::Serialize_repr, serde_repr::Deserialize_repr,
)]
#[repr(i8)]
pub enum EntryCode {
    /// A report, a correction or a retraction.
    #[default]
    Usage = 0,
    /// A price book.
    Prices = 1,
    /// A policy.
    Policy = 2,
    /// A heartbeat.
    Heartbeat = 3,
    /// A barrier.
    Barrier = 4,
    /// No record of a known schema; its bytes stand in `body`.
    Unreadable = 5,
}

/// What a usage record wants.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde_repr::Serialize_repr, serde_repr::Deserialize_repr,
)]
#[repr(i8)]
pub enum KindCode {
    /// What a producer measured.
    #[default]
    Report = 0,
    /// What a person or a job says it really was.
    Correction = 1,
    /// A revision to zero.
    Retraction = 2,
}

impl From<tally_domain::Kind> for KindCode {
    fn from(kind: tally_domain::Kind) -> Self {
        match kind {
            tally_domain::Kind::Report => Self::Report,
            tally_domain::Kind::Correction => Self::Correction,
            tally_domain::Kind::Retraction => Self::Retraction,
        }
    }
}

impl From<KindCode> for tally_domain::Kind {
    fn from(code: KindCode) -> Self {
        match code {
            KindCode::Report => Self::Report,
            KindCode::Correction => Self::Correction,
            KindCode::Retraction => Self::Retraction,
        }
    }
}

/// `events`: one record of the usage log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0002_archive.sql")]
pub struct EventRecord<S = String> {
    pub incarnation: u16,
    pub partition: u16,
    pub offset: u64,
    pub appended_at: i64,
    pub log_time: i64,
    pub entry: EntryCode,
    pub reason: S,
    pub detail: S,
    pub account: Hash,
    pub event_key: Hash,
    pub event_id: S,
    pub minted: u8,
    pub minted_producer: Hash,
    pub minted_epoch: i64,
    pub minted_sequence: i64,
    pub minted_at: Option<i64>,
    pub producer: Hash,
    pub epoch: i64,
    pub sequence: i64,
    pub revision: u32,
    pub kind: KindCode,
    pub occurred_at: i64,
    pub session: Option<S>,
    pub request_id: Option<S>,
    pub model: S,
    pub tool: S,
    pub view: ViewCode,
    pub service_tier: S,
    pub region: S,
    pub unsplit: u8,
    pub client_version: S,
    pub agent: S,
    pub input: i64,
    pub cache_read: i64,
    pub cache_write_5m: i64,
    pub cache_write_1h: i64,
    pub output: i64,
    pub reasoning: i64,
    pub requests: i64,
    pub content_hash: u64,
    pub actor: Option<S>,
    pub motive: Option<S>,
    #[serde(with = "serde_bytes")]
    pub record_key: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// `archive_progress`: how far `events` is contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0002_archive.sql")]
pub struct ArchiveProgressRecord {
    pub partition: u16,
    pub version: u64,
    pub log_time: i64,
}

/// Where a reject lies.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde_repr::Serialize_repr, serde_repr::Deserialize_repr,
)]
#[repr(i8)]
pub enum RejectTopic {
    /// It is a record of the usage log.
    #[default]
    Usage = 0,
    /// It never became one: a sender or the collector kept it in the topic `rejects`.
    Rejects = 1,
}

/// `rejects`: what could not become an event.
#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0004_rejects.sql")]
pub struct RejectRecord<S = String> {
    pub topic: RejectTopic,
    pub incarnation: u16,
    pub partition: u16,
    pub offset: u64,
    pub appended_at: i64,
    pub reason: S,
    pub detail: S,
    #[serde(with = "serde_bytes")]
    pub record_key: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// `rejects_progress`: how far the topic `rejects` is archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
#[expect(missing_docs, reason = "column by column as documented in migrations/0004_rejects.sql")]
pub struct RejectsProgressRecord {
    pub partition: u16,
    pub next: u64,
}

tables! {
    EventRecord => "events";
    RejectRecord => "rejects";
}
impl Table for ArchiveProgressRecord {
    const TABLE: &'static str = "archive_progress";
}
impl Table for RejectsProgressRecord {
    const TABLE: &'static str = "rejects_progress";
}
