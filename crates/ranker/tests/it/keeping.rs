//! What is kept of all snapshots, and that readers do not notice what goes.

use crate::rig::{Log, fresh, leaderboard, ranker, run, stored, total, until, version};
use std::time::Duration;
use tally_clickhouse::Database;
use tally_clickhouse::rows::KeepCode;
use tally_domain::Minute;
use tally_ranker::SnapshotWriter;
use tokio::sync::watch;

const HOUR: i32 = 60;
const DAY: i32 = 24 * HOUR;
const PEOPLE: usize = 6;

/// A story of snapshots at the given minutes after the start.
struct Story {
    log: Log,
    database: Database,
    next: u64,
}

type Ranker = tally_ranker::Ranker<tally_log::local::Reader<tally_disk::MemoryDisk>, SnapshotWriter>;

impl Story {
    async fn begun() -> Self {
        let (database, mut log) = (fresh().await, Log::new());
        for n in 1..=u8::try_from(PEOPLE).unwrap() {
            log.total(&total(n, i64::from(n)), 1);
        }
        Self { log, database, next: 0 }
    }

    fn ranker(&self) -> Ranker {
        ranker(&self.log, SnapshotWriter::start(self.database.clone()).unwrap())
    }

    fn snapshot(&mut self, ranker: &mut Ranker, clock: i32) -> u64 {
        self.next += 1;
        self.log.progress(0, self.next, clock);
        self.log.progress(1, self.next, clock);
        until(ranker, Duration::from_secs(self.next * 100), |live| stored(live) == 2 * self.next);
        version(2 * self.next).get()
    }

    /// Number, keeping and minute after the start of every snapshot that has a marker, and how many rows it has.
    async fn kept(&self) -> Vec<(u64, KeepCode, i32, u64)> {
        let text = "SELECT s.snapshot, toInt8(s.keep), toInt32(toUnixTimestamp(s.as_of)), r.rows
            FROM ${t}snapshots AS s
            LEFT JOIN (SELECT snapshot, count() AS rows FROM ${t}rankings GROUP BY snapshot) AS r USING snapshot
            ORDER BY s.snapshot";
        let rows: Vec<(u64, i8, i32, u64)> = self.database.query(text).fetch_all().await.unwrap();
        let keep = |code| [KeepCode::All, KeepCode::Hourly, KeepCode::Daily][usize::try_from(code).unwrap()];
        rows.into_iter().map(|(n, code, s, rows)| (n, keep(code), s / 60 - crate::rig::START, rows)).collect()
    }
}

/// What one snapshot must be kept as, by the clocks of all before it.
fn keep_of(clocks: &[i32], clock: i32) -> KeepCode {
    let same = |span: i32| clocks.iter().any(|before| before.div_euclid(span) == clock.div_euclid(span));
    match (same(DAY), same(HOUR)) {
        (false, _) => KeepCode::Daily,
        (true, false) => KeepCode::Hourly,
        (true, true) => KeepCode::All,
    }
}

/// Minutes that a snapshot must be there, and minutes after which it must not: a partition goes as one.
const fn spans(keep: KeepCode) -> (i32, i32) {
    match keep {
        KeepCode::All => (HOUR, 2 * HOUR),
        KeepCode::Hourly => (7 * DAY, 8 * DAY),
        KeepCode::Daily => (400 * DAY, 431 * DAY),
    }
}

/// Every twenty minutes for hours, every twelve hours for days, every eighty days for more than a year.
fn clocks() -> Vec<i32> {
    let often = (0..10).map(|n| n * 20);
    let daily = (1..18).flat_map(|n| [n * 12 * HOUR, n * 12 * HOUR + 5]);
    let rarely = (1..7).flat_map(|n| [(9 + n * 80) * DAY, (9 + n * 80) * DAY + 61]);
    often.chain(daily).chain(rarely).collect()
}

#[test]
fn all_of_an_hour_one_of_each_hour_for_a_week_and_one_of_each_day_for_400_are_kept() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut story = Story::begun().await;
        let mut ranker = story.ranker();
        story.snapshot(&mut ranker, -1);
        let (said, mut read) = watch::channel(0);
        let reading = tokio::spawn(read_on(story.database.clone(), said));
        let (mut written, mut seen) = (vec![(version(2).get(), KeepCode::Daily, -1)], vec![-1]);
        for clock in clocks() {
            let keep = keep_of(&seen, clock);
            written.push((tokio::task::block_in_place(|| story.snapshot(&mut ranker, clock)), keep, clock));
            seen.push(clock);
            // Nobody reads for as long as two snapshots take.
            read.mark_unchanged();
            if read.changed().await.is_err() {
                break;
            }
            let kept = story.kept().await;
            assert_eq!(kept.last().map(|last| (last.0, last.1, last.2)), written.last().copied());
            for &(number, keep, at) in &written {
                let (least, most) = spans(keep);
                let there = kept.iter().find(|row| row.0 == number);
                let (age, before) = (clock - at, seen[seen.len() - 2] - at);
                assert!(there.is_some() || age >= least, "{keep:?} of {at} is gone after {age} minutes");
                let swept = keep_of(&seen[..seen.len() - 1], clock) != KeepCode::All;
                assert!(
                    there.is_none() || before < most || !swept,
                    "{keep:?} of {at} is still there after {age}"
                );
                assert!(
                    there.is_none_or(|row| usize::try_from(row.3).unwrap() == PEOPLE),
                    "{there:?} has lost rows"
                );
            }
        }
        drop(read);
        reading.await.unwrap();
        assert!(story.kept().await.len() < 40, "{:?}", story.kept().await);
    });
}

/// Reads the board over and over, until nobody listens: everyone must be on it, once, always.
async fn read_on(database: Database, said: watch::Sender<usize>) {
    while !said.is_closed() {
        let people: Vec<u8> = leaderboard(&database).await.iter().map(|row| row.0).collect();
        assert_eq!(people, [6, 5, 4, 3, 2, 1], "after {:?} times", said.borrow());
        said.send_modify(|times| *times += 1);
    }
}

#[test]
fn a_board_is_whole_while_others_take_its_place() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut story = Story::begun().await;
        let mut ranker = story.ranker();
        story.snapshot(&mut ranker, 0);
        let (said, read) = watch::channel(0);
        let reading: Vec<_> =
            (0..3).map(|_| tokio::spawn(read_on(story.database.clone(), said.clone()))).collect();
        for minute in 1..60 {
            tokio::task::block_in_place(|| story.snapshot(&mut ranker, minute));
        }
        drop(read);
        for reading in reading {
            reading.await.unwrap();
        }
    });
}

#[test]
fn a_restart_marks_no_second_snapshot_of_a_day_or_an_hour() {
    run(async {
        let mut story = Story::begun().await;
        for (clock, keep) in [
            (3, KeepCode::Daily),
            (4, KeepCode::All),
            (65, KeepCode::Hourly),
            (66, KeepCode::All),
            (DAY - 1, KeepCode::Hourly),
            (DAY, KeepCode::Daily),
            (DAY + 1, KeepCode::All),
        ] {
            let mut ranker = story.ranker();
            story.snapshot(&mut ranker, clock);
            assert_eq!(story.kept().await.last().map(|row| (row.1, row.2)), Some((keep, clock)));
        }
    });
}

#[test]
fn a_restart_after_days_measures_movement_against_a_day_before_now() {
    run(async {
        let mut story = Story::begun().await;
        let mut numbers = Vec::new();
        let mut ranker = story.ranker();
        for clock in [0, 12 * HOUR, DAY, 2 * DAY] {
            numbers.push(story.snapshot(&mut ranker, clock));
        }
        drop(ranker);
        // It finds the newest of day 2, for which the reference was that of day 1; now it is day 5.
        let mut ranker = story.ranker();
        story.snapshot(&mut ranker, 5 * DAY);
        let head = story.database.newest_snapshot().await.unwrap().unwrap();
        assert_eq!((head.earlier, minute(head.as_of)), (numbers[3], Minute(crate::rig::START + 5 * DAY)));
    });
}

fn minute(as_of: u32) -> Minute {
    tally_clickhouse::rows::minute_of(as_of)
}
