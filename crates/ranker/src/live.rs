//! What others read while the ranker works: everyone's live totals, and the newest ranking of them.

use dashmap::DashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tally_domain::{Board, PersonId, Window};
use tally_standings::{PersonTotals, Snapshot, Standing, Sum};
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
    /// Names, e-mails and subjects of all accounts, lower-cased, a line each.
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
    /// True when it was made since the ranker began; false when it was found in ClickHouse.
    pub is_own: bool,
}

/// A ranking with everyone in the order of each board.
#[derive(Debug, Default)]
pub struct Ranked {
    /// The ranking.
    pub snapshot: Snapshot,
    /// Counts the rankings since the ranker began.
    pub revision: u64,
    /// Everyone together, in the order of [`Window::ALL`].
    company: [Sum; 4],
    /// Per board of [`Board::all`]: indices into the people, by place.
    order: Vec<Vec<u32>>,
}

impl Ranked {
    /// Of a snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot, revision: u64) -> Self {
        let order = snapshot.boards.iter().map(|board| by_place(board)).collect();
        let company = Window::ALL.map(|window| total(snapshot.people.iter().map(|each| each.window(window))));
        Self { snapshot, revision, company, order }
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

    /// Everyone together.
    #[must_use]
    pub fn company(&self, window: Window) -> Sum {
        let [hours24, days7, days30, lifetime] = self.company;
        match window {
            Window::Hours24 => hours24,
            Window::Days7 => days7,
            Window::Days30 => days30,
            Window::Lifetime => lifetime,
        }
    }

    /// A person's standing on a board; `None` when they are not ranked.
    #[must_use]
    pub fn standing(&self, person: PersonId, board: Board) -> Option<&Standing> {
        let at = self.snapshot.people.binary_search_by_key(&person, |each| each.person).ok()?;
        self.snapshot.board(board).get(at)
    }
}

/// The sum of sums.
pub(crate) fn total<'a>(sums: impl Iterator<Item = &'a Sum>) -> Sum {
    let mut total = Sum::default();
    for sum in sums {
        // Sums over people that no memory holds would be needed to pass 128 bits.
        total.0.iter_mut().zip(sum.0).for_each(|(lane, more)| *lane = lane.saturating_add(more));
    }
    total
}

/// What is left of `whole` without `part`.
pub(crate) fn less(whole: &Sum, part: &Sum) -> Sum {
    let mut left = *whole;
    left.0.iter_mut().zip(part.0).for_each(|(lane, part)| *lane = lane.saturating_sub(part));
    left
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

    /// The totals of `people`, in their order.
    pub(crate) fn everyone<'a>(&self, people: impl Iterator<Item = &'a PersonId>) -> Vec<PersonTotals> {
        people.filter_map(|person| self.totals(*person)).collect()
    }
}
