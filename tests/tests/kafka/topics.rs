//! Topics that are there already, that differ, that lose their beginning, and that are made anew; and the partitioner.

use std::time::{Duration, Instant};

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset as Position, TopicPartitionList};
use tally_domain::{Lane, Offset, Partition, PartitionCount, Topic, partition_of};
use tally_log::contract::PARTITIONS;
use tally_log::{AppendLog, LogError, ReadLog, Records};
use tally_log_kafka::{Difference, KafkaConfig, KafkaLog, OpenError, Weight};
use tally_tests::broker::{Kafka, Plan};

use super::config;

const LANE: Lane = Lane { topic: Topic::Usage, partition: Partition(0) };

#[test]
fn topics_are_held_against_what_is_wanted_and_known_by_their_ids() {
    let kafka = Kafka::start(&Plan { brokers: 1, ..Plan::default() }).unwrap();
    let brokers = kafka.brokers();
    topics_that_would_break_the_promise_are_refused(&config(brokers.clone()));
    topics_that_weaken_it_are_shown_with_the_commands(&config(brokers.clone()));
    a_log_whose_beginning_is_gone_is_told(&config(brokers.clone()));
    a_topic_that_was_made_anew_is_noticed(&config(brokers.clone()));
    keys_lie_where_every_client_of_kafka_puts_them(&config(brokers.clone()));
    what_was_not_committed_is_not_read(&config(brokers));
}

fn admin(config: &KafkaConfig) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap()
}

fn make(config: &KafkaConfig, topic: Topic, partitions: i32, settings: &[(&str, &str)]) {
    let name = config.topic(topic);
    let made = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
    let made = settings.iter().fold(made, |made, (key, value)| made.set(key, value));
    block_on(admin(config).create_topics([&made], &AdminOptions::new())).unwrap()[0].clone().unwrap();
}

fn append(log: &KafkaLog, lane: Lane, values: &[&str]) {
    let mut appender = log.appender();
    for value in values {
        appender.append(lane, value.as_bytes(), Some(value.as_bytes())).unwrap();
    }
    let until = Instant::now() + Duration::from_mins(1);
    let mut decided = Vec::new();
    while decided.len() < values.len() {
        assert!(Instant::now() < until, "appends are acknowledged");
        appender.wait(Duration::from_millis(50));
        appender.acknowledged(&mut decided);
    }
    assert!(decided.iter().all(|(_, outcome)| outcome.is_ok()), "{decided:?}");
}

fn settings_of(differs: &[Difference]) -> Vec<(&str, &str)> {
    differs.iter().map(|differs| (differs.setting, differs.found.as_str())).collect()
}

fn topics_that_would_break_the_promise_are_refused(config: &KafkaConfig) {
    make(config, Topic::Usage, 1, &[("retention.ms", "86400000")]);
    let Err(OpenError::Contradicts(differs)) = KafkaLog::open(config.clone()) else {
        panic!("a topic that forgets after a day is no log")
    };
    assert!(differs.iter().all(|differs| differs.weight == Weight::Breaks));
    let expected =
        [("partitions", "1"), ("message.timestamp.type", "CreateTime"), ("retention.ms", "86400000")];
    assert_eq!(settings_of(&differs), expected);
    let told = OpenError::Contradicts(differs).to_string();
    let command = format!("--alter --entity-type topics --entity-name {}usage --add-config", config.prefix);
    assert!(told.contains(&command), "{told}");
}

fn topics_that_weaken_it_are_shown_with_the_commands(config: &KafkaConfig) {
    let settings = [("message.timestamp.type", "LogAppendTime"), ("retention.ms", "3600000")];
    make(config, Topic::Rejects, PARTITIONS.into(), &settings);
    let (_log, opened) = KafkaLog::open(config.clone()).unwrap();
    assert_eq!(opened.created.len(), 5);
    assert_eq!(settings_of(&opened.differs), [("retention.ms", "3600000")]);
    assert!(opened.differs[0].command.ends_with("--add-config retention.ms=7776000000"));
}

/// By a reader that comes, and by one that is on its way.
fn a_log_whose_beginning_is_gone_is_told(config: &KafkaConfig) {
    let (log, _) = KafkaLog::open(config.clone()).unwrap();
    append(&log, LANE, &["a", "b", "c", "d"]);
    let mut on_its_way = log.reader();
    let mut records = Records::default();
    on_its_way.read(LANE, Offset::ZERO, 1, &mut records).unwrap();
    assert_eq!(records.len(), 1);
    let mut gone = TopicPartitionList::new();
    gone.add_partition_offset(&config.topic(Topic::Usage), 0, Position::Offset(3)).unwrap();
    block_on(admin(config).delete_records(&gone, &AdminOptions::new())).unwrap();
    let three = Offset::new(3).unwrap();
    let told = |error| matches!(error, LogError::BelowStart { lane: LANE, start, .. } if start == three);
    assert!(log.reader().read(LANE, Offset::ZERO, 1, &mut records).is_err_and(told));
    assert!(records.is_empty());
    // What this one fetched before is still true, and it goes on from there.
    on_its_way.read(LANE, Offset::ZERO.next(), 1 << 20, &mut records).unwrap();
    assert_eq!(records.last().map(|record| record.offset.get()), Some(3));
    assert!(on_its_way.read(LANE, Offset::ZERO.next(), 1, &mut records).is_err_and(told));
}

fn a_topic_that_was_made_anew_is_noticed(config: &KafkaConfig) {
    let (log, _) = KafkaLog::open(config.clone()).unwrap();
    append(&log, LANE, &["a", "b"]);
    let mut reader = log.reader();
    let mut records = Records::default();
    reader.read(LANE, Offset::ZERO, 1 << 20, &mut records).unwrap();
    assert_eq!(records.len(), 2);
    let names = Topic::ALL.map(|topic| config.topic(topic));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    block_on(admin(config).delete_topics(&names, &AdminOptions::new())).unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    let anew = loop {
        match KafkaLog::open(config.clone()) {
            Ok((anew, opened)) if opened.created.len() == 6 => break anew,
            // Topics end one after the other.
            other => assert!(Instant::now() < until, "{:?}", other.err()),
        }
    };
    assert_ne!(anew.topic_id(), log.topic_id());
    append(&anew, LANE, &["x", "y", "z"]);
    let from = Offset::new(2).unwrap();
    // Until the second is over for which a topic is believed to be the same, nothing or this error may come.
    let told = loop {
        match reader.read(LANE, from, 1 << 20, &mut records) {
            Err(error) => break error,
            Ok(()) => assert!(Instant::now() < until, "another topic is noticed"),
        }
    };
    let (known, found) = (log.topic_id(), anew.topic_id());
    assert!(
        matches!(&told, LogError::Recreated { known: k, found: f, .. } if (*k, *f) == (known, found)),
        "{told}"
    );
    assert!(records.is_empty());
}

/// librdkafka's murmur2, which is Java's, and ours; and not what librdkafka does when nobody pins it.
fn keys_lie_where_every_client_of_kafka_puts_them(config: &KafkaConfig) {
    let (log, _) = KafkaLog::open(config.clone()).unwrap();
    let keys: Vec<Vec<u8>> =
        (0..200_u32).map(|i| i.to_le_bytes().repeat(usize::try_from(i % 5).unwrap())).collect();
    let count = PartitionCount::new(PARTITIONS).unwrap();
    for (partitioner, topic) in [("murmur2_random", Topic::Usage), ("consistent_random", Topic::Rejects)] {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &config.brokers)
            .set("partitioner", partitioner)
            .create()
            .unwrap();
        let name = config.topic(topic);
        for key in &keys {
            producer.send(BaseRecord::to(&name).key(key).payload("")).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_mins(1)).unwrap();
        let mut misrouted = 0;
        let mut read = 0;
        for partition in count.all() {
            let mut records = Records::default();
            log.reader().read(Lane { topic, partition }, Offset::ZERO, 1 << 20, &mut records).unwrap();
            read += records.len();
            misrouted += records.iter().filter(|record| partition_of(record.key, count) != partition).count();
        }
        assert_eq!(read, keys.len());
        assert_eq!(misrouted > 0, topic == Topic::Rejects, "{partitioner}: {misrouted} of {read}");
    }
}

/// A foreign producer's transaction: invisible while it is open, and where it was aborted nothing but a gap.
fn what_was_not_committed_is_not_read(config: &KafkaConfig) {
    let (log, _) = KafkaLog::open(config.clone()).unwrap();
    append(&log, LANE, &["a"]);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        .set("transactional.id", &config.prefix)
        .create()
        .unwrap();
    let at_most = Duration::from_mins(1);
    producer.init_transactions(at_most).unwrap();
    producer.begin_transaction().unwrap();
    let name = config.topic(Topic::Usage);
    producer.send(BaseRecord::to(&name).partition(0).key("k").payload("never")).map_err(|(e, _)| e).unwrap();
    producer.flush(at_most).unwrap();
    let mut reader = log.reader();
    let mut records = Records::default();
    reader.read(LANE, Offset::ZERO, 1 << 20, &mut records).unwrap();
    assert_eq!(records.len(), 1, "an open transaction is not durable");
    reader.read(LANE, Offset::ZERO.next(), 1 << 20, &mut records).unwrap();
    assert!(records.is_empty());
    producer.abort_transaction(at_most).unwrap();
    append(&log, LANE, &["b"]);
    // The mark of the end lies before or behind it; until it is there, nothing after the beginning is shown.
    let until = Instant::now() + at_most;
    while records.is_empty() {
        assert!(Instant::now() < until, "an aborted transaction hides nothing but itself");
        reader.read(LANE, Offset::ZERO.next(), 1 << 20, &mut records).unwrap();
    }
    assert_eq!(records.iter().map(|record| record.key).collect::<Vec<_>>(), [b"b"]);
    let next = records.last().unwrap().offset.next();
    reader.read(LANE, next, 1 << 20, &mut records).unwrap();
    assert!(records.is_empty(), "behind it is nothing but the mark");
}
