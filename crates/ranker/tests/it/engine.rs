//! Against the real engine.

use crate::rig::{Log, account, fresh, person, ranker, run, stored, total, until, version};
use std::time::Duration;
use tally_clickhouse::Database;
use tally_clickhouse::query::{Page, TopLine};
use tally_clickhouse::rows::{AccountTotalRecord, ProgressRecord};
use tally_domain::{Board, Metric, Window};
use tally_ranker::SnapshotWriter;

const BOARD: Board = Board { metric: Metric::Tokens, window: Window::Days30 };

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn top(database: &Database) -> Vec<TopLine> {
    let head = database.newest_snapshot().await.unwrap().unwrap();
    database.top(&head, BOARD, Page { offset: 0, limit: 10 }).await.unwrap()
}

fn shown(lines: &[TopLine]) -> Vec<(u32, &str, i128, Option<i32>)> {
    lines.iter().map(|line| (line.rank, line.name.as_str(), line.tokens, line.climbed)).collect()
}

#[test]
fn a_snapshot_is_what_was_published_before_and_since() {
    run(async {
        let (database, mut log) = (fresh().await, Log::new());
        let row = total(1, 50);
        database.insert([Ok(AccountTotalRecord::of(&row, version(5).get()))]).await.unwrap();
        let progress = ProgressRecord::of(&crate::rig::progress(0, 5, 0)).unwrap();
        database.insert([Ok(progress)]).await.unwrap();
        log.total(&total(1, 30), 3);
        log.total(&total(2, 20), 6);
        log.total(&total(3, 60), 6);
        log.identity(account(1), "Ann", "");
        log.identity(account(2), "ann", "Ann A.");
        log.progress(0, 6, 3);
        log.progress(1, 4, 2);
        let mut ranker = ranker(&log, SnapshotWriter::start(database.clone()).unwrap());
        until(&mut ranker, at(0), |live| stored(live) == 10);
        let lines = top(&database).await;
        assert_eq!(lines[0].person, *person("ann").bytes());
        assert_eq!(shown(&lines[1..]), [(2, "", 60, None)]);
        assert_eq!((lines[0].rank, lines[0].tokens), (1, 70));
        let head = database.newest_snapshot().await.unwrap().unwrap();
        assert_eq!(head.vector, [(0, version(6).get()), (1, version(4).get())]);
        assert_eq!(head.as_of, u32::try_from((crate::rig::START + 2) * 60).unwrap());

        // Forgetting takes the names of all tables, and no number.
        log.forget(account(1));
        log.forget(account(2));
        log.progress(1, 5, 3);
        until(&mut ranker, at(20), |live| stored(live) == 11);
        assert_eq!(shown(&top(&database).await), [(1, "", 70, None), (2, "", 60, None)]);
        drop(ranker);

        // Another ranker, on a log that remembers nobody: accounts are still one person's.
        let mut empty = Log::new();
        empty.progress(0, 7, 4);
        empty.progress(1, 7, 4);
        let mut ranker = crate::rig::ranker(&empty, SnapshotWriter::start(database.clone()).unwrap());
        until(&mut ranker, at(0), |live| stored(live) == 14);
        assert_eq!(
            shown(&top(&database).await)[..1],
            [(1, "", 50, None)],
            "totals come from ClickHouse alone"
        );
    });
}

#[test]
fn movement_is_against_the_newest_that_is_a_day_old() {
    run(async {
        let (database, mut log) = (fresh().await, Log::new());
        let mut ranker = ranker(&log, SnapshotWriter::start(database.clone()).unwrap());
        let mut next = 0;
        let mut snapshot = |ranker: &mut _, tokens: [i64; 2], clock: i32| {
            next += 1;
            log.total(&total(1, tokens[0]), next);
            log.total(&total(2, tokens[1]), next);
            log.progress(0, next, clock);
            log.progress(1, next, clock);
            until(ranker, at(next * 100), |live| stored(live) == 2 * next);
        };
        snapshot(&mut ranker, [9, 5], 0);
        snapshot(&mut ranker, [9, 5], 1);
        snapshot(&mut ranker, [9, 15], 1_439);
        assert_eq!(database.newest_snapshot().await.unwrap().unwrap().earlier, 0, "none is a day old");
        snapshot(&mut ranker, [9, 15], 1_441);
        let head = database.newest_snapshot().await.unwrap().unwrap();
        assert_eq!(head.earlier, version(4).get(), "the newest that is a day old, at once");
        let climbed: Vec<_> =
            top(&database).await.iter().map(|line| (line.person[0], line.climbed)).collect();
        assert_eq!(climbed, [(2, Some(1)), (1, Some(-1))]);
    });
}

#[test]
fn totals_of_people_are_published_as_zero_when_their_accounts_go() {
    run(async {
        let (database, mut log) = (fresh().await, Log::new());
        log.total(&total(1, 7), 1);
        log.progress(0, 1, 0);
        log.progress(1, 1, 0);
        let mut ranker = ranker(&log, SnapshotWriter::start(database.clone()).unwrap());
        until(&mut ranker, at(0), |live| stored(live) == 2);
        log.identity(account(1), "bob", "Bob");
        log.progress(0, 2, 1);
        until(&mut ranker, at(20), |live| stored(live) == 3);
        let totals = "SELECT lower(hex(person)), argMax(t.tokens, t.version) FROM ${t}user_totals AS t
            WHERE window = '7d' GROUP BY person ORDER BY 2";
        let rows: Vec<(String, i128)> = database.query(totals).fetch_all().await.unwrap();
        assert_eq!(rows, [(account(1).to_string(), 0), (person("bob").to_string(), 7)]);
    });
}
