//! What is kept and what goes: retention, compaction, back-pressure, the commit interval.

use tally_disk::{Disk, MemoryDisk};
use tally_domain::{Offset, Topic};
use tally_log::{AppendLog, Durability, LocalConfig, LocalLog, LogError, ReadLog, Records};

use super::{TOPIC, all, config, day, lane, offset, open, put};

#[test]
fn retention_drops_what_is_old_and_never_what_is_needed() {
    let disk = MemoryDisk::new(1);
    let usage = lane(Topic::Usage, 0);
    let mut log = open(&disk).unwrap();
    for turn in 0..100 {
        assert!(put(&mut log, day(turn), &[(usage, "k", Some(&format!("day {turn:0>200}")))])[0].is_ok());
    }
    let start = |log: &LocalLog<MemoryDisk>| log.reader().bounds(usage).unwrap().start.get();
    let _none = log.retain(day(30), u64::MAX, |_| Offset::MAX).unwrap();
    assert_eq!(start(&log), 0, "nothing is 38 days old");
    let _few = log.retain(day(99), u64::MAX, |_| offset(20)).unwrap();
    let held = start(&log);
    assert!(held > 8 && held <= 20, "the archive still needs 20: {held}");
    let some = log.retain(day(99), 2, |_| Offset::MAX).unwrap();
    assert_eq!(some.segments, 2, "no more than may go at once");
    let dropped = log.retain(day(99), u64::MAX, |_| Offset::MAX).unwrap();
    let kept = start(&log);
    assert!(dropped.segments > 0 && kept > 50 && kept <= 61, "day 61 is 38 days old: {kept}");
    assert_eq!(all(&mut log.reader(), usage).unwrap()[0].0, kept);

    let below = log.reader().read(usage, offset(kept - 1), 100, &mut Records::default());
    let message = below.unwrap_err().to_string();
    assert!(message.contains(&format!("the log starts at {kept}; start from a newer state")), "{message}");

    let _all = log.retain(day(1_000), u64::MAX, |_| Offset::MAX).unwrap();
    assert_eq!(log.reader().bounds(usage).unwrap().start, offset(100), "nothing is left");
    drop(log);
    let mut log = open(&disk).unwrap();
    let next = put(&mut log, day(1_000), &[(usage, "k", Some("later"))]);
    assert_eq!(next[0].as_ref().unwrap().get(), 100, "numbers go on in an emptied lane, after a restart too");
    assert_eq!(log.reader().offset_for_time(usage, day(99).ms()).unwrap(), offset(100));
}

#[test]
fn a_forgotten_person_is_off_the_disk_within_a_day() {
    let disk = MemoryDisk::new(2);
    let identities = lane(Topic::Identities, 1);
    let mut log = open(&disk).unwrap();
    let first = [(identities, "ann", Some("Ann Example")), (identities, "bob", Some("Bob Example"))];
    assert!(put(&mut log, day(0), &first).iter().all(Result::is_ok));
    assert!(put(&mut log, day(1), &[(identities, "ann", None)])[0].is_ok());
    assert_eq!(log.compact_one(day(0)).unwrap(), None, "too little and too new");
    let done = log.compact_one(day(3)).unwrap().unwrap();
    assert_eq!((done.lane, done.kept, done.dropped), (identities, 1, 2));
    let expected = [(1, "bob".to_owned(), "Bob Example".to_owned())];
    assert_eq!(all(&mut log.reader(), identities).unwrap(), expected);
    assert!(put(&mut log, day(3), &[(identities, "bob", None)])[0].is_ok());
    let done = log.compact(identities, day(3)).unwrap();
    assert_eq!((done.kept, done.dropped), (1, 1), "a young tombstone stays for slow readers");
    drop(log);
    let log = open(&disk).unwrap();
    assert_eq!(all(&mut log.reader(), identities).unwrap(), [(3, "bob".to_owned(), "-".to_owned())]);
    assert_eq!(disk.list("identities/1").unwrap().len(), 2, "one compacted file and the open one");
}

#[test]
fn back_pressure_takes_nothing_and_passes() {
    let disk = MemoryDisk::new(3);
    let mut log = LocalLog::open(disk, LocalConfig { pending_bytes_max: 1_000, ..config() }, TOPIC).unwrap();
    let usage = lane(Topic::Usage, 0);
    let mut appender = log.appender();
    let taken = (0..100).take_while(|_| appender.append(usage, b"key", Some(&[1; 97])).is_ok()).count();
    assert_eq!(taken, 8, "112 bytes each");
    assert!(log.appender().append(usage, b"", None).is_ok(), "a smaller one still fits");
    let full = appender.append(usage, b"key", Some(&[1; 97])).unwrap_err();
    assert_eq!((full.pending_bytes, full.bytes_max), (908, 1_000));
    assert_eq!(log.turn(day(0)).records, 9);
    assert!(appender.append(usage, b"key", Some(&[1; 97])).is_ok());
    let huge = vec![0; 3 << 20];
    assert_eq!(log.turn(day(0)).records, 1);
    let ticket = appender.append(usage, b"", Some(&huge)).unwrap();
    let mut decided = Vec::new();
    appender.acknowledged(&mut decided);
    let (last, outcome) = decided.pop().unwrap();
    assert_eq!(last, ticket);
    assert!(matches!(outcome, Err(LogError::TooLarge { bytes_max: 2_097_152, .. })), "{outcome:?}");
}

#[test]
fn a_commit_interval_gathers_what_comes_meanwhile() {
    let disk = MemoryDisk::new(4);
    let config = LocalConfig { commit_interval_ms: 100, ..config() };
    let mut log = LocalLog::open(disk, config, TOPIC).unwrap();
    let usage = lane(Topic::Usage, 0);
    let mut appender = log.appender();
    let mut turn_at = |ms: i64| {
        let _ticket = appender.append(usage, b"", Some(b"v")).unwrap();
        let turn = log.turn(day(0).plus_ms(ms));
        (turn.records, turn.due_in_ms)
    };
    assert_eq!([0, 30, 99, 100, 150].map(&mut turn_at), [(1, 0), (0, 70), (0, 1), (3, 0), (0, 50)]);
    assert_eq!(turn_at(-5_000), (2, 0), "a clock that steps back keeps nothing waiting");
}

#[test]
fn a_written_log_survives_its_process_and_says_no_more() {
    let disk = MemoryDisk::new(5);
    let config = LocalConfig { durability: Durability::Written, ..config() };
    let usage = lane(Topic::Usage, 0);
    let mut log = LocalLog::open(disk.clone(), config.clone(), TOPIC).unwrap();
    for turn in 0..50 {
        assert!(put(&mut log, day(turn), &[(usage, "k", Some(&format!("value {turn:0>90}")))])[0].is_ok());
    }
    drop(log);
    let log = LocalLog::open(disk.clone(), config.clone(), TOPIC).unwrap();
    assert_eq!(all(&mut log.reader(), usage).unwrap().len(), 50);
    assert!(disk.list("usage/0").unwrap().len() > 2, "it rolls like any other");
}
