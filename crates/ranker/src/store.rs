//! Where snapshots are kept and where the ranker starts from: asked without waiting, answered when polled.

use crate::keep::Kept;
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_clickhouse::Life;
use tally_clickhouse::rows::{PersonRecord, RankingRecord, SnapshotRecord, UserTotalRecord, minute_of};
use tally_domain::published::{Progress, TotalRow};
use tally_domain::{Minute, Partition, PersonId, Version};
use tally_standings::{Earlier, Sum};

/// How far back movement looks: a day.
pub const MOVEMENT_MINUTES: i32 = 1_440;

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
#[derive(Clone, Debug)]
pub enum Question {
    /// Everything that was published; first, what a killed ranker left unfinished is swept away.
    Boot,
    /// What must be known before a snapshot is written.
    Look(Look),
    /// A snapshot written: its rows, and then its marker. To write the same once more changes nothing. The marker may
    /// become visible only if the server is in this life from now until then: in any other it may have lost rows.
    Write(Arc<Write>, Life),
}

/// What must be known before a snapshot is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Movement is measured against the newest complete snapshot that is true for this minute or an earlier one.
    pub reference: Minute,
    /// The reference whose ranks the ranker has.
    pub known: Option<SnapshotId>,
}

/// Names a snapshot, and orders it among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// See [`tally_standings::Snapshot::number`].
    pub number: u64,
    /// Version of the mapping of accounts to people.
    pub people_version: u64,
}

/// A snapshot's rows, in the order in which they are written.
#[derive(Clone, Debug)]
pub struct Write {
    /// People whose names or accounts changed.
    pub people: Vec<PersonRecord>,
    /// Everyone.
    pub rankings: Vec<RankingRecord>,
    /// Totals that changed.
    pub totals: Vec<UserTotalRecord>,
    /// The row by which the snapshot is complete.
    pub marker: SnapshotRecord,
    /// Minute of the snapshot before it: ages of what is kept are counted from there.
    pub previous: Option<Minute>,
}

/// What comes back.
#[derive(Debug)]
pub enum Answer {
    /// Everything that was published.
    Booted(Box<Boot>),
    /// What stands in ClickHouse now.
    Looked(Box<Looked>),
    /// The snapshot is complete; these partitions of old ones were dropped.
    Written(Vec<Kept>),
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
    pub people: Vec<PersonRecord>,
    /// What `user_totals` holds.
    pub written: BTreeMap<PersonId, [Sum; 4]>,
    /// The newest complete snapshot.
    pub newest: Option<Newest>,
    /// What movement of the live board is measured against until the next snapshot.
    pub earlier: Option<Baseline>,
    /// Rows of unfinished snapshots that were swept away.
    pub swept: u64,
}

/// What stands in ClickHouse now.
#[derive(Debug)]
pub struct Looked {
    /// The server's, at the latest when all else was read.
    pub life: Life,
    /// The newest complete snapshot.
    pub newest: Option<Newest>,
    /// What movement is measured against.
    pub reference: Reference,
}

/// What movement is measured against.
#[derive(Debug)]
pub enum Reference {
    /// What it was measured against before.
    Known,
    /// Another ranking; `None` while no complete one is old enough.
    Other(Option<Baseline>),
}

/// A complete snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its name.
    pub id: SnapshotId,
    /// How many people are ranked.
    pub people: u64,
    /// Minute that it is true for.
    pub as_of: Minute,
    /// Progress of each partition.
    pub vector: BTreeMap<Partition, Version>,
}

impl Newest {
    /// Of a marker row.
    #[must_use]
    pub fn of(marker: &SnapshotRecord) -> Self {
        let vector = marker.vector.iter().map(|&(p, version)| (Partition(p), Version::from_u64(version)));
        Self {
            id: SnapshotId { number: marker.snapshot, people_version: marker.people_version },
            people: marker.people,
            as_of: minute_of(marker.as_of),
            vector: vector.collect(),
        }
    }
}

/// An earlier snapshot's ranks.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// Its name.
    pub id: SnapshotId,
    /// Its ranks.
    pub ranks: Earlier,
}
