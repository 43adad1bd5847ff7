//! What a recount can find.

use std::sync::Arc;

use tally_domain::{AccountKey, Dims, Hour, Partition, Version, Window};

use crate::recount::Sum;

/// What `verify` says when it could look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Records, accounts and published values that were looked at.
    pub checked: Checked,
    /// Every published value that is not what the archive adds up to; the first [`DIFFERENCES_MAX`] of them.
    pub differences: Vec<Difference>,
    /// How many there are in all.
    pub differences_total: u64,
}

/// How many differences are kept with their values; the rest is counted.
pub const DIFFERENCES_MAX: usize = 1_000;

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
