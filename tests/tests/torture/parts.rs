//! The parts as processes of their own, with a broker and an engine: each is killed, frozen or stopped, and what lies
//! between them is cut, blocked or slowed, while a ledger keeps what was acknowledged.

use std::fmt;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use tally_tests::door::Pass;
use tally_tests::fleet::{Fleet, Member};
use tally_tests::ledger::{Event, Ledger, Producer};
use tally_tests::owner::{people, post, published, published_hours, settle, verify};
use tally_tests::process::freeze;
use tally_tests::report::Report;
use tally_tests::seeded::Seeded;

use crate::{kills, post_until_death, seed};

/// Longer than a run takes: no event leaves a window meanwhile.
const MARGIN_MS: i64 = 8 * 3_600_000;
/// Past this an aggregator that says nothing has lost its partitions to the other.
const SESSION_MS: u64 = 6_500;

/// What is done to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// SIGKILL, and a new start.
    Kill(Member),
    /// SIGKILL, its directory is lost, and the others go on without it until everything was compared.
    Replace(Member),
    /// SIGSTOP, and SIGCONT after so many ms.
    Freeze(Member, u64),
    /// Ctrl-C: its partitions go to the other one, and some come back later.
    Stop(Member),
    /// The door before the broker or ClickHouse, for so many ms.
    Door(Way, Pass, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Kafka,
    ClickHouse,
}

impl Act {
    fn choose(chance: &mut Seeded) -> Self {
        let member = *pick(chance, &Member::ALL);
        let aggregator = *pick(chance, &[Member::AggregateOne, Member::AggregateTwo]);
        let way = *pick(chance, &[Way::Kafka, Way::ClickHouse]);
        let time_ms = 50 + chance.below(2_000);
        match chance.below(20) {
            0..=11 => Self::Kill(member),
            12 => Self::Replace(aggregator),
            13..=14 => Self::Freeze(member, time_ms),
            15 => Self::Freeze(aggregator, SESSION_MS + time_ms),
            16 => Self::Stop(aggregator),
            17 => Self::Door(way, Pass::Shut, time_ms),
            18 => Self::Door(way, Pass::Blocked, time_ms),
            _ => Self::Door(way, Pass::Slow(Duration::from_millis(5)), time_ms),
        }
    }

    const fn kills(self) -> bool {
        matches!(self, Self::Kill(_) | Self::Replace(_))
    }

    /// Who is not started again at once.
    const fn away(self) -> Option<Member> {
        match self {
            Self::Replace(member) => Some(member),
            _ => None,
        }
    }

    fn row(self) -> String {
        match self {
            Self::Kill(member) | Self::Replace(member) | Self::Freeze(member, _) | Self::Stop(member) => {
                member.to_string()
            }
            Self::Door(Way::Kafka, ..) => "way to Kafka".to_owned(),
            Self::Door(Way::ClickHouse, ..) => "to ClickHouse".to_owned(),
        }
    }
}

const COLUMNS: [&str; 8] =
    ["killed", "replaced", "frozen", "outslept", "stopped", "cut", "blocked", "slowed"];

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kill(_) => "killed",
            Self::Replace(_) => "replaced",
            Self::Freeze(_, SESSION_MS..) => "outslept",
            Self::Freeze(..) => "frozen",
            Self::Stop(_) => "stopped",
            Self::Door(_, Pass::Shut, _) => "cut",
            Self::Door(_, Pass::Blocked, _) => "blocked",
            Self::Door(..) => "slowed",
        })
    }
}

fn pick<'a, T>(chance: &mut Seeded, from: &'a [T]) -> &'a T {
    let at = chance.below(u64::try_from(from.len()).unwrap_or(1));
    from.get(usize::try_from(at).unwrap_or(0)).expect("there is something to choose from")
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_millis()).expect("ms fit 63 bits")
}

struct Torture {
    fleet: Fleet,
    chance: Seeded,
    producer: Producer,
    ledger: Ledger,
    /// What the last request before each end of the collector held: nobody knows what became of it.
    unsure: Vec<Vec<Event>>,
    /// What fell since the last comparison.
    blows: Vec<Act>,
    report: Report,
}

impl Torture {
    fn new(seed: u64) -> Self {
        Self {
            fleet: Fleet::start().unwrap(),
            chance: Seeded(seed),
            producer: Producer::new(seed, now_ms()).with_margin(MARGIN_MS),
            ledger: Ledger::default(),
            unsure: Vec::new(),
            blows: Vec::new(),
            report: Report::with_columns(COLUMNS),
        }
    }

    /// One blow. A few in a row are compared as one; when somebody stays away, without it and then with it.
    fn round(&mut self) -> Result<()> {
        let act = Act::choose(&mut self.chance);
        let took = self.hit(act)?;
        if act.away().is_some() {
            self.compare(took)?;
            let took = Some(self.fleet.revive()?);
            self.report.serves_again(act.row(), took);
            self.compare(took)
        } else if self.chance.below(3) == 0 {
            self.compare(took)
        } else {
            Ok(())
        }
    }

    /// The blow falls while usage is taken, and whoever it ended is started again. How long that took, if it killed.
    fn hit(&mut self, act: Act) -> Result<Option<Duration>> {
        self.blows.push(act);
        let batches = 1 + self.chance.below(15);
        let owner = self.fleet.owner()?;
        let (fleet, producer, ledger) = (&mut self.fleet, &mut self.producer, &mut self.ledger);
        let (revived, unsure) = std::thread::scope(|scope| {
            let (told, heard) = mpsc::channel();
            let posting =
                scope.spawn(move || post_until_death(&owner, batches + 10, producer, ledger, &told));
            for _ in 0..batches {
                // Whoever posts may have met the end of the collector before.
                if heard.recv().is_err() {
                    break;
                }
            }
            let revived = strike(fleet, act).and_then(|()| fleet.revive_but(act.away()));
            (revived, posting.join().expect("posting does not panic"))
        });
        self.unsure.extend(Some(unsure).filter(|batch| !batch.is_empty()));
        self.report.hit(act.row(), act, act.kills());
        let took = Some(revived?).filter(|_| act.kills() && act.away().is_none());
        self.report.serves_again(act.row(), took);
        Ok(took)
    }

    /// Sends again what is unsure, and holds everything published against the ledger. `took` is how long whoever was
    /// killed last took to serve again.
    fn compare(&mut self, took: Option<Duration>) -> Result<()> {
        let owner = self.fleet.owner()?;
        let begun = Instant::now();
        for batch in self.unsure.drain(..) {
            post(&owner, &batch)?;
            self.ledger.acknowledged(&batch);
        }
        settle(&owner)?;
        self.report.is_current_again(took.map(|took| took + begun.elapsed()));
        let board = people(&self.fleet.run(&["top", "--limit", "1000", "--json"])?)?;
        let findings = verify(&owner)?;
        let after = std::mem::take(&mut self.blows);
        assert_eq!(published(&owner)?, self.ledger.totals(now_ms()), "after {after:?}");
        assert_eq!(published_hours(&owner)?, self.ledger.hours(), "after {after:?}");
        assert_eq!(board, self.ledger.tokens_30d(now_ms()), "after {after:?}");
        assert_eq!((findings.differences_total, findings.differences), (0, vec![]), "after {after:?}");
        assert_eq!(usize::try_from(findings.checked.events)?, self.ledger.events());
        self.report.agrees_with(&self.ledger);
        Ok(())
    }
}

fn strike(fleet: &mut Fleet, act: Act) -> Result<()> {
    match act {
        Act::Kill(member) => fleet.kill(member)?,
        Act::Replace(part) => fleet.lose(part)?,
        Act::Freeze(member, ms) => {
            let id = fleet.pid(member).with_context(|| format!("{member} does not run"))?;
            freeze(id, Duration::from_millis(ms))?;
        }
        Act::Stop(part) => fleet.stop(part)?,
        Act::Door(way, pass, ms) => {
            let door = match way {
                Way::Kafka => fleet.kafka_door(),
                Way::ClickHouse => fleet.clickhouse_door(),
            };
            door.set(pass);
            std::thread::sleep(Duration::from_millis(ms));
            door.set(Pass::Open);
        }
    }
    Ok(())
}

#[test]
fn what_was_acknowledged_is_counted_once_whichever_part_is_hit() -> Result<()> {
    let (kills, seed) = (kills() / 4, seed());
    println!("{kills} kills of an installation in its parts, TALLY_TORTURE_SEED={seed}");
    let mut torture = Torture::new(seed);
    while u64::from(torture.report.kills()) < kills {
        let before = torture.report.kills();
        torture.round().with_context(|| format!("after {:?}\n{}", torture.blows, torture.fleet.said()))?;
        if torture.report.kills() / 50 > before / 50 {
            // A long run that is stopped has said what it came to.
            println!("{} of {kills} kills of parts\n{}", torture.report.kills(), torture.report);
        }
    }
    torture.compare(None)?;
    println!("{}", torture.report);
    Ok(())
}
