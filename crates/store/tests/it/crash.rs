//! Power is lost, or the disk refuses, at every single operation: what is found is one committed state, whole.

use proptest::prelude::*;
use tally_disk::{Kind, MemoryDisk, memory::Fault};

use crate::model::{Model, Move, Pair, reopened, script};

/// Plays until the machine goes down, or to the end. What may be found afterwards: the last commit, or the one
/// that was under way.
fn play_into(disk: &MemoryDisk, script: &[Move]) -> (Model, Option<Model>) {
    let Ok(mut pair) = Pair::open(disk) else { return (Model::default(), None) };
    let _stopped = pair.play(script);
    (pair.committed.clone(), pair.attempted.clone())
}

fn crash_at(seed: u64, operation: u64, script: &[Move]) {
    let disk = MemoryDisk::new(seed);
    disk.plan(operation, Fault::Crash);
    let (committed, attempted) = play_into(&disk, script);
    disk.crash();
    let possible: Vec<&Model> = std::iter::once(&committed).chain(&attempted).collect();
    // Going on shows what reading at once cannot: rows applied twice, numbers given twice.
    let mut pair = reopened(&disk, &possible);
    pair.play(script).unwrap();
    pair.step(&Move::Commit).unwrap();
    pair.merge_all();
    pair.check();
    pair.step(&Move::Commit).unwrap();
    let last = pair.committed.clone();
    drop(pair);
    disk.crash();
    reopened(&disk, &[&last]).check();
}

/// A script with everything in it: commits, merges over commits, days that pass.
fn long_script() -> Vec<Move> {
    let of = |n: u16| match n % 9 {
        3 | 7 => Move::Commit,
        5 => Move::Merge(u8::try_from(n % 50).unwrap()),
        8 if n.is_multiple_of(4) => Move::Day,
        _ => Move::Put(n.wrapping_mul(7_919)),
    };
    (0..90).map(of).collect()
}

fn operations_of(script: &[Move]) -> u64 {
    let disk = MemoryDisk::new(0);
    Pair::open(&disk).unwrap().play(script).unwrap();
    disk.operations()
}

#[test]
fn power_lost_at_every_operation_leaves_one_whole_state() {
    let script = long_script();
    let operations = operations_of(&script);
    assert!(operations > 300, "the script is long enough to matter: {operations}");
    for operation in 0..operations {
        for seed in 0..4 {
            crash_at(seed * 1_000_003 + operation, operation, &script);
        }
    }
}

/// The disk refuses operation `operation`; the store says so, goes on, and has lost nothing.
fn refuse_at(seed: u64, operation: u64, kind: Kind, script: &[Move]) {
    let disk = MemoryDisk::new(seed);
    disk.plan(operation, Fault::Refuse(kind));
    let Ok(mut pair) = Pair::open(&disk) else {
        let pair = Pair::open(&disk).unwrap();
        return pair.check();
    };
    let refused = script.iter().position(|step| pair.step(step).is_err());
    let (committed, attempted) = (pair.committed.clone(), pair.attempted.clone());
    // The machine may die before anyone tries again.
    let dead = disk.snapshot();
    dead.crash();
    let possible: Vec<&Model> = std::iter::once(&committed).chain(&attempted).collect();
    reopened(&dead, &possible).check();
    // Or the same process goes on.
    if let Some(refused) = refused {
        pair.check();
        pair.step(&Move::Commit).unwrap();
        pair.play(&script[refused + 1..]).unwrap();
    }
    pair.step(&Move::Commit).unwrap();
    pair.merge_all();
    pair.check();
    pair.step(&Move::Commit).unwrap();
    let last = pair.committed.clone();
    drop(pair);
    disk.crash();
    reopened(&disk, &[&last]).check();
}

#[test]
fn a_disk_that_refuses_any_operation_costs_nothing_but_the_attempt() {
    let script = long_script();
    for operation in 0..operations_of(&script) {
        refuse_at(operation, operation, Kind::Full, &script);
        refuse_at(operation, operation, Kind::Other, &script);
    }
}

#[test]
fn a_disk_that_stays_full_keeps_the_last_commit_and_takes_the_next_when_there_is_room() {
    let script = long_script();
    for limit in (0..6_000).step_by(250) {
        let disk = MemoryDisk::new(limit);
        let mut pair = Pair::open(&disk).unwrap();
        disk.limit_bytes(Some(limit));
        for step in &script {
            // A refused merge or commit changes nothing that can be read.
            let _refused = pair.step(step);
        }
        pair.check();
        let refused = pair.step(&Move::Commit);
        if limit < 3_000 {
            let message = refused.unwrap_err().to_string();
            assert!(message.contains("free space"), "{message}");
        }
        disk.limit_bytes(None);
        pair.step(&Move::Commit).unwrap();
        let last = pair.committed.clone();
        drop(pair);
        disk.crash();
        reopened(&disk, &[&last]).check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_script_survives_a_crash_anywhere(script in script(80), seed in any::<u64>(), place in any::<prop::sample::Index>()) {
        let operations = usize::try_from(operations_of(&script)).unwrap();
        crash_at(seed, u64::try_from(place.index(operations)).unwrap(), &script);
    }

    #[test]
    fn any_script_survives_a_refusal_anywhere(script in script(80), seed in any::<u64>(), place in any::<prop::sample::Index>()) {
        let operations = usize::try_from(operations_of(&script)).unwrap();
        refuse_at(seed, u64::try_from(place.index(operations)).unwrap(), Kind::Full, &script);
    }
}
