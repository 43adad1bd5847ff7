//! The ranker: one process, which follows the topics and writes snapshots, and the readers of its boards.

use crate::clickhouse::Fate;
use crate::clickhouse::standings::{Asked, Rankings, SimulatedStore, ranks};
use crate::producers::SECRET;
use crate::seen::{Ranking, Seen};
use crate::world::installation::count;
use crate::world::{Broken, Kept, World, all_partitions, broken};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tally_clickhouse::rows::SnapshotRecord;
use tally_disk::MemoryDisk;
use tally_domain::{Lane, Offset, Topic, Version, WallTime};
use tally_log::{LogError, Reader};
use tally_ranker::store::{Answer, Look, MOVEMENT_MINUTES, SnapshotId, Write};
use tally_ranker::{Pace, Ranker, Turn};
use tally_standings::snapshot::{Age, compare};

/// In some lives those who wait for a snapshot cannot ask for one.
pub(super) const fn pace(seed: u64) -> Pace {
    let heartbeats_are_news = seed.is_multiple_of(3);
    Pace { live: Duration::from_secs(2), snapshot: Duration::from_secs(10), heartbeats_are_news }
}

/// Bytes that it reads of a lane in a turn, unless a segment ends before.
const READ_BYTES: usize = 1 << 20;

/// A ranker, the end of its way to ClickHouse, and what follows from all that it was shown.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(super) ranker: Ranker<Reader<MemoryDisk>, SimulatedStore>,
    store: SimulatedStore,
    began: WallTime,
    seen: Seen,
    is_booted: bool,
    revision: u64,
    vector: BTreeMap<tally_domain::Partition, Version>,
    /// Everybody, when the ranker last asked what stands.
    draft: Option<Ranking>,
    /// What it last wrote.
    last: Option<SnapshotId>,
    /// ClickHouse was set back since.
    is_lost: bool,
    /// Nobody told it that what it last wrote is in.
    is_unsure: bool,
}

/// What a snapshot's name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    rankings: Rankings,
    marker: SnapshotRecord,
    /// A reader could have seen it.
    is_complete: bool,
}

impl Content {
    fn of(write: &Write) -> Self {
        let rankings = write.rankings.iter().map(|row| (row.person, row.clone())).collect();
        Self { rankings, marker: write.marker.clone(), is_complete: false }
    }
}

impl Standing {
    /// True when it has read a lane up to there.
    pub(super) fn has_read(&self, lane: Lane, end: Offset) -> bool {
        self.is_booted && self.seen.next(lane, Offset::ZERO) >= end
    }
}

impl World {
    fn standing(&self) -> Standing {
        let store = SimulatedStore::new(&self.clickhouse);
        let ranker = Ranker::new(self.log.get().reader(), store.clone(), SECRET, count(), self.pace);
        Standing {
            ranker,
            store,
            began: self.now,
            seen: Seen::default(),
            is_booted: false,
            revision: 0,
            vector: BTreeMap::new(),
            draft: None,
            last: None,
            is_lost: false,
            is_unsure: false,
        }
    }

    /// One turn of the ranker, and a look at its boards; true when it did something.
    pub(super) fn rank(&mut self, wanted: bool) -> Result<bool, Broken> {
        if self.is_trusting {
            return Ok(false);
        }
        let mut standing = self.standing.take().unwrap_or_else(|| self.standing());
        if wanted {
            standing.ranker.live().want_snapshot();
        }
        let passed = self.now.ms().saturating_sub(standing.began.ms());
        let turn = match standing.ranker.turn(Duration::from_millis(u64::try_from(passed).unwrap_or(0))) {
            Ok(turn) => turn,
            Err(LogError::Disk(_)) => return Ok(true),
            Err(error) => return broken(format!("the ranker: {error}")),
        };
        if standing.is_booted {
            self.follow(&mut standing)?;
            self.live_is_right(&mut standing)?;
        }
        for asked in standing.store.asked() {
            match asked {
                Asked::Look(look) => self.looks(&mut standing, look),
                Asked::Write(write) => self.writes(&mut standing, &write),
            }?;
        }
        self.standing = Some(standing);
        Ok(turn == Turn::Worked)
    }

    /// What the ranker has read in this turn: a page of each lane.
    fn follow(&mut self, standing: &mut Standing) -> Kept {
        for topic in [Topic::Identities, Topic::Totals] {
            for partition in all_partitions() {
                let lane = Lane { topic, partition };
                let from = standing.seen.next(lane, self.log.bounds(lane)?.start);
                self.log.page(lane, from, READ_BYTES, |record| standing.seen.read(lane, record))?;
            }
        }
        Ok(())
    }

    /// The live board is what everybody has at its vector, and never goes back.
    fn live_is_right(&mut self, standing: &mut Standing) -> Kept {
        let ranked = standing.ranker.live().ranked();
        if ranked.revision == standing.revision {
            return Ok(());
        }
        standing.revision = ranked.revision;
        let vector = &ranked.snapshot.vector;
        if matches!(compare(vector, &standing.vector), Age::Older | Age::Neither) {
            return broken(format!("the live board goes back from {:?} to {vector:?}", standing.vector));
        }
        standing.vector.clone_from(vector);
        self.feed()?;
        standing.seen.ranking(&self.oracles, self.first_incarnation).is_live(&ranked.snapshot)?;
        let live = standing.ranker.live();
        let stored = live.stored();
        let told = stored.borrow().as_ref().map(|stored| stored.number);
        match told {
            Some(number) if !self.complete.contains(&number) => {
                broken(format!("snapshot {number} is told, and no reader finds a complete one"))
            }
            _ => Ok(()),
        }
    }

    fn looks(&mut self, standing: &mut Standing, look: Look) -> Kept {
        self.feed()?;
        let draft = standing.seen.ranking(&self.oracles, self.first_incarnation);
        let reference = draft.as_of.plus(-MOVEMENT_MINUTES);
        if look.reference != reference && !standing.is_unsure {
            return broken(format!("movement at {:?} is measured against {:?}", draft.as_of, look.reference));
        }
        standing.draft = Some(draft);
        Ok(())
    }

    /// What is written is what everybody had when it was drafted; a name that was given stands for the same.
    fn writes(&mut self, standing: &mut Standing, write: &Arc<Write>) -> Kept {
        let id = SnapshotId { number: write.marker.snapshot, people_version: write.marker.people_version };
        let content = Content::of(write);
        if standing.is_unsure && !standing.is_lost && standing.last.is_some_and(|last| last != id) {
            return broken(format!("{:?} is given up for {id:?}", standing.last));
        }
        standing.is_unsure = true;
        let known = self.contents.get(&id).filter(|known| known.is_complete || standing.last == Some(id));
        if let Some(known) = known {
            if (&known.rankings, &known.marker) == (&content.rankings, &content.marker) {
                return Ok(());
            }
            if known.is_complete || !standing.is_lost {
                return broken(format!("{id:?} is given twice: to {known:?} and to {content:?}"));
            }
        }
        let draft = standing.draft.as_ref().ok_or("a snapshot is written without a look")?;
        draft.is_written(write)?;
        moved(standing, &content)?;
        self.note(|| format!("the ranker writes {id:?}"));
        (standing.last, standing.is_lost) = (Some(id), false);
        self.contents.insert(id, content);
        Ok(())
    }

    /// The request under way meets its fate; what readers see afterwards is looked at. False when there is none.
    pub(super) fn store_lands(&mut self, fate: Fate) -> Result<bool, Broken> {
        let Some(standing) = &mut self.standing else { return Ok(false) };
        let Standing { store, seen, is_booted, is_unsure, .. } = standing;
        let (mut began, mut wrote) = (false, false);
        let landed = store.land(fate, |answer| match answer {
            Answer::Booted(boot) => {
                seen.begin(boot);
                (began, *is_booted) = (true, true);
            }
            Answer::Written(_) => (wrote, *is_unsure) = (true, false),
            Answer::Looked(_) | Answer::Failed { .. } => {}
        });
        self.readers_see_whole_snapshots()?;
        if began {
            self.nothing_is_unfinished()?;
        }
        if wrote {
            self.totals_are_right()?;
        }
        Ok(landed)
    }

    /// Whoever reads the newest snapshot with a marker finds all of it, as it was drafted.
    pub(super) fn readers_see_whole_snapshots(&mut self) -> Kept {
        let server = self.clickhouse.borrow();
        let standings = &server.tables.standings;
        let Some((id, marker)) = standings.newest() else { return Ok(()) };
        let empty = Rankings::new();
        let rankings = standings.rankings.get(&id).unwrap_or(&empty);
        match self.contents.get_mut(&id) {
            Some(content) if (&content.rankings, &content.marker) == (rankings, marker) => {
                content.is_complete = true;
                self.complete.insert(id.number);
                Ok(())
            }
            known => broken(format!(
                "a reader of {id:?} sees {marker:?} with {rankings:?}; it stands for {known:?}"
            )),
        }
    }

    /// A ranker that has begun finds no rows whose number it could give again.
    fn nothing_is_unfinished(&self) -> Kept {
        let server = self.clickhouse.borrow();
        let standings = &server.tables.standings;
        let newest = standings.newest().map(|(id, _)| id);
        let rankings = standings.rankings.keys().find(|id| Some(**id) > newest);
        let number = newest.map_or(0, |newest| newest.number);
        let totals = standings.user_totals.values().find(|row| row.version > number);
        match (rankings, totals) {
            (None, None) => Ok(()),
            unswept => {
                broken(format!("a ranker begins after {newest:?} beside unfinished rows: {unswept:?}"))
            }
        }
    }

    /// Once a snapshot is written, `user_totals` says the same.
    fn totals_are_right(&self) -> Kept {
        let server = self.clickhouse.borrow();
        let standings = &server.tables.standings;
        let Some((id, _)) = standings.newest() else { return Ok(()) };
        // Of one number totals are written once; names that came after it are for the next.
        if standings.snapshots.keys().filter(|other| other.number == id.number).count() > 1 {
            return Ok(());
        }
        let empty = Rankings::new();
        let rankings = standings.rankings.get(&id).unwrap_or(&empty);
        let people = rankings.keys().chain(standings.user_totals.keys().map(|(person, _)| person));
        for person in people.collect::<BTreeSet<_>>() {
            let ranked = rankings.get(person).map(|row| [row.h24, row.d7, row.d30, row.lifetime]);
            for (at, window) in (0..4).zip(0_i8..) {
                let ranked = ranked.map_or((0, 0, 0), |of| (of[at].tokens, of[at].requests, of[at].cost));
                let row = standings.user_totals.get(&(*person, window));
                let total = row.map_or((0, 0, 0), |row| (row.tokens, row.requests, row.cost));
                if total != ranked {
                    return broken(format!("user_totals has {row:?}, and {id:?} has {ranked:?}"));
                }
            }
        }
        Ok(())
    }

    /// ClickHouse has lost what it had: names of snapshots that are gone may be given again.
    pub(super) fn snapshots_are_lost(&mut self) {
        let server = self.clickhouse.borrow();
        let standings = &server.tables.standings;
        // One that is on its way may still come.
        let last = self.standing.as_mut().and_then(|standing| {
            standing.is_lost = true;
            standing.last
        });
        self.contents.retain(|id, content| {
            content.is_complete &= standings.snapshots.contains_key(id);
            content.is_complete || last == Some(*id)
        });
    }

    /// The ranker's process is killed; a request under way may land all the same.
    pub(super) fn kill_ranker(&mut self, lands: bool) -> Kept {
        if lands {
            self.store_lands(Fate::Taken)?;
        }
        self.standing = None;
        Ok(())
    }

    /// True once the newest snapshot is true for the end of the log.
    pub(super) fn is_ranked(&self) -> bool {
        if self.is_trusting {
            return true;
        }
        let server = self.clickhouse.borrow();
        let Some((_, marker)) = server.tables.standings.newest() else { return false };
        let vector = self.oracles.iter().map(|oracle| oracle.version().get());
        marker.vector.iter().map(|(_, version)| *version).eq(vector)
    }

    /// In the end the newest snapshot is what everybody has, and so is what else the ranker writes.
    pub(super) fn standings_are_right(&mut self) -> Kept {
        self.readers_see_whole_snapshots()?;
        if !self.is_ranked() {
            return broken("the newest snapshot is not true for the end of the log");
        }
        self.totals_are_right()?;
        self.names_are_right()
    }
}

/// Everybody climbed as far as the snapshot of a day before says.
fn moved(standing: &Standing, content: &Content) -> Kept {
    let reference = standing.store.reference();
    let earlier = reference.as_ref().map_or(0, |reference| reference.id.number);
    if content.marker.earlier != earlier {
        return broken(format!("movement is measured against {}, not {earlier}", content.marker.earlier));
    }
    for (person, row) in &content.rankings {
        let was = reference.as_ref().and_then(|reference| reference.ranks.get(person));
        let now = ranks(row);
        let [a, b, c, d] =
            [row.h24, row.d7, row.d30, row.lifetime].map(|of| (of.climbed_tokens, of.climbed_cost));
        let climbed = [a.0, b.0, c.0, d.0, a.1, b.1, c.1, d.1];
        let number = |rank: u32| i32::try_from(rank).expect("few people");
        let expected = (0..8).map(|at| was.map(|was| number(was[at]) - number(now[at])));
        if !expected.eq(climbed) {
            return broken(format!("{row:?} climbed from {was:?}"));
        }
    }
    Ok(())
}
