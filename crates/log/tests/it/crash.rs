//! Power lost, or the disk refusing, at every single operation: what was acknowledged is there afterwards, what
//! was not is there wholly or not at all, and offsets stay dense.

use std::collections::BTreeMap;

use tally_disk::memory::Fault;
use tally_disk::{Kind, MemoryDisk};
use tally_domain::{Lane, Topic};
use tally_log::LogError;

use super::{all, day, lane, open, put};

/// What the workload was told, by lane: offset → value; and every value it ever appended.
#[derive(Default)]
struct Told {
    acknowledged: BTreeMap<Lane, BTreeMap<u64, (String, String)>>,
    appended: Vec<String>,
}

/// Twelve turns, ten days apart, of appends, retention and compaction; stops at the first thing that fails to open or to tidy.
fn work(disk: &MemoryDisk, told: &mut Told, round: &str) -> Result<(), LogError> {
    let mut log = open(disk)?;
    for turn in 0..12_i64 {
        let text = |i: i64| format!("{round}:{turn}.{i} {}", "x".repeat(usize::try_from(i * 60).unwrap()));
        let values: Vec<String> = (0..12).map(text).collect();
        let record = |(i, value): (usize, &String)| {
            let to = [lane(Topic::Usage, 0), lane(Topic::Usage, 2), lane(Topic::Identities, 1)][i % 3];
            (to, format!("key {}", i % 5), value.clone())
        };
        let records: Vec<_> = values.iter().enumerate().map(record).collect();
        told.appended.extend(values);
        let borrowed: Vec<_> = records.iter().map(|(to, key, value)| (*to, &**key, Some(&**value))).collect();
        for ((to, key, value), outcome) in records.iter().zip(put(&mut log, day(turn * 10), &borrowed)) {
            if let Ok(offset) = outcome {
                let lane = told.acknowledged.entry(*to).or_default();
                let before = lane.insert(offset.get(), (key.clone(), value.clone()));
                assert_eq!(before, None, "an offset of {to} is given twice");
            }
        }
        if turn == 11 {
            let _dropped = log.retain(day(turn * 10), u64::MAX, |_| super::offset(24))?;
        }
        if turn % 3 == 2 {
            let _compacted = log.compact_one(day(turn * 10))?;
        }
    }
    Ok(())
}

/// Compares a log with what the workload was told.
fn check(disk: &MemoryDisk, told: &Told, place: &str) {
    let log = open(disk).unwrap_or_else(|error| panic!("{place}: {error}"));
    let mut reader = log.reader();
    for (to, acknowledged) in &told.acknowledged {
        let seen = all(&mut reader, *to).unwrap_or_else(|error| panic!("{place}: {error}"));
        let offsets: Vec<u64> = seen.iter().map(|(offset, _, _)| *offset).collect();
        assert!(seen.iter().all(|(_, _, value)| told.appended.contains(value)), "{place}: torn in {to}");
        let compacted = to.topic.is_compacted();
        let dense = offsets.windows(2).all(|pair| pair[1] == pair[0] + 1);
        assert!(dense || compacted, "{place}: {to} has {offsets:?}");
        let start = offsets.first().copied().unwrap_or(0);
        assert!(start <= 24 || compacted, "{place}: {to} was retained past what is needed: {start}");
        for (offset, (key, value)) in acknowledged.range(if compacted { 0 } else { start }..) {
            let found = seen.iter().any(|(o, k, v)| (o, k, v) == (offset, key, value));
            let superseded = compacted && seen.iter().any(|(o, k, _)| o > offset && k == key);
            assert!(found || superseded, "{place}: {to} lost {offset} {value:?} of {seen:?}");
        }
    }
}

fn operations() -> u64 {
    let disk = MemoryDisk::new(0);
    let mut told = Told::default();
    work(&disk, &mut told, "a").unwrap();
    let operations = disk.operations();
    check(&disk, &told, "nothing happened");
    operations
}

#[test]
fn power_lost_at_any_operation_loses_nothing_acknowledged() {
    let operations = operations();
    assert!(operations > 100, "the workload does little: {operations}");
    for at in 0..operations {
        for seed in 0..3 {
            let place = format!("crash at operation {at} of seed {seed}");
            let disk = MemoryDisk::new(at * 31 + seed);
            disk.plan(at, Fault::Crash);
            let mut told = Told::default();
            let _stopped = work(&disk, &mut told, "a");
            assert!(disk.is_down(), "{place}: it did not happen");
            disk.crash();
            check(&disk, &told, &place);
            let again = work(&disk, &mut told, "b");
            assert!(again.is_ok(), "{place}: {again:?}");
            check(&disk, &told, &place);
        }
    }
}

#[test]
fn power_lost_twice_loses_nothing_acknowledged() {
    let operations = operations();
    for at in (0..operations).step_by(5) {
        for later in (0..60).step_by(4) {
            let place = format!("crashes at operation {at} and {later} later");
            let disk = MemoryDisk::new(at * 1_000 + later);
            let mut told = Told::default();
            disk.plan(at, Fault::Crash);
            let _stopped = work(&disk, &mut told, "a");
            disk.crash();
            disk.plan(disk.operations() + later, Fault::Crash);
            let _stopped = work(&disk, &mut told, "b");
            disk.crash();
            check(&disk, &told, &place);
        }
    }
}

#[test]
fn a_refusal_at_any_operation_is_told_and_outlived() {
    let operations = operations();
    for at in 0..operations {
        for kind in [Kind::Full, Kind::Other] {
            let place = format!("{kind:?} at operation {at}");
            let disk = MemoryDisk::new(at);
            disk.plan(at, Fault::Refuse(kind));
            let mut told = Told::default();
            // The log goes on by itself where it was appending; what fails to open is opened again.
            let first = work(&disk, &mut told, "a");
            check(&disk, &told, &place);
            if first.is_err() {
                let again = work(&disk, &mut told, "b");
                assert!(again.is_ok(), "{place}: {again:?}");
            }
            disk.crash();
            check(&disk, &told, &place);
        }
    }
}

#[test]
fn a_killed_process_leaves_what_it_wrote_and_that_is_synced_before_it_is_shown() {
    let disk = MemoryDisk::new(3);
    let usage = lane(Topic::Usage, 0);
    let mut log = open(&disk).unwrap();
    assert!(put(&mut log, day(0), &[(usage, "k", Some("first"))])[0].is_ok());
    // The sync of the next batch is refused: it is written, not durable, and told as failed.
    disk.plan(disk.operations() + 1, Fault::Refuse(Kind::Other));
    assert!(put(&mut log, day(0), &[(usage, "k", Some("second"))])[0].is_err());
    assert_eq!(all(&mut log.reader(), usage).unwrap().len(), 1, "readers see only what is synced");
    drop(log);
    let log = open(&disk).unwrap();
    let seen = all(&mut log.reader(), usage).unwrap();
    drop(log);
    disk.crash();
    let log = open(&disk).unwrap();
    assert_eq!(all(&mut log.reader(), usage).unwrap(), seen, "what was shown once stays");
}

#[test]
fn a_full_disk_is_told_and_room_heals_it() {
    let disk = MemoryDisk::new(5);
    let usage = lane(Topic::Usage, 1);
    let mut log = open(&disk).unwrap();
    let value = "v".repeat(500);
    assert!(put(&mut log, day(0), &[(usage, "k", Some(&value))])[0].is_ok());
    disk.limit_bytes(Some(disk.used_bytes() + 200));
    let refused = put(&mut log, day(0), &[(usage, "k", Some(&value)), (usage, "k", Some("small"))]);
    for outcome in refused {
        let message = outcome.unwrap_err().to_string();
        assert!(message.contains("usage/1/") && message.contains("free space on this volume"), "{message}");
    }
    disk.limit_bytes(None);
    let healed = put(&mut log, day(0), &[(usage, "k", Some("again"))]);
    assert_eq!(healed[0].as_ref().unwrap().get(), 1, "the failed ones took no offset");
    let values: Vec<_> = all(&mut log.reader(), usage).unwrap().into_iter().map(|(_, _, v)| v).collect();
    assert_eq!(values, [value, "again".to_owned()]);
}
