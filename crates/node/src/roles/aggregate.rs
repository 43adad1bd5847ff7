//! The aggregators: a thread for each partition, all publishing through one writer.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tally_aggregator::{Aggregator, AggregatorSettings, Cadence, PartError, Turn};
use tally_disk::OsDisk;
use tally_domain::{Partition, PartitionCount, Secret, TopicId};
use tally_fold::{Acceptance, Settings};
use tally_log::LogError;
use tally_log::local::{Appender, Reader};
use tally_store::{StoreError, StoreSettings};

use crate::clock::Clock;
use crate::config::Config;
use crate::drive::{Next, Stop, drive};
use crate::installation::DataDir;
use crate::shared::Shared;
use crate::sink::{PartitionSink, SharedSink};
use crate::supervise::StartError;

/// How long to leave a disk alone that refused.
const PAUSE: Duration = Duration::from_secs(1);

/// A partition's aggregator on this machine's disk and log.
pub type LocalAggregator = Aggregator<Reader<OsDisk>, Appender, PartitionSink, OsDisk>;

/// What every partition's aggregator is made from.
#[derive(Debug)]
pub struct Aggregators<'a> {
    /// See [`Config`].
    pub config: &'a Config,
    /// Where the states lie.
    pub dir: &'a DataDir,
    /// The installation's secret.
    pub secret: &'a Secret,
    /// The life of the log.
    pub topic: TopicId,
    /// Of the log.
    pub partitions: PartitionCount,
}

/// One partition's aggregator, and what it takes to open it again.
#[derive(Debug)]
pub struct Seat {
    settings: AggregatorSettings,
    state: std::path::PathBuf,
    reader: Reader<OsDisk>,
    appender: Appender,
    sink: Arc<SharedSink>,
    /// None while the disk refuses; then it is tried again from this instant on.
    aggregator: Result<LocalAggregator, Instant>,
}

impl Aggregators<'_> {
    /// Opens one partition at its last checkpoint.
    ///
    /// # Errors
    /// When its state and the log do not belong together, or either is damaged: each error says what to do.
    pub fn open(
        &self,
        partition: Partition,
        ends: (Reader<OsDisk>, Appender, &Arc<SharedSink>),
    ) -> Result<Seat, StartError> {
        let (reader, appender, sink) = ends;
        let mut seat = Seat {
            settings: self.settings(partition),
            state: self.dir.state(),
            reader,
            appender,
            sink: Arc::clone(sink),
            aggregator: Err(Instant::now()),
        };
        seat.aggregator = Ok(seat.open()?);
        Ok(seat)
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

    fn open(&self) -> Result<LocalAggregator, StartError> {
        let disk = OsDisk::open(&self.state).map_err(crate::installation::InstallationError::from)?;
        let partition = self.partition();
        let ends = (self.reader.clone(), self.appender.clone(), self.sink.of(partition));
        Ok(Aggregator::open(self.settings, ends, &disk, &partition.to_string())?)
    }

    /// One turn of the aggregator. A disk that refuses costs the work since the last checkpoint: the partition is
    /// opened there again, as often as it takes.
    fn turn(&mut self, clock: Clock, shared: &Shared, stop: &Stop) -> Result<Next, StartError> {
        match &mut self.aggregator {
            Ok(aggregator) => match turn(aggregator, clock, shared, stop) {
                Err(error) if is_refusal(&error) => {
                    shared.tell_failure(&name(self.partition()), error.to_string());
                    // Dropped here: it holds the lock of the state.
                    self.aggregator = Err(Instant::now() + PAUSE);
                    Ok(Next::Rest)
                }
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

/// What the disk refuses may pass; what is damaged does not.
const fn is_refusal(error: &PartError) -> bool {
    matches!(
        error,
        PartError::Store { source: StoreError::Disk { .. }, .. }
            | PartError::Log { source: LogError::Disk(_), .. }
    )
}

fn name(partition: Partition) -> String {
    format!("aggregator {partition}")
}

fn turn(
    aggregator: &mut LocalAggregator,
    clock: Clock,
    shared: &Shared,
    stop: &Stop,
) -> Result<Next, PartError> {
    if shared.take_republish(aggregator.status().partition) {
        aggregator.republish();
    }
    let turn = aggregator.turn(clock.now())?;
    shared.tell_partition(aggregator.status());
    match turn {
        Turn::Worked => Ok(Next::Again),
        Turn::Idle { .. } if stop.is_asked() => {
            aggregator.commit(clock.now())?;
            shared.tell_partition(aggregator.status());
            Ok(Next::End)
        }
        Turn::Idle { .. } => Ok(Next::Rest),
    }
}

/// Drives one partition until it is told to stop; then it commits, so that the next start has nothing to refold.
///
/// # Errors
/// When the operating system gives no thread.
pub fn run(
    mut seat: Seat,
    clock: Clock,
    shared: &Arc<Shared>,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    let telling = Arc::clone(shared);
    drive(&name(seat.partition()), shared, move || seat.turn(clock, &telling, &stop))
}
