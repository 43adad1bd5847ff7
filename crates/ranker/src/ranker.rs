//! The part: follows identities and totals, keeps the live board, and has snapshots written.

mod snapshots;

use crate::directory::Directory;
use crate::follow::Follow;
use crate::ledger::Ledger;
use crate::live::{Live, Ranked};
use crate::occurrences::{Booted, StoreFailed, Unreadable};
use crate::rows;
use crate::store::{Answer, Boot, Question, Store};
use snapshots::Snapshots;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tally_domain::planted::{self, Bug};
use tally_domain::published::Progress;
use tally_domain::{
    AccountKey, ClaimedIdentity, Hash128, Minute, Partition, PartitionCount, PersonId, Secret, Topic, Version,
};
use tally_log::{LogError, ReadLog};
use tally_schema::{DecodeError, Totals};
use tally_standings::PersonTotals;

/// How often the ranker ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Least time between two rankings of the live board.
    pub live: Duration,
    /// Least time between two snapshots in ClickHouse, unless one is asked for.
    pub snapshot: Duration,
    /// A snapshot is due for records that count nothing, too: whoever waits for the position of a heartbeat may be in
    /// another process, and cannot ask for one.
    pub heartbeats_are_news: bool,
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
    directory: Directory,
    /// Who has totals.
    people: BTreeSet<PersonId>,
    progress: BTreeMap<Partition, Progress>,
    snapshots: Snapshots,
    stage: Stage,
    /// The store was asked and has not answered.
    is_waiting: bool,
    /// Something was read since the live board was ranked.
    is_stale: bool,
    ranked_at: Option<Duration>,
    rankings: u64,
    not_before: Duration,
}

/// How far a ranker is that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It does not know what was published.
    Unbooted,
    /// It reads what the log held at the start.
    CatchingUp,
    /// It has read all of that.
    Following,
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
            directory: Directory::default(),
            people: BTreeSet::new(),
            progress: BTreeMap::new(),
            snapshots: Snapshots::default(),
            stage: Stage::Unbooted,
            is_waiting: false,
            is_stale: true,
            ranked_at: None,
            rankings: 0,
            not_before: Duration::ZERO,
        }
    }

    /// What others read.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// One bounded piece of work. `elapsed` is time that goes on even when the installation's clock stands still.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn turn(&mut self, elapsed: Duration) -> Result<Turn, LogError> {
        let mut worked = false;
        while let Some(answer) = self.store.answered() {
            self.is_waiting = false;
            self.take(answer, elapsed);
            worked = true;
        }
        if self.stage == Stage::Unbooted {
            if !self.is_waiting && elapsed >= self.not_before {
                self.ask(Question::Boot);
                worked = true;
            }
            return Ok(if worked { Turn::Worked } else { Turn::Idle });
        }
        let read = self.follow()?;
        self.is_stale |= read;
        if !read && self.stage == Stage::CatchingUp {
            self.catch_up();
        }
        if self.is_consistent() {
            worked |= self.rank(elapsed);
            worked |= self.snapshot(elapsed);
        }
        Ok(if worked || read { Turn::Worked } else { Turn::Idle })
    }

    /// Every partition has said how far it is, and what the log held at the start has been read.
    fn is_consistent(&self) -> bool {
        self.stage == Stage::Following && self.progress.len() == usize::from(self.partitions.get())
    }

    /// The minute up to which every partition is complete.
    fn as_of(&self) -> Minute {
        self.progress.values().map(|progress| progress.clock).min().unwrap_or_default()
    }

    /// One question is under way at a time, so the store never gives one back.
    fn ask(&mut self, question: Question) {
        self.is_waiting = self.store.ask(question).is_ok();
    }

    fn take(&mut self, answer: Answer, elapsed: Duration) {
        match answer {
            Answer::Booted(boot) => self.boot(*boot),
            Answer::Looked(looked) => self.looked(*looked),
            Answer::Written(dropped) => self.written(dropped.len()),
            Answer::Failed { .. } if planted::is(Bug::SnapshotHalfRead) && self.snapshots.is_written() => {
                self.written(0);
            }
            Answer::Failed { error } => {
                self.fail(error, elapsed);
                self.snapshots.failed();
            }
        }
    }

    fn fail(&mut self, error: String, elapsed: Duration) {
        tally_telemetry::emit(&StoreFailed { error });
        self.not_before = elapsed.saturating_add(PAUSE);
    }

    fn boot(&mut self, boot: Boot) {
        let Boot { progress, mut totals, people, written, newest, earlier, swept } = boot;
        if planted::is(Bug::TotalsAsStore) {
            totals.clear();
        }
        tally_telemetry::emit(&Booted { totals: totals.len(), partitions: progress.len(), swept });
        for (row, version) in &totals {
            self.ledger.publish(row, *version);
        }
        self.directory.found(people);
        for (account, person) in self.directory.owners() {
            self.ledger.own(account, person);
        }
        let concerned: BTreeSet<PersonId> = self.directory.owners().map(|(_, person)| person).collect();
        for person in concerned {
            self.rename(person);
        }
        for progress in progress {
            advance(&mut self.progress, progress);
        }
        self.snapshots.boot(newest, earlier, written);
        self.tell_stored(false);
        self.stage = Stage::CatchingUp;
    }

    /// Everything that the log held at the start was read.
    fn catch_up(&mut self) {
        self.stage = Stage::Following;
        for person in self.directory.forget_the_untold() {
            self.rename(person);
        }
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
        let mut has_news = new_claims;
        let new_totals = self.totals.read(&mut self.log, |partition, record| {
            // A tombstone would take a total away; totals are published as zero instead, so none is ever written.
            let Some(value) = record.value else { return };
            match tally_schema::decode_totals(value) {
                Ok(Totals::Total(row, version)) => has_news |= ledger.publish(&row, version),
                Ok(Totals::Progress(now)) => advance(progress, now),
                Err(error) => unreadable(partition, &error),
            }
        })?;
        self.snapshots.has_news |= has_news;
        let (live, people) = (&self.live, &mut self.people);
        self.ledger.settle(|person, totals| settle(live, people, person, totals.as_ref()));
        Ok(new_claims || new_totals)
    }

    /// An account says who it is, or is forgotten. Who is forgotten keeps their accounts: the total stays theirs.
    fn identify(&mut self, account: AccountKey, identity: Option<&ClaimedIdentity>, version: u64) {
        if identity.is_none() && planted::is(Bug::ForgottenStays) {
            return;
        }
        let before = self.directory.owner(account).unwrap_or(PersonId(account.0));
        let (person, row) = if let Some(claimed) = identity {
            let person = PersonId::of(&self.secret, &claimed.subject);
            (person, rows::person(account, person, claimed, version))
        } else {
            (before, rows::forgotten(account, before, version))
        };
        self.directory.tell(row);
        let lost = identity.is_none() && planted::is(Bug::ForgottenLosesTotal);
        self.ledger.own(account, if lost { PersonId(account.0) } else { person });
        self.rename(person);
        if before != person {
            self.rename(before);
        }
    }

    /// What a person is called follows from their accounts.
    fn rename(&self, person: PersonId) {
        self.live.tell_name(person, self.directory.name(self.ledger.accounts(person)));
    }

    /// Ranks the live board when it is due; true when it did.
    fn rank(&mut self, elapsed: Duration) -> bool {
        if !self.is_stale || !is_due(self.ranked_at, self.pace.live, elapsed) {
            return false;
        }
        let everyone = self.live.everyone(self.people.iter());
        let clock = std::iter::once(self.as_of());
        let snapshot = tally_standings::snapshot(everyone, self.vector(), clock, self.snapshots.earlier());
        self.rankings = self.rankings.saturating_add(1);
        self.live.tell_ranked(Ranked::new(snapshot, self.rankings));
        (self.ranked_at, self.is_stale) = (Some(elapsed), false);
        true
    }

    fn vector(&self) -> BTreeMap<Partition, Version> {
        self.progress.iter().map(|(partition, progress)| (*partition, progress.version)).collect()
    }
}

/// A person's totals changed, or they own no account any more.
fn settle(live: &Live, people: &mut BTreeSet<PersonId>, person: PersonId, totals: Option<&PersonTotals>) {
    if totals.is_some() {
        people.insert(person);
    } else {
        people.remove(&person);
    }
    live.tell_totals(person, totals);
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
