//! A local log in memory, and a collector on a free port before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tally_collector::{CollectorConfig, Identities, Ingest, Run, desk, drive, router};
use tally_disk::MemoryDisk;
use tally_domain::{
    Epoch, Hash128, Lane, Offset, PartitionCount, ProducerId, Secret, Topic, TopicId, WallTime,
};
use tally_log::{Appender, Durability, LocalConfig, LocalLog, ReadLog, Reader, Records, RetentionDays};

pub(crate) const NOW_MS: i64 = 1_771_000_000_000;

pub(crate) fn secret() -> Secret {
    Secret::new([7; 32])
}

pub(crate) fn now() -> WallTime {
    WallTime::from_ms(NOW_MS).unwrap()
}

pub(crate) fn log(disk: &MemoryDisk) -> LocalLog<MemoryDisk> {
    let config = LocalConfig {
        partitions: 3,
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

pub(crate) fn count() -> PartitionCount {
    PartitionCount::new(3).unwrap()
}

pub(crate) fn run() -> Run {
    Run { producer: ProducerId(Hash128([9; 16])), epoch: Epoch(5) }
}

pub(crate) fn ingest(log: &LocalLog<MemoryDisk>, bytes_max: usize) -> Ingest<Appender> {
    let mut identities = Identities::default();
    identities.follow(&mut log.reader(), count()).unwrap();
    Ingest::new(log.appender(), count(), run(), identities, bytes_max)
}

/// Every record of a topic: partition, key and value.
pub(crate) fn all(reader: &mut Reader<MemoryDisk>, topic: Topic) -> Vec<(u16, Vec<u8>, Vec<u8>)> {
    let mut seen = Vec::new();
    let mut records = Records::default();
    for partition in count().all() {
        let mut next = Offset::ZERO;
        loop {
            reader.read(Lane { topic, partition }, next, 1 << 20, &mut records).unwrap();
            let Some(last) = records.last() else { break };
            next = last.offset.next();
            seen.extend(
                records.iter().map(|r| (partition.0, r.key.to_vec(), r.value.unwrap_or(b"-").to_vec())),
            );
        }
    }
    seen
}

/// A collector that listens; the log is turned only while it is not held.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) reader: Reader<MemoryDisk>,
    held: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    shutdown: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Served {
    pub(crate) fn start(config: CollectorConfig) -> Self {
        let disk = MemoryDisk::new(1);
        let mut log = log(&disk);
        let (held, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let reader = log.reader();
        let ingest = ingest(&log, config.pending_bytes_max);
        let bell = log.bell();
        let (held_too, stop_too) = (Arc::clone(&held), Arc::clone(&stop));
        let turning = thread::spawn(move || {
            while !stop_too.load(Ordering::Acquire) {
                bell.wait(Duration::from_millis(5));
                if !held_too.load(Ordering::Acquire) {
                    let _turn = log.turn(now());
                }
            }
        });
        let (desk, requests) = desk(&config);
        let ms = AtomicI64::new(NOW_MS);
        let clock = move || WallTime::from_ms(ms.fetch_add(1, Ordering::Relaxed)).unwrap();
        let driving = thread::spawn(move || drive(ingest, &requests, clock));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/v1/usage", listener.local_addr().unwrap());
        let app = router(desk, secret(), config);
        let (shutdown, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let done = async { drop(stopped.await) };
                axum::serve(listener, app).with_graceful_shutdown(done).await.unwrap();
            });
        });
        Self { url, reader, held, stop, threads: vec![serving, driving, turning], shutdown: Some(shutdown) }
    }

    pub(crate) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Release);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.hold(false);
        let _sent = self.shutdown.take().map(|shutdown| shutdown.send(()));
        for (index, thread) in self.threads.drain(..).enumerate() {
            if index == 2 {
                self.stop.store(true, Ordering::Release);
            }
            thread.join().unwrap();
        }
    }
}
