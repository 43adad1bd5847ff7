//! What the parts of a process say of themselves, for whoever asks: control endpoints, the live status.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tally_aggregator::Status;
use tally_audit::Archived;
use tally_domain::{Lane, Offset, Partition, Topic, Version};
use tokio::sync::watch;

use crate::roles::demo::DemoReport;

/// Offsets that a command waits for: the offset after its last record, by partition.
pub type Positions = BTreeMap<Partition, Offset>;

/// The newest word of every part. Cheap to write, cheap to read.
#[derive(Debug)]
pub struct Shared {
    told: Mutex<Told>,
    /// Records that the collector has brought to the log.
    taken: AtomicU64,
    news: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Told {
    partitions: BTreeMap<Partition, Status>,
    archived: BTreeMap<Partition, Archived>,
    /// How far others have published and archived, as ClickHouse last showed it.
    published_elsewhere: BTreeMap<Partition, Offset>,
    archived_elsewhere: BTreeMap<Partition, Offset>,
    failures: Vec<Failure>,
    /// Partitions that are to publish every key anew, and have not begun.
    republish: BTreeSet<Partition>,
    /// What a ranking must have passed, for whoever waits for one.
    wanted: Positions,
    /// What the newest complete ranking has passed.
    ranked: BTreeMap<Partition, Version>,
    /// How many people it ranks, and when it was complete.
    people_ranked: u64,
    ranked_at: Option<Instant>,
    demo: Option<DemoReport>,
}

/// A part that does not work, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// `aggregator 3`, `audit` …
    pub part: String,
    /// What it said: what happened, where, what to do.
    pub message: String,
    /// It tries again by itself, as often as it takes; otherwise it stopped.
    #[serde(default)]
    pub heals: bool,
}

impl Failure {
    /// The first part that stopped: whoever waits for it waits in vain.
    #[must_use]
    pub fn stopped(failures: &[Self]) -> Option<&Self> {
        failures.iter().find(|failure| !failure.heals)
    }
}

/// A partition that has not passed a position.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Behind {
    /// Which.
    pub partition: Partition,
    /// Where it has to get to.
    pub position: Offset,
    /// How far ClickHouse has acknowledged everything.
    pub published: Offset,
    /// How far the archive is contiguous.
    pub archived: Offset,
}

impl Default for Shared {
    fn default() -> Self {
        Self { told: Mutex::default(), taken: AtomicU64::new(0), news: watch::Sender::new(0) }
    }
}

impl Shared {
    /// A partition's present status.
    pub fn tell_partition(&self, status: Status) {
        let changed = self.lock().partitions.insert(status.partition, status) != Some(status);
        self.ring(changed);
    }

    /// The partition is no longer this process's.
    pub fn forget_partition(&self, partition: Partition) {
        let mut told = self.lock();
        told.republish.remove(&partition);
        let changed = told.partitions.remove(&partition).is_some();
        drop(told);
        self.ring(changed);
    }

    /// The collector brought so many more records to the log.
    pub fn tell_taken(&self, records: usize) {
        self.taken.fetch_add(u64::try_from(records).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Records that the collector has brought to the log.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// How far others have published and archived, as ClickHouse shows it.
    pub fn tell_elsewhere(&self, published: Positions, archived: Positions) {
        let mut told = self.lock();
        let changed = told.published_elsewhere != published || told.archived_elsewhere != archived;
        told.published_elsewhere = published;
        told.archived_elsewhere = archived;
        drop(told);
        self.ring(changed);
    }

    /// How far the archive is.
    pub fn tell_archived(&self, archived: impl Iterator<Item = Archived>) {
        let changed = {
            let mut told = self.lock();
            archived
                .fold(false, |changed, now| changed | (told.archived.insert(now.partition, now) != Some(now)))
        };
        self.ring(changed);
    }

    /// What the newest complete ranking has passed. One that was found rather than made has no age: nobody here
    /// knows when it was made.
    pub fn tell_ranked(&self, vector: &BTreeMap<Partition, Version>, people: u64, is_own: bool) {
        let changed = {
            let mut told = self.lock();
            let changed = told.ranked != *vector;
            if changed {
                told.ranked_at = is_own.then(Instant::now);
                told.ranked.clone_from(vector);
            }
            told.people_ranked = people;
            changed
        };
        self.ring(changed);
    }

    /// How many people the newest complete ranking has, and how long ago it was made.
    #[must_use]
    pub fn ranking(&self) -> (u64, Option<Duration>) {
        let told = self.lock();
        (told.people_ranked, told.ranked_at.map(|at| at.elapsed()))
    }

    /// How far the demo is.
    pub fn tell_demo(&self, report: DemoReport) {
        self.lock().demo = Some(report);
        self.ring(true);
    }

    /// How far the demo is; none where there is none.
    #[must_use]
    pub fn demo(&self) -> Option<DemoReport> {
        self.lock().demo
    }

    /// Durable records that are not folded yet.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.lock().partitions.values().map(Status::lag).sum()
    }

    /// Somebody waits for a ranking that has passed `positions`.
    pub fn want(&self, positions: &Positions) {
        let mut told = self.lock();
        for (&partition, &position) in positions {
            let wanted = told.wanted.entry(partition).or_default();
            *wanted = position.max(*wanted);
        }
    }

    /// What a ranking must have passed.
    #[must_use]
    pub fn wanted(&self) -> Positions {
        self.lock().wanted.clone()
    }

    /// True when the newest complete ranking has passed `positions`.
    #[must_use]
    pub fn is_ranked(&self, positions: &Positions) -> bool {
        let told = self.lock();
        positions.iter().all(|(partition, &position)| {
            told.ranked.get(partition).is_some_and(|version| version.next() >= position)
        })
    }

    /// These are to publish every key anew.
    pub fn ask_republish(&self, partitions: impl Iterator<Item = Partition>) {
        self.lock().republish.extend(partitions);
    }

    /// True once for each time that the partition was asked.
    #[must_use]
    pub fn take_republish(&self, partition: Partition) -> bool {
        let asked = self.lock().republish.remove(&partition);
        self.ring(asked);
        asked
    }

    /// True until every partition that was asked to has begun.
    #[must_use]
    pub fn has_to_republish(&self) -> bool {
        !self.lock().republish.is_empty()
    }

    /// A part stopped.
    pub fn tell_failure(&self, part: &str, message: String) {
        self.tell(Failure { part: part.to_owned(), message, heals: false });
    }

    /// A part cannot go on now, and tries again by itself.
    pub fn tell_trouble(&self, part: &str, message: String) {
        self.tell(Failure { part: part.to_owned(), message, heals: true });
    }

    fn tell(&self, failure: Failure) {
        let mut told = self.lock();
        told.failures.retain(|known| known.part != failure.part);
        told.failures.push(failure);
        drop(told);
        self.ring(true);
    }

    /// It goes on.
    pub fn tell_recovered(&self, part: &str) {
        let mut told = self.lock();
        let before = told.failures.len();
        told.failures.retain(|failure| failure.part != part);
        let is_news = told.failures.len() < before;
        drop(told);
        self.ring(is_news);
    }

    /// Partitions that this process folds.
    #[must_use]
    pub fn folded(&self) -> Vec<Partition> {
        self.lock().partitions.keys().copied().collect()
    }

    /// How far the archive of each partition is, where this process keeps it.
    #[must_use]
    pub fn archived(&self) -> Vec<Archived> {
        self.lock().archived.values().copied().collect()
    }

    /// Every partition's newest status.
    #[must_use]
    pub fn partitions(&self) -> Vec<Status> {
        self.lock().partitions.values().copied().collect()
    }

    /// Parts that do not work.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        self.lock().failures.clone()
    }

    /// Partitions that have not passed their position: published and archived, both. What this process does itself it
    /// knows best; of the rest it knows what ClickHouse shows.
    #[must_use]
    pub fn behind(&self, positions: &Positions) -> Vec<Behind> {
        let told = self.lock();
        let behind = positions.iter().map(|(&partition, &position)| {
            let progress = told.partitions.get(&partition).map(|status| status.claimed.next());
            let progress = progress.or_else(|| told.published_elsewhere.get(&partition).copied());
            let archived = told.archived.get(&partition).map(|archived| archived.next);
            let archived = archived.or_else(|| told.archived_elsewhere.get(&partition).copied());
            Behind {
                partition,
                position,
                published: progress.unwrap_or_default(),
                archived: archived.unwrap_or_default(),
            }
        });
        behind
            .filter(|behind| behind.published < behind.position || behind.archived < behind.position)
            .collect()
    }

    /// The first offset of a lane that the state or the archive still needs.
    #[must_use]
    pub fn needed(&self, lane: Lane) -> Offset {
        if lane.topic != Topic::Usage {
            // The ranker follows the others as they come, and starts from what ClickHouse holds.
            return Offset::MAX;
        }
        let told = self.lock();
        let committed = told.partitions.get(&lane.partition).map(|status| status.committed);
        let archived = told.archived.get(&lane.partition).map(|archived| archived.next);
        // Who has said nothing yet needs everything.
        committed.unwrap_or_default().min(archived.unwrap_or_default())
    }

    /// Wakes whenever something was told.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    fn ring(&self, changed: bool) {
        if changed {
            self.news.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // What was told is replaced whole, so nobody sees half of it.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
