//! What an installation does by itself over the years: it forgets, compacts, takes newer prices, fills ClickHouse again.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tally_disk::OsDisk;
use tally_domain::{Barrier, Lane, Partition, Secret, Topic, TopicId, WallTime};
use tally_log::{AppendLog, Durability, LocalConfig, LocalLog, RetentionDays};
use tally_tests::http;
use tally_tests::installation::Installation;
use tally_tests::ledger::{Event, Ledger};
use tally_tests::owner::{Owner, post, published, settle, sql, verify};
use tally_tests::process::kill;

/// 2026-02-13T00:00:00Z.
const CLOCK_MS: i64 = 1_770_940_800_000;
const DAY_MS: i64 = 86_400_000;
const PATIENCE: Duration = Duration::from_mins(1);

fn event(who: u64, id: &str, at_ms: i64) -> Event {
    Event { who, id: id.to_owned(), revision: 0, at_ms, tokens: [3, 100, 0, 20, 7, 0] }
}

/// Looks until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn status(owner: &Owner) -> Value {
    let answer = http::send(&owner.control, "GET", "/v1/status", "").expect("the owner answers");
    serde_json::from_str(&answer.body).expect("the status is JSON")
}

fn metric(owner: &Owner, name: &str) -> u64 {
    let answer = http::send(&owner.control, "GET", "/metrics", "").expect("the owner answers");
    let values = answer.body.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.filter_map(|value| value.parse::<u64>().ok()).sum()
}

/// Files of a topic that hold its first records.
fn first_files(data: &Path, topic: &str) -> Vec<String> {
    let lanes = fs::read_dir(data.join("log").join(topic)).expect("the topic has lanes");
    let files = lanes.flat_map(|lane| fs::read_dir(lane.expect("a lane").path()).expect("a lane has files"));
    let names = files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("00000000000000000000")).collect()
}

fn count_once(owner: &Owner, ledger: &Ledger, clock_ms: i64) {
    settle(owner).unwrap();
    assert_eq!(published(owner).unwrap(), ledger.totals(clock_ms));
    assert_eq!(verify(owner).unwrap().differences, vec![]);
}

#[test]
fn old_records_leave_the_log_and_are_counted_as_before() {
    let installation = Installation::new().unwrap();
    let mut ledger = Ledger::default();
    // Files as small as may be; one person fills more than one of them.
    let check = [("TALLY__LOG__RETENTION__CHECK_INTERVAL_S", "1"), ("TALLY__LOG__SEGMENT_BYTES", "1048576")];
    let first: Vec<Event> = (0..200).map(|nth| event(nth % 7, &format!("old-{nth}"), CLOCK_MS - 1)).collect();
    let mut up = installation.spawn_with(CLOCK_MS, &check).unwrap();
    let owner = up.ready().unwrap();
    post(&owner, &first).unwrap();
    ledger.acknowledged(&first);
    count_once(&owner, &ledger, CLOCK_MS);
    let many: Vec<Event> = (0..12_000).map(|nth| event(1, &format!("many-{nth}"), CLOCK_MS - 1)).collect();
    for batch in many.chunks(4_000) {
        post(&owner, batch).unwrap();
        ledger.acknowledged(batch);
    }
    count_once(&owner, &ledger, CLOCK_MS);
    assert_eq!(first_files(&installation.data(), "usage").len(), 8);
    up.interrupt().unwrap();

    // Two months later its first file is older than the log keeps, and the state and the archive have passed it.
    let later = CLOCK_MS + 60 * DAY_MS;
    let mut up = installation.spawn_with(later, &check).unwrap();
    let owner = up.ready().unwrap();
    until("retention", || first_files(&installation.data(), "usage").len() < 8);
    until("compaction", || {
        let names = first_files(&installation.data(), "totals");
        !names.is_empty() && names.iter().all(|name| name.contains('-'))
    });
    assert!(metric(&owner, "tally_log_dropped_segments_total") > 0);
    assert!(metric(&owner, "tally_log_compactions_total") > 0);
    let second = [
        event(1, "new", later - 1),
        event(2, "late", CLOCK_MS + 40 * DAY_MS),
        event(3, "old-3", CLOCK_MS - 1),
    ];
    post(&owner, &second).unwrap();
    ledger.acknowledged(&second);
    count_once(&owner, &ledger, later);

    // It goes on from there after a death, and cannot be begun anew from what is left.
    up.kill_group().unwrap();
    let mut up = installation.spawn_with(later, &check).unwrap();
    let owner = up.ready().unwrap();
    count_once(&owner, &ledger, later);
    let board = installation.run_at(later, &["top", "--window", "lifetime", "--json"]).unwrap();
    assert_eq!(board.code, Some(0), "{board:?}");
    assert_eq!(status(&owner)["failures"], json!([]));
}

#[test]
fn a_row_that_was_deleted_by_hand_comes_back() {
    let installation = Installation::new().unwrap();
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    let owner = up.ready().unwrap();
    let mut ledger = Ledger::default();
    let events: Vec<Event> =
        (0..50).map(|nth| event(nth % 7, &format!("event-{nth}"), CLOCK_MS - 1)).collect();
    post(&owner, &events).unwrap();
    ledger.acknowledged(&events);
    count_once(&owner, &ledger, CLOCK_MS);
    for table in ["account_totals", "usage_hourly"] {
        let text = format!("ALTER TABLE {table} DELETE WHERE tool = 'tool-1' SETTINGS mutations_sync = 2");
        sql(&owner, &text).unwrap();
    }
    let red = installation.run_at(CLOCK_MS, &["verify", "--json"]).unwrap();
    assert_eq!(red.code, Some(1), "{red:?}");
    let again = installation.run_at(CLOCK_MS, &["republish", "--json"]).unwrap();
    assert_eq!(again.code, Some(0), "{again:?}");
    let report: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(report["partitions"], 8);
    let green = installation.run_at(CLOCK_MS, &["verify"]).unwrap();
    assert_eq!(green.code, Some(0), "{green:?}");
    count_once(&owner, &ledger, CLOCK_MS);
    let hours = sql(&owner, "SELECT sum(output) FROM usage_hourly FINAL WHERE tool = 'tool-1'").unwrap();
    assert_eq!(hours.trim(), "49", "7 events of person 1");
}

/// A log as an earlier program began it, with an older price book in every partition.
fn begin_with_an_older_book(data: &Path) {
    let secret = Secret::new([7; 32]);
    fs::create_dir_all(data).unwrap();
    fs::write(data.join("secret"), [7; 32]).unwrap();
    let config = LocalConfig {
        partitions: 8,
        durability: Durability::Synced,
        commit_interval_ms: 0,
        segment_bytes: 1 << 26,
        batch_bytes: 1 << 20,
        pending_bytes_max: 64 << 20,
        record_bytes_max: 4 << 20,
        retention_days: RetentionDays { usage: 45, outcomes: 45, rejects: 90, alerts: 90 },
        tombstone_hours: 168,
        compact_percent: 50,
    };
    let disk = OsDisk::open(data.join("log")).unwrap();
    let mut log = LocalLog::open(disk, config, TopicId::default()).unwrap();
    let barrier = tally_schema::encode_barrier(&Barrier {
        number: 1,
        topic: log.topic_id(),
        partitions: log.partitions(),
        fold_version: tally_fold::FOLD_VERSION,
        secret_check: secret.check(),
    });
    let book = br#"{"number": 0, "source": "none", "models": []}"#;
    let mut appender = log.appender();
    for partition in log.partitions().all() {
        let lane = Lane { topic: Topic::Usage, partition };
        appender.append(lane, &[], Some(&barrier)).unwrap();
        // The last partition never got one: its sender died before.
        if partition != Partition(7) {
            appender.append(lane, &[], Some(&tally_schema::encode_prices(0, book))).unwrap();
        }
    }
    let _written = log.turn(WallTime::from_ms(CLOCK_MS - DAY_MS).unwrap());
}

#[test]
fn an_older_price_book_is_followed_by_the_shipped_one_in_every_partition() {
    let installation = Installation::new().unwrap();
    begin_with_an_older_book(&installation.data());
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    let owner = up.ready().unwrap();
    let has_all = |owner: &Owner| {
        let books = status(owner)["price_books"].clone();
        books
            .as_object()
            .is_some_and(|books| books.len() == 8 && books.values().all(|book| *book != json!(0)))
    };
    until("the book in every partition", || has_all(&owner));
    let records = |owner: &Owner| sql(owner, "SELECT countIf(entry = 'prices') FROM events").unwrap();
    post(&owner, &[event(1, "priced", CLOCK_MS - 1)]).unwrap();
    settle(&owner).unwrap();
    let cost = sql(&owner, "SELECT sum(cost_lifetime) > 0 FROM account_totals FINAL").unwrap();
    assert_eq!(cost.trim(), "1", "what comes after it is priced by it");
    assert_eq!(records(&owner).trim(), "15", "an older book in seven partitions, the shipped one in eight");
    up.kill_group().unwrap();
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    let owner = up.ready().unwrap();
    assert!(has_all(&owner));
    settle(&owner).unwrap();
    assert_eq!(records(&owner).trim(), "15", "and it is sent once");
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

#[test]
fn a_clickhouse_that_comes_back_older_or_empty_is_filled_again() {
    let installation = Installation::new().unwrap();
    let tables = installation.data().join("clickhouse");
    let yesterday = installation.beside("yesterday");
    let mut ledger = Ledger::default();
    for (life, come_back) in ["as it was", "older", "empty", "as it was"].into_iter().enumerate() {
        match come_back {
            "older" => {
                fs::remove_dir_all(&tables).unwrap();
                copy(&yesterday, &tables);
            }
            "empty" => fs::remove_dir_all(&tables).unwrap(),
            _ => {}
        }
        let clock = CLOCK_MS + i64::try_from(life).unwrap() * DAY_MS;
        let mut up = installation.spawn(clock).unwrap();
        let owner = up.ready().unwrap();
        count_once(&owner, &ledger, clock);
        let events: Vec<Event> =
            (0..100).map(|nth| event(nth % 7, &format!("event-{life}-{nth}"), clock - 1)).collect();
        post(&owner, &events).unwrap();
        ledger.acknowledged(&events);
        count_once(&owner, &ledger, clock);
        if life == 0 {
            up.interrupt().unwrap();
            copy(&tables, &yesterday);
        } else {
            up.kill_alone().unwrap();
        }
    }
}

#[test]
fn an_engine_that_is_killed_is_followed_by_another() {
    let installation = Installation::new().unwrap();
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    let owner = up.ready().unwrap();
    let mut ledger = Ledger::default();
    for life in 0..3 {
        let events: Vec<Event> =
            (0..100).map(|nth| event(nth % 7, &format!("event-{life}-{nth}"), CLOCK_MS - 1)).collect();
        post(&owner, &events).unwrap();
        ledger.acknowledged(&events);
        if life == 1 {
            settle(&owner).unwrap();
        }
        let engines = up.children();
        assert_eq!(engines.len(), 1);
        kill(engines[0]).unwrap();
        until("another engine", || {
            let now = up.children();
            now.len() == 1 && now != engines && sql(&owner, "SELECT 1").is_ok()
        });
        until("it is well again", || {
            http::send(&owner.control, "GET", "/readyz", "").is_ok_and(|answer| answer.status == 200)
        });
        count_once(&owner, &ledger, CLOCK_MS);
    }
    assert!(up.said().contains("ClickHouse engine goes on"), "{}", up.said());
    up.interrupt().unwrap();
}

#[test]
fn a_view_whose_rows_a_full_disk_took_is_made_again_while_it_runs() {
    let installation = Installation::new().unwrap();
    let mut up = installation.spawn(CLOCK_MS).unwrap();
    let owner = up.ready().unwrap();
    let rows = "SELECT concat('.inner_id.', toString(uuid)) FROM system.tables
        WHERE database = currentDatabase() AND name = 'model_daily'";
    let path = "SELECT metadata_path FROM system.tables WHERE database = currentDatabase() AND name IN";
    let definition = sql(&owner, &format!("{path} ({rows})")).unwrap();
    // As the engine leaves it that makes a table when there is no room.
    fs::File::create(installation.data().join("clickhouse").join(definition.trim())).unwrap();
    kill(up.children()[0]).unwrap();
    until("the view is there again", || sql(&owner, "SELECT count() FROM model_daily").is_ok());
    assert!(up.said().contains("a full disk took the rows of a view"), "{}", up.said());
    up.interrupt().unwrap();
}
