//! A leader that is killed while records are being acknowledged, on three brokers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tally_domain::{Lane, Offset, Partition, Topic};
use tally_log::{AppendLog, LogError, ReadLog, Records};
use tally_log_kafka::{Appender, KafkaConfig, KafkaLog, Reader};
use tally_tests::broker::{Kafka, Plan};

use super::config;

const LANE: Lane = Lane { topic: Topic::Usage, partition: Partition(1) };
/// Records that may wait for their acknowledgement.
const IN_FLIGHT_MAX: u64 = 2_000;
/// Acknowledgements between two deaths.
const BETWEEN: u64 = 5_000;
/// How long the others may take to go on.
const RECOVERY_MAX: Duration = Duration::from_secs(90);

/// What a writer was told: number of the record → offset; and how many appends failed and were repeated.
type Told = (BTreeMap<u64, u64>, u64);

/// Appends the numbers from 0 on until it is stopped, and waits for the last acknowledgement.
fn write(mut appender: Appender, acknowledged: &AtomicU64, stop: &AtomicBool) -> Told {
    let mut told = Told::default();
    let mut waiting: BTreeMap<u64, u64> = BTreeMap::new();
    let mut next = 0_u64;
    let mut decided = Vec::new();
    loop {
        let go_on = !stop.load(Ordering::Relaxed);
        if !go_on && waiting.is_empty() {
            return told;
        }
        while go_on && u64::try_from(waiting.len()).unwrap() < IN_FLIGHT_MAX {
            let Ok(ticket) = appender.append(LANE, b"k", Some(next.to_string().as_bytes())) else { break };
            waiting.insert(ticket.0, next);
            next += 1;
        }
        appender.wait(Duration::from_millis(10));
        appender.acknowledged(&mut decided);
        for (ticket, outcome) in decided.drain(..) {
            let number = waiting.remove(&ticket.0).expect("a ticket is decided once");
            if let Ok(offset) = outcome {
                assert_eq!(told.0.insert(number, offset.get()), None);
            } else {
                told.1 += 1;
                let again = appender.append(LANE, b"k", Some(number.to_string().as_bytes()));
                waiting.insert(again.expect("there is room").0, number);
            }
        }
        acknowledged.store(u64::try_from(told.0.len()).unwrap(), Ordering::Relaxed);
    }
}

/// Reads as a follower does, until it has met `stop` and the end after it.
fn follow(mut reader: Reader, stop: &AtomicBool) -> Vec<(u64, String)> {
    let mut seen: Vec<(u64, String)> = Vec::new();
    let mut records = Records::default();
    loop {
        let stopped = stop.load(Ordering::Relaxed);
        let next = Offset::new(seen.last().map_or(0, |(offset, _)| offset + 1)).unwrap();
        match reader.read(LANE, next, 1 << 16, &mut records) {
            Ok(()) if records.is_empty() && stopped => return seen,
            Ok(()) if records.is_empty() => reader.wait(Duration::from_millis(20)),
            Ok(()) => seen.extend(records.iter().map(|record| {
                (record.offset.get(), String::from_utf8_lossy(record.value.unwrap()).into_owned())
            })),
            // No leader, for a moment.
            Err(LogError::Service { .. }) => {}
            Err(error) => panic!("following: {error}"),
        }
    }
}

fn leader(config: &KafkaConfig) -> i32 {
    let client: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    let until = Instant::now() + RECOVERY_MAX;
    loop {
        let topic = format!("{}usage", config.prefix);
        let found = client.fetch_metadata(Some(&topic), Duration::from_secs(10)).ok();
        let partition =
            found.as_ref().and_then(|found| found.topics()[0].partitions().iter().find(|p| p.id() == 1));
        // Only a leader with a follower in sync may be killed: the third is about to come back.
        if let Some(partition) = partition.filter(|p| p.leader() > 0 && p.isr().len() >= 2) {
            return partition.leader();
        }
        assert!(Instant::now() < until, "the partition has a leader");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_leader_killed_during_acknowledged_appends_loses_nothing_and_doubles_nothing() {
    let started = Instant::now();
    let mut kafka = Kafka::start(&Plan { brokers: 3, ..Plan::default() }).unwrap();
    println!("three brokers formatted and started in {:?}", started.elapsed());
    let config = KafkaConfig { replication: 3, min_insync: 2, ..config(kafka.brokers()) };
    let (log, opened) = KafkaLog::open(config.clone()).unwrap();
    assert_eq!(opened.differs, []);
    let (acknowledged, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (told, followed) = thread::scope(|scope| {
        let writer = scope.spawn(|| write(log.appender(), &acknowledged, &stop));
        let reader = scope.spawn(|| follow(log.reader(), &stop));
        let progress = |from: u64| {
            let until = Instant::now() + RECOVERY_MAX;
            while acknowledged.load(Ordering::Relaxed) < from + BETWEEN {
                assert!(Instant::now() < until, "appends go on after {from}");
                thread::sleep(Duration::from_millis(5));
            }
        };
        for _death in 0..2 {
            progress(acknowledged.load(Ordering::Relaxed));
            let victim = leader(&config);
            kafka.kill(victim);
            let died = Instant::now();
            let at = acknowledged.load(Ordering::Relaxed);
            while acknowledged.load(Ordering::Relaxed) < at + IN_FLIGHT_MAX {
                assert!(died.elapsed() < RECOVERY_MAX, "appends go on after the death of {victim}");
                thread::sleep(Duration::from_millis(5));
            }
            println!("broker {victim} was killed; appends went on after {:?}", died.elapsed());
            kafka.start_again(victim).unwrap();
        }
        progress(acknowledged.load(Ordering::Relaxed));
        stop.store(true, Ordering::Relaxed);
        (writer.join().unwrap(), reader.join().unwrap())
    });
    let (offsets, repeated) = told;
    let all = follow(log.reader(), &AtomicBool::new(true));
    println!("{} records acknowledged, {repeated} appends repeated, {} in the log", offsets.len(), all.len());
    let by_offset: BTreeMap<u64, &String> = all.iter().map(|(offset, value)| (*offset, value)).collect();
    for (number, offset) in &offsets {
        assert_eq!(by_offset.get(offset), Some(&&number.to_string()), "the record acknowledged at {offset}");
    }
    for (offset, value) in &followed {
        assert_eq!(by_offset.get(offset), Some(&value), "what a reader saw at {offset} is still there");
    }
    let numbers: Vec<u64> = all.iter().map(|(_, value)| value.parse().unwrap()).collect();
    let expected: Vec<u64> = (0..u64::try_from(offsets.len()).unwrap()).collect();
    // An append that failed may be in the log all the same: only then may a number be there twice.
    if repeated == 0 {
        assert_eq!(numbers, expected, "each once, in the order of appending");
    }
    assert_eq!(repeated, 0, "an idempotent producer outlives its leader");
}
