use crate::rig::{fresh, nothing, run, url, value};
use clickhouse::Row as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally_clickhouse::rows::{KeepCode, SnapshotRecord};
use tally_clickhouse::{Database, Layout, Life, Outcome, Retry, Sink};
use tally_domain::published::{HourRow, Progress, Rows, TotalRow};
use tally_domain::{AccountKey, Dims, Hash128, Hour, LogTime, Minute, Partition, Usage, Version};

fn account(n: u8) -> AccountKey {
    AccountKey(Hash128([n; 16]))
}

fn total(n: u8, input: i64, cost: i64) -> TotalRow {
    let usage = Usage { tokens: [input, 0, 0, 0, 0, 0], cost_nano_usd: cost, ..Usage::ZERO };
    TotalRow {
        partition: Partition(0),
        account: account(n),
        dims: Arc::new(Dims::default()),
        windows: [usage; 4],
    }
}

fn publication(version: u64, totals: Vec<TotalRow>) -> Rows {
    let version = Version::from_u64(version);
    let progress =
        Progress { partition: Partition(0), version, clock: Minute(5), log_time: LogTime::default() };
    Rows { version, totals, progress: vec![progress], ..Rows::default() }
}

/// Submits in the present life and waits for the answers, at most ten seconds.
async fn answers(database: &Database, publications: Vec<Rows>) -> Vec<Outcome> {
    let life = database.life().await.unwrap_or_default();
    answers_in(database, life, publications)
}

fn answers_in(database: &Database, life: Life, publications: Vec<Rows>) -> Vec<Outcome> {
    let mut sink = Sink::start(database.clone()).unwrap();
    let (count, mut outcomes) = (publications.len(), Vec::new());
    for rows in publications {
        sink.submit(rows, life).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while outcomes.len() < count && Instant::now() < deadline {
        sink.acknowledged(&mut outcomes);
        std::thread::yield_now();
    }
    assert_eq!(outcomes.len(), count, "every submission is answered");
    outcomes
}

#[test]
fn the_newest_version_stands_whatever_is_repeated_or_late() {
    run(async {
        let database = fresh().await;
        let [newer, older] = [publication(9, vec![total(1, 90, 9)]), publication(3, vec![total(1, 30, 3)])];
        let sent = vec![newer.clone(), older.clone(), newer.clone(), older];
        let outcomes = answers(&database, sent).await;
        assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
        assert_eq!(outcomes.iter().map(|outcome| outcome.ticket.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(outcomes[0].rows, newer, "rows come back with their answer");
        let read = database.account_totals().await.unwrap();
        assert_eq!(
            read.iter().map(|row| (row.version, row.to_row())).collect::<Vec<_>>(),
            [(9, total(1, 90, 9))]
        );
        let progress = database.progress().await.unwrap();
        assert_eq!((progress.len(), progress[0].version, progress[0].clock), (1, 9, 300));
    });
}

#[test]
fn sums_of_full_numbers_do_not_wrap() {
    run(async {
        let database = fresh().await;
        let totals = (1..=3).map(|n| total(n, i64::MAX, i64::MAX)).collect();
        let people = "INSERT INTO ${t}people (account, person, version)
            SELECT unhex(repeat(x, 16)), unhex(repeat('77', 16)), 1 FROM (SELECT arrayJoin(['01', '02', '03']) AS x)";
        database.execute("mapping", people).await.unwrap();
        assert!(answers(&database, vec![publication(1, totals)]).await[0].result.is_ok());
        let sums =
            "SELECT concat(toString(tokens), ' ', toString(cost)) FROM ${t}live_totals WHERE window = '30d'";
        let expected = i128::from(i64::MAX) * 3;
        assert_eq!(
            value::<String>(&database, sums).await,
            format!("{expected} {}", tally_domain::usage::NanoUsd(expected))
        );
    });
}

#[test]
fn hours_that_no_column_holds_are_refused_and_nothing_is_acknowledged() {
    run(async {
        let database = fresh().await;
        let hour = HourRow {
            partition: Partition(0),
            account: account(1),
            dims: Arc::new(Dims::default()),
            hour: Hour(-1),
            usage: Usage::ZERO,
        };
        let rows = Rows { hours: vec![hour], ..publication(1, vec![]) };
        let outcomes = answers(&database, vec![rows]).await;
        let error = outcomes[0].result.as_ref().unwrap_err();
        assert_eq!((error.retry, error.code), (Retry::Never, None));
        assert!(error.to_string().contains("inserting into usage_hourly: writing a row"), "{error}");
        assert_eq!(database.progress().await.unwrap(), []);
    });
}

#[test]
fn a_missing_table_is_for_people_and_a_missing_server_for_later() {
    run(async {
        let outcomes = answers(&nothing(), vec![publication(1, vec![total(1, 1, 1)])]).await;
        let error = outcomes[0].result.as_ref().unwrap_err();
        assert_eq!(error.retry, Retry::Never, "{error}");
        assert!(matches!(error.code, Some(60 | 81)), "{error}");

        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(!url().ends_with(&silent.to_string()));
        let away =
            Database::new(&format!("http://{silent}"), None, Layout::new("tally", "", None, 60).unwrap());
        let outcomes = answers_in(&away, Life(1), vec![publication(1, vec![total(1, 1, 1)])]);
        assert_eq!(outcomes[0].result.as_ref().unwrap_err().retry, Retry::Later);
    });
}

/// What a start of the server does to its life: the table in memory is empty.
async fn start_anew(database: &Database) {
    database.execute("ending a life", "TRUNCATE TABLE ${t}life").await.unwrap();
}

#[test]
fn progress_of_another_life_is_refused() {
    run(async {
        let database = fresh().await;
        let life = database.life().await.unwrap();
        assert_eq!(database.life().await.unwrap(), life, "whoever asks first begins it");
        assert!(answers_in(&database, life, vec![publication(1, vec![total(1, 1, 1)])])[0].result.is_ok());
        start_anew(&database).await;
        let refused = |version| {
            let outcomes = answers_in(&database, life, vec![publication(version, vec![total(1, 1, 1)])]);
            outcomes[0].result.as_ref().is_err_and(|error| error.is_another_life())
        };
        assert!(refused(2), "nobody has begun the next one yet");
        let next = database.life().await.unwrap();
        assert_ne!(next, life);
        assert!(refused(3));
        assert_eq!(database.progress().await.unwrap()[0].version, 1);
        assert!(answers_in(&database, next, vec![publication(4, vec![])])[0].result.is_ok());
        assert_eq!(database.progress().await.unwrap()[0].version, 4);
    });
}

/// A page of a sweep has no progress of its own, and its keys are forgotten all the same when it is acknowledged.
#[test]
fn rows_without_progress_are_of_one_life_too() {
    run(async {
        let database = fresh().await;
        let life = database.life().await.unwrap();
        let rows = || vec![Rows { progress: vec![], ..publication(1, vec![total(1, 1, 1)]) }];
        assert!(answers_in(&database, life, rows())[0].result.is_ok());
        start_anew(&database).await;
        let outcomes = answers_in(&database, life, rows());
        assert!(outcomes[0].result.as_ref().unwrap_err().is_another_life());
    });
}

#[test]
fn the_marker_of_a_snapshot_is_written_column_by_column_and_in_one_life_alone() {
    run(async {
        let database = fresh().await;
        let marker = |snapshot| SnapshotRecord {
            snapshot,
            people_version: 2,
            policy_version: 3,
            keep: KeepCode::Daily,
            as_of: 1_770_766_200,
            people: 5,
            earlier: 6,
            vector: vec![(0, 7), (1, u64::MAX)],
        };
        let life = database.life().await.unwrap();
        database.claim(life, &[marker(1)]).await.unwrap();
        start_anew(&database).await;
        let _next = database.life().await.unwrap();
        assert!(database.claim(life, &[marker(2)]).await.unwrap_err().is_another_life());
        let columns = SnapshotRecord::COLUMN_NAMES.join(", ");
        let all = format!("SELECT {columns} FROM ${{t}}snapshots");
        let written: Vec<SnapshotRecord> = database.query(&all).fetch_all().await.unwrap();
        assert_eq!(written, [marker(1)]);
    });
}
