//! A collector on a port of its own that can die and come back on the same log, and what the log holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tally_collector::{CollectorConfig, Identities, Ingest, Run, desk, drive, router};
use tally_disk::MemoryDisk;
use tally_domain::{
    Entry, Epoch, EventKey, Hash128, Lane, Offset, PartitionCount, ProducerId, Secret, Topic, TopicId,
    UsageEvent, WallTime,
};
use tally_log::{Durability, LocalConfig, LocalLog, ReadLog, Records, RetentionDays};

const NOW_MS: i64 = 1_771_000_000_000;

fn now() -> WallTime {
    WallTime::from_ms(NOW_MS).unwrap()
}

fn count() -> PartitionCount {
    PartitionCount::new(2).unwrap()
}

fn open(disk: &MemoryDisk) -> LocalLog<MemoryDisk> {
    let config = LocalConfig {
        partitions: count().get(),
        durability: Durability::Synced,
        commit_interval_ms: 0,
        segment_bytes: 64 << 20,
        batch_bytes: 64 << 10,
        pending_bytes_max: 4 << 20,
        record_bytes_max: 4 << 20,
        retention_days: RetentionDays { usage: 38, outcomes: 38, rejects: 90, alerts: 90 },
        tombstone_hours: 24,
        compact_percent: 50,
    };
    LocalLog::open(disk.clone(), config, TopicId(Hash128([1; 16]))).unwrap()
}

/// An address on which nothing listens yet.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A collector that listens. Dropping it is a death: connections break, requests in flight stay unanswered.
pub(crate) struct Collector {
    stop: Arc<AtomicBool>,
    runtime: Option<tokio::runtime::Runtime>,
    threads: Vec<JoinHandle<()>>,
}

impl Collector {
    pub(crate) fn start(address: SocketAddr, disk: &MemoryDisk) -> Self {
        let config = CollectorConfig {
            body_bytes_max: 64 << 10,
            events_max: 100,
            requests_max: 8,
            pending_bytes_max: 8 << 20,
            answer_ms_max: 20_000,
        };
        let mut log = open(disk);
        let mut identities = Identities::default();
        identities.follow(&mut log.reader(), count()).unwrap();
        let run = Run { producer: ProducerId(Hash128([9; 16])), epoch: Epoch(5) };
        let ingest = Ingest::new(log.appender(), count(), run, identities, config.pending_bytes_max);
        let bell = log.bell();
        let stop = Arc::new(AtomicBool::new(false));
        let stop_too = Arc::clone(&stop);
        let turning = thread::spawn(move || {
            while !stop_too.load(Ordering::Acquire) {
                bell.wait(Duration::from_millis(5));
                let _turn = log.turn(now());
            }
        });
        let (desk, requests) = desk(&config);
        let driving = thread::spawn(move || drive(ingest, &requests, now));
        let app = router(desk, Secret::new([7; 32]), config);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = bind(address);
        listener.set_nonblocking(true).unwrap();
        drop(runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        }));
        Self { stop, runtime: Some(runtime), threads: vec![driving, turning] }
    }
}

/// Takes an address again, which the system may give back a moment late.
fn bind(address: SocketAddr) -> TcpListener {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match TcpListener::bind(address) {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < deadline, "binding {address}: {error}"),
        }
        thread::yield_now();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_timeout(Duration::ZERO);
        let driving = self.threads.remove(0);
        driving.join().unwrap();
        self.stop.store(true, Ordering::Release);
        self.threads.remove(0).join().unwrap();
    }
}

/// What the log holds.
#[derive(Default)]
pub(crate) struct Held {
    /// The first copy of each event.
    pub(crate) events: BTreeMap<EventKey, UsageEvent>,
    /// All copies.
    pub(crate) copies: usize,
    pub(crate) rejects: usize,
}

pub(crate) fn held(disk: &MemoryDisk) -> Held {
    let log = open(disk);
    let mut reader = log.reader();
    let mut records = Records::default();
    let mut held = Held::default();
    for (topic, partition) in
        [Topic::Usage, Topic::Rejects].into_iter().flat_map(|t| count().all().map(move |p| (t, p)))
    {
        let mut next = Offset::ZERO;
        loop {
            reader.read(Lane { topic, partition }, next, 1 << 20, &mut records).unwrap();
            let Some(last) = records.last() else { break };
            next = last.offset.next();
            for record in records.iter() {
                if topic == Topic::Rejects {
                    held.rejects += 1;
                    continue;
                }
                let Ok(Entry::Usage(event)) = tally_schema::decode(record.value.unwrap()) else {
                    panic!("no usage")
                };
                held.copies += 1;
                let key = event.event_key();
                let event = event.to_owned();
                let first = held.events.entry(key).or_insert_with(|| event.clone());
                assert_eq!(*first, event, "a copy says what the first one said, numbers included");
            }
        }
    }
    held
}

impl Held {
    /// Checks that the numbers of every account and epoch are dense from 1.
    pub(crate) fn assert_dense(&self) {
        let mut numbers: BTreeMap<_, BTreeSet<i64>> = BTreeMap::new();
        for event in self.events.values() {
            let run = (event.account, event.producer, event.epoch);
            assert!(numbers.entry(run).or_default().insert(event.sequence.0), "a number is given twice");
        }
        for (run, numbers) in numbers {
            let dense: BTreeSet<i64> = (1..=i64::try_from(numbers.len()).unwrap()).collect();
            assert_eq!(numbers, dense, "of {run:?}");
        }
    }
}
