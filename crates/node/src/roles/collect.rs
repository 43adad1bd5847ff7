//! The collector: HTTP at the edge, one thread that brings what comes to the log.

use std::sync::Arc;
use std::thread::JoinHandle;

use tally_collector::{CollectorConfig, Identities, Ingest, Run, desk, drive as drive_desk, router};
use tally_domain::{Epoch, Hash128, Lane, Offset, ProducerId, Secret};
use tally_log::{AppendLog, Full, LogError, Ticket};

use crate::clock::Clock;
use crate::config::Config;
use crate::roles::log::{Appender, Log};
use crate::shared::Shared;
use crate::supervise::StartError;

/// A collector that is taking events, until its router is gone.
#[derive(Debug)]
pub struct Collector {
    /// To be served.
    pub router: axum::Router,
    /// Ends when the router is dropped and everything taken is durable.
    pub thread: JoinHandle<()>,
}

/// Starts a collector on the log.
///
/// # Errors
/// When the identities cannot be read, or the operating system gives no thread.
pub fn start(
    config: &Config,
    log: &Log,
    secret: &Secret,
    clock: Clock,
    shared: &Arc<Shared>,
) -> Result<Collector, StartError> {
    let settings = settings(config);
    let mut identities = Identities::default();
    identities.follow(&mut log.reader(), log.partitions())?;
    let run = new_run(secret, 0xc0)?;
    let counted = Counted { appender: log.appender(), shared: Arc::clone(shared) };
    let ingest = Ingest::new(counted, log.partitions(), run, identities, settings.pending_bytes_max);
    let (desk, requests) = desk(&settings);
    let thread = std::thread::Builder::new()
        .name("collector".to_owned())
        .spawn(move || drive_desk(ingest, &requests, || clock.now()))?;
    Ok(Collector { router: router(desk, secret.clone(), settings), thread })
}

/// An appender that tells how many records the log has taken.
struct Counted {
    appender: Appender,
    shared: Arc<Shared>,
}

impl AppendLog for Counted {
    fn append(&mut self, lane: Lane, key: &[u8], value: Option<&[u8]>) -> Result<Ticket, Full> {
        self.appender.append(lane, key, value)
    }

    fn acknowledged(&mut self, into: &mut Vec<(Ticket, Result<Offset, LogError>)>) {
        let before = into.len();
        self.appender.acknowledged(into);
        self.shared.tell_taken(into.iter().skip(before).filter(|(_, result)| result.is_ok()).count());
    }
}

fn settings(config: &Config) -> CollectorConfig {
    CollectorConfig {
        body_bytes_max: config.collector.body_max_bytes,
        events_max: 50_000,
        requests_max: 64,
        pending_bytes_max: 64 << 20,
        answer_ms_max: 30_000,
    }
}

/// One start of a sender of this installation, of events that name none. `mark` tells its kinds apart.
pub(crate) fn new_run(secret: &Secret, mark: u8) -> Result<Run, StartError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Random(error.to_string()))?;
    let Hash128(mut name) = secret.check();
    // The installation's own name, told apart from the check itself.
    for byte in &mut name {
        *byte ^= mark;
    }
    Ok(Run { producer: ProducerId(Hash128(name)), epoch: Epoch(i64::from_le_bytes(bytes)) })
}
