//! Handles on other threads, on the real disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tally_disk::OsDisk;
use tally_domain::{Offset, Topic};
use tally_log::{AppendLog, LocalLog, ReadLog, Records};

use super::{TOPIC, config, day, lane};

const RECORDS: usize = 5_000;

#[test]
fn appenders_and_readers_work_from_threads_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let disk = OsDisk::open(dir.path()).unwrap();
    let mut config = config();
    config.segment_bytes = 40_000;
    let mut log = LocalLog::open(disk, config, TOPIC).unwrap();
    let usage = lane(Topic::Usage, 0);
    let appenders = [log.appender(), log.appender()];
    let mut reader = log.reader();
    let bell = log.bell();
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        let driver = threads.spawn(|| {
            let mut minutes = 0;
            while !done.load(Ordering::Acquire) {
                bell.wait(Duration::from_millis(20));
                minutes += 1;
                let _turn = log.turn(day(0).plus_ms(minutes * 60_000));
            }
        });
        let sending: Vec<_> = appenders
            .into_iter()
            .map(|mut appender| {
                threads.spawn(move || {
                    let mut decided = Vec::new();
                    for i in 0..RECORDS {
                        while appender.append(usage, b"key", Some(format!("{i}").as_bytes())).is_err() {
                            appender.wait(Duration::from_secs(1));
                            appender.acknowledged(&mut decided);
                        }
                    }
                    while decided.len() < RECORDS {
                        appender.wait(Duration::from_secs(1));
                        appender.acknowledged(&mut decided);
                    }
                    assert!(decided.iter().all(|(_, outcome)| outcome.is_ok()));
                })
            })
            .collect();
        let mut records = Records::default();
        let mut next = Offset::ZERO;
        while usize::try_from(next.get()).unwrap() < 2 * RECORDS {
            reader.read(usage, next, 4_096, &mut records).unwrap();
            for record in records.iter() {
                assert_eq!(record.offset, next);
                next = next.next();
            }
            if records.is_empty() {
                reader.wait(Duration::from_secs(1));
            }
        }
        for sender in sending {
            sender.join().unwrap();
        }
        done.store(true, Ordering::Release);
        driver.join().unwrap();
    });
}
