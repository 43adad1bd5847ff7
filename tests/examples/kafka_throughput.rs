//! Measures the log on Kafka: appending, and reading by the batch call against one message a call.
//!
//! `cargo run --release -p tally-tests --example kafka_throughput [records]` starts a broker of its own. Broker and
//! clients share the machine: compare the lines with each other, not with another machine's.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset as Position, TopicPartitionList};
use tally_domain::{Lane, Offset, PartitionCount, Topic, partition_of};
use tally_log::{AppendLog, ReadLog, Records, RetentionDays};
use tally_log_kafka::{Compression, KafkaConfig, KafkaLog, Security};
use tally_tests::broker::{Kafka, Plan};

const PARTITIONS: u16 = 4;
const RECORD_BYTES: usize = 119;

fn main() -> Result<()> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(2_000_000), |given| given.parse())?;
    let started = Instant::now();
    let kafka = Kafka::start(&Plan { brokers: 1, ..Plan::default() })?;
    println!("broker formatted and started in {:.1?}", started.elapsed());
    let (log, _opened) = KafkaLog::open(config(kafka.brokers()))?;
    let took = append(&log, count)?;
    tell("append, idempotent, acks=all", count, took);
    for _round in 0..2 {
        tell("read, the batch call", count, read(&log, count)?);
        tell("read, one message a call", count, poll(&kafka.brokers(), count)?);
    }
    Ok(())
}

fn tell(what: &str, count: u64, took: Duration) {
    let per_s = u128::from(count) * 1_000 / took.as_millis().max(1);
    println!("{what}: {count} records in {took:.1?}, {per_s} a second");
}

fn config(brokers: String) -> KafkaConfig {
    KafkaConfig {
        brokers,
        prefix: "measured.".to_owned(),
        partitions: PARTITIONS,
        replication: 1,
        min_insync: 1,
        retention_days: RetentionDays { usage: 45, outcomes: 45, rejects: 90, alerts: 90 },
        compression: Compression::Zstd,
        linger_ms: 20,
        batch_bytes: 1_000_000,
        delivery_timeout_ms: 120_000,
        answer_timeout_ms: 60_000,
        pending_bytes_max: 64 << 20,
        record_bytes_max: 1 << 20,
        fetch_bytes_max: 256 << 20,
        session_timeout_ms: 10_000,
        release_timeout_ms: 60_000,
        security: Security::default(),
    }
}

fn append(log: &KafkaLog, count: u64) -> Result<Duration> {
    let partitions = PartitionCount::new(PARTITIONS).context("at least one partition")?;
    let started = Instant::now();
    let mut appender = log.appender();
    let mut decided = Vec::new();
    let (mut sent, mut done) = (0, 0);
    while done < count {
        while sent < count {
            let key = sent.to_be_bytes();
            let lane = Lane { topic: Topic::Usage, partition: partition_of(&key, partitions) };
            let value = format!("{:0>width$}", sent, width = RECORD_BYTES - key.len());
            if appender.append(lane, &key, Some(value.as_bytes())).is_err() {
                break;
            }
            sent += 1;
        }
        appender.wait(Duration::from_millis(20));
        appender.acknowledged(&mut decided);
        for (_, outcome) in decided.drain(..) {
            let _offset = outcome?;
            done += 1;
        }
    }
    Ok(started.elapsed())
}

fn read(log: &KafkaLog, count: u64) -> Result<Duration> {
    let partitions = PartitionCount::new(PARTITIONS).context("at least one partition")?;
    let started = Instant::now();
    let mut reader = log.reader();
    let mut next: Vec<(Lane, Offset)> =
        partitions.all().map(|partition| (Lane { topic: Topic::Usage, partition }, Offset::ZERO)).collect();
    let mut records = Records::default();
    let mut seen = 0;
    while seen < count {
        for (lane, from) in &mut next {
            reader.read(*lane, *from, 4 << 20, &mut records)?;
            seen += u64::try_from(records.len())?;
            *from = records.last().map_or(*from, |last| last.offset.next());
        }
    }
    ensure!(seen == count, "{seen} records were read of {count}");
    Ok(started.elapsed())
}

/// The same into the same arena, by the wrapper's own call.
fn poll(brokers: &str, count: u64) -> Result<Duration> {
    let started = Instant::now();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "measured")
        .set("enable.auto.commit", "false")
        .set("fetch.message.max.bytes", "8000000")
        .set("queued.min.messages", "500000")
        .set("queued.max.messages.kbytes", "262144")
        .create()?;
    let mut assigned = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assigned.add_partition_offset("measured.usage", partition.into(), Position::Beginning)?;
    }
    consumer.assign(&assigned)?;
    let mut records = Records::default();
    let mut seen = 0;
    while seen < count {
        let message = consumer.poll(Duration::from_mins(1)).context("a message within a minute")??;
        keep(&message, &mut records)?;
        seen += 1;
        if records.bytes() > 4 << 20 {
            records.clear();
        }
    }
    Ok(started.elapsed())
}

fn keep(message: &impl rdkafka::Message, records: &mut Records) -> Result<()> {
    let offset = Offset::new(u64::try_from(message.offset())?).context("an offset of 48 bits")?;
    let at = message.timestamp().to_millis().and_then(tally_domain::LogTime::from_ms);
    let at = at.context("a time of the years 1 to 9999")?;
    records.push(offset, at, message.key().unwrap_or_default(), message.payload());
    Ok(())
}
