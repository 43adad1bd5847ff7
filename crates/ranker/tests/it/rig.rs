//! A local log on a memory disk, an engine for all tests, and a ranker that is turned by hand.

use clickhouse_embedded::{Engine, EngineOptions, LibraryPlaces, find_library};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tally_clickhouse::{Database, Layout, migrate};
use tally_disk::MemoryDisk;
use tally_domain::published::{Progress, TotalRow};
use tally_domain::{
    AccountKey, ClaimedIdentity, Dims, Hash128, Incarnation, Lane, LogTime, Minute, Offset, Partition,
    PartitionCount, PersonId, Secret, Topic, TopicId, Usage, Version, WallTime,
};
use tally_log::AppendLog;
use tally_log::local::{Durability, LocalConfig, LocalLog, Reader, RetentionDays};
use tally_ranker::store::Store;
use tally_ranker::{Pace, Ranker};

const NO_ARGUMENTS: [&str; 0] = [];

/// 2026-02-10T00:00:00Z.
pub(crate) const START: i32 = 29_511_360;

pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

/// A database like `of`, asked through another address.
pub(crate) fn through(url: &str, of: &Database) -> Database {
    Database::new(url, None, of.layout().clone())
}

/// The server's address: `TALLY_TEST_CLICKHOUSE_URL`, or an embedded engine that ends with this process.
pub(crate) fn url() -> String {
    static ENGINE: OnceLock<(Engine, tempfile::TempDir)> = OnceLock::new();
    std::env::var("TALLY_TEST_CLICKHOUSE_URL").unwrap_or_else(|_| {
        let (engine, _) = ENGINE.get_or_init(|| {
            let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let places = LibraryPlaces {
                variable: "TALLY_ENGINE_LIBRARY",
                cache_folder: "tally",
                fetch: "cargo xtask fetch",
            };
            let library = find_library(places).unwrap_or_else(|error| panic!("{error}"));
            let options = EngineOptions::new(library, directory.path().join("engine"));
            (Engine::spawn(&engine_program(), NO_ARGUMENTS, &options).unwrap(), directory)
        });
        engine.url().to_owned()
    })
}

/// `examples/engine.rs`, which cargo builds beside the tests.
fn engine_program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(Path::parent).unwrap().join("examples/engine")
}

/// A migrated database.
pub(crate) async fn fresh() -> Database {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("rank_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let database = Database::new(&url(), None, Layout::new(&name, "", None, 3_600).unwrap());
    migrate(&database).await.unwrap();
    database
}

/// A log of two partitions.
pub(crate) struct Log(LocalLog<MemoryDisk>);

impl Log {
    pub(crate) fn new() -> Self {
        let config = LocalConfig {
            partitions: 2,
            durability: Durability::Synced,
            commit_interval_ms: 0,
            segment_bytes: 1 << 20,
            batch_bytes: 1 << 16,
            pending_bytes_max: 1 << 20,
            record_bytes_max: 1 << 20,
            retention_days: RetentionDays { usage: 38, outcomes: 38, rejects: 90, alerts: 90 },
            tombstone_hours: 24,
            compact_percent: 50,
        };
        Self(LocalLog::open(MemoryDisk::new(1), config, TopicId(Hash128([1; 16]))).unwrap())
    }

    pub(crate) fn reader(&self) -> Reader<MemoryDisk> {
        self.0.reader()
    }

    fn append(&mut self, topic: Topic, partition: u16, key: &[u8], value: Option<&[u8]>) {
        let lane = Lane { topic, partition: Partition(partition) };
        self.0.appender().append(lane, key, value).unwrap();
        let now = WallTime::from_ms(i64::from(START) * 60_000).unwrap();
        assert_eq!(self.0.turn(now).records, 1);
    }

    pub(crate) fn total(&mut self, row: &TotalRow, next: u64) {
        let mut bytes = Vec::new();
        tally_schema::encode_total(row, version(next), &mut bytes);
        self.append(Topic::Totals, row.partition.0, row.account.bytes(), Some(&bytes));
    }

    pub(crate) fn progress(&mut self, partition: u16, next: u64, clock: i32) {
        self.progress_at(&progress(partition, next, clock));
    }

    pub(crate) fn progress_at(&mut self, progress: &Progress) {
        let bytes = tally_schema::encode_progress(progress);
        self.append(Topic::Totals, progress.partition.0, &[], Some(&bytes));
    }

    pub(crate) fn identity(&mut self, account: AccountKey, subject: &str, name: &str) {
        let claimed = ClaimedIdentity {
            source: "codex".to_owned(),
            subject: subject.to_owned(),
            email: None,
            name: Some(name.to_owned()).filter(|name| !name.is_empty()),
            first_seen_ms: 0,
        };
        let bytes = tally_schema::encode_identity(&claimed);
        self.append(Topic::Identities, 0, account.bytes(), Some(&bytes));
    }

    pub(crate) fn forget(&mut self, account: AccountKey) {
        self.append(Topic::Identities, 0, account.bytes(), None);
    }

    pub(crate) fn garbage(&mut self) {
        self.append(Topic::Totals, 0, &[7; 16], Some(b"no record"));
    }
}

pub(crate) fn version(next: u64) -> Version {
    Version::new(Incarnation(1), Offset::new(next).unwrap())
}

pub(crate) fn progress(partition: u16, next: u64, clock: i32) -> Progress {
    Progress {
        partition: Partition(partition),
        version: version(next),
        clock: Minute(START + clock),
        log_time: LogTime::from_ms(i64::from(START + clock) * 60_000).unwrap(),
    }
}

pub(crate) fn account(n: u8) -> AccountKey {
    AccountKey(Hash128([n; 16]))
}

pub(crate) fn total(account_number: u8, tokens: i64) -> TotalRow {
    let usage = Usage { tokens: [tokens, 0, 0, 0, 0, 0], requests: 1, cost_nano_usd: tokens, ..Usage::ZERO };
    TotalRow {
        partition: Partition(0),
        account: account(account_number),
        dims: Arc::new(Dims { model: "opus".to_owned(), ..Dims::default() }),
        windows: [usage; 4],
    }
}

pub(crate) fn secret() -> Secret {
    Secret::new([3; 32])
}

pub(crate) fn person(subject: &str) -> PersonId {
    PersonId::of(&secret(), subject)
}

/// Live at once, a snapshot every ten seconds.
pub(crate) const PACE: Pace =
    Pace { live: Duration::ZERO, snapshot: Duration::from_secs(10), heartbeats_are_news: false };

pub(crate) fn ranker<S: Store>(log: &Log, store: S) -> Ranker<Reader<MemoryDisk>, S> {
    ranker_at(PACE, log, store)
}

pub(crate) fn ranker_at<S: Store>(pace: Pace, log: &Log, store: S) -> Ranker<Reader<MemoryDisk>, S> {
    Ranker::new(log.reader(), store, secret(), PartitionCount::new(2).unwrap(), pace)
}

/// The board of 30-day tokens as everybody reads it: who, tokens, rank and place, by place.
pub(crate) async fn leaderboard(database: &Database) -> Vec<(u8, i128, u32, u32)> {
    let text = "SELECT reinterpretAsUInt8(substring(person, 1, 1)), tokens, rank_tokens, place_tokens
        FROM ${t}leaderboard WHERE window = '30d' ORDER BY place_tokens";
    database.query(text).fetch_all().await.unwrap()
}

/// What the board must be, of accounts that nobody claimed.
pub(crate) fn oracle(tokens: &BTreeMap<u8, i64>) -> Vec<(u8, i128, u32, u32)> {
    let mut order: Vec<_> = tokens.iter().map(|(&n, &tokens)| (std::cmp::Reverse(tokens), n)).collect();
    order.sort();
    let above =
        |tokens: i64| u32::try_from(order.iter().filter(|(other, _)| other.0 > tokens).count()).unwrap();
    let places = (1..).zip(&order);
    places.map(|(place, (tokens, n))| (*n, i128::from(tokens.0), above(tokens.0) + 1, place)).collect()
}

/// Turns until `met`; turns are bounded, and so is waiting for a store that works in another thread.
pub(crate) fn until<S: Store>(
    ranker: &mut Ranker<Reader<MemoryDisk>, S>,
    elapsed: Duration,
    met: impl Fn(&tally_ranker::Live) -> bool,
) {
    let live = ranker.live();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !met(&live) {
        assert!(std::time::Instant::now() < deadline, "thirty seconds passed: {:?}", live.stored().borrow());
        let _worked = ranker.turn(elapsed).unwrap();
        std::thread::yield_now();
    }
}

/// Number of the newest snapshot in the store, incarnation left out.
pub(crate) fn stored(live: &tally_ranker::Live) -> u64 {
    live.stored().borrow().as_ref().map_or(0, |stored| Version::from_u64(stored.number).next().get())
}
