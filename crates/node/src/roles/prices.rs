//! The shipped price book, sent to every partition in which an older one is in force.
//!
//! An installation outlives the program that began it: a later one brings a newer book. A book is a record of the log
//! and takes effect at its offset; what was counted before keeps its price.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tally_aggregator::Status;
use tally_domain::{Lane, Offset, Partition, Topic};
use tally_log::{AppendLog, LogError, Ticket};
use tally_telemetry::{Counter, Label, Level, Occurrence, Recorder, emit};

use crate::drive::{Next, Stop, drive};
use crate::roles::log::{Appender, shipped_book, shipped_number};
use crate::shared::Shared;

/// How long to leave a partition alone that did not take the book.
const PAUSE: Duration = Duration::from_mins(1);

const SENT: Counter =
    Counter::new("tally_price_books_sent_total", "price books appended, because an older one was in force");

/// Sends one book until every partition has it.
#[derive(Debug)]
struct Sender<A> {
    appender: A,
    number: u32,
    record: Vec<u8>,
    lanes: BTreeMap<Partition, Stage>,
}

/// How far a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The book may lie in the log already, before this offset.
    Reading(Offset),
    /// On its way into the log.
    Appended(Ticket),
    /// In the log, before this offset.
    Durable(Offset),
    /// Refused by the log, or not obeyed: once more, then.
    Waiting(Instant),
}

impl<A: AppendLog> Sender<A> {
    fn new(appender: A, number: u32, record: Vec<u8>) -> Self {
        Self { appender, number, record, lanes: BTreeMap::new() }
    }

    /// Looks at every partition; true when all of them have the book, or a newer one.
    fn turn(&mut self, statuses: &[Status], now: Instant) -> bool {
        self.answers(now);
        let mut all = true;
        for status in statuses {
            if status.price_book < self.number {
                self.send(status, now);
                all = false;
            }
        }
        all
    }

    fn answers(&mut self, now: Instant) {
        let mut decided: Vec<(Ticket, Result<Offset, LogError>)> = Vec::new();
        self.appender.acknowledged(&mut decided);
        for (ticket, result) in decided {
            let asked = self.lanes.values_mut().find(|stage| **stage == Stage::Appended(ticket));
            if let Some(stage) = asked {
                *stage = result.map_or(Stage::Waiting(now + PAUSE), |offset| Stage::Durable(offset.next()));
            }
        }
    }

    fn send(&mut self, status: &Status, now: Instant) {
        let partition = status.partition;
        // What the log held at the start may bring the book by itself.
        let stage = self.lanes.entry(partition).or_insert(Stage::Reading(status.end));
        let due = match *stage {
            Stage::Reading(until) => status.next >= until,
            Stage::Durable(until) if status.next >= until => {
                *stage = Stage::Waiting(now + PAUSE);
                false
            }
            Stage::Appended(_) | Stage::Durable(_) => false,
            Stage::Waiting(until) => now >= until,
        };
        if !due {
            return;
        }
        let lane = Lane { topic: Topic::Usage, partition };
        // A log that is full is asked again at the next turn.
        if let Ok(ticket) = self.appender.append(lane, &[], Some(&self.record)) {
            emit(&BookSent { partition, was: status.price_book, number: self.number });
            self.lanes.insert(partition, Stage::Appended(ticket));
        }
    }
}

/// Sends the shipped book until every partition has it, then ends.
///
/// # Errors
/// When the operating system gives no thread.
pub fn run(
    appender: Appender,
    partitions: usize,
    shared: &Arc<Shared>,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    let mut sender = Sender::new(appender, shipped_number(), shipped_book());
    let asking = Arc::clone(shared);
    drive("price book", shared, move || {
        let statuses = asking.partitions();
        // Partitions come and go where instances share them.
        let done = sender.turn(&statuses, Instant::now()) && statuses.len() == partitions;
        Ok::<_, std::convert::Infallible>(if done || stop.is_asked() { Next::End } else { Next::Rest })
    })
}

/// An older book was in force.
struct BookSent {
    partition: Partition,
    was: u32,
    number: u32,
}

impl Occurrence for BookSent {
    const NAME: &'static str = "newer price book sent";
    const LEVEL: Level = Level::Info;

    fn record(&self, to: &mut dyn Recorder) {
        to.count(&SENT, &[Label::Partition(self.partition.0)], 1);
        to.note("was", &self.was);
        to.note("number", &self.number);
    }
}
