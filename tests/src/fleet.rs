//! An installation in its parts: a broker, an engine, a collector, two aggregators, the audit and a ranker, each a
//! process of its own. A door stands before the broker, and one before ClickHouse.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clickhouse_embedded::{Engine, EngineOptions, LibraryPlaces, find_library};

use crate::binary::{self, Build};
use crate::broker::{Kafka, Plan};
use crate::door::{Door, Pass};
use crate::installation::Installation;
use crate::owner::Owner;
use crate::process::{Up, kill};

/// Who was killed is gone after milliseconds, on the busiest machine.
const END_MAX: Duration = Duration::from_secs(30);

/// A process of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// Takes usage.
    Collect,
    /// Folds the partitions that the group gives it.
    AggregateOne,
    /// Folds the others, and all of them while the first is away.
    AggregateTwo,
    /// Archives.
    Audit,
    /// Ranks.
    Rank,
    /// ClickHouse.
    Engine,
    /// Kafka.
    Broker,
}

impl Member {
    /// The parts of Tally among them.
    pub const PARTS: [Self; 5] =
        [Self::Collect, Self::AggregateOne, Self::AggregateTwo, Self::Audit, Self::Rank];
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Collect,
        Self::AggregateOne,
        Self::AggregateTwo,
        Self::Audit,
        Self::Rank,
        Self::Engine,
        Self::Broker,
    ];

    /// The command that is this part.
    const fn command(self) -> &'static str {
        match self {
            Self::Collect => "collect",
            Self::AggregateOne | Self::AggregateTwo => "aggregate",
            Self::Audit => "audit",
            Self::Rank => "rank",
            Self::Engine | Self::Broker => "",
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AggregateOne => "aggregate 1",
            Self::AggregateTwo => "aggregate 2",
            Self::Engine => "engine",
            Self::Broker => "broker",
            part => part.command(),
        })
    }
}

/// A part, its data directory, and its process while it runs.
#[derive(Debug)]
struct Place {
    member: Member,
    installation: Installation,
    up: Option<(Up, Owner)>,
}

/// All of them, ended with it.
#[derive(Debug)]
pub struct Fleet {
    /// First, so that they end before what they talk to.
    places: Vec<Place>,
    settings: Vec<(String, String)>,
    engine: Option<Engine>,
    engine_options: EngineOptions,
    clickhouse_door: Door,
    kafka: Kafka,
    /// What all share: the engine's tables, and the secret.
    shared: tempfile::TempDir,
}

impl Fleet {
    /// Starts everything; returns when all parts are ready.
    ///
    /// # Errors
    /// When something does not start: with what it said.
    pub fn start() -> Result<Self> {
        let shared = tempfile::tempdir().context("making a directory")?;
        let kafka = Kafka::start(&Plan { brokers: 1, behind_doors: true, ..Plan::default() })?;
        let mut engine_options = EngineOptions::new(library()?, shared.path().join("clickhouse"));
        let engine = Engine::spawn(binary::path(Build::Shipped)?, ["engine"], &engine_options)?;
        // The next one after a kill takes the same address.
        engine_options.listen = address(engine.url())?;
        let clickhouse_door = Door::to(engine_options.listen)?;
        let at = |name: &str| shared.path().join(name).display().to_string();
        std::fs::write(at("secret"), [7; 32])?;
        std::fs::create_dir(at("copies"))?;
        let settings = [
            ("KAFKA__BROKERS", kafka.brokers()),
            ("KAFKA__PARTITIONS", "4".to_owned()),
            ("KAFKA__REPLICATION", "1".to_owned()),
            ("KAFKA__MIN_INSYNC", "1".to_owned()),
            ("CLICKHOUSE__URL", format!("http://{}", clickhouse_door.address())),
            ("KAFKA__SESSION_TIMEOUT_MS", "6000".to_owned()),
            ("RANKER__SNAPSHOT_INTERVAL_S", "1".to_owned()),
            // So that blows fall before, within and after checkpoints.
            ("STORE__CHECKPOINT_INTERVAL_S", "1".to_owned()),
            ("SECRET_FILE", at("secret")),
            ("CHECKPOINTS__URL", format!("file://{}", at("copies"))),
            ("CHECKPOINTS__INTERVAL_S", "1".to_owned()),
        ];
        let settings = settings.map(|(key, value)| (format!("TALLY__{key}"), value)).to_vec();
        let place = |member| Ok(Place { member, installation: Installation::new()?, up: None });
        let places = Member::PARTS.into_iter().map(place).collect::<Result<_>>()?;
        let engine = Some(engine);
        let mut fleet = Self { places, settings, engine, engine_options, clickhouse_door, kafka, shared };
        fleet.revive()?;
        Ok(fleet)
    }

    /// Opens both doors, starts whoever does not run, and waits until all are ready. How long that took.
    ///
    /// # Errors
    /// When one does not start: with what it said.
    pub fn revive(&mut self) -> Result<Duration> {
        self.revive_but(None)
    }

    /// The same, but for one that stays away.
    ///
    /// # Errors
    /// As [`Self::revive`].
    pub fn revive_but(&mut self, away: Option<Member>) -> Result<Duration> {
        let begun = Instant::now();
        for door in [self.kafka.door(), &self.clickhouse_door] {
            door.set(Pass::Open);
        }
        if self.kafka.pid(1).is_none() {
            self.kafka.start_again(1)?;
        }
        if self.engine.is_none() {
            let program = binary::path(Build::Shipped)?;
            self.engine = Some(Engine::spawn(program, ["engine"], &self.engine_options)?);
        }
        let settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut starting = Vec::new();
        for place in self.places.iter_mut().filter(|place| place.up.is_none() && Some(place.member) != away) {
            let up = place.installation.spawn_command(&[place.member.command()], &settings)?;
            starting.push((place, up));
        }
        for (place, mut up) in starting {
            let owner = up.ready().with_context(|| place.member.to_string())?;
            place.up = Some((up, owner));
        }
        Ok(begun.elapsed())
    }

    fn place(&mut self, member: Member) -> &mut Place {
        self.places.iter_mut().find(|place| place.member == member).expect("every part has its place")
    }

    /// Where the collector answers, with ClickHouse's own address behind its door: for whoever looks at the tables.
    ///
    /// # Errors
    /// When the collector does not run.
    pub fn owner(&mut self) -> Result<Owner> {
        let clickhouse = format!("http://{}", self.engine_options.listen);
        let (_, owner) = self.place(Member::Collect).up.as_ref().context("the collector does not run")?;
        Ok(Owner { clickhouse, database: "tally".to_owned(), ..owner.clone() })
    }

    /// A command attached to the ranker's process, such as `top`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&mut self, arguments: &[&str]) -> Result<crate::installation::Answer> {
        let settings = self.settings.clone();
        let mut command = self.place(Member::Rank).installation.command_for_people(arguments)?;
        crate::installation::Answer::of(command.envs(settings))
    }

    /// The process of a member; none while it does not run.
    #[must_use]
    pub fn pid(&self, member: Member) -> Option<u32> {
        match member {
            Member::Broker => self.kafka.pid(1),
            Member::Engine => self.engine.as_ref().map(Engine::pid),
            part => {
                let mut places = self.places.iter();
                let place = places.find(|place| place.member == part)?;
                place.up.as_ref().map(|(up, _)| up.id())
            }
        }
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, member: Member) -> Result<()> {
        match member {
            Member::Broker => self.kafka.kill(1),
            Member::Engine => {
                let mut engine = self.engine.take().context("the engine does not run")?;
                kill(engine.pid())?;
                let begun = Instant::now();
                while engine.ended().is_none() {
                    ensure!(begun.elapsed() < END_MAX, "the engine did not end within {END_MAX:?}");
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            part => {
                let (up, _) = self.place(part).up.take().with_context(|| format!("{part} does not run"))?;
                up.kill_alone()?;
            }
        }
        Ok(())
    }

    /// SIGKILL, and its data directory is gone with it.
    ///
    /// # Errors
    /// When it does not run, or is no part of Tally.
    pub fn lose(&mut self, part: Member) -> Result<()> {
        ensure!(Member::PARTS.contains(&part), "{part} is no part of Tally");
        self.kill(part)?;
        let data = self.place(part).installation.data();
        std::fs::remove_dir_all(&data).with_context(|| format!("removing {}", data.display()))
    }

    /// Ctrl-C, and waits for a clean end.
    ///
    /// # Errors
    /// When it does not run, or ends otherwise.
    pub fn stop(&mut self, part: Member) -> Result<()> {
        ensure!(Member::PARTS.contains(&part), "{part} is no part of Tally");
        let (up, _) = self.place(part).up.take().with_context(|| format!("{part} does not run"))?;
        up.interrupt()
    }

    /// The door before the broker.
    #[must_use]
    pub fn kafka_door(&self) -> &Door {
        self.kafka.door()
    }

    /// The door before ClickHouse.
    #[must_use]
    pub const fn clickhouse_door(&self) -> &Door {
        &self.clickhouse_door
    }

    /// What every part said, for a test that fails.
    #[must_use]
    pub fn said(&self) -> String {
        let said = |place: &Place| {
            let said = place.up.as_ref().map_or_else(String::new, |(up, _)| up.said());
            let last: Vec<&str> = said.lines().rev().take(20).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            format!("== {}\n{}", place.member, last.join("\n"))
        };
        let said: Vec<String> = self.places.iter().map(said).collect();
        format!("{}\n{}", said.join("\n"), self.shared.path().display())
    }
}

fn address(url: &str) -> Result<SocketAddr> {
    url.trim_start_matches("http://").parse().with_context(|| format!("reading the address {url}"))
}

fn library() -> Result<std::path::PathBuf> {
    let places =
        LibraryPlaces { variable: "TALLY_ENGINE_LIBRARY", cache_folder: "tally", fetch: "cargo xtask fetch" };
    Ok(find_library(places)?)
}
