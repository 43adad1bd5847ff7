//! What is still to be published, and how far everything is acknowledged.

use crate::report::{AccountIx, DimsIx, RunIx};
use tally_domain::{Day, Hour, SessionKey, Version};

/// Where absolute values are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// All keys.
    ClickHouse,
    /// The topic `totals`: account totals alone.
    Totals,
}

impl Destination {
    /// All destinations.
    pub const ALL: [Self; 2] = [Self::ClickHouse, Self::Totals];
}

/// An hour's sum, which lies in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HourKey {
    /// Which hour.
    pub hour: Hour,
    /// Whose.
    pub account: AccountIx,
    /// Broken down by.
    pub dims: DimsIx,
}

/// A session's row, which lies in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// Whose.
    pub account: AccountIx,
    /// Which.
    pub session: SessionKey,
}

/// A key of a published row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DueKey {
    /// An account's totals in all windows.
    Total(AccountIx, DimsIx),
    /// An hour's sum.
    Hour(HourKey),
    /// What a run did to its account on one day of event time.
    Receipt(RunIx, Day, DimsIx),
    /// How far a run was read.
    Producer(RunIx),
    /// A session.
    Session(SessionId),
}

/// How far the publishing of every key has come; keys that the store keeps are walked there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Totals from this place on.
    Totals(u32),
    /// Receipts from this place on.
    Receipts(u32),
    /// Producers from this run on.
    Producers(u32),
    /// Hours after this one, in order of [`HourKey`]; `None` = from the first.
    Hours(Option<HourKey>),
    /// Sessions after this one, in order of [`SessionId`]; `None` = from the first.
    Sessions(Option<SessionId>),
}

/// Keys to be published now, and the version of their present values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Where to.
    pub destination: Destination,
    /// That of the state the values are read from; an acknowledgement carries it back.
    pub version: Version,
    /// What. A key may be named twice.
    pub keys: Vec<DueKey>,
    /// Where a sweep over every key stands once these are acknowledged: before `keys` it stood at the
    /// first, after them at the second (`None` = at its end).
    pub sweep: Option<(Sweep, Option<Sweep>)>,
}
