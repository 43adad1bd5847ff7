//! The suite that every log passes.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tally_domain::{Lane, Offset};
use tally_log::contract::{Subject, check_all};
use tally_log::{ReadLog, Records};
use tally_log_kafka::{Appender, KafkaConfig, KafkaLog, Opened, Reader};
use tally_tests::broker::{Kafka, Plan};

use super::config;

/// How long the brokers' cleaner may take.
const COMPACTION_MAX: Duration = Duration::from_mins(1);

struct OnKafka {
    kafka: Rc<RefCell<Kafka>>,
    config: KafkaConfig,
    log: KafkaLog,
}

impl OnKafka {
    fn new(kafka: &Rc<RefCell<Kafka>>) -> Self {
        // Several batches make several segments: the cleaner never touches the one that is appended to.
        let config = KafkaConfig { batch_bytes: 1_000, ..config(kafka.borrow().brokers()) };
        let (log, opened) = KafkaLog::open(config.clone()).unwrap();
        assert_eq!((opened.created.len(), opened.differs), (6, vec![]));
        Self { kafka: Rc::clone(kafka), config, log }
    }
}

impl Subject for OnKafka {
    type Reader = Reader;
    type Appender = Appender;

    fn reader(&mut self) -> Reader {
        self.log.reader()
    }
    fn appender(&mut self) -> Appender {
        self.log.appender()
    }
    fn turn(&mut self) {
        std::thread::sleep(Duration::from_millis(1));
    }
    /// The broker too.
    fn restart(self) -> Self {
        let Self { kafka, config, log } = self;
        drop(log);
        kafka.borrow_mut().stop(1).unwrap();
        kafka.borrow_mut().start_again(1).unwrap();
        let (log, opened) = KafkaLog::open(config.clone()).unwrap();
        assert_eq!(opened, Opened::default());
        Self { kafka, config, log }
    }
    fn compact(&mut self, lane: Lane) {
        let count = |reader: &mut Reader| {
            let mut records = Records::default();
            reader.read(lane, Offset::ZERO, 1 << 20, &mut records).unwrap();
            records.len()
        };
        let before = count(&mut self.log.reader());
        let until = Instant::now() + COMPACTION_MAX;
        while count(&mut self.log.reader()) == before {
            assert!(Instant::now() < until, "the broker compacts {lane}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
fn the_log_on_kafka_keeps_the_contract() {
    // Segments end at once, and the cleaner looks at them at once: what takes a broker days takes a second.
    let at_once =
        [("log.roll.ms", "1"), ("log.cleaner.backoff.ms", "100"), ("log.cleaner.min.cleanable.ratio", "0.0")];
    let settings = at_once.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let started = Instant::now();
    let kafka = Kafka::start(&Plan { brokers: 1, settings, ..Plan::default() }).unwrap();
    println!("a broker formatted and started in {:?}", started.elapsed());
    let kafka = Rc::new(RefCell::new(kafka));
    check_all(|| OnKafka::new(&kafka));
}
