//! One process that owns a data directory: its parts started in order, and stopped so that nothing is lost.
//!
//! ```text
//! start  lock → log → secret, barrier → ClickHouse, migrated → aggregators, archive, ranker → collector, pages, control → announced
//! stop   withdrawn → collector → log drained → aggregators publish and commit → archive → engine → lock
//! ```

mod error;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tally_clickhouse::Database;
use tally_domain::{PartitionCount, Secret};
use tally_telemetry::Exporter;

use crate::admin::{Readiness, Views};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Control};
use crate::drive::Stop;
use crate::elsewhere::Elsewhere;
use crate::installation::{DataDir, Owner, Ownership};
use crate::parts::{Part, Takes};
use crate::roles::aggregate::{self, Aggregators, Copies, Shares};
use crate::roles::collect::{self, Collector};
use crate::roles::engine::{self, ClickHouse};
use crate::roles::log::{self, Log};
use crate::roles::{archive, demo, pages, prices, rank};
use crate::server::{Listening, Server};
use crate::shared::Shared;
use crate::sink::SharedSink;
use crate::watch;
pub use error::StartError;

/// A running owner of a data directory.
#[derive(Debug)]
pub struct Node {
    ownership: Ownership,
    owner: Owner,
    runtime: tokio::runtime::Runtime,
    database: Option<Database>,
    shared: Arc<Shared>,
    control: Control,
    partitions: PartitionCount,
    /// In the order in which they are stopped.
    servers: Vec<Server>,
    stages: Vec<Stage>,
    is_empty: bool,
}

/// Where the servers will answer; taken first, so that a start that cannot have them disturbs nothing.
struct Addresses {
    collector: Option<Listening>,
    ranker: Option<Listening>,
    admin: Listening,
    pages: Option<Listening>,
}

impl Addresses {
    fn take(runtime: &tokio::runtime::Runtime, config: &Config, takes: Takes) -> Result<Self, StartError> {
        let on = |address, setting| Listening::on(runtime, address, setting);
        let of = |part, address, setting| takes.has(part).then(|| on(address, setting)).transpose();
        Ok(Self {
            collector: of(Part::Collect, config.collector.listen, "collector.listen")?,
            ranker: of(Part::Rank, config.ranker.listen, "ranker.listen")?,
            admin: on(config.admin.listen, "admin.listen")?,
            pages: of(Part::Web, config.web.listen, "web.listen")?,
        })
    }
}

/// Threads that are told to stop together, after everything that feeds them has ended.
#[derive(Debug)]
struct Stage {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
}

impl Stage {
    fn new(stop: Stop, thread: Option<JoinHandle<()>>) -> Self {
        Self { stop, threads: thread.into_iter().collect() }
    }
}

/// What parts are started with.
struct Starting<'a> {
    config: &'a Config,
    clock: Clock,
    takes: Takes,
    dir: &'a DataDir,
    log: &'a Log,
    secret: &'a Secret,
    shared: &'a Arc<Shared>,
    runtime: &'a tokio::runtime::Runtime,
}

impl Starting<'_> {
    /// Aggregators, and who sends them newer price books.
    fn fold(&self, database: &Database) -> Result<[Stage; 2], StartError> {
        let (fold_stop, prices_stop) = (Stop::default(), Stop::default());
        let partitions = self.log.partitions();
        let sink = SharedSink::start(database.clone())?;
        let seen = self.runtime.block_on(watch::look(database, &sink, partitions))?;
        let copies = Copies::open(self.config, self.log.topic_id())?;
        let making =
            Aggregators::new(self.config, self.log, self.secret, self.dir.state(), &sink).copied(copies);
        let shares = self.shares(database, &sink)?;
        let folding = aggregate::start(making, shares, self.clock, self.shared, fold_stop.clone())?;
        let all = usize::from(partitions.get());
        let pricing = prices::run(self.log.appender(), all, self.shared, prices_stop.clone())?;
        let (shared, before) = (Arc::clone(self.shared), (partitions, seen));
        self.runtime.spawn(watch::keep_looking(database.clone(), sink, shared, before));
        Ok([Stage::new(prices_stop, Some(pricing)), Stage::new(fold_stop, Some(folding))])
    }

    /// The place in the group that shares the partitions; none where this process has all of them.
    fn shares(&self, database: &Database, sink: &Arc<SharedSink>) -> Result<Option<Shares>, StartError> {
        let Some(membership) = log::join(self.log, self.config)? else { return Ok(None) };
        let (database, sink) = (database.clone(), Arc::clone(sink));
        let handle = self.runtime.handle().clone();
        let look = move |partition| handle.block_on(watch::look_at(&database, &sink, partition));
        Ok(Some(Shares { membership, look: Box::new(look) }))
    }

    fn archive(&self, database: &Database) -> Result<Stage, StartError> {
        let stop = Stop::default();
        let archiver = self.runtime.block_on(archive::open(self.config, self.log, database, self.shared))?;
        let archiving = archive::run(archiver, self.log.pace(), self.shared, stop.clone())?;
        Ok(Stage::new(stop, Some(archiving)))
    }

    fn rank(&self, database: &Database) -> Result<(Stage, axum::Router), StartError> {
        let stop = Stop::default();
        let (ranker, live) = rank::open(self.config, self.log, self.secret, database)?;
        let ranking = rank::run(ranker, self.log.pace().rest, self.shared, stop.clone())?;
        Ok((Stage::new(stop, Some(ranking)), tally_ranker::http::router(live)))
    }

    fn collect(&self) -> Result<(Stage, axum::Router), StartError> {
        let started = collect::start(self.config, self.log, self.secret, self.clock, self.shared)?;
        let Collector { router, thread } = started;
        // It ends when its router is gone.
        Ok((Stage::new(Stop::default(), Some(thread)), router))
    }

    fn demo(&self) -> Result<Stage, StartError> {
        let stop = Stop::default();
        let of = (self.dir, self.log, self.secret);
        let start =
            |teller| demo::start(&self.config.demo, teller, of, self.clock, self.shared, stop.clone());
        let demo = self.takes.demo.map(start).transpose()?;
        Ok(Stage::new(stop, demo))
    }

    /// The parts, with what the servers of two of them show. Stages stand in the order in which they are stopped.
    fn parts(&self, database: Option<&Database>) -> Result<Parts, StartError> {
        let with = |part| database.filter(|_| self.takes.has(part));
        let fold = with(Part::Aggregate).map(|database| self.fold(database)).transpose()?;
        let archive = with(Part::Audit).map(|database| self.archive(database)).transpose()?;
        let (rank, live) = with(Part::Rank).map(|database| self.rank(database)).transpose()?.unzip();
        let collect = self.takes.has(Part::Collect).then(|| self.collect()).transpose()?;
        let (collect, taking) = collect.unzip();
        let demo = self.demo()?;
        let [prices, fold] = fold.map_or([None, None], |stages| stages.map(Some));
        let stages = [collect, Some(demo), prices, rank, fold, archive].into_iter().flatten().collect();
        Ok(Parts { stages, taking, live })
    }
}

struct Parts {
    stages: Vec<Stage>,
    taking: Option<axum::Router>,
    live: Option<axum::Router>,
}

impl Node {
    /// Starts the parts of `takes` and announces them. `executable` is this program, whose `engine` command is the child.
    ///
    /// # Errors
    /// See [`StartError`]; whatever was started is stopped again.
    pub fn start(
        ownership: Ownership,
        config: &Config,
        clock: Clock,
        executable: &Path,
        takes: Takes,
    ) -> Result<Self, StartError> {
        takes.check(config)?;
        // What happens during the start counts too.
        let exporter = tally_telemetry::install();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        // Before anything that would have to be stopped again.
        let addresses = Addresses::take(&runtime, config, takes)?;
        let dir = ownership.dir().clone();
        let secret_file = dir.secret_file(&config.secret_file);
        let shared = Arc::new(Shared::default());
        let (log, secret) = log::open(config, &dir, &secret_file, clock)?;
        let (topic, partitions) = (log.topic_id(), log.partitions());
        let clickhouse = if takes.needs_clickhouse() {
            Some(runtime.block_on(engine::start(config, executable))?)
        } else {
            engine::named(config)?
        };
        let (database, url, child) = match clickhouse {
            Some(ClickHouse { database, url, child }) => (Some(database), Some(url), child),
            None => (None, None, None),
        };
        let starting = Starting {
            config,
            clock,
            takes,
            dir: &dir,
            log: &log,
            secret: &secret,
            shared: &shared,
            runtime: &runtime,
        };
        let Parts { mut stages, taking, live } = starting.parts(database.as_ref())?;
        let elsewhere = database.clone().filter(|_| !takes.counts_all(config)).map(Elsewhere::new);
        let control = Control::new(log.appender(), partitions, Arc::clone(&shared), elsewhere);
        let is_empty = demo::is_empty(&log)?;
        let (engine_stop, log_stop) = (Stop::default(), Stop::default());
        let keeping = child.map(|child| engine::keep(child, &shared, engine_stop.clone())).transpose()?;
        let check_every = Duration::from_secs(config.log.retention.check_interval_s);
        let logging = log::run(log, (clock, check_every), &shared, log_stop.clone())?;
        stages.extend([Stage::new(log_stop, logging), Stage::new(engine_stop, keeping)]);

        let url_of = |listening: &Option<Listening>| listening.as_ref().map(Listening::url);
        let owner = Owner {
            pid: std::process::id(),
            topic,
            control: addresses.admin.url(),
            collector: url_of(&addresses.collector),
            clickhouse: url,
            database: config.clickhouse.database.clone(),
            ranker: url_of(&addresses.ranker),
            web: url_of(&addresses.pages),
            secret_file: secret_file.path().to_owned(),
            stays: takes.stays,
            clock: match clock {
                Clock::System => None,
                Clock::Fixed(at) => Some(at),
            },
        };
        let shown = database.as_ref().map(|database| pages::router(database, clock, &config.web, &owner));
        let Addresses { collector, ranker, admin, pages } = addresses;
        let serve = |(listening, router): (Listening, axum::Router)| listening.serve(&runtime, router);
        let admin = admin.serve(&runtime, control::router(control.clone(), views(exporter, &shared)));
        let parts = [pages.zip(shown), collector.zip(taking), ranker.zip(live)];
        let servers = parts.into_iter().flatten().map(serve).chain([admin]).collect();
        ownership.announce(&owner)?;
        Ok(Self {
            ownership,
            owner,
            runtime,
            database,
            shared,
            control,
            partitions,
            servers,
            stages,
            is_empty,
        })
    }

    /// Where it can be reached.
    #[must_use]
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// True when there was no usage at its start.
    #[must_use]
    pub const fn was_empty(&self) -> bool {
        self.is_empty
    }

    /// What its parts say.
    #[must_use]
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The tables; none where no ClickHouse is known.
    #[must_use]
    pub const fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// Partitions of its log.
    #[must_use]
    pub const fn partitions(&self) -> PartitionCount {
        self.partitions
    }

    /// For what is asked of it within the process.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// The runtime of its servers.
    #[must_use]
    pub const fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }

    /// Stops everything in the order in which data flows, so that the next start has nothing to repeat. Waits
    /// for those who hold a lease.
    pub fn stop(self) {
        let Self { ownership, runtime, servers, stages, control, .. } = self;
        runtime.block_on(control.leases_returned());
        ownership.withdraw();
        for server in servers {
            server.stop(&runtime);
        }
        for Stage { stop, threads } in stages {
            stop.ask();
            for thread in threads {
                // A part that panicked has said so; the others are stopped all the same.
                drop(thread.join());
            }
        }
        runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

fn views(exporter: &'static Exporter, shared: &Arc<Shared>) -> Views {
    let shared = Arc::clone(shared);
    Views { metrics: Arc::new(move || exporter.render()), readiness: Arc::new(move || readiness(&shared)) }
}

fn readiness(shared: &Shared) -> Readiness {
    let failures = shared.failures();
    if failures.is_empty() {
        return Readiness::Ready;
    }
    Readiness::Waiting(
        failures.into_iter().map(|failure| format!("{}: {}", failure.part, failure.message)).collect(),
    )
}
