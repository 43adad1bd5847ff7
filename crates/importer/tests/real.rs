//! An import through the real collector into the real log.
#![expect(clippy::unwrap_used, reason = "a test fails where something is not there")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tally_collector::{CollectorConfig, Identities, Ingest, Run, desk, drive, router};
use tally_disk::MemoryDisk;
use tally_domain::{
    AccountKey, Class, Entry, Epoch, Hash128, Lane, Offset, PartitionCount, ProducerId, Secret, Topic,
    TopicId, UsageEvent, WallTime,
};
use tally_importer::{Import, Importer, Origin, Outcome, fresh_epoch};
use tally_log::{Durability, LocalConfig, LocalLog, ReadLog, Reader, Records, RetentionDays};

const PARTITIONS: u16 = 3;

fn clock() -> WallTime {
    WallTime::parse("2026-02-13T00:00:00Z").unwrap()
}

/// A collector that listens, and the log behind it.
struct Served {
    url: String,
    reader: Reader<MemoryDisk>,
    stop: Arc<AtomicBool>,
}

impl Served {
    fn start() -> Self {
        let config = LocalConfig {
            partitions: PARTITIONS,
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
        let mut log = LocalLog::open(MemoryDisk::new(1), config, TopicId(Hash128([1; 16]))).unwrap();
        let count = PartitionCount::new(PARTITIONS).unwrap();
        let config = CollectorConfig {
            body_bytes_max: 4 << 20,
            events_max: 1_000,
            requests_max: 8,
            pending_bytes_max: 8 << 20,
            answer_ms_max: 20_000,
        };
        let run = Run { producer: ProducerId(Hash128([9; 16])), epoch: Epoch(5) };
        let ingest = Ingest::new(log.appender(), count, run, Identities::default(), config.pending_bytes_max);
        let (reader, bell, stop) = (log.reader(), log.bell(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                bell.wait(Duration::from_millis(5));
                let _turn = log.turn(clock());
            }
        });
        let (desk, requests) = desk(&config);
        thread::spawn(move || drive(ingest, &requests, clock));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = router(desk, secret(), config);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap();
            });
        });
        Self { url, reader, stop }
    }

    /// Every value of a topic, by partition and in order.
    fn all(&mut self, topic: Topic) -> Vec<Vec<u8>> {
        let (mut values, mut records) = (Vec::new(), Records::default());
        for partition in PartitionCount::new(PARTITIONS).unwrap().all() {
            let mut next = Offset::ZERO;
            loop {
                self.reader.read(Lane { topic, partition }, next, 1 << 20, &mut records).unwrap();
                let Some(last) = records.last() else { break };
                next = last.offset.next();
                values.extend(records.iter().map(|record| record.value.unwrap_or_default().to_vec()));
            }
        }
        values
    }

    fn usage(&mut self) -> Vec<UsageEvent> {
        let values = self.all(Topic::Usage);
        let usage = values.iter().filter_map(|value| match tally_schema::decode(value).unwrap() {
            Entry::Usage(event) => Some(event.to_owned()),
            _ => None,
        });
        usage.collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn secret() -> Secret {
    Secret::new([7; 32])
}

fn import(served: &Served, roots: &[&Path], state: &Path, person: &str) -> Outcome {
    let import = Import {
        origin: Origin::ClaudeCode,
        roots: roots.iter().map(|&root| root.to_owned()).collect(),
        person: person.into(),
        collector: served.url.clone(),
        producer: ProducerId(Hash128([3; 16])),
        epoch: fresh_epoch(),
        state_dir: state.to_owned(),
        lineage: "log-1".into(),
        resume: false,
        follow: false,
        batch_events: 500,
        patience: Duration::from_secs(20),
    };
    tally_importer::drive(Importer::new(import).unwrap(), &AtomicBool::new(false), |_| ()).unwrap()
}

/// Number and tokens of the events that stand: most output, then most tokens.
fn standing(usage: &[UsageEvent]) -> (usize, i128) {
    let mut standing = BTreeMap::new();
    for event in usage {
        let rank = (event.usage.of(Class::Output), event.usage.total());
        let best = standing.entry((event.account, event.event_id.as_str())).or_insert(rank);
        *best = rank.max(*best);
    }
    (standing.len(), standing.values().map(|(_, tokens)| tokens).sum())
}

fn write(directory: &Path) {
    let line = |id: &str, output: i64| {
        format!(
            r#"{{"type":"assistant","uuid":"u-{id}-{output}","timestamp":"2026-02-11T20:36:47.925Z","message":{{"id":"{id}","model":"claude-opus-4-6","content":"my secret","usage":{{"input_tokens":3,"output_tokens":{output}}}}}}}"#
        ) + "\n"
    };
    let text = [line("m1", 1), line("m1", 40), line("m2", 5), line("m3", -5), "{\"text\":\"my secret".into()]
        .concat();
    fs::write(directory.join("1.jsonl"), text).unwrap();
}

#[test]
fn what_is_imported_lies_in_the_log_with_dense_numbers_and_what_was_unreadable_without_its_text() {
    let (directory, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(directory.path());
    let mut served = Served::start();
    let first = import(&served, &[directory.path()], state.path(), "Ann");
    assert_eq!((first.events, first.unreadable.total()), (3, 2));
    let again = import(&served, &[directory.path()], state.path(), "Ann");
    let usage = served.usage();
    assert_eq!((usage.len(), standing(&usage)), (6, (2, 51)));
    assert!(usage.iter().all(|event| event.account == AccountKey::of(&secret(), "claude-code", "Ann")));
    for epoch in [first.epoch, again.epoch] {
        let numbers = usage.iter().filter(|event| event.epoch == epoch).map(|event| event.sequence.0);
        assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 3]);
    }
    assert_eq!(again.appended.values().copied().collect::<Vec<_>>(), [6]);

    let rejects = served.all(Topic::Rejects);
    assert_eq!(rejects.len(), 4, "each import keeps what it could not read, under the same key");
    for value in &rejects {
        let reject = tally_schema::decode_reject(value).unwrap();
        let original = String::from_utf8_lossy(reject.original).into_owned();
        assert!(original.contains("redacted") && !original.contains("secret"), "{original}");
        assert!(reject.detail.starts_with("claude-code/1.jsonl@"), "{}", reject.detail);
    }
    let identities = served.all(Topic::Identities);
    assert_eq!(tally_schema::decode_identity(&identities[0]).unwrap().subject, "Ann");
}

#[test]
fn twenty_real_transcripts_come_to_their_known_tokens_in_any_order_and_twice() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("TALLY_SHARED_DATA").map_or(beside, PathBuf::from);
    let spotter = data.join("samples/claude_code/spotter");
    if !spotter.exists() {
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let mut served = Served::start();
    assert_eq!(import(&served, &[&spotter], state.path(), "ann").events, 1_945);
    assert_eq!(standing(&served.usage()), (904, 79_708_804));
    let mut files = tally_importer::walk(&[spotter], &[".jsonl", ".jsonl.gz"]).files;
    files.reverse();
    for file in &files {
        assert!(import(&served, &[file], state.path(), "ann").unreadable_paths.is_empty());
    }
    let usage = served.usage();
    assert_eq!((usage.len(), standing(&usage)), (2 * 1_945, (904, 79_708_804)));
}
