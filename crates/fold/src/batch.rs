//! What comes in: usage records as columns, in log order, in vectors that are reused.
//!
//! A batch ends before the next control entry and before the record that raises the clock minute. Where
//! else it ends never shows in the state.

use crate::fold::RecordAt;
use crate::report::{AccountIx, DimsIx, Report, RunIx};
use tally_domain::{Day, EventKey, LogTime, Offset, Reject, Sequence};

/// Who sent a copy, and what its event id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The run that sent this copy.
    pub run: RunIx,
    /// The copy's number in that run; 0 = unnumbered.
    pub sequence: Sequence,
    /// See [`Minting`].
    pub minted: Minting,
}

/// Whether an event id was minted from a run and a sequence, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Minting {
    /// The id was not minted, or does not say so.
    No,
    /// Minted from this very (producer, epoch, sequence), and an original report: above the run's mark it
    /// is fresh without a look-up.
    Own,
    /// It names this record: one of another run, or of its own as a revision.
    Other {
        /// The run that minted the id.
        run: RunIx,
        /// As which of its records.
        sequence: Sequence,
    },
}

/// Which generations of the event index may hold an earlier report of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// All of them.
    All,
    /// Those of LogTime days from this one on.
    FromDay(Day),
    /// None: the mark of its run says that it is fresh.
    None,
}

/// A rejected record whose sender is known: it counts in the receipt of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where it lies.
    pub offset: Offset,
    /// When it was appended.
    pub log_time: LogTime,
    /// Who sent it.
    pub run: RunIx,
    /// The copy's number in that run.
    pub sequence: Sequence,
    /// The day it claims.
    pub day: Day,
    /// What it would be broken down by.
    pub dims: DimsIx,
}

/// Usage records as columns: `reports`, `keys`, `accounts`, `senders`, `log_times` and `probes` have equal
/// lengths and belong together by place.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Accepted reports, in log order, not priced.
    pub reports: Vec<Report>,
    /// The key under which each is counted once.
    pub keys: Vec<EventKey>,
    /// Whose each is.
    pub accounts: Vec<AccountIx>,
    /// Who sent each.
    pub senders: Vec<Sender>,
    /// LogTime at each.
    pub log_times: Vec<LogTime>,
    /// Where to look for an earlier report of each.
    pub probes: Vec<Probe>,
    /// Records that could not become events.
    pub rejects: Vec<Reject>,
    /// Those of `rejects` whose sender is known.
    pub refused: Vec<Refused>,
    /// Offset of its first record; while the batch is empty that of the next one.
    pub first: Offset,
    /// LogTime after its last record.
    pub log_time: LogTime,
    /// The offset after its last record.
    pub next: Offset,
    /// Hash of its last record's bytes, given by whoever reads the log.
    pub last_record: u64,
}

impl Batch {
    /// Forgets what it holds; keeps the room.
    pub fn clear(&mut self) {
        self.reports.clear();
        self.keys.clear();
        self.accounts.clear();
        self.senders.clear();
        self.log_times.clear();
        self.probes.clear();
        self.rejects.clear();
        self.refused.clear();
    }
    /// The record is part of the batch: LogTime and the next offset pass it.
    pub(crate) fn reach(&mut self, at: &RecordAt<'_>) {
        if self.is_empty() {
            self.first = at.offset;
        }
        self.log_time = self.log_time.after(at.appended_at.ms());
        self.next = at.offset.next();
    }
    /// Number of records read into it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.reports.len().saturating_add(self.rejects.len())
    }
    /// True when it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// True when a record appended then may be added: the batch is empty, or the clock minute stays.
    #[must_use]
    pub fn fits(&self, appended_at_ms: i64) -> bool {
        self.is_empty() || self.log_time.after(appended_at_ms).minute() == self.log_time.minute()
    }
}

/// What the store remembers of a batch: one slot per distinct key that was looked up, updated in place
/// while folding.
#[derive(Clone, Debug, Default)]
pub struct Recalled {
    /// For every report of the batch its place in `slots`, or [`Recalled::NOT_LOOKED_UP`]. Reports of one
    /// key that are looked up share one slot.
    pub slot_of: Vec<u32>,
    /// The report that stands of that event, if any.
    pub slots: Vec<Option<Report>>,
}

impl Recalled {
    /// The slot of a report that was not looked up.
    pub const NOT_LOOKED_UP: u32 = u32::MAX;
}
