//! What others read while the ranker works: everyone's live totals, and the newest ranking of them.

use dashmap::DashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tally_domain::{Board, PersonId};
use tally_standings::{PersonTotals, Snapshot, Standing};
use tokio::sync::watch;

/// Shared between the ranker, which writes, and whoever asks.
#[derive(Debug)]
pub struct Live {
    totals: DashMap<PersonId, PersonTotals>,
    names: DashMap<PersonId, Name>,
    ranked: RwLock<Arc<Ranked>>,
    stored: watch::Sender<Option<Stored>>,
    wanted: AtomicBool,
}

/// A person's name for display, and every word by which they are found, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// For display; empty when forgotten.
    pub shown: String,
    /// Name, e-mail and subject, lower-cased.
    pub words: String,
}

/// A snapshot that ClickHouse holds with its marker row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub number: u64,
    /// How many people are ranked.
    pub people: u64,
    /// See [`Snapshot::vector`].
    pub vector: std::collections::BTreeMap<tally_domain::Partition, tally_domain::Version>,
    /// See [`Snapshot::as_of`].
    pub as_of: tally_domain::Minute,
}

/// A ranking with everyone in the order of each board.
#[derive(Debug, Default)]
pub struct Ranked {
    /// The ranking.
    pub snapshot: Snapshot,
    /// Per board of [`Board::all`]: indices into the people, by place.
    order: Vec<Vec<u32>>,
}

impl Ranked {
    /// Of a snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        let order = snapshot.boards.iter().map(|board| by_place(board)).collect();
        Self { snapshot, order }
    }

    /// People and their standings on a board, by place.
    pub fn board(&self, board: Board) -> impl Iterator<Item = (&PersonTotals, &Standing)> {
        let at = Board::all().position(|each| each == board);
        let standings = self.snapshot.board(board);
        let order = at.and_then(|at| self.order.get(at)).map_or(&[][..], Vec::as_slice);
        order.iter().filter_map(move |&index| {
            let index = usize::try_from(index).ok()?;
            Some((self.snapshot.people.get(index)?, standings.get(index)?))
        })
    }

    /// A person's standing on a board; `None` when they are not ranked.
    #[must_use]
    pub fn standing(&self, person: PersonId, board: Board) -> Option<&Standing> {
        let at = self.snapshot.people.binary_search_by_key(&person, |each| each.person).ok()?;
        self.snapshot.board(board).get(at)
    }
}

fn by_place(board: &[Standing]) -> Vec<u32> {
    let mut order = vec![0; board.len()];
    for (index, standing) in (0_u32..).zip(board) {
        let place = usize::try_from(standing.place).unwrap_or(0);
        if let Some(slot) = place.checked_sub(1).and_then(|place| order.get_mut(place)) {
            *slot = index;
        }
    }
    order
}

impl Default for Live {
    fn default() -> Self {
        Self {
            totals: DashMap::new(),
            names: DashMap::new(),
            ranked: RwLock::default(),
            stored: watch::Sender::new(None),
            wanted: AtomicBool::new(false),
        }
    }
}

impl Live {
    /// A person's totals as of this moment.
    #[must_use]
    pub fn totals(&self, person: PersonId) -> Option<PersonTotals> {
        self.totals.get(&person).map(|totals| *totals)
    }

    /// A person's name.
    #[must_use]
    pub fn name(&self, person: PersonId) -> Name {
        self.names.get(&person).map(|name| name.clone()).unwrap_or_default()
    }

    /// The newest ranking.
    #[must_use]
    pub fn ranked(&self) -> Arc<Ranked> {
        // The pointer is replaced whole, so a panic elsewhere cannot have left half of one.
        Arc::clone(&self.ranked.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The newest snapshot in ClickHouse; wakes whoever waits for one.
    #[must_use]
    pub fn stored(&self) -> watch::Receiver<Option<Stored>> {
        self.stored.subscribe()
    }

    /// Asks for a snapshot as soon as something has changed since the last, whatever the interval.
    pub fn want_snapshot(&self) {
        self.wanted.store(true, Ordering::Release);
    }

    pub(crate) fn take_wanted(&self) -> bool {
        self.wanted.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn tell_totals(&self, person: PersonId, totals: Option<&PersonTotals>) {
        match totals {
            Some(totals) => self.totals.insert(person, *totals),
            None => self.totals.remove(&person).map(|(_, totals)| totals),
        };
    }

    pub(crate) fn tell_name(&self, person: PersonId, name: Name) {
        self.names.insert(person, name);
    }

    pub(crate) fn tell_ranked(&self, ranked: Ranked) {
        *self.ranked.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ranked);
    }

    pub(crate) fn tell_stored(&self, stored: Stored) {
        self.stored.send_replace(Some(stored));
    }

    /// Everyone's totals, in no order.
    pub(crate) fn everyone(&self) -> Vec<PersonTotals> {
        self.totals.iter().map(|totals| *totals).collect()
    }
}
