//! An installation whose log is on Kafka: in one process, and every part in a process of its own.

#![cfg(test)]

mod apart;
mod follows;
mod refused;
mod whole;

use std::time::{SystemTime, UNIX_EPOCH};

use tally_tests::broker::{Kafka, Plan};
use tally_tests::ledger::{Event, Producer, WINDOWS};

const MINUTE_MS: i64 = 60_000;

fn brokers() -> Kafka {
    Kafka::start(&Plan { brokers: 1, ..Plan::default() }).unwrap()
}

/// Settings of every process on these brokers: few partitions, short intervals.
const SETTINGS: [(&str, &str); 6] = [
    ("TALLY__KAFKA__PARTITIONS", "4"),
    ("TALLY__KAFKA__REPLICATION", "1"),
    ("TALLY__KAFKA__MIN_INSYNC", "1"),
    ("TALLY__STORE__CHECKPOINT_INTERVAL_S", "1"),
    ("TALLY__RANKER__SNAPSHOT_INTERVAL_S", "1"),
    ("TALLY__DIAGNOSTICS__FILTER", "warn"),
];

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Batches whose events no window gains or loses within the hour: the clock of these tests goes on.
struct Usage {
    producer: Producer,
    begun_ms: i64,
}

impl Usage {
    fn new(seed: u64) -> Self {
        let begun_ms = now_ms();
        Self { producer: Producer::new(seed, begun_ms - 2 * MINUTE_MS), begun_ms }
    }

    fn batch(&mut self) -> Vec<Event> {
        let mut batch = self.producer.batch();
        batch.retain(|event| {
            let age_minutes = (self.begun_ms - event.at_ms) / MINUTE_MS;
            let leaves = |minutes: i64| (minutes - 60..=minutes + 1).contains(&age_minutes);
            !WINDOWS.iter().filter_map(|(_, minutes)| *minutes).any(leaves)
        });
        batch
    }
}
