//! The ranker killed at every request that it makes of the real engine, and ClickHouse emptied under it.

use crate::proxy::{Cut, Proxy};
use crate::rig::{
    self, Log, account, fresh, leaderboard, oracle, person, ranker, run, stored, through, total, until,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tally_clickhouse::Database;
use tally_domain::Version;
use tally_ranker::SnapshotWriter;
use tally_ranker::store::{Answer, Question, Store, Write};

const LATER: Duration = Duration::from_hours(1);

fn writer(database: &Database) -> SnapshotWriter {
    SnapshotWriter::start(database.clone()).unwrap()
}

/// What `user_totals` says of 30-day tokens of those who have any, as it is read by argMax.
async fn user_totals(database: &Database) -> BTreeMap<u8, i64> {
    let text = "SELECT reinterpretAsUInt8(substring(person, 1, 1)), toInt64(argMax(t.tokens, t.version))
        FROM ${t}user_totals AS t WHERE window = '30d' GROUP BY person HAVING argMax(t.tokens, t.version) != 0";
    let rows: Vec<(u8, i64)> = database.query(text).fetch_all().await.unwrap();
    rows.into_iter().collect()
}

/// An installation that goes on from kill to kill.
struct Story {
    log: Log,
    database: Database,
    tokens: BTreeMap<u8, i64>,
    next: u64,
}

impl Story {
    async fn begun() -> Self {
        let (database, mut log) = (fresh().await, Log::new());
        log.progress(1, 1, 0);
        Self { log, database, tokens: BTreeMap::new(), next: 0 }
    }

    /// Turns the order of everybody over; the progress says so only when `in_progress`.
    fn use_tokens(&mut self, in_progress: bool) {
        let round = i64::try_from(self.next).unwrap();
        if in_progress {
            self.next += 1;
        }
        for n in 1..=5 {
            let tokens = 1 + 100 * round + (round % 3 + 1) * i64::from(n * 7 % 5) + i64::from(!in_progress);
            self.tokens.insert(n, tokens);
            let version = 2 * self.next + u64::from(!in_progress);
            self.log.total(&total(n, tokens), version);
        }
        if in_progress {
            self.log.progress(0, 2 * self.next, 0);
        }
    }

    fn number(&self) -> u64 {
        2 * self.next + 1
    }

    async fn newest(&self) -> Option<u64> {
        let head = self.database.newest_snapshot().await.unwrap();
        head.map(|head| Version::from_u64(head.snapshot).next().get())
    }

    /// One snapshot that is cut; false when it was complete before the cut came.
    async fn killed(&mut self, cut: Cut) -> bool {
        let (before, board) = (self.newest().await, leaderboard(&self.database).await);
        let proxy = Proxy::default();
        let proxied = through(&proxy.start(&rig::url()), &self.database);
        let mut ranker = ranker(&self.log, writer(&proxied));
        until(&mut ranker, Duration::ZERO, |live| live.ranked().revision > 0 || stored(live) > 0);
        self.use_tokens(true);
        self.log.identity(account(u8::try_from(self.next % 200).unwrap() + 50), "somebody", "Some Body");
        proxy.arm(cut);
        let number = self.number();
        until(&mut ranker, LATER, |live| proxy.is_cut() || stored(live) == number);
        drop(ranker);
        let promised = oracle(&self.tokens);
        let is_complete = self.newest().await == Some(number);
        if is_complete {
            assert_eq!(leaderboard(&self.database).await, promised, "{cut:?}: a complete snapshot");
        } else {
            assert_eq!((self.newest().await, leaderboard(&self.database).await), (before, board), "{cut:?}");
        }

        // Whoever starts again may find totals that are newer than the progress: other rows under the same number.
        self.use_tokens(false);
        let mut again = rig::ranker(&self.log, writer(&self.database));
        until(&mut again, LATER, |live| stored(live) == number);
        let expected = if is_complete { promised } else { oracle(&self.tokens) };
        assert_eq!(leaderboard(&self.database).await, expected, "{cut:?}: started again");
        let totals: BTreeMap<u8, i64> =
            expected.iter().map(|&(n, tokens, ..)| (n, i64::try_from(tokens).unwrap())).collect();
        assert_eq!(user_totals(&self.database).await, totals, "{cut:?}");
        proxy.is_cut()
    }
}

#[test]
fn a_ranker_killed_at_any_request_leaves_the_old_snapshot_or_the_new_one_and_nothing_between() {
    run(async {
        let mut story = Story::begun().await;
        story.use_tokens(true);
        for cut in [Cut::Before, Cut::After] {
            let mut requests = 0;
            while story.killed(cut(requests)).await {
                requests += 1;
                assert!(requests < 40, "a snapshot takes a few requests");
            }
            assert!(requests >= 6, "two looks and four tables, not {requests}");
        }
    });
}

/// Remembers what is written.
struct Recording {
    inner: SnapshotWriter,
    writes: Arc<Mutex<Vec<Arc<Write>>>>,
}

impl Store for Recording {
    fn ask(&mut self, question: Question) -> Result<(), Box<Question>> {
        if let Question::Write(write, _) = &question {
            self.writes.lock().unwrap().push(Arc::clone(write));
        }
        self.inner.ask(question)
    }
    fn answered(&mut self) -> Option<Answer> {
        self.inner.answered()
    }
}

#[test]
fn the_same_snapshot_written_twice_changes_nothing() {
    run(async {
        let mut story = Story::begun().await;
        story.use_tokens(true);
        let recording = Recording { inner: writer(&story.database), writes: Arc::default() };
        let writes = Arc::clone(&recording.writes);
        let mut ranker = ranker(&story.log, recording);
        let number = story.number();
        until(&mut ranker, Duration::ZERO, |live| stored(live) == number);
        let board = leaderboard(&story.database).await;
        let totals = user_totals(&story.database).await;
        assert_eq!(board, oracle(&story.tokens));
        let mut writer = writer(&story.database);
        let write = writes.lock().unwrap().last().cloned().unwrap();
        let life = story.database.life().await.unwrap();
        for _ in 0..3 {
            writer.ask(Question::Write(write.clone(), life)).unwrap();
            let deadline = std::time::Instant::now() + Duration::from_secs(30);
            let answer = loop {
                assert!(std::time::Instant::now() < deadline, "no answer in thirty seconds");
                if let Some(answer) = writer.answered() {
                    break answer;
                }
                std::thread::yield_now();
            };
            assert!(matches!(answer, Answer::Written(_)), "{answer:?}");
            assert_eq!(leaderboard(&story.database).await, board);
            assert_eq!(user_totals(&story.database).await, totals);
        }
    });
}

#[test]
fn clickhouse_emptied_under_a_running_ranker_is_filled_by_the_next_snapshot() {
    run(async {
        let mut story = Story::begun().await;
        story.log.identity(account(1), "ann", "Ann Lee");
        story.use_tokens(true);
        let mut ranker = ranker(&story.log, writer(&story.database));
        let number = story.number();
        until(&mut ranker, Duration::ZERO, |live| stored(live) == number);
        for table in ["people", "user_totals", "rankings", "snapshots", "account_totals", "progress"] {
            let text = format!("TRUNCATE TABLE ${{t}}{table}");
            story.database.execute("emptying a table", &text).await.unwrap();
        }
        story.log.total(&total(2, 1_000_000), 100);
        story.log.progress(0, 100, 0);
        until(&mut ranker, LATER, |live| stored(live) == 101);
        drop(ranker);
        let board = leaderboard(&story.database).await;
        assert_eq!((board.len(), board[0]), (5, (2, 1_000_000, 1, 1)));
        assert_eq!(user_totals(&story.database).await.len(), 5, "not only who changed");
        let names = "SELECT name FROM ${t}people_now WHERE name != ''";
        let names: Vec<String> = story.database.query(names).fetch_all().await.unwrap();
        assert_eq!(names, ["Ann Lee"]);

        // Emptied while no ranker runs: the log knows everything.
        for table in ["people", "user_totals", "rankings", "snapshots"] {
            let text = format!("TRUNCATE TABLE ${{t}}{table}");
            story.database.execute("emptying a table", &text).await.unwrap();
        }
        let mut again = rig::ranker(&story.log, writer(&story.database));
        until(&mut again, LATER, |live| stored(live) == 101);
        assert_eq!(leaderboard(&story.database).await, board);
        assert_eq!(again.live().name(person("ann")).shown, "Ann Lee");
    });
}

/// Holds back what is to be written for as long as it is told to.
struct Holding {
    inner: SnapshotWriter,
    held: Option<Question>,
    holds: Arc<AtomicBool>,
}

impl Store for Holding {
    fn ask(&mut self, question: Question) -> Result<(), Box<Question>> {
        if self.holds.load(Ordering::Relaxed) && matches!(question, Question::Write(..)) {
            self.held = Some(question);
            return Ok(());
        }
        self.inner.ask(question)
    }
    fn answered(&mut self) -> Option<Answer> {
        if !self.holds.load(Ordering::Relaxed)
            && let Some(question) = self.held.take()
        {
            self.inner.ask(question).unwrap();
        }
        self.inner.answered()
    }
}

/// ```text
/// ranker      looks ─────────────────────────► writes what changed ► marks? no ► looks ► writes everything ► marks
/// ClickHouse           starts anew, emptied
/// ```
#[test]
fn clickhouse_set_back_between_a_look_and_the_marker_gets_no_marker_before_it_has_everything() {
    run(async {
        let mut story = Story::begun().await;
        story.log.identity(account(1), "ann", "Ann Lee");
        story.use_tokens(true);
        let holds = Arc::new(AtomicBool::new(false));
        let store = Holding { inner: writer(&story.database), held: None, holds: Arc::clone(&holds) };
        let mut ranker = ranker(&story.log, store);
        let number = story.number();
        until(&mut ranker, Duration::ZERO, |live| stored(live) == number);

        holds.store(true, Ordering::Relaxed);
        story.log.total(&total(2, 1_000_000), 100);
        story.log.progress(0, 100, 0);
        for _ in 0..200 {
            let _worked = ranker.turn(LATER).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        for table in ["people", "user_totals", "rankings", "snapshots", "life"] {
            let text = format!("TRUNCATE TABLE ${{t}}{table}");
            story.database.execute("setting a server back", &text).await.unwrap();
        }
        holds.store(false, Ordering::Relaxed);
        let later = std::time::Instant::now();
        while stored(&ranker.live()) != 101 {
            assert!(later.elapsed() < Duration::from_secs(30), "no snapshot in thirty seconds");
            let _worked = ranker.turn(LATER + later.elapsed()).unwrap();
        }
        assert_eq!(user_totals(&story.database).await.len(), 5, "not only who changed");
        let names = "SELECT name FROM ${t}people_now WHERE name != ''";
        let names: Vec<String> = story.database.query(names).fetch_all().await.unwrap();
        assert_eq!(names, ["Ann Lee"]);
    });
}
