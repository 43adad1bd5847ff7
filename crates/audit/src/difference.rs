//! What a recount can find.

use std::sync::Arc;

use tally_domain::{
    AccountKey, Dims, EventTime, Hour, Kind, Minute, Partition, Revision, Usage, Version, View, Window,
};

use crate::recount::Sum;

/// What `verify` says when it could look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Where every partition was recounted.
    pub partitions: Vec<RecountedAt>,
    /// Records, accounts and published values that were looked at.
    pub checked: Checked,
    /// Every published value that is not what the archive adds up to; the first [`DIFFERENCES_MAX`] of them.
    pub differences: Vec<Difference>,
    /// How many there are in all.
    pub differences_total: u64,
    /// Requests of a provider that are counted more than once, under several accounts or views: no difference, but
    /// something for a policy to settle.
    pub shared_requests: SharedRequests,
}

/// How many differences are kept with their values; the rest is counted.
pub const DIFFERENCES_MAX: usize = 1_000;

/// Where a partition was recounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecountedAt {
    /// Which.
    pub partition: Partition,
    /// Keys without a row, and rows that are not newer, at this version: the partition's progress.
    pub version: Version,
    /// The clock at that version.
    pub clock: Minute,
    /// Rows that are newer, each at its own version, up to this one.
    pub archived: Version,
}

impl Findings {
    /// The least clock of the partitions: the minute that the totals were checked for.
    #[must_use]
    pub fn as_of(&self) -> Minute {
        self.partitions.iter().map(|at| at.clock).min().unwrap_or(Minute::BEFORE_ALL)
    }
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Events that stand.
    pub events: u64,
    /// Accounts.
    pub accounts: u64,
    /// Published values: one per account, dims and window, and one per account, dims and hour.
    pub totals: u64,
}

/// A published value that differs from the recount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose.
    pub account: AccountKey,
    /// Where the account lives.
    pub partition: Partition,
    /// Which value.
    pub what: What,
    /// See [`Dims`].
    pub dims: Arc<Dims>,
    /// The version recounted at.
    pub at: Version,
    /// The published row's version; `None` = there is no row.
    pub published_version: Option<Version>,
    /// What is published; zero where there is no row.
    pub published: Sum,
    /// What the archive adds up to.
    pub recounted: Sum,
    /// The reports behind it that say most, best first; only of the first differences.
    pub reports: Vec<Evidence>,
    /// How many there are in all.
    pub reports_total: u64,
}

/// A report behind a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Where it lies: incarnation and its own offset.
    pub place: Version,
    /// The producer's id of the event; empty when nobody can say it.
    pub event_id: String,
    /// When it happened.
    pub occurred_at: EventTime,
    /// See [`Revision`].
    pub revision: Revision,
    /// See [`Kind`].
    pub kind: Kind,
    /// With its list cost.
    pub usage: Usage,
    /// True for the one report of its event that counts.
    pub stands: bool,
    /// What it may have to do with the difference.
    pub hint: Hint,
}

/// What a report may have to do with a difference; the better guess first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hint {
    /// Its usage is exactly what is published too much or too little.
    IsTheDifference,
    /// It came after the published row was made: that row is stale.
    CameAfterTheRow,
    /// It lies within two minutes of an edge of the window.
    AtTheEdge,
    /// It is one of those that add up.
    Counts,
    /// Another report of its event stands.
    DoesNotCount,
}

/// One request id that is counted more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedRequests {
    /// The first of them.
    pub listed: Vec<SharedRequest>,
    /// How many there are in all, some perhaps retracted.
    pub total: u64,
}

/// A request id of a provider, and each event that counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedRequest {
    /// The id that the provider gave.
    pub request_id: String,
    /// Under several accounts or views.
    pub counted: Vec<Sharing>,
}

/// An event that counts a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// Whose.
    pub account: AccountKey,
    /// Who reported it.
    pub view: View,
    /// The producer's id of the event.
    pub event_id: String,
    /// Where its report lies: partition, incarnation and offset.
    pub partition: Partition,
    /// See [`Evidence::place`].
    pub place: Version,
    /// All tokens of it.
    pub tokens: i128,
}

/// Which of an account's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A window of `account_totals`.
    Total(Window),
    /// An hour of `usage_hourly`.
    Hour(Hour),
}

impl Findings {
    /// Adds what one account gave.
    pub fn add(&mut self, difference: Difference) {
        self.differences_total += 1;
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(difference);
        }
    }
}
