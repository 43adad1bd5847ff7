//! The mark of every pending key: of rows that the fold holds in a vector beside them, of others in a map.

use super::{HourKey, SessionId};
use crate::report::RunIx;
use tally_domain::Version;
use tally_domain::lookup::Lookup;

/// Where a key's mark lies. What the fold holds is known by its place, so that marking costs no look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The total at a place.
    Total(u32),
    /// An hour's sum.
    Hour(HourKey),
    /// The receipt at a place.
    Receipt(u32),
    /// A run.
    Producer(RunIx),
    /// A session.
    Session(SessionId),
}

/// Changes of a key that are not acknowledged: version of the oldest and of the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) first: Version,
    pub(crate) last: Version,
}

impl Mark {
    /// Nothing is pending: no record gives a state this version.
    const NONE: Self = Self { first: Version::ZERO, last: Version::ZERO };

    fn is_none(&self) -> bool {
        self.first == Version::ZERO
    }

    /// Changed at `version`; true when nothing was pending before.
    fn touch(&mut self, version: Version) -> bool {
        let new = self.is_none();
        self.first = if new { version } else { self.first.min(version) };
        self.last = self.last.max(version);
        new
    }
}

/// Marks by the place of their row; rows beyond the end have none.
#[derive(Clone, Debug, Default)]
struct Column(Vec<Mark>);

impl Column {
    fn slot(&mut self, place: u32) -> &mut Mark {
        let index = usize::try_from(place).expect("a u32 fits a usize");
        if self.0.len() <= index {
            self.0.resize(index.saturating_add(1), Mark::NONE);
        }
        self.0.get_mut(index).expect("resized above")
    }
    fn get(&self, place: u32) -> Option<Mark> {
        self.0.get(usize::try_from(place).ok()?).copied().filter(|mark| !mark.is_none())
    }
    fn all(&self) -> impl Iterator<Item = (u32, Mark)> {
        (0_u32..).zip(self.0.iter().copied()).filter(|(_, mark)| !mark.is_none())
    }
}

/// The marks of one destination.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    totals: Column,
    receipts: Column,
    producers: Column,
    hours: Lookup<HourKey, Mark>,
    sessions: Lookup<SessionId, Mark>,
    /// Of the three columns.
    live: usize,
}

impl Marks {
    pub(super) fn len(&self) -> usize {
        self.live.saturating_add(self.hours.len()).saturating_add(self.sessions.len())
    }

    /// The key changed at `version`; true when nothing was pending before.
    #[inline]
    pub(super) fn touch(&mut self, key: Slot, version: Version) -> bool {
        let mark = match key {
            Slot::Hour(key) => return self.hours.get_or_insert_with(key, || Mark::NONE).touch(version),
            Slot::Session(key) => return self.sessions.get_or_insert_with(key, || Mark::NONE).touch(version),
            Slot::Total(place) => self.totals.slot(place),
            Slot::Receipt(place) => self.receipts.slot(place),
            Slot::Producer(run) => self.producers.slot(run.0),
        };
        let new = mark.touch(version);
        self.live = self.live.saturating_add(usize::from(new));
        new
    }

    pub(super) fn get(&self, key: Slot) -> Option<Mark> {
        match key {
            Slot::Hour(key) => self.hours.get(&key).copied(),
            Slot::Session(key) => self.sessions.get(&key).copied(),
            Slot::Total(place) => self.totals.get(place),
            Slot::Receipt(place) => self.receipts.get(place),
            Slot::Producer(run) => self.producers.get(run.0),
        }
    }

    /// Pends the key as `mark` says, whatever it was.
    pub(super) fn set(&mut self, key: Slot, mark: Mark) {
        self.put(key, Some(mark));
    }

    pub(super) fn remove(&mut self, key: Slot) {
        self.put(key, None);
    }

    fn put(&mut self, key: Slot, mark: Option<Mark>) {
        let place = match key {
            Slot::Hour(key) => return put(&mut self.hours, key, mark),
            Slot::Session(key) => return put(&mut self.sessions, key, mark),
            Slot::Total(place) => self.totals.slot(place),
            Slot::Receipt(place) => self.receipts.slot(place),
            Slot::Producer(run) => self.producers.slot(run.0),
        };
        let was = std::mem::replace(place, mark.unwrap_or(Mark::NONE));
        let now = *place;
        self.live = self.live.saturating_add(usize::from(!now.is_none()));
        self.live = self.live.saturating_sub(usize::from(!was.is_none()));
    }

    /// Every mark, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (Slot, Mark)> {
        let totals = self.totals.all().map(|(place, mark)| (Slot::Total(place), mark));
        let receipts = self.receipts.all().map(|(place, mark)| (Slot::Receipt(place), mark));
        let producers = self.producers.all().map(|(run, mark)| (Slot::Producer(RunIx(run)), mark));
        let hours = self.hours.sorted().into_iter().map(|(key, mark)| (Slot::Hour(*key), *mark));
        let sessions = self.sessions.sorted().into_iter().map(|(key, mark)| (Slot::Session(*key), *mark));
        totals.chain(hours).chain(receipts).chain(producers).chain(sessions)
    }

    /// Bytes held, roughly.
    pub(super) fn memory(&self) -> usize {
        let columns = [&self.totals, &self.receipts, &self.producers];
        let places = columns.iter().fold(0_usize, |sum, column| sum.saturating_add(column.0.capacity()));
        let hours = self.hours.len().saturating_mul(size_of::<(HourKey, Mark)>());
        let sessions = self.sessions.len().saturating_mul(size_of::<(SessionId, Mark)>());
        // A map keeps an eighth of its room free, and a byte for each place.
        let mapped = hours.saturating_add(sessions).saturating_mul(9).div_euclid(7);
        places.saturating_mul(size_of::<Mark>()).saturating_add(mapped)
    }
}

fn put<K: Eq + std::hash::Hash>(marks: &mut Lookup<K, Mark>, key: K, mark: Option<Mark>) {
    match mark {
        Some(mark) => *marks.get_or_insert_with(key, || mark) = mark,
        None => {
            marks.remove(&key);
        }
    }
}
