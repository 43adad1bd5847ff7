//! Why a process does not start.

use std::net::SocketAddr;
use std::path::PathBuf;

use tally_aggregator::PartError;
use tally_checkpoints::CheckpointError;
use tally_clickhouse::ClickHouseError;
use tally_domain::{LogTime, WallTime};
use tally_log::LogError;
use tally_log_kafka::OpenError;

use crate::installation::InstallationError;

/// What keeps a process from starting; every message says what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum StartError {
    #[error(transparent)]
    Installation(#[from] InstallationError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Kafka(#[from] OpenError),
    #[error(
        "--clock stands still, and a log on Kafka has the time of its brokers; leave --clock out, or set kafka.brokers to \"\" \
         for a log of this machine's own"
    )]
    ClockOnKafka,
    #[error(
        "tally {part} is one part of an installation, and its parts meet on Kafka: set kafka.brokers (or --kafka \
         HOST:PORT) to the brokers of all of them; `tally up` runs everything in one process and needs no brokers"
    )]
    NeedsKafka { part: &'static str },
    #[error(
        "tally {part} needs the ClickHouse that all parts share: set clickhouse.url, such as \
         TALLY__CLICKHOUSE__URL=http://clickhouse:8123; `tally up` can bring an engine of its own"
    )]
    NeedsClickHouse { part: &'static str },
    #[error(
        "this log was begun under a secret, and {} is not there; copy the file of the process that began it (`secret` in \
         its data directory, or its secret_file) to that place, or name it with secret_file", .path.display()
    )]
    NoSecret { path: PathBuf },
    #[error(
        "this log was begun under another secret than the one in {}: accounts would be taken for others; copy the file of \
         the process that began it (`secret` in its data directory, or its secret_file) over it, or choose another \
         kafka.prefix for an installation of its own", .path.display()
    )]
    OtherSecret { path: PathBuf },
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
    Partition(#[from] PartError),
    #[error(transparent)]
    Copies(#[from] CheckpointError),
    #[error(
        "{source}; {url} has no whole copy that does (set checkpoints.url to where this partition was copied to)"
    )]
    NoCopy { source: Box<PartError>, url: String },
    #[error("{source}; whether there is a copy that does is asked again and again: {cause}")]
    CopiesAway { source: Box<PartError>, cause: Box<CheckpointError> },
    #[error("listening on {address}: {cause}; set {setting} to another address, or stop what listens there")]
    Listen { address: SocketAddr, setting: &'static str, cause: std::io::Error },
    #[error("starting a thread: {0}; the system is out of threads or memory")]
    Thread(#[from] std::io::Error),
    #[error("asking the system for random bytes: {0}")]
    Random(String),
    #[error(
        "{} holds usage that is not the demo's; leave --data-dir out, or name a directory of the demo's own", .path.display()
    )]
    NoDemo { path: PathBuf },
    #[error("reading the demo's plan {}: {cause}; delete its directory to begin anew", .path.display())]
    DemoPlan { path: PathBuf, cause: String },
}

impl StartError {
    /// It passes by itself, or may: what failed is tried again.
    #[must_use]
    pub const fn heals(&self) -> bool {
        matches!(self, Self::CopiesAway { .. })
    }
}
