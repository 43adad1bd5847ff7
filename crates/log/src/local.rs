//! The local log: durable, in the process that owns the data directory. One writer, many readers.
//!
//! A turn writes what appenders have brought since the last one, one `fdatasync` per lane that was written (group
//! commit), and only then shows it to readers and acknowledges it. What a crash tore is cut off at the next
//! start: it was never acknowledged. Damage among acknowledged records is an error that names the place.

mod appender;
pub(crate) mod batch;
pub(crate) mod catalog;
mod config;
mod inbox;
pub(crate) mod lane;
mod leftovers;
mod meta;
mod reader;
pub(crate) mod segment;

use std::sync::Arc;
use std::time::Duration;

use tally_disk::{Disk, Kind};
use tally_domain::{LogTime, Offset, PartitionCount, TopicId, WallTime};

use crate::error::LogError;
use catalog::{Catalog, lanes};
use inbox::{Inbox, Waiting};
use lane::LaneWriter;

pub use appender::Appender;
pub use config::{Durability, LocalConfig, RetentionDays};
pub use lane::Repair;
pub use reader::Reader;

/// The log of one data directory. Whoever holds it drives it by [`LocalLog::turn`]; everyone else has handles.
#[derive(Debug)]
pub struct LocalLog<D: Disk> {
    pub(crate) disk: D,
    pub(crate) config: LocalConfig,
    topic_id: TopicId,
    repairs: Vec<Repair>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) lanes: Vec<LaneWriter<D>>,
    inbox: Arc<Inbox>,
    /// Empty, with the room of the last turn.
    spare: Vec<Waiting>,
    committed: Option<WallTime>,
    _lock: D::Lock,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Turn {
    /// Records made durable.
    pub records: u64,
    /// Their bytes, as they waited.
    pub bytes: usize,
    /// Lanes written: so many syncs.
    pub lanes: u32,
    /// Records that the disk refused; they are acknowledged with the error.
    pub failed: u64,
    /// Something waits, and is to be written in so many ms ([`LocalConfig::commit_interval_ms`]).
    pub due_in_ms: i64,
}

impl Turn {
    /// True when nothing was to be done.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lanes == 0
    }
}

/// A wait for appends, apart from the log, for the thread that drives it.
#[derive(Clone, Debug)]
pub struct Bell(Arc<Inbox>);

impl Bell {
    /// Waits until something waits to be written, or `at_most` has passed.
    pub fn wait(&self, at_most: Duration) {
        self.0.wait_for_work(at_most);
    }
}

impl<D: Disk> LocalLog<D> {
    /// Opens the log on `disk` (the directory is the log's own), or makes one whose topic id is `fresh`.
    ///
    /// # Errors
    /// Locked by another process; another partition count; damage; what the disk refuses.
    pub fn open(disk: D, config: LocalConfig, fresh: TopicId) -> Result<Self, LogError> {
        config.check()?;
        let lock = disk.lock("log.lock")?;
        let meta = meta::open_or_create(&disk, fresh, config.partitions)?;
        let partitions = PartitionCount::new(meta.partitions).expect("the configured count was checked");
        let catalog = Catalog::new(partitions);
        let mut writers = Vec::new();
        let mut repairs = Vec::new();
        for (index, lane) in lanes(partitions).enumerate() {
            let names = match disk.list(&segment::dir_of(lane)) {
                Err(error) if error.kind == Kind::NotFound => Vec::new(),
                names => names?,
            };
            let recovered = lane::recover(&disk, lane, &names)?;
            catalog.write()[index] = recovered.shown;
            writers.push(recovered.writer);
            repairs.extend(recovered.repair);
        }
        let inbox = Inbox::new(writers.len(), &config);
        let spare = writers.iter().map(|_| Waiting::default()).collect();
        Ok(Self {
            disk,
            config,
            topic_id: meta.topic_id,
            repairs,
            catalog: Arc::new(catalog),
            lanes: writers,
            inbox: Arc::new(inbox),
            spare,
            committed: None,
            _lock: lock,
        })
    }

    /// This life of the log.
    #[must_use]
    pub fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// Partitions of every topic.
    #[must_use]
    pub fn partitions(&self) -> PartitionCount {
        self.catalog.partitions()
    }

    /// What was cut off when the log was opened.
    #[must_use]
    pub fn repairs(&self) -> &[Repair] {
        &self.repairs
    }

    /// A reader for any thread.
    #[must_use]
    pub fn reader(&self) -> Reader<D> {
        Reader::new(self.disk.clone(), Arc::clone(&self.catalog), Arc::clone(&self.inbox))
    }

    /// An appender for any thread.
    #[must_use]
    pub fn appender(&self) -> Appender {
        Appender::new(Arc::clone(&self.inbox), Arc::clone(&self.catalog))
    }

    /// What the thread that drives this log waits on between turns.
    #[must_use]
    pub fn bell(&self) -> Bell {
        Bell(Arc::clone(&self.inbox))
    }

    /// Writes what waits, as appended at `now`; syncs, shows, acknowledges. What the disk refuses is told to
    /// whoever appended it, and tried anew with the next records.
    pub fn turn(&mut self, now: WallTime) -> Turn {
        match self.due_in_ms(now) {
            Some(0) => {}
            later => return Turn { due_in_ms: later.unwrap_or(0), ..Turn::default() },
        }
        self.committed = Some(now);
        let mut spare = std::mem::take(&mut self.spare);
        let bytes = self.inbox.take(&mut spare);
        let appended_at = LogTime::from_ms(now.ms()).expect("both are the years 1 to 9999");
        let mut written: Vec<(usize, Result<Offset, LogError>)> = Vec::new();
        for (index, waiting) in spare.iter_mut().enumerate().filter(|(_, waiting)| waiting.records() > 0) {
            let outcome = self.make_ready(index).and_then(|()| self.lanes[index].write(waiting, appended_at));
            written.push((index, outcome));
        }
        let mut turn = Turn { bytes, ..Turn::default() };
        for (index, outcome) in written {
            let waiting = &mut spare[index];
            let outcome = self.publish(index, outcome);
            turn.lanes += 1;
            let count = if outcome.is_ok() { &mut turn.records } else { &mut turn.failed };
            *count += u64::from(waiting.records());
            self.inbox.decide(waiting, &outcome);
            waiting.clear();
        }
        self.spare = spare;
        self.inbox.settle(bytes);
        turn
    }

    /// When what waits is to be written; `None`: nothing waits.
    fn due_in_ms(&self, now: WallTime) -> Option<i64> {
        let (bytes, records) = self.inbox.waiting();
        let interval_ms = self.config.commit_interval_ms;
        let since_ms = self.committed.map_or(interval_ms, |last| now.ms().saturating_sub(last.ms()));
        // A clock that stepped back must not keep records waiting.
        let at_once = since_ms < 0 || since_ms >= interval_ms || bytes >= self.config.pending_bytes_max / 2;
        (records > 0).then(|| if at_once { 0 } else { interval_ms - since_ms })
    }

    pub(crate) fn make_ready(&mut self, index: usize) -> Result<(), LogError> {
        let begun = {
            let lanes = self.catalog.read();
            self.lanes[index].ready(&self.disk, &lanes[index], self.config.segment_bytes)
        };
        match begun {
            Ok(begun) => {
                self.catalog.write()[index].segments.extend(begun);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn publish(&mut self, index: usize, outcome: Result<Offset, LogError>) -> Result<Offset, LogError> {
        let catalog = &self.catalog;
        let writer = &mut self.lanes[index];
        let outcome = outcome.and_then(|first| {
            writer.publish(self.config.durability, |show| show(&mut catalog.write()[index]))?;
            Ok(first)
        });
        if outcome.is_err() {
            writer.give_up(&catalog.read()[index]);
        }
        outcome
    }
}
