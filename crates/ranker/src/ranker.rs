//! The part: follows the log, keeps the ledger, makes a ranking when one is due.

use std::collections::BTreeMap;
use std::sync::Arc;

use tally_clickhouse::rows::KeepCode;
use tally_domain::{
    AccountKey, Hash128, Lane, Minute, Offset, Partition, PartitionCount, PersonId, Topic, Version, WallTime,
};
use tally_log::{LogError, ReadLog, Records};
use tally_schema::Totals;
use tally_standings::{Earlier, Snapshot, people, snapshot};

use crate::ledger::{Ledger, People};
use crate::occurrences::{SnapshotComplete, SnapshotFailed};
use crate::rows::Making;
use crate::writer::SnapshotSink;

/// Bytes read from a lane at once.
const READ_BYTES: usize = 1 << 20;
const MS_PER_SECOND: i64 = 1_000;

/// What a ranker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of the log.
    pub partitions: PartitionCount,
    /// Between two rankings, ms; one that was asked for comes at once.
    pub interval_ms: i64,
}

/// Why the ranker stops.
#[derive(Debug, thiserror::Error)]
pub enum RankerError {
    /// The log cannot be read.
    #[error("ranking: {0}")]
    Log(#[from] LogError),
}

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// Something; come again.
    Worked,
    /// Nothing to do now.
    Idle,
}

/// Offsets that a ranking must have passed, by partition.
pub type Wanted = BTreeMap<Partition, Offset>;

/// Follows totals and identities, ranks, and writes what it ranked.
#[derive(Debug)]
pub struct Ranker<L, S> {
    log: L,
    sink: S,
    settings: Settings,
    ledger: Arc<Ledger>,
    records: Records,
    next: BTreeMap<Lane, Offset>,
    /// Number and ranks of an earlier ranking, for movement.
    earlier: Option<(u64, Earlier)>,
    /// Vector and people of the newest complete ranking, and of the one being written.
    complete: Option<Made>,
    in_flight: Option<Made>,
    last: Option<WallTime>,
    kept: Kept,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Made {
    vector: BTreeMap<Partition, Version>,
    people_version: u64,
    people: u64,
}

/// The newest hour and day of which a ranking is kept for long.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    hour: Option<i32>,
    day: Option<i32>,
}

impl<L: ReadLog, S: SnapshotSink> Ranker<L, S> {
    /// Starts with what `ledger` was given from ClickHouse; then follows the log from its start.
    pub fn new(
        log: L,
        sink: S,
        settings: Settings,
        ledger: Arc<Ledger>,
        earlier: Option<(u64, Earlier)>,
    ) -> Self {
        Self {
            log,
            sink,
            settings,
            ledger,
            records: Records::default(),
            next: BTreeMap::new(),
            earlier,
            complete: None,
            in_flight: None,
            last: None,
            kept: Kept::default(),
        }
    }

    /// Takes answers, reads what is new, and makes a ranking when one is due, or when `wanted` has been reached
    /// and the newest complete ranking has not passed it.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn turn(&mut self, now: WallTime, wanted: &Wanted) -> Result<Turn, RankerError> {
        let settled = self.settle();
        let read = self.follow()?;
        let made = self.is_due(now, wanted) && self.make(now);
        Ok(if settled || read || made { Turn::Worked } else { Turn::Idle })
    }

    /// The vector of the newest complete ranking; empty before the first.
    #[must_use]
    pub fn complete(&self) -> BTreeMap<Partition, Version> {
        self.complete.as_ref().map(|made| made.vector.clone()).unwrap_or_default()
    }

    /// People of the newest complete ranking.
    #[must_use]
    pub fn people(&self) -> u64 {
        self.complete.as_ref().map_or(0, |made| made.people)
    }

    fn settle(&mut self) -> bool {
        let Some(answer) = self.sink.answered() else { return false };
        let made = self.in_flight.take();
        match answer.result {
            Ok(()) => {
                let people = made.as_ref().map_or(0, |made| made.people);
                tally_telemetry::emit(&SnapshotComplete { snapshot: answer.snapshot, people });
                self.complete = made;
            }
            Err(error) => {
                tally_telemetry::emit(&SnapshotFailed { snapshot: answer.snapshot, why: error.to_string() });
            }
        }
        true
    }

    /// Reads what was appended since the last turn; identities first, so that nobody is ranked nameless.
    fn follow(&mut self) -> Result<bool, RankerError> {
        let mut read = false;
        for topic in [Topic::Identities, Topic::Totals] {
            for partition in self.settings.partitions.all() {
                read |= self.follow_lane(Lane { topic, partition })?;
            }
        }
        Ok(read)
    }

    fn follow_lane(&mut self, lane: Lane) -> Result<bool, RankerError> {
        let start = self.log.bounds(lane)?.start;
        let from = self.next.get(&lane).copied().unwrap_or(start).max(start);
        self.log.read(lane, from, READ_BYTES, &mut self.records)?;
        let Some(last) = self.records.last() else { return Ok(false) };
        self.next.insert(lane, last.offset.next());
        for record in self.records.iter() {
            match lane.topic {
                Topic::Identities => identify(&self.ledger, record.key, record.value, record.offset),
                _ => take(&self.ledger, record.value),
            }
        }
        Ok(true)
    }

    fn is_due(&self, now: WallTime, wanted: &Wanted) -> bool {
        if self.in_flight.is_some() || !self.knows_every_partition() {
            return false;
        }
        let asked = !wanted.is_empty() && !self.has_passed(wanted) && self.reaches(wanted);
        // Under a clock that stands still nothing is ever due; then every change is.
        let waited = self.last.is_none_or(|last| {
            let since = now.ms().saturating_sub(last.ms());
            since == 0 || since >= self.settings.interval_ms
        });
        asked || (waited && self.has_changed())
    }

    fn knows_every_partition(&self) -> bool {
        self.ledger.reached().len() >= usize::from(self.settings.partitions.get())
    }

    fn has_passed(&self, wanted: &Wanted) -> bool {
        let complete = self.complete.as_ref();
        complete.is_some_and(|made| passes(wanted, |partition| made.vector.get(&partition).copied()))
    }

    fn reaches(&self, wanted: &Wanted) -> bool {
        let reached = self.ledger.reached();
        passes(wanted, |partition| reached.get(&partition).map(|progress| progress.version))
    }

    fn has_changed(&self) -> bool {
        let reached = self.vector();
        self.complete
            .as_ref()
            .is_none_or(|made| made.vector != reached || made.people_version != self.ledger.people().version)
    }

    fn vector(&self) -> BTreeMap<Partition, Version> {
        self.ledger.reached().into_iter().map(|(partition, progress)| (partition, progress.version)).collect()
    }

    fn make(&mut self, now: WallTime) -> bool {
        let people_known = self.ledger.people();
        let clocks: Vec<Minute> = self.ledger.reached().values().map(|progress| progress.clock).collect();
        let totals = self.ledger.totals();
        let flat = totals.iter().flat_map(|(account, rows)| rows.iter().map(|windows| (*account, windows)));
        let everyone = people(flat, |account| owner(&people_known, account));
        let vector = self.vector();
        let ranks = self.earlier.as_ref().map(|(_, ranks)| ranks);
        let ranked: Snapshot = snapshot(everyone.clone(), vector.clone(), clocks.into_iter(), ranks);
        let making = Making {
            snapshot: &ranked,
            everyone: &everyone,
            people: &people_known,
            earlier: self.earlier.as_ref().map_or(0, |(number, _)| *number),
            keep: self.kept.of(ranked.as_of),
        };
        let Some(rows) = making.rows() else { return false };
        let made = Made {
            vector,
            people_version: people_known.version,
            people: u64::try_from(ranked.people.len()).unwrap_or(u64::MAX),
        };
        self.last = Some(now);
        self.in_flight = self.sink.submit(rows).is_ok().then_some(made);
        self.in_flight.is_some()
    }
}

impl Settings {
    /// From whole seconds.
    #[must_use]
    pub fn every(partitions: PartitionCount, seconds: u64) -> Self {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        Self { partitions, interval_ms: seconds.saturating_mul(MS_PER_SECOND) }
    }
}

impl Kept {
    /// The first ranking of a day is kept for a year, the first of an hour for a week, others for an hour.
    fn of(&mut self, as_of: Minute) -> KeepCode {
        let (hour, day) = (as_of.hour().0, as_of.day().0);
        let new_hour = self.hour.replace(hour) != Some(hour);
        let new_day = self.day.replace(day) != Some(day);
        match (new_day, new_hour) {
            (true, _) => KeepCode::Daily,
            (false, true) => KeepCode::Hourly,
            (false, false) => KeepCode::All,
        }
    }
}

/// Whose an account is. One that claimed no identity stands for itself.
fn owner(people: &People, account: &AccountKey) -> PersonId {
    people.identities.get(account).map_or(PersonId(account.0), |known| known.person)
}

fn passes(wanted: &Wanted, reached: impl Fn(Partition) -> Option<Version>) -> bool {
    wanted
        .iter()
        .all(|(&partition, &offset)| reached(partition).is_some_and(|version| version.next() >= offset))
}

fn identify(ledger: &Ledger, key: &[u8], value: Option<&[u8]>, offset: Offset) {
    let Ok(key) = <[u8; 16]>::try_from(key) else { return };
    let account = AccountKey(Hash128(key));
    match value.map(tally_schema::decode_identity) {
        None => ledger.identify(account, None, offset.get()),
        Some(Ok(identity)) => ledger.identify(account, Some(identity), offset.get()),
        // What cannot be read names nobody: the account stands for itself until it is claimed again.
        Some(Err(_)) => {}
    }
}

fn take(ledger: &Ledger, value: Option<&[u8]>) {
    // A record of a newer writer is left to a newer ranker; the highest version stands anyway.
    match value.map(tally_schema::decode_totals) {
        Some(Ok(Totals::Total(row, version))) => ledger.take(&row, version),
        Some(Ok(Totals::Progress(progress))) => ledger.reach(progress),
        Some(Err(_)) | None => {}
    }
}
