//! The demo: a company whose usage comes through the same ingest core as everybody's. What the company does is a
//! [`Story`] that whoever starts the demo brings along: the node knows no simulator.
//!
//! What it is made of stands in `demo.json` before the first event is sent, so a fill that was killed begins again
//! with the same events: their ids are the same, and what the log already has counts as a repeat.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tally_collector::{Accepted, Identities, Ingest, Run, Verdict};
use tally_domain::{AccountKey, ClaimedIdentity, EventTime, Lane, Secret, Topic, UsageEvent};
use tally_log::{LogError, ReadLog};

use crate::clock::Clock;
use crate::config::DemoConfig;
use crate::drive::Stop;
use crate::installation::{DataDir, InstallationError, write_atomically};
use crate::roles::collect::new_run;
use crate::roles::log::{Appender, Log};
use crate::shared::{Positions, Shared};
use crate::supervise::StartError;

/// Events that a person of the company sends on a day of history, about: 2,000 people have 720,000 in 30 days.
const EVENTS_PER_PERSON_AND_DAY: u64 = 12;
/// A larger company's heavy users put several calls into one event.
const EVENTS_MAX: u64 = 5_000_000;
/// Events in one submission.
const BATCH_EVENTS: usize = 1_000;
/// What may wait for the log.
const PENDING_BYTES_MAX: usize = 4 << 20;
/// Durable records that the fold may be behind before the fill waits for it.
const LAG_MAX: u64 = 100_000;
/// How long to rest when there is nothing to do.
const REST: Duration = Duration::from_millis(5);
/// Tells the demo's sender from the installation's other ones.
const PRODUCER_MARK: u8 = 0xde;

/// One event of a story, with the account that it claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose it is.
    pub identity: ClaimedIdentity,
    /// When it is sent, ms UTC; a story is told in this order.
    pub sent_ms: i64,
    /// What is claimed, its account excepted.
    pub event: UsageEvent,
}

/// How long and how full a history is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Days before `until`.
    pub days: u16,
    /// Its end.
    pub until: EventTime,
    /// About how many events.
    pub events: u64,
}

/// What a company does. The same seed and people tell the same story, with the same ids.
pub trait Story {
    /// What it did.
    fn history(&self, span: Span) -> Box<dyn Iterator<Item = Claim> + '_>;
    /// What it does from now on, at about so many events a second; without an end.
    fn live(&self, from: EventTime, per_second: u32) -> Box<dyn Iterator<Item = Claim> + '_>;
}

/// Makes the story of a seed and a number of people.
pub type Teller = fn(seed: u64, people: u32) -> Box<dyn Story>;

/// What a demo was begun with; its file wins over later settings, or a second start would be another company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Plan {
    seed: u64,
    people: u32,
    days: u16,
    events: u64,
    /// The end of the history, ms UTC.
    until_ms: i64,
    /// True once the log has all of it.
    filled: bool,
}

/// How far a demo is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DemoReport {
    /// Events of history that the log has, in this run.
    pub sent: u64,
    /// About how many there are.
    pub expected: u64,
    /// True once the log has all of them.
    pub filled: bool,
}

/// Starts to fill an installation, or goes on with it; then sends live traffic until it is told to stop.
///
/// # Errors
/// When the installation holds something else than a demo, or its files cannot be read.
pub fn start(
    config: &DemoConfig,
    teller: Teller,
    (dir, log, secret): (&DataDir, &Log, &Secret),
    clock: Clock,
    shared: &Arc<Shared>,
    stop: Stop,
) -> Result<JoinHandle<()>, StartError> {
    let plan = plan(config, dir, log, clock)?;
    let mut identities = Identities::default();
    identities.follow(&mut log.reader(), log.partitions())?;
    let run: Run = new_run(secret, PRODUCER_MARK)?;
    let ingest = Ingest::new(log.appender(), log.partitions(), run, identities, PENDING_BYTES_MAX);
    let demo = Demo {
        plan,
        teller,
        file: dir.demo(),
        per_second: config.live_events_per_s,
        secret: secret.clone(),
        clock,
        ingest,
        shared: Arc::clone(shared),
        stop,
        appended: Positions::new(),
    };
    let telling = Arc::clone(shared);
    Ok(std::thread::Builder::new().name("demo".to_owned()).spawn(move || {
        if let Err(error) = demo.perform() {
            telling.tell_failure("demo", error.to_string());
        }
    })?)
}

/// True when nobody ever claimed usage here.
///
/// # Errors
/// What the log says.
pub fn is_empty(log: &Log) -> Result<bool, LogError> {
    let mut reader = log.reader();
    for partition in log.partitions().all() {
        // Every event comes with an identity, and that comes first.
        if reader.bounds(Lane { topic: Topic::Identities, partition })?.end.get() > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The plan of the directory, or a new one for an empty installation.
fn plan(config: &DemoConfig, dir: &DataDir, log: &Log, clock: Clock) -> Result<Plan, StartError> {
    let file = dir.demo();
    match std::fs::read(&file) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|cause| StartError::DemoPlan { path: file, cause: cause.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !is_empty(log)? {
                return Err(StartError::NoDemo { path: dir.path().to_owned() });
            }
            let plan = Plan::new(config, clock);
            keep(&file, &plan)?;
            Ok(plan)
        }
        Err(cause) => Err(StartError::DemoPlan { path: file, cause: cause.to_string() }),
    }
}

fn keep(file: &Path, plan: &Plan) -> Result<(), InstallationError> {
    let text = serde_json::to_vec_pretty(plan).expect("a plan is plain numbers");
    let io = |cause| InstallationError::Io { doing: "writing", path: file.to_owned(), cause };
    write_atomically(file, &text, 0o644).map_err(io)
}

impl Plan {
    fn new(config: &DemoConfig, clock: Clock) -> Self {
        let days = u16::try_from(config.history_days).expect("days are checked to be at most 365");
        let events = u64::from(config.company_people) * u64::from(days) * EVENTS_PER_PERSON_AND_DAY;
        Self {
            seed: config.seed,
            people: config.company_people,
            days,
            events: events.min(EVENTS_MAX),
            until_ms: clock.now().ms(),
            filled: false,
        }
    }

    fn span(&self) -> Span {
        let until = EventTime::from_ms(self.until_ms).unwrap_or_default();
        Span { days: self.days, until, events: self.events }
    }
}

struct Demo {
    plan: Plan,
    teller: Teller,
    file: std::path::PathBuf,
    per_second: u32,
    secret: Secret,
    clock: Clock,
    ingest: Ingest<Appender>,
    shared: Arc<Shared>,
    stop: Stop,
    /// Offsets after what was sent.
    appended: Positions,
}

impl Demo {
    fn perform(mut self) -> Result<(), StartError> {
        let story = (self.teller)(self.plan.seed, self.plan.people);
        if self.plan.filled {
            self.tell(self.plan.events, true);
        } else if !self.fill(&*story)? {
            return Ok(());
        }
        self.flow(&*story)?;
        self.drain()
    }

    /// Sends the history; false when it was stopped before the log had all of it.
    fn fill(&mut self, story: &dyn Story) -> Result<bool, StartError> {
        self.tell(0, false);
        let mut events = story.history(self.plan.span());
        let mut sent = 0_u64;
        loop {
            let batch: Vec<Claim> = events.by_ref().take(BATCH_EVENTS).collect();
            if batch.is_empty() {
                break;
            }
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            if !self.wait_for_the_fold()? || !self.send(batch)? {
                return Ok(false);
            }
            sent = sent.saturating_add(count);
            self.tell(sent, false);
        }
        self.drain()?;
        // Nobody should look at an empty board until the next ranking is due.
        self.shared.want(&self.appended);
        self.plan.filled = true;
        keep(&self.file, &self.plan)?;
        self.tell(sent, true);
        Ok(true)
    }

    /// Sends what the company does from now on, when its time has come. Under a clock that stands still it never does.
    fn flow(&mut self, story: &dyn Story) -> Result<(), StartError> {
        let Some(from) = EventTime::from_ms(self.clock.now().ms()).filter(|_| self.per_second > 0) else {
            return Ok(());
        };
        if matches!(self.clock, Clock::Fixed(_)) {
            return Ok(());
        }
        let mut events = story.live(from, self.per_second).peekable();
        while !self.stop.is_asked() {
            let now_ms = self.clock.now().ms();
            let mut batch = Vec::new();
            while batch.len() < BATCH_EVENTS
                && let Some(event) = events.next_if(|event| event.sent_ms <= now_ms)
            {
                batch.push(event);
            }
            if batch.is_empty() {
                let _moved = self.turn()?;
                std::thread::park_timeout(REST);
            } else if !self.send(batch)? {
                break;
            }
        }
        Ok(())
    }

    /// Submits a batch, waiting as long as the log has no room; false when it was stopped meanwhile.
    fn send(&mut self, batch: Vec<Claim>) -> Result<bool, StartError> {
        let events = batch.into_iter().map(|claim| self.accepted(claim)).collect();
        let verdict = Verdict { events, ..Verdict::default() };
        while self.ingest.submit(&verdict, self.clock.now()).is_err() {
            if self.stop.is_asked() {
                return Ok(false);
            }
            self.turn_or_rest()?;
        }
        let _moved = self.turn()?;
        Ok(true)
    }

    fn accepted(&self, Claim { identity, mut event, .. }: Claim) -> Accepted {
        event.account = AccountKey::of(&self.secret, &identity.source, &identity.subject);
        Accepted { event, numbered: false, identity }
    }

    /// The log is written faster than it is folded; false when it was stopped meanwhile.
    fn wait_for_the_fold(&mut self) -> Result<bool, StartError> {
        while self.shared.lag() > LAG_MAX {
            if self.stop.is_asked() {
                return Ok(false);
            }
            self.turn_or_rest()?;
        }
        Ok(!self.stop.is_asked())
    }

    /// Waits until everything sent is durable; the log outlives whoever feeds it.
    fn drain(&mut self) -> Result<(), StartError> {
        while !self.ingest.is_idle() {
            self.turn_or_rest()?;
        }
        Ok(())
    }

    fn turn_or_rest(&mut self) -> Result<(), StartError> {
        if !self.turn()? {
            std::thread::park_timeout(REST);
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<bool, StartError> {
        let moved = self.ingest.turn();
        let mut settled = Vec::new();
        self.ingest.settled(&mut settled);
        for (_, result) in settled {
            for (partition, next) in result?.appended {
                let appended = self.appended.entry(partition).or_default();
                *appended = next.max(*appended);
            }
        }
        Ok(moved)
    }

    fn tell(&self, sent: u64, filled: bool) {
        self.shared.tell_demo(DemoReport { sent, expected: self.plan.events, filled });
    }
}
