//! Bugs on purpose: each breaks one rule of the promise, so that a check can be seen to find it.
//!
//! They are compiled in by `--cfg tally_planted` alone (`tests/planted-rustc`), which no shipped build sets;
//! without it [`is`] is a constant, and nothing of them is left in the program.

/// Declares the bugs, each with its name and the rule that it breaks.
macro_rules! bugs {
    ($($bug:ident = $name:literal, $rule:literal;)*) => {
        /// A bug that can be built in.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $(#[doc = $rule] $bug,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug),*];

            /// Its name on a command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$bug => $name),* }
            }

            /// The rule that it breaks.
            #[must_use]
            pub const fn breaks(self) -> &'static str {
                match self { $(Self::$bug => $rule),* }
            }
        }
    };
}

bugs! {
    DuplicateCounted = "duplicate-counted", "A report that was seen before changes nothing.";
    RevisionNotReversed = "revision-not-reversed", "A revision takes back what it replaces.";
    MinuteStays = "minute-stays", "A slice leaves a window W after the clock reached its start.";
    ClockByTicks = "clock-by-ticks", "The clock moves only by records of the log.";
    CoarseStamps = "coarse-stamps", "An acknowledgement carries the version that it published, to the record.";
    NewerForgotten = "newer-forgotten", "An acknowledgement removes a key only if its last change is not newer.";
    LookupFromOccurred = "lookup-from-occurred", "Where an event is looked up follows from its id, never from occurred-at.";
    KeyByPerson = "key-by-person", "The log key is the account as it was claimed, never what it was mapped to.";
    ThinEntry = "thin-entry", "An index entry holds all that the join needs.";
    FreshBySequence = "fresh-by-sequence", "Only an id minted from its sequence is fresh without a look-up.";
    RebuildFromTruncated = "rebuild-from-truncated", "Only a state whose lineage reaches the first offset may publish.";
    GapSkipped = "gap-skipped", "A log that starts beyond the next offset is an error, never a reset.";
    RawAppendedAt = "raw-appended-at", "LogTime is the greatest appended-at so far.";
    NoIncarnation = "no-incarnation", "A new topic begins a new incarnation, above all versions of the old one.";
    ZeroDropped = "zero-dropped", "A key that becomes zero is published as zero.";
    AheadOfSync = "ahead-of-sync", "Readers see only durable records.";
    EarlyAtOnce = "early-at-once", "A slice enters a window when the clock reaches its start.";
    MisroutedAccepted = "misrouted-accepted", "A record in the wrong partition is rejected.";
    RetractionTied = "retraction-tied", "A retraction wins a tie of revisions.";
    LiveSessions = "live-sessions", "A session spans all accepted reports, losers included.";
    SetBackUnnoticed = "set-back-unnoticed", "A ClickHouse that shows less than it acknowledged is filled again.";
    CommitBeforeState = "commit-before-state", "The offset lives with the state that it produced.";
    OffByOne = "off-by-one", "A batch ends before the next record, and the next one begins with it.";
    ExpiryTwice = "expiry-twice", "A slice leaves a window once, also over a restart.";
    HalfRestored = "half-restored", "A checkpoint is read whole.";
    CostRounding = "cost-rounding", "Cost is rounded half to even, once per event.";
    MarkTooLate = "mark-too-late", "Any record that names a minted id raises the mark.";
    GenerationLost = "generation-lost", "A merge keeps every generation that goes in.";
    EqualCopyReprices = "equal-copy-reprices", "An event is priced at the first of its equal winning copies.";
    LowerBookObeyed = "lower-book-obeyed", "A control record with a lower number is ignored.";
    RejectsUnsafe = "rejects-unsafe", "The state passes a reject only when that is kept.";
    ProgressAhead = "progress-ahead", "Progress is the version up to which every change is acknowledged.";
    RevisionAgeless = "revision-ageless", "Age is judged on each report, revisions included.";
    FarAheadFolded = "far-ahead-folded", "A record more than five minutes ahead of the driver's clock waits.";
    PricesBesideState = "prices-beside-state", "The price book in force is part of the state.";
    LayoutIgnored = "layout-ignored", "The partition count is fixed for life.";
    SweepSkips = "sweep-skips", "Publishing every key anew leaves none out.";
    RefusalTaken = "refusal-taken", "What was refused stays due.";
    ForgottenEarly = "forgotten-early", "Generations are dropped after retention and tolerance, not before.";
    ArchiveFromMax = "archive-from-max", "The archive goes on from what is contiguous, never from the greatest offset that was written.";
    ArchiveClaimsFirst = "archive-claims-first", "Progress of the archive is written after the rows that it speaks of.";
    ArchiveClockLost = "archive-clock-lost", "LogTime of the archive goes on where its progress says.";
    ArchiveSetBackUnnoticed = "archive-set-back-unnoticed", "The archive goes on from what a ClickHouse that came back shows.";
    UsageBeforeRejects = "usage-before-rejects", "Usage is archived no further than the rejects that came before it are listed.";
    RefusedUnlisted = "refused-unlisted", "What is refused is listed with its reason and its bytes.";
    TotalsAsStore = "totals-as-store", "The ranker starts from ClickHouse: a compacted topic is no store of totals.";
    LastWritten = "last-written", "Of a total the highest version stands, never the last written.";
    MarkerFirst = "marker-first", "The marker of a snapshot is written after all of its rows.";
    MarkedInAnyLife = "marked-in-any-life", "A snapshot is marked in the life of ClickHouse in which its rows were written.";
    SnapshotHalfRead = "snapshot-half-read", "A snapshot is told, and read, only with its marker.";
    Unswept = "unswept", "Rows without a marker are swept away before their number is given again.";
    DraftGivenUp = "draft-given-up", "What was begun under a number is written whole and unchanged, however often that takes.";
    MovementFromNewest = "movement-from-newest", "Movement is measured against what stood a day before.";
    ForgottenStays = "forgotten-stays", "Who is forgotten has no name any more, wherever it was.";
    ForgottenLosesTotal = "forgotten-loses-total", "Who is forgotten keeps their accounts, and what these hold.";
    ZeroRanked = "zero-ranked", "Who has no usage that stands is on no board.";
    TiesUnordered = "ties-unordered", "Equals share a rank and stand in the order of their ids.";
    LossUnnoticed = "loss-unnoticed", "A ClickHouse that lost a snapshot gets names and totals anew.";
}

impl Bug {
    /// The bug of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|bug| bug.name() == name)
    }
}

/// True in a build that can hold bugs, once this one was planted.
#[cfg(not(tally_planted))]
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}

#[cfg(tally_planted)]
pub use build::{is, plant};

#[cfg(tally_planted)]
mod build {
    use super::Bug;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// One more than the place of the planted bug in [`Bug::ALL`].
    static PLANTED: AtomicUsize = AtomicUsize::new(0);

    fn place(bug: Bug) -> usize {
        Bug::ALL.iter().position(|it| *it == bug).map_or(0, |place| place.saturating_add(1))
    }

    /// True once this one was planted.
    #[must_use]
    pub fn is(bug: Bug) -> bool {
        PLANTED.load(Ordering::Relaxed) == place(bug)
    }

    /// From now on this process has the bug, or none.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.store(bug.map_or(0, place), Ordering::Relaxed);
    }
}
