//! What the fold publishes: absolute values, keyed and versioned.

use crate::event::Dims;
use crate::identity::{AccountKey, Epoch, ProducerId, Sequence, SessionKey};
use crate::partition::Partition;
use crate::time::{Day, EventTime, Hour, LogTime, Minute};
use crate::usage::Usage;
use crate::version::Version;
use std::sync::Arc;

/// Usage of one account and dims in all four windows. Key: (account, dims).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalRow {
    /// Where the account lives.
    pub partition: Partition,
    /// See [`AccountKey`].
    pub account: AccountKey,
    /// See [`Dims`].
    pub dims: Arc<Dims>,
    /// In the order of [`crate::Window::ALL`].
    pub windows: [Usage; 4],
}

/// Usage of one account and dims in one hour. Key: (hour, account, dims).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourRow {
    /// Where the account lives.
    pub partition: Partition,
    /// See [`AccountKey`].
    pub account: AccountKey,
    /// See [`Dims`].
    pub dims: Arc<Dims>,
    /// See [`Hour`].
    pub hour: Hour,
    /// Its sum.
    pub usage: Usage,
}

/// What one run of a producer did to one account, by day of event time and dims.
/// Key: (account, producer, epoch, day, dims).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptRow {
    /// Where the account lives.
    pub partition: Partition,
    /// See [`AccountKey`].
    pub account: AccountKey,
    /// Sender of the copies.
    pub producer: ProducerId,
    /// Its run.
    pub epoch: Epoch,
    /// UTC day in which the events occurred.
    pub day: Day,
    /// See [`Dims`].
    pub dims: Arc<Dims>,
    /// Verdicts on its records of this day and dims.
    pub counts: Counts,
    /// What it added to the totals: fresh usage and the signed differences of revisions.
    pub usage: Usage,
}

/// How far one run of a producer has been read. Key: (account, producer, epoch).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerRow {
    /// Where the account lives.
    pub partition: Partition,
    /// See [`AccountKey`].
    pub account: AccountKey,
    /// Sender.
    pub producer: ProducerId,
    /// Its run.
    pub epoch: Epoch,
    /// Highest sequence seen.
    pub mark: Sequence,
    /// Sequences up to the mark that were never seen.
    pub gaps: i64,
    /// When its last record was appended.
    pub last: LogTime,
}

/// First and last instant of a session over all accepted reports, and its usage. Key: (account, session).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Where the account lives.
    pub partition: Partition,
    /// See [`AccountKey`].
    pub account: AccountKey,
    /// See [`SessionKey`].
    pub session: SessionKey,
    /// Earliest occurred-at of any accepted report, losers included.
    pub first: EventTime,
    /// Latest.
    pub last: EventTime,
    /// What counts.
    pub usage: Usage,
}

/// How far everything is acknowledged. Key: partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// See [`Partition`].
    pub partition: Partition,
    /// Every change up to here is acknowledged.
    pub version: Version,
    /// The clock of the state at that version.
    pub clock: Minute,
    /// LogTime of the state at that version.
    pub log_time: LogTime,
}

/// Verdicts on the records of a batch, a run, a partition. `read = fresh + revised + duplicate + rejected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Usage records read.
    pub read: u64,
    /// First report of an event.
    pub fresh: u64,
    /// A later report that stands.
    pub revised: u64,
    /// A copy, or a report that does not stand.
    pub duplicate: u64,
    /// Not accepted.
    pub rejected: u64,
    /// Duplicates and revisions that claim the same revision with another content; not a verdict.
    pub conflicts: u64,
}

impl Counts {
    /// True when every record read has exactly one verdict.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let verdicts = [self.fresh, self.revised, self.duplicate, self.rejected];
        verdicts.iter().try_fold(0_u64, |sum, &n| sum.checked_add(n)) == Some(self.read)
    }

    /// Both together; counts of records cannot leave a u64.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            read: self.read.saturating_add(other.read),
            fresh: self.fresh.saturating_add(other.fresh),
            revised: self.revised.saturating_add(other.revised),
            duplicate: self.duplicate.saturating_add(other.duplicate),
            rejected: self.rejected.saturating_add(other.rejected),
            conflicts: self.conflicts.saturating_add(other.conflicts),
        }
    }
}

/// Rows of one publication: every row of it has the same version, that of the state it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "one list per row type, documented there")]
pub struct Rows {
    pub version: Version,
    pub totals: Vec<TotalRow>,
    pub hours: Vec<HourRow>,
    pub receipts: Vec<ReceiptRow>,
    pub producers: Vec<ProducerRow>,
    pub sessions: Vec<SessionRow>,
    pub progress: Vec<Progress>,
}

impl Rows {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        [
            self.totals.len(),
            self.hours.len(),
            self.receipts.len(),
            self.producers.len(),
            self.sessions.len(),
            self.progress.len(),
        ]
        .iter()
        .fold(0, |sum: usize, n| sum.saturating_add(*n))
    }
    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
