//! When a snapshot is written, and what of: decided here; the store acts.
//!
//! ```text
//!            due: there is news, or somebody waits
//! following ────────────────► looking ──► writing ──► following
//!     ▲                          │  what ClickHouse lost is written anew
//!     └──── failed: the same rows once more, after a look ◄────┘
//! ```
//! A number is given to one content: what was drafted is written whole and unchanged, however often it takes.

use super::{Ranker, is_due};
use crate::keep::keep;
use crate::live::Stored;
use crate::occurrences::{Lost, SnapshotStored, StoreFailed};
use crate::rows::{self, Frame};
use crate::store::{
    Baseline, Look, Looked, MOVEMENT_MINUTES, Newest, Question, Reference, SnapshotId, Store, Write,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tally_clickhouse::Life;
use tally_domain::planted::{self, Bug};
use tally_domain::{Minute, Partition, PersonId, Version};
use tally_log::ReadLog;
use tally_standings::{Earlier, PersonTotals, Sum};

/// What is known of the snapshots in ClickHouse, and the one that is being made.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    newest: Option<Newest>,
    earlier: Option<Baseline>,
    /// What `user_totals` holds.
    written: BTreeMap<PersonId, [Sum; 4]>,
    phase: Phase,
    /// A total or an identity changed since the last draft.
    pub(super) has_news: bool,
    is_wanted: bool,
    begun_at: Option<Duration>,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Following,
    /// A look was asked for; then this is written.
    Looking(Box<Draft>),
    /// Being written.
    Writing(Making),
    /// Writing it failed; part of it may be in.
    Failed(Making),
}

/// What is to be written.
#[derive(Debug)]
enum Draft {
    /// Everyone, as they stood at one moment.
    Fresh(Moment),
    /// The same once more.
    Again(Making),
}

/// Everyone, as they stood at one moment.
#[derive(Debug)]
struct Moment {
    everyone: Vec<PersonTotals>,
    vector: BTreeMap<Partition, Version>,
    as_of: Minute,
    people_version: u64,
}

impl Moment {
    fn id(&self) -> SnapshotId {
        SnapshotId { number: tally_standings::number(&self.vector), people_version: self.people_version }
    }
}

/// A snapshot under way, and the totals in it that were not written before.
#[derive(Debug)]
struct Making {
    write: Arc<Write>,
    totals: Vec<PersonTotals>,
}

impl Snapshots {
    pub(super) fn boot(
        &mut self,
        newest: Option<Newest>,
        earlier: Option<Baseline>,
        written: BTreeMap<PersonId, [Sum; 4]>,
    ) {
        (self.newest, self.earlier, self.written, self.has_news) = (newest, earlier, written, true);
    }

    /// The ranks that movement is measured against.
    pub(super) fn earlier(&self) -> Option<&Earlier> {
        self.earlier.as_ref().map(|earlier| &earlier.ranks)
    }

    /// The store failed: what was being written is written once more, what was only drafted is drafted anew.
    pub(super) fn failed(&mut self) {
        self.phase = match std::mem::take(&mut self.phase) {
            Phase::Writing(_) if planted::is(Bug::DraftGivenUp) => {
                (self.has_news, self.begun_at) = (true, None);
                Phase::Following
            }
            Phase::Writing(making) | Phase::Failed(making) => Phase::Failed(making),
            Phase::Looking(draft) => match *draft {
                Draft::Again(making) => Phase::Failed(making),
                Draft::Fresh(_) => {
                    (self.has_news, self.begun_at) = (true, None);
                    Phase::Following
                }
            },
            Phase::Following => Phase::Following,
        };
    }

    /// True while a snapshot is on its way to ClickHouse.
    pub(super) const fn is_written(&self) -> bool {
        matches!(self.phase, Phase::Writing(_))
    }

    /// True when ClickHouse no longer holds the newest snapshot that it acknowledged, nor a newer one.
    fn is_lost(&self, now: Option<&Newest>) -> bool {
        !planted::is(Bug::LossUnnoticed)
            && self.newest.as_ref().map(|newest| newest.id) > now.map(|newest| newest.id)
    }
}

impl<L: ReadLog, S: Store> Ranker<L, S> {
    /// True while a snapshot is being made.
    #[must_use]
    pub const fn is_writing(&self) -> bool {
        !matches!(self.snapshots.phase, Phase::Following)
    }

    /// Begins a snapshot when one is due; true when it did.
    pub(super) fn snapshot(&mut self, elapsed: Duration) -> bool {
        self.snapshots.is_wanted |= self.live.take_wanted();
        if self.is_waiting || elapsed < self.not_before {
            return false;
        }
        let draft = match std::mem::take(&mut self.snapshots.phase) {
            Phase::Failed(making) => Draft::Again(making),
            Phase::Following if self.is_snapshot_due(elapsed) => Draft::Fresh(self.draft(elapsed)),
            phase => {
                self.snapshots.phase = phase;
                return false;
            }
        };
        let as_of = match &draft {
            Draft::Fresh(moment) => moment.as_of,
            Draft::Again(making) => Newest::of(&making.write.marker).as_of,
        };
        let known = self.snapshots.earlier.as_ref().map(|earlier| earlier.id);
        let back = if planted::is(Bug::MovementFromNewest) { 0 } else { MOVEMENT_MINUTES };
        self.ask(Question::Look(Look { reference: as_of.plus(-back), known }));
        self.snapshots.phase = Phase::Looking(Box::new(draft));
        true
    }

    /// A snapshot is worth writing when it is newer than the last, and there is news and time for it, or somebody
    /// waits. Without news, records that count nothing (heartbeats under a clock that stands still) are no reason, but
    /// where those who wait cannot ask.
    fn is_snapshot_due(&self, elapsed: Duration) -> bool {
        let Snapshots { newest, has_news, is_wanted, begun_at, .. } = &self.snapshots;
        let number = tally_standings::number(&self.vector());
        let id = SnapshotId { number, people_version: self.identities.version() };
        if newest.as_ref().is_some_and(|newest| newest.id >= id) {
            // Whoever asked waits for a position that is already in, or for progress that will come.
            return false;
        }
        let has_news = *has_news
            || self.pace.heartbeats_are_news
            || newest.as_ref().is_none_or(|newest| newest.as_of != self.as_of());
        *is_wanted || (has_news && is_due(*begun_at, self.pace.snapshot, elapsed))
    }

    fn draft(&mut self, elapsed: Duration) -> Moment {
        let snapshots = &mut self.snapshots;
        (snapshots.has_news, snapshots.is_wanted, snapshots.begun_at) = (false, false, Some(elapsed));
        Moment {
            everyone: self.live.everyone(self.people.iter()),
            vector: self.vector(),
            as_of: self.as_of(),
            people_version: self.identities.version(),
        }
    }

    /// What stands in ClickHouse decides what is written.
    pub(super) fn looked(&mut self, looked: Looked) {
        let Looked { life, newest, reference } = looked;
        let Phase::Looking(draft) = std::mem::take(&mut self.snapshots.phase) else { return };
        if let Reference::Other(earlier) = reference {
            self.snapshots.earlier = earlier;
        }
        let is_lost = self.snapshots.is_lost(newest.as_ref());
        if is_lost {
            tally_telemetry::emit(&Lost { number: newest.as_ref().map_or(0, |newest| newest.id.number) });
            self.directory.lost();
            self.snapshots.written.clear();
        }
        self.snapshots.newest = newest;
        match *draft {
            Draft::Again(making) if !is_lost => self.write(making, life),
            Draft::Fresh(moment)
                if self.snapshots.newest.as_ref().is_none_or(|newest| newest.id < moment.id()) =>
            {
                match self.making(moment) {
                    Ok(making) => self.write(making, life),
                    Err(error) => tally_telemetry::emit(&StoreFailed { error: error.to_string() }),
                }
            }
            Draft::Again(_) | Draft::Fresh(_) => {
                (self.snapshots.has_news, self.snapshots.begun_at) = (true, None);
            }
        }
    }

    fn making(&self, moment: Moment) -> Result<Making, tally_clickhouse::rows::RowError> {
        let snapshots = &self.snapshots;
        let id = moment.id();
        let newest = snapshots.newest.as_ref();
        // Of one number, totals are written once: equal versions must be equal rows. The next number carries them.
        let is_new_number = newest.is_none_or(|newest| newest.id.number < id.number);
        let totals =
            if is_new_number { rows::changed(&snapshots.written, &moment.everyone) } else { Vec::new() };
        let previous = newest.map(|newest| newest.as_of);
        let frame = Frame {
            people_version: id.people_version,
            keep: keep(previous, moment.as_of),
            previous,
            earlier: snapshots.earlier.as_ref().map_or(0, |earlier| earlier.id.number),
        };
        let Moment { everyone, vector, as_of, .. } = moment;
        let snapshot =
            tally_standings::snapshot(everyone, vector, std::iter::once(as_of), snapshots.earlier());
        let write = rows::rows(&snapshot, frame, self.directory.unsent(), &totals)?;
        Ok(Making { write: Arc::new(write), totals })
    }

    fn write(&mut self, making: Making, life: Life) {
        self.ask(Question::Write(Arc::clone(&making.write), life));
        self.snapshots.phase = Phase::Writing(making);
    }

    /// The snapshot is complete.
    pub(super) fn written(&mut self, dropped: usize) {
        let Phase::Writing(making) = std::mem::take(&mut self.snapshots.phase) else { return };
        self.directory.sent(&making.write.people);
        let totals = making.totals.into_iter().map(|totals| (totals.person, totals.windows));
        self.snapshots.written.extend(totals);
        let newest = Newest::of(&making.write.marker);
        tally_telemetry::emit(&SnapshotStored {
            number: newest.id.number,
            people: newest.people,
            as_of: newest.as_of.start_ms().div_euclid(1_000),
            dropped,
        });
        self.snapshots.newest = Some(newest);
        self.tell_stored(true);
    }

    /// Tells others which snapshot ClickHouse holds.
    pub(super) fn tell_stored(&self, is_own: bool) {
        if let Some(newest) = &self.snapshots.newest {
            let Newest { id, people, as_of, vector } = newest.clone();
            self.live.tell_stored(Stored { number: id.number, people, vector, as_of, is_own });
        }
    }
}
