//! What is still to be published, and how far everything is acknowledged.
//!
//! For each destination a key that was touched is pending from its first change that is not acknowledged to
//! its last. An acknowledgement carries the version whose values it published: it removes the key only if
//! the last change is not newer. The outbox is bounded by keys, however long a destination is away.

mod marks;

use crate::report::{AccountIx, DimsIx, RunIx};
use marks::Marks;
pub(crate) use marks::{Mark, Slot};
use std::collections::VecDeque;
use tally_domain::planted::{self, Bug};
use tally_domain::{Day, Hour, LogTime, Minute, SessionKey, Version};

/// Where absolute values are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// All keys.
    ClickHouse,
    /// The topic `totals`: account totals alone.
    Totals,
}

impl Destination {
    /// All destinations.
    pub const ALL: [Self; 2] = [Self::ClickHouse, Self::Totals];

    /// Its name in metrics and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClickHouse => "clickhouse",
            Self::Totals => "totals",
        }
    }
}

/// An hour's sum, which lies in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HourKey {
    /// Which hour.
    pub hour: Hour,
    /// Whose.
    pub account: AccountIx,
    /// Broken down by.
    pub dims: DimsIx,
}

/// A session's row, which lies in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// Whose.
    pub account: AccountIx,
    /// Which.
    pub session: SessionKey,
}

/// A key of a published row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DueKey {
    /// An account's totals in all windows.
    Total(AccountIx, DimsIx),
    /// An hour's sum.
    Hour(HourKey),
    /// What a run did to its account on one day of event time.
    Receipt(RunIx, Day, DimsIx),
    /// How far a run was read.
    Producer(RunIx),
    /// A session.
    Session(SessionId),
}

/// How far the publishing of every key has come; keys that the store keeps are walked there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Totals from this place on.
    Totals(u32),
    /// Receipts from this place on.
    Receipts(u32),
    /// Producers from this run on.
    Producers(u32),
    /// Hours after this one, in order of [`HourKey`]; `None` = from the first.
    Hours(Option<HourKey>),
    /// Sessions after this one, in order of [`SessionId`]; `None` = from the first.
    Sessions(Option<SessionId>),
}

/// A page of the publishing of every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepPage {
    /// Of which of the sweeps; a new one makes the pages of the last worthless.
    pub number: u32,
    /// Where it begins.
    pub from: Sweep,
    /// Where the next one begins, once the keys of this page are acknowledged; `None` = there is none.
    pub to: Option<Sweep>,
}

/// Keys to be published now, and the version of their present values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Where to.
    pub destination: Destination,
    /// That of the state the values are read from; an acknowledgement carries it back.
    pub version: Version,
    /// What. A key may be named twice.
    pub keys: Vec<DueKey>,
    /// The part of `keys` that comes from a sweep, if one is under way. Where it stands at keys of the
    /// store, whoever holds the store adds them: see [`Due::walked_hours`] and [`Due::walked_sessions`].
    pub sweep: Option<SweepPage>,
    /// How many keys may still be added from the store.
    pub room: usize,
}

impl Due {
    /// True when there is nothing to do: no key, and no page of a sweep to end.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.sweep.is_none()
    }

    /// Adds hours that the store found after the page's start; fewer than `room` means that none is left.
    pub fn walked_hours(&mut self, hours: &[HourKey]) {
        self.keys.extend(hours.iter().copied().map(DueKey::Hour));
        let more = hours.len() >= self.room;
        let last = hours.last().copied();
        let to = if more { Sweep::Hours(last) } else { Sweep::Sessions(None) };
        self.walked(hours.len(), Some(to));
    }

    /// Adds sessions that the store found after the page's start; fewer than `room` means that none is left.
    pub fn walked_sessions(&mut self, sessions: &[SessionId]) {
        self.keys.extend(sessions.iter().copied().map(DueKey::Session));
        let more = sessions.len() >= self.room;
        let last = sessions.last().copied();
        self.walked(sessions.len(), more.then_some(Sweep::Sessions(last)));
    }

    fn walked(&mut self, keys: usize, to: Option<Sweep>) {
        self.room = self.room.saturating_sub(keys);
        if let Some(page) = &mut self.sweep {
            page.to = to;
        }
    }
}

/// A state that was whole: its version, clock and LogTime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) version: Version,
    pub(crate) clock: Minute,
    pub(crate) log_time: LogTime,
}

/// Keys whose first change lies after the bucket before and not after `end`.
#[derive(Clone, Debug)]
struct Bucket {
    end: Point,
    /// May name keys that have left; such a key's mark begins elsewhere, or there is none.
    keys: VecDeque<Slot>,
    live: usize,
}

/// More points than this are not kept apart: older ones are joined, and progress takes larger steps.
const BUCKETS_MAX: usize = 512;

/// The outbox of one destination.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    marks: Marks,
    buckets: VecDeque<Bucket>,
    open: VecDeque<Slot>,
    /// Up to here every change is acknowledged.
    settled: Option<Point>,
    present: Point,
    sweep: Option<(u32, Sweep)>,
    sweeps: u32,
    /// The greatest progress that the destination itself has acknowledged.
    claimed: Version,
    /// The greatest version at which it has acknowledged anything.
    acknowledged: Version,
    /// Which start of the destination's server was last seen; 0 = none yet.
    life: u64,
}

/// What an outbox remembers of its destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) claimed: Version,
    pub(crate) acknowledged: Version,
    pub(crate) life: u64,
}

impl Outbox {
    pub(crate) fn new(present: Point) -> Self {
        Self {
            marks: Marks::default(),
            buckets: VecDeque::new(),
            open: VecDeque::new(),
            settled: Some(present),
            present,
            sweep: None,
            sweeps: 0,
            claimed: Version::ZERO,
            acknowledged: Version::ZERO,
            life: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.marks.len()
    }
    pub(crate) const fn sweep(&self) -> Option<(u32, Sweep)> {
        self.sweep
    }
    pub(crate) const fn known(&self) -> Known {
        Known { claimed: self.claimed, acknowledged: self.acknowledged, life: self.life }
    }
    /// Sets the life of the destination's server; gives the one before.
    pub(crate) const fn set_life(&mut self, life: u64) -> u64 {
        std::mem::replace(&mut self.life, life)
    }
    /// A publication at this version is safe.
    pub(crate) fn reached(&mut self, version: Version) {
        self.acknowledged = self.acknowledged.max(version);
    }
    pub(crate) fn claim(&mut self, version: Version) {
        self.claimed = self.claimed.max(version);
    }
    pub(crate) const fn sweeps(&self) -> u32 {
        self.sweeps
    }
    /// Every pending key, in no order.
    pub(crate) fn marks(&self) -> impl Iterator<Item = (Slot, Mark)> {
        self.marks.all()
    }

    /// The key changed at `version`, which no earlier point has reached.
    #[inline]
    pub(crate) fn mark(&mut self, key: Slot, version: Version) {
        if self.marks.touch(key, version) {
            self.open.push_back(key);
        }
    }

    /// The state is whole again: what was marked since the last point lies up to this one.
    pub(crate) fn seal(&mut self, point: Point) {
        self.present = point;
        if self.open.is_empty() {
            return self.settle();
        }
        let keys = std::mem::take(&mut self.open);
        let live = keys.len();
        self.buckets.push_back(Bucket { end: point, keys, live });
        if self.buckets.len() > BUCKETS_MAX {
            self.join_pairs();
        }
    }

    fn join_pairs(&mut self) {
        let mut joined: VecDeque<Bucket> = VecDeque::new();
        for (place, bucket) in std::mem::take(&mut self.buckets).into_iter().enumerate() {
            match joined.back_mut() {
                Some(last) if place & 1 == 1 => {
                    last.end = bucket.end;
                    last.keys.extend(bucket.keys);
                    last.live = last.live.saturating_add(bucket.live);
                }
                _ => joined.push_back(bucket),
            }
        }
        self.buckets = joined;
    }

    /// Up to `limit` pending keys, oldest first.
    pub(crate) fn pending(&mut self, limit: usize, into: &mut Vec<Slot>) {
        let mut after = None;
        let full = into.len().saturating_add(limit);
        for bucket in &mut self.buckets {
            let range = (after, bucket.end.version);
            while bucket.keys.front().is_some_and(|key| !is_live(&self.marks, *key, range)) {
                bucket.keys.pop_front();
            }
            let room = full.saturating_sub(into.len());
            into.extend(
                bucket.keys.iter().copied().filter(|key| is_live(&self.marks, *key, range)).take(room),
            );
            if into.len() >= full {
                return;
            }
            after = Some(bucket.end.version);
        }
    }

    /// The value of `key` at version `at` is safe.
    pub(crate) fn acknowledge(&mut self, key: Slot, at: Version) {
        let Some(mark) = self.marks.get(key) else { return };
        let at = if planted::is(Bug::CoarseStamps) { Version::from_u64(at.get() | 7) } else { at };
        let was = mark.first;
        let now = if mark.last <= at || planted::is(Bug::NewerForgotten) {
            self.marks.remove(key);
            None
        } else if was <= at {
            self.marks.set(key, Mark { first: after(at), ..mark });
            Some(after(at))
        } else {
            return;
        };
        let from = self.bucket_of(was);
        let to = now.map(|first| self.bucket_of(first));
        if to == Some(from) {
            return;
        }
        if let Some(bucket) = self.buckets.get_mut(from) {
            bucket.live = bucket.live.saturating_sub(1);
        }
        if let Some(to) = to {
            self.requeue(key, to);
        }
    }

    /// The key was published, and has changed since: it waits among the keys whose first change that is.
    fn requeue(&mut self, key: Slot, to: usize) {
        if to >= self.buckets.len() {
            // Only keys that were pending already have changed since the last bucket's end.
            self.buckets.push_back(Bucket { end: self.present, keys: VecDeque::new(), live: 0 });
        }
        let bucket = self.buckets.get_mut(to).expect("the last bucket ends at the present or was added");
        bucket.live = bucket.live.saturating_add(1);
        bucket.keys.push_back(key);
    }

    fn bucket_of(&self, version: Version) -> usize {
        self.buckets.partition_point(|bucket| bucket.end.version < version)
    }

    /// Forgets leading buckets without a live key, and moves `settled` up to their end.
    pub(crate) fn settle(&mut self) {
        while let Some(bucket) = self.buckets.pop_front_if(|bucket| bucket.live == 0) {
            self.settled = Some(bucket.end);
        }
        if self.buckets.is_empty() {
            self.settled = Some(self.present);
        }
    }

    /// The newest known state up to which every change is acknowledged; `None` while every key is being
    /// published anew.
    pub(crate) fn progress(&self) -> Option<Point> {
        if planted::is(Bug::ProgressAhead) {
            return Some(self.present);
        }
        if self.sweep.is_some() { None } else { self.settled }
    }

    /// Every key is unacknowledged again.
    pub(crate) fn sweep_all(&mut self) {
        self.sweeps = self.sweeps.wrapping_add(1);
        self.sweep = Some((self.sweeps, Sweep::Totals(0)));
        (self.claimed, self.acknowledged) = (Version::ZERO, Version::ZERO);
    }

    /// The keys of a page are acknowledged.
    pub(crate) fn swept(&mut self, page: &SweepPage) {
        if self.sweep == Some((page.number, page.from)) {
            self.sweep = page.to.map(|to| (page.number, to));
        }
    }

    /// A state of a checkpoint without its pending keys: see [`Self::restore_marks`].
    pub(crate) fn restore(present: Point, sweep: Option<(u32, Sweep)>, sweeps: u32, known: Known) -> Self {
        let Known { claimed, acknowledged, life } = known;
        let new = Self::new(present);
        Self { sweep, sweeps, claimed, acknowledged, life, settled: None, ..new }
    }

    /// The pending keys of a checkpoint, all in one bucket that ends at the present.
    pub(crate) fn restore_marks(&mut self, marks: impl Iterator<Item = (Slot, Mark)>) {
        for (key, mark) in marks {
            self.marks.set(key, mark);
            self.open.push_back(key);
        }
        self.seal(self.present);
    }

    /// Bytes held, roughly.
    pub(crate) fn memory(&self) -> usize {
        let queued = self.buckets.iter().map(|bucket| bucket.keys.capacity());
        let queued = queued.fold(self.open.capacity(), usize::saturating_add);
        self.marks.memory().saturating_add(queued.saturating_mul(size_of::<Slot>()))
    }
}

/// True when the key's first change lies in the range of its bucket.
fn is_live(marks: &Marks, key: Slot, (after, end): (Option<Version>, Version)) -> bool {
    marks.get(key).is_some_and(|mark| mark.first <= end && after.is_none_or(|after| mark.first > after))
}

/// The version right after `version`.
fn after(version: Version) -> Version {
    Version::from_u64(version.get().saturating_add(1))
}
