//! The log of an installation, local or on Kafka: the same ports, so that every part is the same code on both.

use std::time::Duration;

use tally_disk::OsDisk;
use tally_domain::{Lane, Offset, PartitionCount, TopicId, WallTime};
use tally_log::local::{self, LocalLog};
use tally_log::{AppendLog, Bounds, Full, LogError, ReadLog, Records, Ticket};
use tally_log_kafka::KafkaLog;

/// The log.
#[derive(Debug)]
pub enum Log {
    /// On this machine's disk; somebody must drive it.
    Local(Box<LocalLog<OsDisk>>),
    /// On Kafka's brokers.
    Kafka(Box<KafkaLog>),
}

/// Reads it.
#[derive(Clone, Debug)]
pub enum Reader {
    /// Files of this machine.
    Local(local::Reader<OsDisk>),
    /// By a client of its own.
    Kafka(Box<tally_log_kafka::Reader>),
}

/// Appends to it. A clone is another appender, with acknowledgements of its own.
#[derive(Clone, Debug)]
pub enum Appender {
    /// By the log's inbox.
    Local(local::Appender),
    /// By the producer of this process.
    Kafka(tally_log_kafka::Appender),
}

impl Log {
    /// This life of the log.
    #[must_use]
    pub fn topic_id(&self) -> TopicId {
        match self {
            Self::Local(log) => log.topic_id(),
            Self::Kafka(log) => log.topic_id(),
        }
    }

    /// Partitions of every topic.
    #[must_use]
    pub fn partitions(&self) -> PartitionCount {
        match self {
            Self::Local(log) => log.partitions(),
            Self::Kafka(log) => log.partitions(),
        }
    }

    /// A reader for any thread.
    #[must_use]
    pub fn reader(&self) -> Reader {
        match self {
            Self::Local(log) => Reader::Local(log.reader()),
            Self::Kafka(log) => Reader::Kafka(Box::new(log.reader())),
        }
    }

    /// An appender for any thread.
    #[must_use]
    pub fn appender(&self) -> Appender {
        match self {
            Self::Local(log) => Appender::Local(log.appender()),
            Self::Kafka(log) => Appender::Kafka(log.appender()),
        }
    }

    /// Sees to it that what was appended is decided soon, before anything drives the log.
    pub(super) fn press(&mut self, appender: &mut Appender, now: WallTime) {
        match self {
            // What it refuses is told with the acknowledgement.
            Self::Local(log) => drop(log.turn(now)),
            Self::Kafka(_) => appender.wait(Duration::from_millis(100)),
        }
    }

    /// How parts go along with it.
    #[must_use]
    pub const fn pace(&self) -> Pace {
        match self {
            Self::Local(_) => Pace { rest: Duration::from_millis(5), goes_on: false },
            // A look at brokers is a question to each of them.
            Self::Kafka(_) => Pace { rest: Duration::from_millis(40), goes_on: true },
        }
    }
}

/// How parts go along with a log.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long one that has nothing to do rests.
    pub rest: Duration,
    /// Others append to it while a process stops: who waits for its end may wait for ever.
    pub goes_on: bool,
}

impl ReadLog for Reader {
    fn read(
        &mut self,
        lane: Lane,
        from: Offset,
        bytes_max: usize,
        into: &mut Records,
    ) -> Result<(), LogError> {
        match self {
            Self::Local(reader) => reader.read(lane, from, bytes_max, into),
            Self::Kafka(reader) => reader.read(lane, from, bytes_max, into),
        }
    }

    fn bounds(&mut self, lane: Lane) -> Result<Bounds, LogError> {
        match self {
            Self::Local(reader) => reader.bounds(lane),
            Self::Kafka(reader) => reader.bounds(lane),
        }
    }

    fn offset_for_time(&mut self, lane: Lane, at_ms: i64) -> Result<Offset, LogError> {
        match self {
            Self::Local(reader) => reader.offset_for_time(lane, at_ms),
            Self::Kafka(reader) => reader.offset_for_time(lane, at_ms),
        }
    }
}

impl Appender {
    /// Waits until something was decided that [`AppendLog::acknowledged`] has not told yet, or `at_most` has passed.
    pub fn wait(&mut self, at_most: Duration) {
        match self {
            Self::Local(appender) => appender.wait(at_most),
            Self::Kafka(appender) => appender.wait(at_most),
        }
    }
}

impl AppendLog for Appender {
    fn append(&mut self, lane: Lane, key: &[u8], value: Option<&[u8]>) -> Result<Ticket, Full> {
        match self {
            Self::Local(appender) => appender.append(lane, key, value),
            Self::Kafka(appender) => appender.append(lane, key, value),
        }
    }

    fn acknowledged(&mut self, into: &mut Vec<(Ticket, Result<Offset, LogError>)>) {
        match self {
            Self::Local(appender) => appender.acknowledged(into),
            Self::Kafka(appender) => appender.acknowledged(into),
        }
    }
}
