//! The aggregators: a thread for each partition, all publishing through one writer.

use std::sync::Arc;
use std::thread::JoinHandle;

use tally_aggregator::{Aggregator, AggregatorSettings, Cadence, PartError, Turn};
use tally_disk::OsDisk;
use tally_domain::{Partition, PartitionCount, Secret, TopicId};
use tally_fold::{Acceptance, Settings};
use tally_log::local::{Appender, Reader};
use tally_store::StoreSettings;

use crate::clock::Clock;
use crate::config::Config;
use crate::drive::{Next, Stop, drive};
use crate::installation::DataDir;
use crate::shared::Shared;
use crate::sink::{PartitionSink, SharedSink};
use crate::supervise::StartError;

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

impl Aggregators<'_> {
    /// Opens one partition at its last checkpoint.
    ///
    /// # Errors
    /// When its state and the log do not belong together, or either is damaged: each error says what to do.
    pub fn open(
        &self,
        partition: Partition,
        ends: (Reader<OsDisk>, Appender, &Arc<SharedSink>),
    ) -> Result<LocalAggregator, StartError> {
        let (reader, appender, sink) = ends;
        let disk = OsDisk::open(self.dir.state()).map_err(crate::installation::InstallationError::from)?;
        let ends = (reader, appender, sink.of(partition));
        Ok(Aggregator::open(self.settings(partition), ends, &disk, &partition.to_string())?)
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

/// Drives one partition until it is told to stop; then it commits, so that the next start has nothing to refold.
///
/// # Errors
/// When the operating system gives no thread.
pub fn run(
    mut aggregator: LocalAggregator,
    clock: Clock,
    shared: &Arc<Shared>,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    let name = format!("aggregator {}", aggregator.status().partition);
    let telling = Arc::clone(shared);
    drive(&name, shared, move || {
        let turn = aggregator.turn(clock.now())?;
        telling.tell_partition(aggregator.status());
        match turn {
            Turn::Worked => Ok(Next::Again),
            Turn::Idle { .. } if stop.is_asked() => {
                aggregator.commit(clock.now())?;
                telling.tell_partition(aggregator.status());
                Ok(Next::End)
            }
            Turn::Idle { .. } => Ok::<_, PartError>(Next::Rest),
        }
    })
}
