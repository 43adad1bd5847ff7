//! The aggregators: a thread for each partition, all publishing through one writer.

mod copies;
mod copying;
mod occurrences;
mod opening;
mod seats;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tally_aggregator::{Aggregator, AggregatorSettings, Cadence, PartError, Turn};
use tally_disk::OsDisk;
use tally_domain::{Partition, PartitionCount, Secret, TopicId};
use tally_fold::{Acceptance, Settings};
use tally_log::LogError;
use tally_store::{StoreError, StoreSettings};

use crate::clock::Clock;
use crate::config::Config;
use crate::drive::{Next, Stop, drive};
use crate::roles::log::{Appender, Log, Pace, Reader};
use crate::shared::Shared;
use crate::sink::{PartitionSink, SharedSink};
use crate::supervise::StartError;
pub use copies::Copies;
use copying::Copying;
pub use seats::{Look, Shares, start};

/// How long to leave a disk alone that refused.
const PAUSE: Duration = Duration::from_secs(1);

/// A partition's aggregator on this machine's disk and the installation's log.
pub type LogAggregator = Aggregator<Reader, Appender, PartitionSink, OsDisk>;

/// What every partition's aggregator is made from.
#[derive(Clone, Debug)]
pub struct Aggregators {
    config: Config,
    /// Where the states lie.
    state: PathBuf,
    secret: Secret,
    topic: TopicId,
    partitions: PartitionCount,
    reader: Reader,
    appender: Appender,
    sink: Arc<SharedSink>,
    pace: Pace,
    copies: Option<Copies>,
}

/// One partition's aggregator, and what it takes to open it again.
#[derive(Debug)]
struct Seat {
    settings: AggregatorSettings,
    state: PathBuf,
    reader: Reader,
    appender: Appender,
    sink: Arc<SharedSink>,
    pace: Pace,
    /// None while the disk or the log refuses; then it is tried again from this instant on.
    aggregator: Result<LogAggregator, Instant>,
    /// None where states are not copied.
    copying: Option<Copying>,
    /// All is committed, and nothing but a copy of it is missing.
    leaves: bool,
}

impl Aggregators {
    /// Of this log, with states in `state`, publishing through `sink`.
    #[must_use]
    pub fn new(config: &Config, log: &Log, secret: &Secret, state: PathBuf, sink: &Arc<SharedSink>) -> Self {
        Self {
            config: config.clone(),
            state,
            secret: secret.clone(),
            topic: log.topic_id(),
            partitions: log.partitions(),
            reader: log.reader(),
            appender: log.appender(),
            sink: Arc::clone(sink),
            pace: log.pace(),
            copies: None,
        }
    }

    /// With states that are copied, and come from copies.
    #[must_use]
    pub fn copied(self, copies: Option<Copies>) -> Self {
        Self { copies, ..self }
    }

    /// Looks for the state of a partition, which may lie here or among the copies, and opens it.
    fn open(&self, partition: Partition) -> Result<Seat, StartError> {
        let settings = self.settings(partition);
        let found = self.copies.as_ref().map(|copies| copies.find(&settings, &self.state)).transpose()?;
        let mut seat = Seat {
            settings,
            state: self.state.clone(),
            reader: self.reader.clone(),
            appender: self.appender.clone(),
            sink: Arc::clone(&self.sink),
            pace: self.pace,
            aggregator: Err(Instant::now()),
            copying: None,
            leaves: false,
        };
        let opened = seat.open();
        let Some((copies, found)) = self.copies.as_ref().zip(found) else {
            seat.aggregator = Ok(opened?);
            return Ok(seat);
        };
        match opened {
            Ok(aggregator) => {
                copies::tell(&found, &aggregator);
                seat.copying = Some(Copying::new(copies, seat.settings));
                seat.aggregator = Ok(aggregator);
                Ok(seat)
            }
            Err(StartError::Partition(error)) => Err(copies.refusal(error, found)),
            Err(error) => Err(error),
        }
    }

    fn settings(&self, partition: Partition) -> AggregatorSettings {
        let store = &self.config.store;
        let index_retention_days = u16::try_from(store.index_retention_days).unwrap_or(u16::MAX);
        let seconds = i64::try_from(store.checkpoint_interval_s).unwrap_or(i64::MAX);
        AggregatorSettings {
            fold: Settings {
                acceptance: Acceptance { partition, partitions: self.partitions, index_retention_days },
                secret_check: self.secret.check(),
            },
            topic: self.topic,
            store: StoreSettings { index_filter_bits: 12 },
            cadence: Cadence {
                read_bytes_max: self.config.aggregator.read_max_bytes,
                batch_events_max: 16_384,
                commit_interval_ms: seconds.saturating_mul(1_000),
                commit_events: store.checkpoint_catch_up_events,
                fresh_bytes_max: fresh_bytes_max(store.memory_mib, self.partitions),
                publish_rows_max: 20_000,
                idle_ms: 20,
                heartbeats: true,
            },
        }
    }
}

/// A partition's share of the memory for rows that no checkpoint holds yet.
fn fresh_bytes_max(memory_mib: u64, partitions: PartitionCount) -> usize {
    let bytes = memory_mib.saturating_mul(1 << 20) / u64::from(partitions.get());
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Seat {
    fn partition(&self) -> Partition {
        self.settings.fold.acceptance.partition
    }

    fn open(&self) -> Result<LogAggregator, StartError> {
        let disk = OsDisk::open(&self.state).map_err(crate::installation::InstallationError::from)?;
        let partition = self.partition();
        let ends = (self.reader.clone(), self.appender.clone(), self.sink.of(partition));
        Ok(Aggregator::open(self.settings, ends, &disk, &dir_of(partition))?)
    }

    /// One turn of the aggregator, and of whoever copies its states.
    fn turn(&mut self, clock: Clock, shared: &Shared, stop: &Stop) -> Result<Next, StartError> {
        if !self.leaves {
            match self.fold(clock, shared, stop)? {
                Next::End => self.leaves = true,
                next => {
                    if let (Ok(aggregator), Some(copying)) = (&self.aggregator, &mut self.copying) {
                        copying.turn(aggregator);
                    }
                    return Ok(next);
                }
            }
        }
        let is_over = match (&self.aggregator, &mut self.copying) {
            (Ok(aggregator), Some(copying)) => copying.is_last_over(aggregator),
            _ => true,
        };
        Ok(if is_over { Next::End } else { Next::Rest })
    }

    /// One turn of the aggregator. A disk that refuses costs the work since the last checkpoint: the partition is
    /// opened there again, as often as it takes.
    fn fold(&mut self, clock: Clock, shared: &Shared, stop: &Stop) -> Result<Next, StartError> {
        match &mut self.aggregator {
            Ok(aggregator) => match turn(aggregator, clock, shared, (stop, self.pace)) {
                Err(error) if is_refusal(&error) => {
                    shared.tell_trouble(&name(self.partition()), error.to_string());
                    // Dropped here: it holds the lock of the state.
                    self.aggregator = Err(Instant::now() + PAUSE);
                    Ok(Next::Rest)
                }
                Ok(Next::Rest) => Ok(Next::RestFor(self.pace.rest)),
                turned => Ok(turned?),
            },
            Err(_) if stop.is_asked() => Ok(Next::End),
            Err(due) if Instant::now() < *due => Ok(Next::Rest),
            Err(_) => self.again(shared),
        }
    }

    fn again(&mut self, shared: &Shared) -> Result<Next, StartError> {
        match self.open() {
            Ok(aggregator) => {
                self.aggregator = Ok(aggregator);
                // A run's name may be given again in this life.
                self.copying = self.copying.as_ref().map(Copying::anew);
                shared.tell_recovered(&name(self.partition()));
                Ok(Next::Again)
            }
            Err(StartError::Partition(error)) if is_refusal(&error) => {
                self.aggregator = Err(Instant::now() + PAUSE);
                Ok(Next::Rest)
            }
            Err(other) => Err(other),
        }
    }
}

/// What a disk or brokers refuse may pass; what is damaged does not.
const fn is_refusal(error: &PartError) -> bool {
    matches!(
        error,
        PartError::Store { source: StoreError::Disk { .. }, .. }
            | PartError::Log { source: LogError::Disk(_) | LogError::Service { .. }, .. }
    )
}

/// Where the state of a partition lies, below those of all.
fn dir_of(partition: Partition) -> String {
    partition.to_string()
}

fn name(partition: Partition) -> String {
    format!("aggregator {partition}")
}

fn turn(
    aggregator: &mut LogAggregator,
    clock: Clock,
    shared: &Shared,
    (stop, pace): (&Stop, Pace),
) -> Result<Next, PartError> {
    if shared.take_republish(aggregator.status().partition) {
        aggregator.republish();
    }
    let turn = aggregator.turn(clock.now())?;
    shared.tell_partition(aggregator.status());
    let is_idle = matches!(turn, Turn::Idle { .. });
    // Where others go on appending, nobody would ever be idle: what follows is for whoever comes next.
    let leaves = stop.is_asked() && (is_idle || pace.goes_on);
    if leaves && aggregator.status().rejects_waiting == 0 {
        aggregator.commit(clock.now())?;
        shared.tell_partition(aggregator.status());
        return Ok(Next::End);
    }
    Ok(if is_idle { Next::Rest } else { Next::Again })
}

/// Drives one partition until it is told to stop; then it commits, so that the next start has nothing to refold.
fn run(mut seat: Seat, clock: Clock, shared: &Arc<Shared>, stop: Stop) -> std::io::Result<JoinHandle<()>> {
    let telling = Arc::clone(shared);
    drive(&name(seat.partition()), shared, move || seat.turn(clock, &telling, &stop))
}
