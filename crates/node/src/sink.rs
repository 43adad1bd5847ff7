//! One ClickHouse writer for all partitions of a process: what they submit while it writes goes into its next
//! insert together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tally_aggregator::{Answer, Full, Observed, SinkError, Ticket};
use tally_clickhouse::{Database, Life, Outcome, Sink};
use tally_domain::published::Rows;
use tally_domain::{Partition, Version};
use tokio::sync::Notify;

/// The writer and what waits to be told.
#[derive(Debug)]
pub struct SharedSink {
    inner: Mutex<Inner>,
    /// Rang when rows were refused for another life than the server's.
    refused: Notify,
}

#[derive(Debug)]
struct Inner {
    sink: Sink,
    submitted_by: BTreeMap<tally_clickhouse::Ticket, Partition>,
    answers: BTreeMap<Partition, Vec<Answer>>,
    observed: BTreeMap<Partition, Observed>,
    refused: BTreeSet<Partition>,
}

impl SharedSink {
    /// Starts the writer.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(database: Database) -> std::io::Result<Arc<Self>> {
        let inner = Inner {
            sink: Sink::start(database)?,
            submitted_by: BTreeMap::new(),
            answers: BTreeMap::new(),
            observed: BTreeMap::new(),
            refused: BTreeSet::new(),
        };
        Ok(Arc::new(Self { inner: Mutex::new(inner), refused: Notify::new() }))
    }

    /// The end that one partition holds.
    #[must_use]
    pub fn of(self: &Arc<Self>, partition: Partition) -> PartitionSink {
        PartitionSink { shared: Arc::clone(self), partition }
    }

    /// Tells every partition what ClickHouse shows of it: the life of the server and the progress it holds.
    pub fn show(
        &self,
        life: Life,
        progress: impl Fn(Partition) -> Option<Version>,
        partitions: impl Iterator<Item = Partition>,
    ) {
        let mut inner = self.lock();
        for partition in partitions {
            inner.observed.insert(partition, Observed { life: life.0, progress: progress(partition) });
        }
    }

    /// Waits until rows are refused because ClickHouse is in another life than whoever sent them believes.
    pub async fn refused(&self) {
        self.refused.notified().await;
    }

    /// Whose rows were refused so since the last call.
    pub(crate) fn take_refused(&self) -> BTreeSet<Partition> {
        std::mem::take(&mut self.lock().refused)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change below is complete before the lock is given back, whatever the holder did then.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a partition's aggregator publishes through.
#[derive(Debug)]
pub struct PartitionSink {
    shared: Arc<SharedSink>,
    partition: Partition,
}

impl tally_aggregator::Sink for PartitionSink {
    fn submit(&mut self, rows: Rows, life: u64) -> Result<Ticket, Full> {
        let mut inner = self.shared.lock();
        let ticket = inner.sink.submit(rows, Life(life)).map_err(|full| Full(full.0))?;
        inner.submitted_by.insert(ticket, self.partition);
        Ok(Ticket(ticket.0))
    }

    fn acknowledged(&mut self, into: &mut Vec<Answer>) {
        let mut inner = self.shared.lock();
        let mut outcomes = Vec::new();
        inner.sink.acknowledged(&mut outcomes);
        for Outcome { ticket, result, .. } in outcomes {
            let Some(partition) = inner.submitted_by.remove(&ticket) else { continue };
            if result.as_ref().is_err_and(|error| error.is_another_life()) {
                inner.refused.insert(partition);
                self.shared.refused.notify_one();
            }
            let result = result.map_err(|error| SinkError(error.to_string()));
            inner.answers.entry(partition).or_default().push(Answer { ticket: Ticket(ticket.0), result });
        }
        into.append(inner.answers.entry(self.partition).or_default());
    }

    fn observed(&mut self) -> Option<Observed> {
        self.shared.lock().observed.remove(&self.partition)
    }
}
