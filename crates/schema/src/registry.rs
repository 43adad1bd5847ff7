//! The embedded registry: which number on the wire stands for which schema text.

/// A schema's number, as the four bytes after the magic byte carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaId(pub u32);

/// Numbers of ours begin here: ASCII `TA` in the high half, far from the small numbers that a registry
/// hands out, so that a record of ours is never taken for another's.
const BASE: u32 = 0x5441_0000;

/// A record type of the log, in the one version that there is of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    /// A report, correction or retraction.
    UsageEvent,
    /// Time goes on.
    Heartbeat,
    /// An incarnation begins.
    Barrier,
    /// A price book.
    Prices,
    /// A policy.
    Policy,
    /// Who an account claims to be.
    Identity,
    /// An account's totals.
    AccountTotals,
    /// How far a partition is acknowledged.
    Progress,
    /// A record that did not become an event.
    Reject,
}

impl Record {
    /// All record types, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::UsageEvent,
        Self::Heartbeat,
        Self::Barrier,
        Self::Prices,
        Self::Policy,
        Self::Identity,
        Self::AccountTotals,
        Self::Progress,
        Self::Reject,
    ];

    /// Its number on the wire; fixed for ever.
    #[must_use]
    pub const fn id(self) -> SchemaId {
        SchemaId(
            BASE | match self {
                Self::UsageEvent => 1,
                Self::Heartbeat => 2,
                Self::Barrier => 3,
                Self::Prices => 4,
                Self::Policy => 5,
                Self::Identity => 6,
                Self::AccountTotals => 7,
                Self::Progress => 8,
                Self::Reject => 9,
            },
        )
    }

    /// The record type of a number; `None` for another registry's.
    #[must_use]
    pub fn from_id(id: SchemaId) -> Option<Self> {
        Self::ALL.into_iter().find(|record| record.id() == id)
    }

    /// Its Avro schema.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::UsageEvent => include_str!("../../../schemas/usage_event/v1.avsc"),
            Self::Heartbeat => include_str!("../../../schemas/heartbeat/v1.avsc"),
            Self::Barrier => include_str!("../../../schemas/barrier/v1.avsc"),
            Self::Prices => include_str!("../../../schemas/prices/v1.avsc"),
            Self::Policy => include_str!("../../../schemas/policy/v1.avsc"),
            Self::Identity => include_str!("../../../schemas/identity/v1.avsc"),
            Self::AccountTotals => include_str!("../../../schemas/account_totals/v1.avsc"),
            Self::Progress => include_str!("../../../schemas/progress/v1.avsc"),
            Self::Reject => include_str!("../../../schemas/reject/v1.avsc"),
        }
    }

    /// Its full Avro name, and its subject in a registry.
    #[must_use]
    pub const fn full_name(self) -> &'static str {
        match self {
            Self::UsageEvent => "tally.v1.UsageEvent",
            Self::Heartbeat => "tally.v1.Heartbeat",
            Self::Barrier => "tally.v1.Barrier",
            Self::Prices => "tally.v1.Prices",
            Self::Policy => "tally.v1.Policy",
            Self::Identity => "tally.v1.Identity",
            Self::AccountTotals => "tally.v1.AccountTotals",
            Self::Progress => "tally.v1.Progress",
            Self::Reject => "tally.v1.Reject",
        }
    }

    /// The record type of a full Avro name.
    #[must_use]
    pub fn from_full_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|record| record.full_name() == name)
    }
}

/// The writer's schema number of a framed record; `None` when it carries no frame.
#[must_use]
pub fn schema_id_of(bytes: &[u8]) -> Option<SchemaId> {
    crate::wire::unframe(bytes).map(|(id, _)| id)
}

/// The price book that a new installation begins with: JSON, read by [`tally_domain::price::PriceBook`].
pub const SHIPPED_PRICE_BOOK: &str = include_str!("../../../schemas/prices/book.json");
