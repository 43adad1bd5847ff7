//! Where snapshots are kept and where the ranker starts from: asked without waiting, answered when polled.

use crate::keep::Kept;
use std::collections::BTreeMap;
use tally_clickhouse::query::AccountLine;
use tally_clickhouse::rows::{PersonRecord, RankingRecord, SnapshotRecord, UserTotalRecord};
use tally_domain::published::{Progress, TotalRow};
use tally_domain::{Minute, Partition, Version};
use tally_standings::Earlier;

/// A polled store. One question is under way at a time.
pub trait Store {
    /// Asks; gives the question back while another is under way.
    ///
    /// # Errors
    /// The question itself.
    fn ask(&mut self, question: Question) -> Result<(), Box<Question>>;

    /// The answer, once there is one; never waits.
    fn answered(&mut self) -> Option<Answer>;
}

/// What the ranker wants.
#[derive(Debug)]
pub enum Question {
    /// Everything that was published.
    Boot,
    /// A snapshot written: its rows, and then its marker.
    Write(Box<Write>),
}

/// A snapshot's rows.
#[derive(Clone, Debug)]
pub struct Write {
    /// People whose names or accounts changed.
    pub people: Vec<PersonRecord>,
    /// Totals that changed.
    pub totals: Vec<UserTotalRecord>,
    /// Everyone.
    pub rankings: Vec<RankingRecord>,
    /// The row by which the snapshot is complete.
    pub marker: SnapshotRecord,
}

/// What comes back.
#[derive(Debug)]
pub enum Answer {
    /// Everything that was published.
    Booted(Box<Boot>),
    /// The snapshot is complete.
    Written(Written),
    /// Part of it may be in, which harms nothing.
    Failed {
        /// Why.
        error: String,
    },
}

/// What was published when the ranker began. Totals are at least as new as the progress.
#[derive(Debug, Default)]
pub struct Boot {
    /// By partition.
    pub progress: Vec<Progress>,
    /// The highest version of each key.
    pub totals: Vec<(TotalRow, Version)>,
    /// Whose accounts were whose.
    pub people: Vec<AccountLine>,
    /// The newest complete snapshot.
    pub newest: Option<Newest>,
    /// What movement is measured against.
    pub earlier: Option<Baseline>,
}

/// A complete snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its number.
    pub number: u64,
    /// How many people are ranked.
    pub people: u64,
    /// Version of the mapping of accounts to people.
    pub people_version: u64,
    /// Minute that it is true for.
    pub as_of: Minute,
    /// Progress of each partition.
    pub vector: BTreeMap<Partition, Version>,
}

/// An earlier snapshot's ranks.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// Its number.
    pub number: u64,
    /// Its ranks.
    pub ranks: Earlier,
}

/// What a write came to.
#[derive(Debug)]
pub struct Written {
    /// The snapshot.
    pub newest: Newest,
    /// What the next one's movement is measured against, when that is another than before.
    pub earlier: Option<Baseline>,
    /// Partitions of old snapshots that were dropped.
    pub dropped: Vec<Kept>,
}
