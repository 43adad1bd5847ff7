//! The part: follows identities and totals, keeps the live board, and has snapshots written.

use crate::follow::Follow;
use crate::keep::keep;
use crate::ledger::Ledger;
use crate::live::{Live, Name, Ranked, Stored};
use crate::occurrences::{Booted, SnapshotStored, StoreFailed, Unreadable};
use crate::rows::{self, Frame};
use crate::store::{Answer, Baseline, Boot, Newest, Question, Store, Written};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tally_clickhouse::rows::PersonRecord;
use tally_domain::published::Progress;
use tally_domain::{
    AccountKey, Hash128, Minute, Partition, PartitionCount, PersonId, Secret, Topic, Version,
};
use tally_log::{LogError, ReadLog};
use tally_schema::{DecodeError, Totals};
use tally_standings::{PersonTotals, Snapshot, Sum};

/// How often the ranker ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Least time between two rankings of the live board.
    pub live: Duration,
    /// Least time between two snapshots in ClickHouse, unless one is asked for.
    pub snapshot: Duration,
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

/// Time to wait after the store failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Ranks everyone. One thread turns it; [`Live`] is what others see.
#[derive(Debug)]
pub struct Ranker<L, S> {
    log: L,
    store: S,
    secret: Secret,
    partitions: PartitionCount,
    pace: Pace,
    live: Arc<Live>,
    identities: Follow,
    totals: Follow,
    ledger: Ledger,
    progress: BTreeMap<Partition, Progress>,
    /// Rows of people that are not known to be written, by account.
    people: BTreeMap<AccountKey, PersonRecord>,
    owners: BTreeMap<AccountKey, PersonId>,
    /// What user_totals holds.
    written: BTreeMap<PersonId, [Sum; 4]>,
    newest: Option<Newest>,
    earlier: Option<Baseline>,
    phase: Phase,
    wanted: bool,
    /// Something was read since the live board was ranked.
    is_stale: bool,
    is_caught_up: bool,
    ranked_at: Option<Duration>,
    snapshot_at: Option<Duration>,
    not_before: Duration,
}

/// How far the ranker is.
#[derive(Debug)]
enum Phase {
    /// Nothing is known.
    Unbooted,
    /// Asked for what was published.
    Booting,
    /// Follows.
    Following,
    /// A snapshot is being written: its people and its changed totals.
    Writing { people: Vec<(AccountKey, u64)>, totals: Vec<PersonTotals> },
}

impl<L: ReadLog, S: Store> Ranker<L, S> {
    /// A ranker that knows nothing yet.
    pub fn new(log: L, store: S, secret: Secret, partitions: PartitionCount, pace: Pace) -> Self {
        Self {
            log,
            store,
            secret,
            partitions,
            pace,
            live: Arc::default(),
            identities: Follow::new(Topic::Identities, partitions),
            totals: Follow::new(Topic::Totals, partitions),
            ledger: Ledger::default(),
            progress: BTreeMap::new(),
            people: BTreeMap::new(),
            owners: BTreeMap::new(),
            written: BTreeMap::new(),
            newest: None,
            earlier: None,
            phase: Phase::Unbooted,
            wanted: false,
            is_stale: true,
            is_caught_up: false,
            ranked_at: None,
            snapshot_at: None,
            not_before: Duration::ZERO,
        }
    }

    /// What others read.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// True while a snapshot is being written.
    #[must_use]
    pub const fn is_writing(&self) -> bool {
        matches!(self.phase, Phase::Writing { .. })
    }

    /// One bounded piece of work. `elapsed` is time that goes on even when the installation's clock stands still.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn turn(&mut self, elapsed: Duration) -> Result<Turn, LogError> {
        let mut worked = false;
        while let Some(answer) = self.store.answered() {
            self.take(answer, elapsed);
            worked = true;
        }
        self.wanted |= self.live.take_wanted();
        if matches!(self.phase, Phase::Unbooted) && elapsed >= self.not_before {
            if self.store.ask(Question::Boot).is_ok() {
                self.phase = Phase::Booting;
            }
            return Ok(Turn::Worked);
        }
        if matches!(self.phase, Phase::Unbooted | Phase::Booting) {
            return Ok(if worked { Turn::Worked } else { Turn::Idle });
        }
        let read = self.follow()?;
        self.is_caught_up |= !read;
        self.is_stale |= read;
        if self.is_consistent() {
            worked |= self.rank(elapsed);
        }
        Ok(if worked || read { Turn::Worked } else { Turn::Idle })
    }

    /// Every partition has said how far it is, and what the log held at the start has been read.
    fn is_consistent(&self) -> bool {
        self.is_caught_up && self.progress.len() == usize::from(self.partitions.get())
    }

    fn take(&mut self, answer: Answer, elapsed: Duration) {
        match answer {
            Answer::Booted(boot) => self.boot(*boot),
            Answer::Written(written) => self.stored(written),
            Answer::Failed { error } => {
                tally_telemetry::emit(&StoreFailed { error });
                self.not_before = elapsed.saturating_add(PAUSE);
                let was_booting = matches!(self.phase, Phase::Unbooted | Phase::Booting);
                self.phase = if was_booting { Phase::Unbooted } else { Phase::Following };
            }
        }
    }

    fn boot(&mut self, boot: Boot) {
        tally_telemetry::emit(&Booted { totals: boot.totals.len(), partitions: boot.progress.len() });
        for (row, version) in &boot.totals {
            self.ledger.publish(row, *version);
        }
        for line in &boot.people {
            let (account, person) = (AccountKey(Hash128(line.account)), PersonId(Hash128(line.person)));
            self.own(account, person);
            let words = [line.name.as_str(), &line.email, &line.subject].join(" ").to_lowercase();
            self.live.tell_name(person, Name { shown: line.name.clone(), words });
        }
        for progress in boot.progress {
            advance(&mut self.progress, progress);
        }
        if let Some(newest) = &boot.newest {
            self.live.tell_stored(stored(newest));
        }
        (self.newest, self.earlier, self.phase) = (boot.newest, boot.earlier, Phase::Following);
    }

    fn stored(&mut self, written: Written) {
        let Written { newest, earlier, dropped } = written;
        if let Phase::Writing { people, totals } = std::mem::replace(&mut self.phase, Phase::Following) {
            for (account, version) in people {
                if self.people.get(&account).is_some_and(|row| row.version == version) {
                    self.people.remove(&account);
                }
            }
            self.written.extend(totals.into_iter().map(|totals| (totals.person, totals.windows)));
        }
        tally_telemetry::emit(&SnapshotStored {
            number: newest.number,
            people: newest.people,
            as_of: newest.as_of.start_ms().div_euclid(1_000),
            dropped: dropped.len(),
        });
        self.live.tell_stored(stored(&newest));
        self.newest = Some(newest);
        self.earlier = earlier.or(self.earlier.take());
    }

    /// Reads what is new in the log; true when there was anything.
    fn follow(&mut self) -> Result<bool, LogError> {
        let mut claims = Vec::new();
        let new_claims = self.identities.read(&mut self.log, |partition, record| {
            if let Ok(key) = record.key.try_into() {
                let identity = record.value.map(tally_schema::decode_identity).transpose();
                claims.push((partition, AccountKey(Hash128(key)), record.offset.next().get(), identity));
            }
        })?;
        for (partition, account, version, identity) in claims {
            match identity {
                Ok(identity) => self.identify(account, identity.as_ref(), version),
                Err(error) => unreadable(partition, &error),
            }
        }
        let (ledger, progress) = (&mut self.ledger, &mut self.progress);
        let new_totals = self.totals.read(&mut self.log, |partition, record| {
            // A tombstone would take a total away; totals are published as zero instead, so none is ever written.
            let Some(value) = record.value else { return };
            match tally_schema::decode_totals(value) {
                Ok(Totals::Total(row, version)) => {
                    ledger.publish(&row, version);
                }
                Ok(Totals::Progress(now)) => advance(progress, now),
                Err(error) => unreadable(partition, &error),
            }
        })?;
        let live = &self.live;
        self.ledger.settle(|person, totals| live.tell_totals(person, totals.as_ref()));
        Ok(new_claims || new_totals)
    }

    /// An account says who it is, or is forgotten.
    fn identify(
        &mut self,
        account: AccountKey,
        identity: Option<&tally_domain::ClaimedIdentity>,
        version: u64,
    ) {
        let row = if let Some(claimed) = identity {
            let person = PersonId::of(&self.secret, &claimed.subject);
            self.own(account, person);
            rows::person(account, person, claimed, version)
        } else {
            let person = self.owners.get(&account).copied().unwrap_or(PersonId(account.0));
            rows::forgotten(account, person, version)
        };
        let words = [row.name.as_str(), &row.email, &row.subject].join(" ").to_lowercase();
        self.live.tell_name(PersonId(Hash128(row.person)), Name { shown: row.name.clone(), words });
        self.people.insert(account, row);
    }

    fn own(&mut self, account: AccountKey, person: PersonId) {
        self.owners.insert(account, person);
        self.ledger.own(account, person);
    }

    /// Ranks the live board when it is due, and has a snapshot written when one is; true when it did.
    fn rank(&mut self, elapsed: Duration) -> bool {
        let vector = self.vector();
        let number = tally_standings::number(&vector);
        let wants = self.is_snapshot_due(elapsed, number);
        let is_live_due = self.is_stale && is_due(self.ranked_at, self.pace.live, elapsed);
        if !wants && !is_live_due {
            return false;
        }
        let clocks = self.progress.values().map(|progress| progress.clock);
        let earlier = self.earlier.as_ref().map(|earlier| &earlier.ranks);
        let snapshot = tally_standings::snapshot(self.live.everyone(), vector, clocks, earlier);
        (self.ranked_at, self.is_stale) = (Some(elapsed), false);
        if wants {
            self.write(&snapshot, elapsed);
        }
        self.live.tell_ranked(Ranked::new(snapshot));
        true
    }

    /// A snapshot is worth writing when it is newer than the last, and due or asked for.
    fn is_snapshot_due(&mut self, elapsed: Duration, number: u64) -> bool {
        let newest = self.newest.as_ref().map(|newest| (newest.number, newest.people_version));
        if newest >= Some((number, self.identities.version())) {
            // Whoever asked waits for a position that is already in, or for progress that will come.
            return false;
        }
        let is_free = matches!(self.phase, Phase::Following) && elapsed >= self.not_before;
        is_free && (self.wanted || is_due(self.snapshot_at, self.pace.snapshot, elapsed))
    }

    fn write(&mut self, snapshot: &Snapshot, elapsed: Duration) {
        let everyone = self.live.everyone();
        let totals = rows::changed(&self.written, &everyone);
        let frame = Frame {
            people_version: self.identities.version(),
            keep: keep(self.newest.as_ref().map(|newest| newest.as_of), snapshot.as_of),
            earlier: self.earlier.as_ref().map_or(0, |earlier| earlier.number),
        };
        let people: Vec<PersonRecord> = self.people.values().cloned().collect();
        let sent = people.iter().map(|row| (AccountKey(Hash128(row.account)), row.version)).collect();
        match rows::rows(snapshot, frame, people, &totals) {
            Ok(write) => {
                if self.store.ask(Question::Write(Box::new(write))).is_ok() {
                    self.phase = Phase::Writing { people: sent, totals };
                    self.wanted = false;
                    self.snapshot_at = Some(elapsed);
                }
            }
            Err(error) => {
                tally_telemetry::emit(&StoreFailed { error: error.to_string() });
                self.not_before = elapsed.saturating_add(PAUSE);
            }
        }
    }

    fn vector(&self) -> BTreeMap<Partition, Version> {
        self.progress.iter().map(|(partition, progress)| (*partition, progress.version)).collect()
    }
}

/// The highest version of a partition's progress stands.
fn advance(known: &mut BTreeMap<Partition, Progress>, now: Progress) {
    let progress = known.entry(now.partition).or_insert(now);
    if progress.version < now.version {
        *progress = now;
    }
}

fn is_due(last: Option<Duration>, pace: Duration, elapsed: Duration) -> bool {
    last.is_none_or(|last| elapsed >= last.saturating_add(pace))
}

fn unreadable(partition: Partition, error: &DecodeError) {
    tally_telemetry::emit(&Unreadable { partition, records: 1, error: error.to_string() });
}

fn stored(newest: &Newest) -> Stored {
    Stored {
        number: newest.number,
        people: newest.people,
        vector: newest.vector.clone(),
        as_of: newest.as_of,
    }
}

/// The minute of a snapshot's column.
pub(crate) fn minute(as_of: u32) -> Minute {
    tally_clickhouse::rows::minute_of(as_of)
}
