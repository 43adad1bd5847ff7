//! One process that owns a data directory: every part started in order, and stopped so that nothing is lost.
//!
//! ```text
//! start  lock → secret → log → engine, migrated → aggregators, archive, ranker → collector, pages, control → announced
//! stop   withdrawn → collector → log drained → aggregators publish and commit → archive → engine → lock
//! ```

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tally_clickhouse::{ClickHouseError, Database};
use tally_domain::{LogTime, PartitionCount, WallTime};
use tally_log::LogError;

use crate::admin::{Readiness, Views};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Control};
use crate::drive::Stop;
use crate::installation::{InstallationError, Owner, Ownership};
use crate::roles::aggregate::Aggregators;
use crate::roles::engine::ClickHouse;
use crate::roles::{aggregate, archive, collect, demo, engine, log, pages, prices, rank};
use crate::server::{Listening, Server};
use crate::shared::Shared;
use crate::sink::SharedSink;
use crate::watch;

/// What keeps a process from starting; every message says what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum StartError {
    #[error(transparent)]
    Installation(#[from] InstallationError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(
        "--clock {at} lies before {newest}, the time of a record in this log; use a later --clock, or another --data-dir"
    )]
    ClockBehind { at: WallTime, newest: LogTime },
    #[error("starting the ClickHouse engine: {0}; its settings are engine.library and engine.listen")]
    Engine(clickhouse_embedded::EngineError),
    #[error(
        "using the ClickHouse server {url}: {cause}; set clickhouse.url, clickhouse.user and clickhouse.password to a \
         server that answers, or clickhouse.url to \"\" for an engine of the installation's own"
    )]
    Server { url: String, cause: String },
    #[error(transparent)]
    ClickHouse(#[from] ClickHouseError),
    #[error(transparent)]
    Name(#[from] tally_clickhouse::layout::BadName),
    #[error(transparent)]
    Partition(#[from] tally_aggregator::PartError),
    #[error("listening on {address}: {cause}; set {setting} to another address, or stop what listens there")]
    Listen { address: SocketAddr, setting: &'static str, cause: std::io::Error },
    #[error("starting a thread: {0}; the system is out of threads or memory")]
    Thread(#[from] std::io::Error),
    #[error("asking the system for random bytes: {0}")]
    Random(String),
    #[error(
        "{} holds usage that is not the demo's; leave --data-dir out, or name a directory of the demo's own", .path.display()
    )]
    NoDemo { path: std::path::PathBuf },
    #[error("reading the demo's plan {}: {cause}; delete its directory to begin anew", .path.display())]
    DemoPlan { path: std::path::PathBuf, cause: String },
}

/// What a process takes on besides the log, the fold, the archive and the rankings.
#[derive(Clone, Copy, Debug)]
pub struct Takes {
    /// Serve the pages.
    pub pages: bool,
    /// Fill the installation with the company of this teller, and keep that company at work.
    pub demo: Option<demo::Teller>,
}

/// A running owner of a data directory.
#[derive(Debug)]
pub struct Node {
    ownership: Ownership,
    owner: Owner,
    runtime: tokio::runtime::Runtime,
    database: Database,
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
    collector: Listening,
    ranker: Listening,
    admin: Listening,
    pages: Option<Listening>,
}

impl Addresses {
    fn take(runtime: &tokio::runtime::Runtime, config: &Config, pages: bool) -> Result<Self, StartError> {
        let on = |address, setting| Listening::on(runtime, address, setting);
        Ok(Self {
            collector: on(config.collector.listen, "collector.listen")?,
            ranker: on(config.ranker.listen, "ranker.listen")?,
            admin: on(config.admin.listen, "admin.listen")?,
            pages: if pages { Some(on(config.web.listen, "web.listen")?) } else { None },
        })
    }
}

/// Threads that are told to stop together, after everything that feeds them has ended.
#[derive(Debug)]
struct Stage {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
}

impl Node {
    /// Starts everything and announces it. `executable` is this program, whose `engine` command is the child.
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
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        // Before anything that would have to be stopped again.
        let addresses = Addresses::take(&runtime, config, takes.pages)?;
        let dir = ownership.dir().clone();
        let secret = dir.secret()?;
        let shared = Arc::new(Shared::default());
        let log = log::open(config, &dir, &secret, clock)?;
        let (topic, partitions) = (log.topic_id(), log.partitions());
        let ClickHouse { database, url, child } = runtime.block_on(engine::start(config, executable))?;
        let database = &database;

        let sink = SharedSink::start(database.clone())?;
        let seen = runtime.block_on(watch::look(database, &sink, partitions))?;
        let fold_stop = Stop::default();
        let making = Aggregators { config, dir: &dir, secret: &secret, topic, partitions };
        let mut folding = Vec::new();
        for partition in partitions.all() {
            let aggregator = making.open(partition, (log.reader(), log.appender(), &sink))?;
            folding.push(aggregate::run(aggregator, clock, &shared, fold_stop.clone())?);
        }
        let archiver = runtime.block_on(archive::open(config, &log, database))?;
        let archive_stop = Stop::default();
        let archiving = archive::run(archiver, &shared, archive_stop.clone())?;

        let (ranker, live) = rank::open(config, &log, &secret, database)?;
        let rank_stop = Stop::default();
        let ranking = rank::run(ranker, &shared, rank_stop.clone())?;
        let collector = collect::start(config, &log, &secret, clock)?;
        let is_empty = demo::is_empty(&log)?;
        let demo_stop = Stop::default();
        let demo = if let Some(teller) = takes.demo {
            let of = (&dir, &log, &secret);
            Some(demo::start(&config.demo, teller, of, clock, &shared, demo_stop.clone())?)
        } else {
            None
        };
        let control = Control::new(log.appender(), partitions, Arc::clone(&shared));
        let prices_stop = Stop::default();
        let all = usize::from(partitions.get());
        let pricing = prices::run(log.appender(), all, &shared, prices_stop.clone())?;
        let engine_stop = Stop::default();
        let keeping = child.map(|child| engine::keep(child, &shared, engine_stop.clone())).transpose()?;
        let log_stop = Stop::default();
        let check_every = Duration::from_secs(config.log.retention.check_interval_s);
        let logging = log::run(log, (clock, check_every), &shared, log_stop.clone())?;
        runtime.spawn(watch::keep_looking(database.clone(), Arc::clone(&sink), partitions, seen));

        let Addresses { collector: taking, ranker: ranked, admin, pages } = addresses;
        let urls = [&admin, &taking, &ranked].map(Listening::url);
        let [control_url, collector_url, ranker_url] = urls;
        let web = pages.as_ref().map(Listening::url);
        let shown = || pages::router(database, clock, &collector_url, &ranker_url);
        let pages = pages.map(|pages| pages.serve(&runtime, shown()));
        let served = [
            taking.serve(&runtime, collector.router),
            ranked.serve(&runtime, tally_ranker::http::router(live)),
            admin.serve(&runtime, control::router(control.clone(), views(&shared))),
        ];
        let owner = Owner {
            pid: std::process::id(),
            topic,
            control: control_url,
            collector: collector_url,
            clickhouse: url,
            database: config.clickhouse.database.clone(),
            ranker: ranker_url,
            web,
            clock: match clock {
                Clock::System => None,
                Clock::Fixed(at) => Some(at),
            },
        };
        ownership.announce(&owner)?;
        let servers = pages.into_iter().chain(served).collect();
        let stages = vec![
            Stage { stop: Stop::default(), threads: vec![collector.thread] },
            Stage { stop: demo_stop, threads: demo.into_iter().collect() },
            Stage { stop: prices_stop, threads: vec![pricing] },
            Stage { stop: rank_stop, threads: vec![ranking] },
            Stage { stop: fold_stop, threads: folding },
            Stage { stop: archive_stop, threads: vec![archiving] },
            Stage { stop: log_stop, threads: vec![logging] },
            Stage { stop: engine_stop, threads: keeping.into_iter().collect() },
        ];
        Ok(Self {
            ownership,
            owner,
            runtime,
            database: database.clone(),
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

    /// The tables.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
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

fn views(shared: &Arc<Shared>) -> Views {
    let exporter = tally_telemetry::install();
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
