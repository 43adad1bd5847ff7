//! One report of usage, as the producer meant it, and the account it claims.

use crate::gathered::Gathered;
use crate::identity::{AccountKey, ContentHash, Epoch, EventKey, ProducerId, Sequence, SessionKey};
use crate::time::EventTime;
use crate::usage::Usage;

/// Greatest number of tokens that one class of one report may claim.
pub const TOKENS_MAX: i64 = 1_000_000_000_000;
/// Greatest length of an event id in bytes; the least is 1.
pub const EVENT_ID_BYTES_MAX: usize = 256;
/// How far ahead of LogTime a report may have occurred, or been minted, or a driver's clock may be passed.
pub const FUTURE_TOLERANCE_MS: i64 = 5 * 60_000;

/// Which report of an event it is; a later one replaces an earlier one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u32);

/// What a record wants; in a tie of revisions the later of these stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// What a producer measured.
    #[default]
    Report,
    /// What a person or a job says it really was.
    Correction,
    /// A revision to zero.
    Retraction,
}

impl Kind {
    /// All kinds, in the order of the schema's symbols.
    pub const ALL: [Self; 3] = [Self::Report, Self::Correction, Self::Retraction];

    /// The schema's symbol.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Report => "REPORT",
            Self::Correction => "CORRECTION",
            Self::Retraction => "RETRACTION",
        }
    }
}

/// Who reported it. All views are folded; which one counts is decided when standings are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum View {
    /// A writer newer than this reader.
    #[default]
    Unknown,
    /// A producer SDK.
    Sdk,
    /// A tool's telemetry, through the collector.
    CollectorOtel,
    /// A tool's local session file.
    Transcript,
    /// A gateway in the path of the calls.
    Gateway,
    /// The provider's own report.
    ProviderReport,
    /// A table of rows, CSV or JSONL.
    Table,
}

impl View {
    /// All views, in the order of the schema's symbols.
    pub const ALL: [Self; 7] = [
        Self::Unknown,
        Self::Sdk,
        Self::CollectorOtel,
        Self::Transcript,
        Self::Gateway,
        Self::ProviderReport,
        Self::Table,
    ];

    /// The schema's symbol.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Sdk => "SDK",
            Self::CollectorOtel => "COLLECTOR_OTEL",
            Self::Transcript => "TRANSCRIPT",
            Self::Gateway => "GATEWAY",
            Self::ProviderReport => "PROVIDER_REPORT",
            Self::Table => "TABLE",
        }
    }

    /// The view of a schema symbol.
    #[must_use]
    pub fn from_symbol(symbol: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.symbol() == symbol)
    }
}

/// What a source cannot split; a set of bits, and a dim. Unknown is not zero.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Unsplit(pub u8);

impl Unsplit {
    /// Reasoning is inside output.
    pub const REASONING_IN_OUTPUT: Self = Self(1);
    /// Cache writes have an unknown life; they stand in the 5-minute class.
    pub const CACHE_WRITE_LIFE: Self = Self(2);
    /// Cache reads and writes are inside input.
    pub const CACHE_IN_INPUT: Self = Self(4);
    /// All bits that are defined.
    pub const ALL: Self = Self(7);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// True when every bit of `other` is set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What usage is broken down by. Interned per partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dims {
    /// Model, as reported.
    pub model: String,
    /// Tool: `claude-code`, `codex` …
    pub tool: String,
    /// Who reported it.
    pub view: View,
    /// Service tier; empty = unsaid.
    pub service_tier: String,
    /// Region; empty = unsaid.
    pub region: String,
    /// What the source cannot split.
    pub unsplit: Unsplit,
}

/// The dims of a report, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DimsRef<'a> {
    /// See [`Dims`].
    pub model: &'a str,
    /// See [`Dims`].
    pub tool: &'a str,
    /// See [`Dims`].
    pub view: View,
    /// See [`Dims`].
    pub service_tier: &'a str,
    /// See [`Dims`].
    pub region: &'a str,
    /// See [`Dims`].
    pub unsplit: Unsplit,
}

impl DimsRef<'_> {
    /// An owned copy.
    #[must_use]
    pub fn to_owned(&self) -> Dims {
        Dims {
            model: self.model.to_owned(),
            tool: self.tool.to_owned(),
            view: self.view,
            service_tier: self.service_tier.to_owned(),
            region: self.region.to_owned(),
            unsplit: self.unsplit,
        }
    }
}

impl Dims {
    /// The same, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> DimsRef<'_> {
        DimsRef {
            model: &self.model,
            tool: &self.tool,
            view: self.view,
            service_tier: &self.service_tier,
            region: &self.region,
            unsplit: self.unsplit,
        }
    }
}

/// What a minted event id names: the sender that gave the id, and which of its records it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minted {
    /// Who minted the id.
    pub producer: ProducerId,
    /// In which of its starts.
    pub epoch: Epoch,
    /// As which record of it, from 1.
    pub sequence: Sequence,
}

impl Minted {
    /// The id that it gives its event: producer, epoch as 16 hexadecimal digits, sequence. Whoever mints ids
    /// writes them so, and whoever trusts that an id was minted compares it with this.
    #[must_use]
    pub fn event_id(&self) -> String {
        format!("{}.{:016x}.{}", self.producer, self.epoch.0, self.sequence.0)
    }

    /// The inverse of [`Self::event_id`]; `None` for an id that was not minted.
    #[must_use]
    pub fn of_event_id(event_id: &str) -> Option<Self> {
        let (producer, rest) = event_id.split_once('.')?;
        let (epoch, sequence) = rest.split_once('.')?;
        let minted = Self {
            producer: producer.parse().ok()?,
            epoch: Epoch(u64::from_str_radix(epoch, 16).ok()?.cast_signed()),
            sequence: Sequence(sequence.parse().ok()?),
        };
        // Only the one way of writing it is an id of ours.
        (minted.sequence.0 > 0 && minted.event_id() == event_id).then_some(minted)
    }
}

/// One usage record as it stands in the log, borrowed from its bytes. Field by field the Avro record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageRef<'a> {
    /// Keyed hash of the claimed (source, subject); equals the record key.
    pub account: AccountKey,
    /// 1 to 256 bytes.
    pub event_id: &'a str,
    /// What `event_id` names, when an SDK minted it.
    pub minted: Option<Minted>,
    /// Mint time that the id itself carries (UUIDv7, ULID), ms UTC.
    pub minted_at_ms: Option<i64>,
    /// Sender of this copy.
    pub producer: ProducerId,
    /// Start of that sender.
    pub epoch: Epoch,
    /// Dense from 1 per account and epoch; 0 = unnumbered.
    pub sequence: Sequence,
    /// See [`Revision`].
    pub revision: Revision,
    /// See [`Kind`].
    pub kind: Kind,
    /// By the producer's clock.
    pub occurred_at: EventTime,
    /// The tool's own session.
    pub session: Option<&'a str>,
    /// The provider's id of the call; never identity.
    pub request_id: Option<&'a str>,
    /// What it is broken down by.
    pub dims: DimsRef<'a>,
    /// Not a dim.
    pub client_version: &'a str,
    /// Not a dim.
    pub agent: &'a str,
    /// Tokens and requests, each 0 to [`TOKENS_MAX`]; `unpriced` and cost are zero until priced.
    pub usage: Usage,
    /// Who corrects or retracts; required unless a report.
    pub actor: Option<&'a str>,
    /// Why; required unless a report.
    pub reason: Option<&'a str>,
}

/// [`UsageRef`], owned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "field by field as documented on UsageRef")]
pub struct UsageEvent {
    pub account: AccountKey,
    pub event_id: String,
    pub minted: Option<Minted>,
    pub minted_at_ms: Option<i64>,
    pub producer: ProducerId,
    pub epoch: Epoch,
    pub sequence: Sequence,
    pub revision: Revision,
    pub kind: Kind,
    pub occurred_at: EventTime,
    pub session: Option<String>,
    pub request_id: Option<String>,
    pub dims: Dims,
    pub client_version: String,
    pub agent: String,
    pub usage: Usage,
    pub actor: Option<String>,
    pub reason: Option<String>,
}

impl UsageEvent {
    /// The same, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> UsageRef<'_> {
        UsageRef {
            account: self.account,
            event_id: &self.event_id,
            minted: self.minted,
            minted_at_ms: self.minted_at_ms,
            producer: self.producer,
            epoch: self.epoch,
            sequence: self.sequence,
            revision: self.revision,
            kind: self.kind,
            occurred_at: self.occurred_at,
            session: self.session.as_deref(),
            request_id: self.request_id.as_deref(),
            dims: self.dims.as_ref(),
            client_version: &self.client_version,
            agent: &self.agent,
            usage: self.usage,
            actor: self.actor.as_deref(),
            reason: self.reason.as_deref(),
        }
    }
}

impl UsageRef<'_> {
    /// An owned copy.
    #[must_use]
    pub fn to_owned(&self) -> UsageEvent {
        UsageEvent {
            account: self.account,
            event_id: self.event_id.to_owned(),
            minted: self.minted,
            minted_at_ms: self.minted_at_ms,
            producer: self.producer,
            epoch: self.epoch,
            sequence: self.sequence,
            revision: self.revision,
            kind: self.kind,
            occurred_at: self.occurred_at,
            session: self.session.map(str::to_owned),
            request_id: self.request_id.map(str::to_owned),
            dims: self.dims.to_owned(),
            client_version: self.client_version.to_owned(),
            agent: self.agent.to_owned(),
            usage: self.usage,
            actor: self.actor.map(str::to_owned),
            reason: self.reason.map(str::to_owned),
        }
    }

    /// The key under which it is counted once.
    #[must_use]
    pub fn event_key(&self) -> EventKey {
        EventKey::of(&self.account, self.event_id)
    }

    /// The session it belongs to, or [`SessionKey::NONE`].
    #[must_use]
    pub fn session_key(&self) -> SessionKey {
        self.session.map_or(SessionKey::NONE, SessionKey::of)
    }

    /// Over what the report says of the event: revision, kind, time, session, request id, dims, tokens and
    /// requests. The sender's copy numbers, cost and whatever is not a dim are left out: a copy that another
    /// sender passes on is the same copy.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        let mut gathered = Gathered::<512>::default();
        let mut number = |value: i64| gathered.put(&value.to_le_bytes());
        number(i64::from(self.revision.0));
        number(self.occurred_at.ms());
        self.usage.tokens.iter().for_each(|&tokens| number(tokens));
        number(self.usage.requests);
        gathered.put(&[self.kind.code(), self.dims.view.code(), self.dims.unsplit.0]);
        let texts = [
            self.session.unwrap_or_default(),
            self.request_id.unwrap_or_default(),
            self.dims.model,
            self.dims.tool,
            self.dims.service_tier,
            self.dims.region,
        ];
        for text in texts {
            gathered.put(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            gathered.put(text.as_bytes());
        }
        ContentHash(gathered.hash_64())
    }
}

impl Kind {
    /// Its place among [`Self::ALL`].
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Report => 0,
            Self::Correction => 1,
            Self::Retraction => 2,
        }
    }
    /// The inverse of [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl View {
    /// Its place among [`Self::ALL`].
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Sdk => 1,
            Self::CollectorOtel => 2,
            Self::Transcript => 3,
            Self::Gateway => 4,
            Self::ProviderReport => 5,
            Self::Table => 6,
        }
    }
    /// The inverse of [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|view| view.code() == code)
    }
}

/// Who an account claims to be: the value of the compacted topic `tally.identities`, and the only place
/// in the log where a name stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClaimedIdentity {
    /// The tool or integration that speaks for the subject.
    pub source: String,
    /// Whom it speaks for, verbatim.
    pub subject: String,
    /// Where known.
    pub email: Option<String>,
    /// Where known, for display.
    pub name: Option<String>,
    /// When the account was first seen, ms UTC.
    pub first_seen_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Hash128;

    #[test]
    fn a_minted_id_reads_back_and_nothing_else_does() {
        let minted =
            Minted { producer: ProducerId(Hash128([0xab; 16])), epoch: Epoch(-2), sequence: Sequence(17) };
        let id = minted.event_id();
        assert_eq!(id, "abababababababababababababababab.fffffffffffffffe.17");
        assert_eq!(Minted::of_event_id(&id), Some(minted));
        for other in ["", "msg:1", &id.to_uppercase(), &id.replace(".17", ".017"), &id.replace(".17", ".0")] {
            assert_eq!(Minted::of_event_id(other), None, "{other}");
        }
    }
}
