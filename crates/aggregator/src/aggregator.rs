//! One partition, and its turn.

use crate::commit::Commits;
use crate::decode::{self, Decoded};
use crate::error::PartError;
use crate::heartbeat::Heartbeats;
use crate::occurrences::ClockAhead;
use crate::publish::Publisher;
use crate::rejects::Rejects;
use crate::settings::AggregatorSettings;
use crate::sink::Sink;
use crate::totals::TotalsTopic;
use crate::{admit, control, recall, window};
use tally_disk::Disk;
use tally_domain::event::FUTURE_TOLERANCE_MS;
use tally_domain::planted::{self, Bug};
use tally_domain::{Lane, LogTime, Topic, WallTime};
use tally_fold::{Batch, Changes, Fold, Moving, Recalled};
use tally_log::{AppendLog, Bounds, ReadLog, Records};
use tally_store::Store;
use tally_telemetry::emit;
use tracing::trace_span;

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// Something: the next turn may follow at once.
    Worked,
    /// Nothing: there is no need to come back before that, unless the log grows or an answer comes.
    Idle {
        /// By the clock of the turn.
        until: WallTime,
    },
}

/// Folds one partition of the log, keeps its state, publishes what it says.
#[derive(Debug)]
pub struct Aggregator<L, A, K, D: Disk> {
    pub(crate) settings: AggregatorSettings,
    pub(crate) log: L,
    pub(crate) appender: A,
    pub(crate) sink: K,
    pub(crate) store: Store<D>,
    pub(crate) fold: Fold,
    pub(crate) bounds: Bounds,
    pub(crate) waits_for: Option<LogTime>,
    pub(crate) commits: Commits,
    pub(crate) publisher: Publisher,
    pub(crate) totals: TotalsTopic,
    pub(crate) rejects: Rejects,
    pub(crate) heartbeats: Heartbeats,
    pub(crate) work: Work,
}

/// Room to work in, kept from turn to turn.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) records: Records,
    /// How many of `records` are folded.
    pub(crate) done: usize,
    pub(crate) batch: Batch,
    pub(crate) recalled: Recalled,
    pub(crate) changes: Changes,
    pub(crate) moving: Moving,
    pub(crate) decided: Vec<(tally_log::Ticket, Result<tally_domain::Offset, tally_log::LogError>)>,
}

impl<L: ReadLog, A: AppendLog, K: Sink, D: Disk> Aggregator<L, A, K, D> {
    /// One bounded piece of work: take answers, fold what was read, commit, publish.
    ///
    /// # Errors
    /// The partition stops; it may be opened again from its last checkpoint.
    pub fn turn(&mut self, now: WallTime) -> Result<Turn, PartError> {
        self.answers(now);
        let folded = self.fold_some(now)?;
        let published = self.publish(now)?;
        let committed = self.commit_if_due(now, folded)?;
        self.heartbeat(now);
        let merged = (!folded || self.has_many_runs()) && self.merge()?;
        if folded || published || committed || merged {
            self.commits.worked();
            return Ok(Turn::Worked);
        }
        self.commits.idled();
        Ok(Turn::Idle { until: now.plus_ms(self.settings.cadence.idle_ms) })
    }

    /// What the log and the sink have answered since the last turn.
    fn answers(&mut self, now: WallTime) {
        let _step = trace_span!("answers").entered();
        let mut decided = std::mem::take(&mut self.work.decided);
        self.appender.acknowledged(&mut decided);
        let mut acknowledged = false;
        for (ticket, result) in decided.drain(..) {
            self.rejects.answered(ticket, &result);
            acknowledged |= self.totals.answered(ticket, &result, &mut self.fold, now);
        }
        self.work.decided = decided;
        acknowledged |= self.publisher.answers(&mut self.sink, &mut self.fold, now);
        if acknowledged {
            self.commits.changed();
        }
        let lane = self.lane(Topic::Rejects);
        self.rejects.append(&mut self.appender, lane);
    }

    pub(crate) fn lane(&self, topic: Topic) -> Lane {
        Lane { topic, partition: self.settings.fold.acceptance.partition }
    }

    /// Folds what one read of the log gave, batch by batch. True when anything was folded.
    fn fold_some(&mut self, now: WallTime) -> Result<bool, PartError> {
        if self.rejects.is_crowded() {
            return Ok(false);
        }
        if planted::is(Bug::ClockByTicks) {
            window::raise(self, self.fold.log_time().after(now.ms()), self.fold.next())?;
        }
        self.read()?;
        let latest = now.plus_ms(FUTURE_TOLERANCE_MS);
        self.waits_for = None;
        let mut folded = false;
        while self.work.done < self.work.records.len() {
            match self.decode(latest) {
                Decoded::Batch => self.fold_batch()?,
                Decoded::Control => self.fold_control()?,
                Decoded::Ahead(log_time) => {
                    self.wait_for(log_time, now);
                    break;
                }
            }
            folded = true;
        }
        Ok(folded)
    }

    fn decode(&mut self, latest: WallTime) -> Decoded {
        let _step = trace_span!("decode").entered();
        decode::decode(&mut self.fold, &mut self.work, latest, self.settings.cadence.batch_events_max)
    }

    fn read(&mut self) -> Result<(), PartError> {
        let lane = self.lane(Topic::Usage);
        if self.work.done < self.work.records.len() {
            return Ok(());
        }
        let _step = trace_span!("read").entered();
        let bytes_max = self.settings.cadence.read_bytes_max;
        let mut next = self.fold.next();
        if planted::is(Bug::GapSkipped) || planted::is(Bug::RebuildFromTruncated) {
            next = next.max(self.bounds.start);
        }
        let read = self.log.read(lane, next, bytes_max, &mut self.work.records);
        self.work.done = 0;
        let bounds = read.and_then(|()| self.log.bounds(lane));
        self.bounds = bounds.map_err(|source| PartError::Log { partition: lane.partition, source })?;
        Ok(())
    }

    /// recall, admit (with price and window inside the fold), absorb.
    fn fold_batch(&mut self) -> Result<(), PartError> {
        self.begun()?;
        window::raise(self, self.work.batch.log_time, self.work.batch.first)?;
        recall::recall(self)?;
        admit::admit(self)
    }

    fn fold_control(&mut self) -> Result<(), PartError> {
        let record = self.work.records.get(self.work.done).expect("decode stopped before this record");
        let log_time = self.fold.log_time().after(record.appended_at.ms());
        let offset = record.offset;
        window::raise(self, log_time, offset)?;
        control::control(self)
    }

    /// Usage follows barrier 1, or the log was not begun as it should be.
    fn begun(&self) -> Result<(), PartError> {
        if self.fold.version().incarnation().0 > 0 {
            return Ok(());
        }
        let partition = self.settings.fold.acceptance.partition;
        Err(PartError::NoBarrier { partition, offset: self.work.batch.first })
    }

    fn wait_for(&mut self, log_time: LogTime, now: WallTime) {
        self.waits_for = Some(log_time);
        let partition = self.settings.fold.acceptance.partition.0;
        if self.heartbeats.alarm(now) {
            emit(&ClockAhead { partition, offset: self.fold.next(), log_time, now });
        }
    }
}
