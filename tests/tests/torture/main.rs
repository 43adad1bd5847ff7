//! Kills and freezes at random, while a ledger of its own keeps what was acknowledged.
//!
//! `TALLY_TORTURE_KILLS` and `TALLY_TORTURE_SEED` say how many and which; `cargo xtask torture` sets them.
#![expect(clippy::unwrap_used, reason = "a test fails where something is not there")]

mod parts;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use tally_tests::blow::{Blow, Phase, choose};
use tally_tests::installation::Installation;
use tally_tests::ledger::{Event, Ledger, Producer};
use tally_tests::owner::{Owner, post, published, published_hours, ranked, settle, verify};
use tally_tests::process::{Up, freeze, kill};
use tally_tests::report::Report;
use tally_tests::seeded::Seeded;
use tally_tests::volume::Volume;

/// 2026-02-13T00:00:00Z.
const BASE_MS: i64 = 1_770_940_800_000;
/// Each life begins seven hours after the one before: windows move across the deaths.
const LIFE_MS: i64 = 7 * 3_600_000;
/// A process is frozen, and the disk is full, for at most so long.
const FREEZE_MS_MAX: u64 = 1_500;
/// The engine wants 256 of them free when it starts.
const VOLUME_MIB: u32 = 2_048;

/// How many there are to be in all: a quarter of them hit an installation in its parts.
fn kills() -> u64 {
    setting("TALLY_TORTURE_KILLS", 50)
}

/// Which blows fall when.
fn seed() -> u64 {
    setting("TALLY_TORTURE_SEED", 1)
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a setting of the torture is a number"))
}

/// An installation, what hits it, and what it must publish.
struct Torture {
    installation: Installation,
    chance: Seeded,
    producer: Producer,
    ledger: Ledger,
    /// What the last request before each death held: nobody knows what became of it.
    unsure: Vec<Vec<Event>>,
    clock_ms: i64,
    up: Option<(Up, Owner)>,
    report: Report,
}

impl Torture {
    fn new(seed: u64) -> Self {
        Self {
            installation: Installation::on_volume(VOLUME_MIB).unwrap(),
            chance: Seeded(seed),
            producer: Producer::new(seed, BASE_MS),
            ledger: Ledger::default(),
            unsure: Vec::new(),
            clock_ms: BASE_MS,
            up: None,
            report: Report::with_columns([Phase::Starting, Phase::Taking, Phase::Settling]),
        }
    }

    /// Starts what does not run. When it was started, if it was.
    fn start(&mut self) -> Option<Instant> {
        if self.up.is_some() {
            return None;
        }
        self.clock_ms += LIFE_MS;
        let mut up = self.installation.spawn(self.clock_ms).unwrap();
        // Not before it runs: the first one is built.
        let begun = Instant::now();
        let owner = up.ready().unwrap();
        self.report.serves_again("tally", begun.elapsed());
        self.up = Some((up, owner));
        Some(begun)
    }

    /// Sends again what is unsure, and holds everything published against the ledger.
    fn compare(&mut self) {
        let started = self.start();
        let (up, owner) = self.up.as_ref().expect("it was started");
        if let Some(begun) = started {
            settle(owner).unwrap();
            self.report.is_current_again(begun.elapsed());
        }
        for batch in self.unsure.drain(..) {
            post(owner, &batch).unwrap();
            self.ledger.acknowledged(&batch);
        }
        settle(owner).unwrap();
        let truth = self.ledger.totals(self.clock_ms);
        assert_eq!(published(owner).unwrap(), truth, "{}", up.said());
        assert_eq!(published_hours(owner).unwrap(), self.ledger.hours());
        assert_eq!(ranked(&self.installation, self.clock_ms).unwrap(), self.ledger.tokens_30d(self.clock_ms));
        let findings = verify(owner).unwrap();
        assert_eq!((findings.differences_total, findings.differences), (0, vec![]));
        assert_eq!(usize::try_from(findings.checked.events).unwrap(), self.ledger.events());
        self.report.agrees_with(&self.ledger);
    }

    /// One blow.
    fn round(&mut self) {
        let (phase, blow) = choose(&mut self.chance);
        let moment = Duration::from_millis(self.chance.below(60));
        if phase == Phase::Starting {
            self.kill_while_it_starts(moment * 20);
            return self.report.hit(blow, phase, blow.kills());
        }
        // A few deaths in a row are compared as one: what one leaves undone the next one meets.
        if self.chance.below(3) == 0 {
            self.compare();
        }
        self.start();
        let batches = 1 + self.chance.below(30);
        let freeze_for = Duration::from_millis(self.chance.below(FREEZE_MS_MAX));
        let (up, owner) = self.up.take().expect("it was started");
        let (producer, ledger, volume) = (&mut self.producer, &mut self.ledger, self.installation.volume());
        let (left, unsure) = std::thread::scope(|scope| {
            let (told, heard) = mpsc::channel();
            let posts = match (phase, blow) {
                (Phase::Taking, Blow::KillTally | Blow::KillBoth) => u64::MAX,
                (Phase::Taking, _) => batches + 20,
                _ => batches,
            };
            let at = &owner;
            let posting = scope.spawn(move || {
                let unsure = post_until_death(at, posts, producer, ledger, &told);
                if phase == Phase::Settling {
                    // The wait is cut off by the blow, or not.
                    drop(settle(at));
                }
                unsure
            });
            for _ in 0..batches {
                heard.recv().expect("the producer posts until the installation dies");
            }
            std::thread::sleep(moment);
            (strike(blow, up, volume, freeze_for), posting.join().expect("posting does not panic"))
        });
        self.unsure.extend(Some(unsure).filter(|batch| !batch.is_empty()));
        self.report.hit(blow, phase, blow.kills());
        self.up = left.map(|up| (up, owner));
    }

    fn kill_while_it_starts(&mut self, moment: Duration) {
        if let Some((up, _)) = self.up.take() {
            up.kill_group().unwrap();
        }
        self.clock_ms += LIFE_MS;
        let up = self.installation.spawn(self.clock_ms).unwrap();
        std::thread::sleep(moment);
        up.kill_group().unwrap();
    }
}

/// What is left of it.
fn strike(blow: Blow, up: Up, volume: &Volume, time: Duration) -> Option<Up> {
    let engine = || {
        // One that was killed a moment ago is being replaced.
        let begun = Instant::now();
        loop {
            match up.children().first() {
                Some(engine) => break *engine,
                None => assert!(begun.elapsed() < Duration::from_mins(1), "no engine: {}", up.said()),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    match blow {
        Blow::KillTally => return up.kill_alone().map(|()| None).unwrap(),
        Blow::KillBoth => return up.kill_group().map(|()| None).unwrap(),
        Blow::KillEngine => {
            let id = engine();
            kill(id).unwrap();
            // The next blow is not to hit a dead one.
            while up.children().contains(&id) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Blow::FreezeTally => freeze(up.id(), time).unwrap(),
        Blow::FreezeEngine => freeze(engine(), time).unwrap(),
        Blow::FillDisk => {
            volume.fill(0).unwrap();
            std::thread::sleep(time);
            volume.free().unwrap();
        }
    }
    Some(up)
}

/// Posts so often, or until the installation dies, and tells of each acknowledgement. What the last request held is
/// given back when nobody knows what became of it.
fn post_until_death(
    owner: &Owner,
    posts: u64,
    producer: &mut Producer,
    ledger: &mut Ledger,
    told: &mpsc::Sender<()>,
) -> Vec<Event> {
    for _ in 0..posts {
        let batch = producer.batch();
        if post(owner, &batch).is_err() {
            return batch;
        }
        ledger.acknowledged(&batch);
        // Who waited may have seen enough.
        let _enough = told.send(());
    }
    Vec::new()
}

#[test]
fn what_was_acknowledged_is_counted_once_through_every_blow() {
    let (kills, seed) = (kills() - kills() / 4, seed());
    println!("{kills} kills of an installation in one process, TALLY_TORTURE_SEED={seed}");
    let mut torture = Torture::new(seed);
    while u64::from(torture.report.kills()) < kills {
        let before = torture.report.kills();
        torture.round();
        if torture.report.kills() / 50 > before / 50 {
            // A long run that is stopped has said what it came to.
            println!("{} of {kills} kills in one process\n{}", torture.report.kills(), torture.report);
        }
    }
    torture.compare();
    println!("{}", torture.report);
}
