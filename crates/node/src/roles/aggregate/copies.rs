//! Where the states of partitions are copied to, and whence a state comes that is not here.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tally_aggregator::{AggregatorSettings, PartError};
use tally_checkpoints::{CheckpointError, Checkpoints, Copier, Fetched, Keep};
use tally_disk::OsDisk;
use tally_domain::{Offset, TopicId};
use tally_fold::Origin;
use tally_store::Store;
use tally_telemetry::emit;

use super::occurrences::{CopiesAway, CopyDamaged, CopyFetched, FoldedAgain, OwnStateTaken};
use super::{LogAggregator, dir_of};
use crate::config::Config;
use crate::installation::InstallationError;
use crate::supervise::StartError;

/// Nobody waits longer for a copy that is wanted, not needed.
const LAST_COPY_MAX: Duration = Duration::from_secs(20);

/// The copies of an installation, as its aggregators use them.
#[derive(Clone, Debug)]
pub struct Copies {
    checkpoints: Checkpoints,
    url: String,
    /// Time between two copies of a partition.
    pub(super) every: Duration,
    /// How long a partition that is let go of waits for its last copy.
    pub(super) last_max: Duration,
    /// A copying reads files of any size: one at a time, so that together they take the memory of one.
    pub(super) turn: Arc<Mutex<()>>,
}

/// What is known of a partition's state before it is opened.
#[derive(Debug)]
pub(super) enum Found {
    /// No copy is newer than what lies here, if anything does.
    Here,
    /// A newer copy was brought here, and that was told.
    Copy,
    /// The store of copies refuses to say.
    Unknown(CheckpointError),
}

impl Copies {
    /// Those that are configured for the log with this topic; `None` where there shall be none.
    ///
    /// # Errors
    /// When the place cannot be used as it is configured; it is not asked yet.
    pub fn open(config: &Config, topic: TopicId) -> Result<Option<Self>, StartError> {
        let of = &config.checkpoints;
        if of.url.is_empty() {
            return Ok(None);
        }
        let environment = std::env::vars_os();
        let readable = environment
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        // The group waits for whoever lets go: the last copy must not use up its patience.
        let release = Duration::from_millis(u64::from(config.kafka.release_timeout_ms));
        Ok(Some(Self {
            checkpoints: Checkpoints::open(&of.url, topic, readable)?,
            url: of.url.clone(),
            every: Duration::from_secs(of.interval_s),
            last_max: LAST_COPY_MAX.min(release / 2),
            turn: Arc::default(),
        }))
    }

    pub(super) fn copier(&self, settings: &AggregatorSettings) -> Copier {
        self.checkpoints.copier(settings.fold.acceptance.partition, Keep::LONG)
    }

    /// Brings the newest whole copy into the partition's directory, if it is newer than what lies there.
    pub(super) fn find(&self, settings: &AggregatorSettings, state: &Path) -> Result<Found, StartError> {
        let disk = OsDisk::open(state).map_err(InstallationError::from)?;
        let partition = settings.fold.acceptance.partition;
        let dir = dir_of(partition);
        let held = Store::origin(&disk, &dir, settings.store);
        let held = held.map_err(|source| PartError::Store { partition, source })?;
        if held.is_some_and(|held| is_of_another(&held, settings.topic)) {
            // Opening it says so; it is not for us to replace it.
            return Ok(Found::Here);
        }
        let begun = Instant::now();
        match self.checkpoints.fetch(partition, &disk, &dir, held.map(|held| held.version)) {
            Ok(Fetched::Nothing) => Ok(Found::Here),
            Ok(Fetched::State { version, bytes, passed_over }) => {
                for error in &passed_over {
                    emit(&CopyDamaged { partition, error });
                }
                emit(&CopyFetched { partition, version, from: &self.url, bytes, took: begun.elapsed() });
                Ok(Found::Copy)
            }
            Err(error @ CheckpointError::Damaged { .. }) => {
                emit(&CopyDamaged { partition, error: &error });
                Ok(Found::Here)
            }
            Err(error @ CheckpointError::Service { .. }) => Ok(Found::Unknown(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// The same refusal, with what there is to say of copies: without one there is nothing to go on from.
    pub(super) fn refusal(&self, source: PartError, found: Found) -> StartError {
        if !matches!(source, PartError::NoLineage { .. } | PartError::Gap { .. }) {
            return source.into();
        }
        let source = Box::new(source);
        match found {
            Found::Unknown(cause) => StartError::CopiesAway { source, cause: Box::new(cause) },
            Found::Here | Found::Copy => StartError::NoCopy { source, url: self.url.clone() },
        }
    }
}

/// Says which state a partition goes on from, where it is no copy.
pub(super) fn tell(found: &Found, aggregator: &LogAggregator) {
    let status = aggregator.status();
    let (partition, next) = (status.partition, status.next);
    if let Found::Unknown(error) = found {
        emit(&CopiesAway { partition, error });
    }
    match found {
        Found::Copy => {}
        _ if next == Offset::ZERO => emit(&FoldedAgain { partition, end: status.end }),
        _ => emit(&OwnStateTaken { partition, next }),
    }
}

fn is_of_another(held: &Origin, topic: TopicId) -> bool {
    held.topic.is_some_and(|known| known != topic)
}
