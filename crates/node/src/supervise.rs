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
use crate::roles::{aggregate, archive, collect, demo, engine, log, pages, rank};
use crate::server::Server;
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
    #[error(transparent)]
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
    clickhouse: ClickHouse,
    shared: Arc<Shared>,
    control: Control,
    partitions: PartitionCount,
    /// In the order in which they are stopped.
    servers: Vec<Server>,
    stages: Vec<Stage>,
    is_empty: bool,
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
        let dir = ownership.dir().clone();
        let secret = dir.secret()?;
        let shared = Arc::new(Shared::default());
        let log = log::open(config, &dir, &secret, clock)?;
        let (topic, partitions) = (log.topic_id(), log.partitions());
        let clickhouse = runtime.block_on(engine::start(config, executable))?;
        let database = &clickhouse.database;

        let sink = SharedSink::start(database.clone())?;
        runtime.block_on(watch::look(database, &sink, partitions))?;
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
        let log_stop = Stop::default();
        let logging = log::run(log, clock, &shared, log_stop.clone())?;
        runtime.spawn(watch::keep_looking(database.clone(), Arc::clone(&sink), partitions));

        let serve = |router, address, setting| Server::start(&runtime, router, address, setting);
        let collector_server = serve(collector.router, config.collector.listen, "collector.listen")?;
        let ranker_server = serve(tally_ranker::http::router(live), config.ranker.listen, "ranker.listen")?;
        let control_server =
            serve(control::router(control.clone(), views(&shared)), config.admin.listen, "admin.listen")?;
        let pages = if takes.pages {
            let router = pages::router(database, clock, &collector_server.url());
            Some(serve(router, config.web.listen, "web.listen")?)
        } else {
            None
        };
        let owner = Owner {
            pid: std::process::id(),
            topic,
            control: control_server.url(),
            collector: collector_server.url(),
            clickhouse: clickhouse.url.clone(),
            database: config.clickhouse.database.clone(),
            ranker: ranker_server.url(),
            web: pages.as_ref().map(Server::url),
            clock: match clock {
                Clock::System => None,
                Clock::Fixed(at) => Some(at),
            },
        };
        ownership.announce(&owner)?;
        let servers = pages.into_iter().chain([collector_server, ranker_server, control_server]).collect();
        let stages = vec![
            Stage { stop: Stop::default(), threads: vec![collector.thread] },
            Stage { stop: demo_stop, threads: demo.into_iter().collect() },
            Stage { stop: rank_stop, threads: vec![ranking] },
            Stage { stop: fold_stop, threads: folding },
            Stage { stop: archive_stop, threads: vec![archiving] },
            Stage { stop: log_stop, threads: vec![logging] },
        ];
        Ok(Self {
            ownership,
            owner,
            runtime,
            clickhouse,
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
        &self.clickhouse.database
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
        let Self { ownership, runtime, clickhouse, servers, stages, control, .. } = self;
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
        runtime.shutdown_timeout(std::time::Duration::from_secs(1));
        if let Some(engine) = clickhouse.engine {
            engine.stop();
        }
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
