//! A directory that has a state takes a newer one, and keeps what it has otherwise.

use tally_checkpoints::{CheckpointError, Fetched};
use tally_disk::{MemoryDisk, memory::Fault};

use crate::damage::{Damage, damage};
use crate::state::{
    DIR, PARTITION, brought, committed, copier, copies, files, files_in, fold, folded, folded_on, open,
    version,
};
use crate::trouble::{Fails, Trouble};

/// A store with a state that another life has folded further: the same names, other bytes in them.
fn further() -> (Trouble, u64) {
    let store = Trouble::default();
    let (mut engine, mut next) = open(&MemoryDisk::new(5));
    for _commit in 0..4 {
        fold(&mut engine, &mut next, 7);
        let _copied = copier(&store).copy(&committed(&engine)).unwrap();
    }
    (store, next)
}

/// A directory that has folded less, and let go of it.
fn older() -> (MemoryDisk, u64) {
    let (disk, _engine, next) = folded(2);
    (disk, next)
}

#[test]
fn a_newer_copy_replaces_an_older_state() {
    let (store, next) = further();
    let (disk, had) = older();
    let fetched = copies(&store).fetch(PARTITION, &disk, DIR, Some(version(had))).unwrap();
    let Fetched::State { version: found, bytes, .. } = fetched else { panic!("{fetched:?}") };
    assert_eq!(found, version(next));
    assert_eq!(bytes, files_in(&disk).values().map(|file| u64::try_from(file.len()).unwrap()).sum::<u64>());
    assert_eq!(brought(&disk), Some(next));
    assert_eq!(files_in(&disk).len(), 5, "four runs and a manifest, and nothing else");
}

#[test]
fn a_state_that_is_as_new_as_any_copy_is_kept_as_it_is() {
    let store = Trouble::default();
    let (disk, engine, next) = folded(3);
    let state = committed(&engine);
    let _copied = copier(&store).copy(&state).unwrap();
    let before = files(&state);
    drop((engine, state));
    for held in [next, next + 1] {
        let fetched = copies(&store).fetch(PARTITION, &disk, DIR, Some(version(held))).unwrap();
        assert!(matches!(fetched, Fetched::Nothing), "{fetched:?}");
    }
    assert_eq!(files_in(&disk), before);
}

#[test]
fn a_store_that_goes_away_leaves_the_older_state() {
    let (store, next) = further();
    let (_disk, had) = older();
    let probe = store.fork();
    let _fetched = copies(&probe).fetch(PARTITION, &older().0, DIR, Some(version(had))).unwrap();
    for operation in 0..probe.operations() {
        let (store, disk) = (store.fork(), older().0);
        store.fail(operation, Fails::Before);
        assert!(copies(&store).fetch(PARTITION, &disk, DIR, Some(version(had))).is_err());
        assert_eq!(brought(&disk.snapshot()), Some(had), "operation {operation}");
        store.heal();
        let _fetched = copies(&store).fetch(PARTITION, &disk, DIR, Some(version(had))).unwrap();
        assert_eq!(brought(&disk), Some(next), "operation {operation}");
    }
}

#[test]
fn power_lost_while_a_state_is_replaced_leaves_the_older_or_none_or_the_newer() {
    let (store, next) = further();
    let had = older().1;
    let counted = older().0;
    let before = counted.operations();
    let _fetched = copies(&store).fetch(PARTITION, &counted, DIR, Some(version(had))).unwrap();
    let (mut old, mut none, mut new) = (0, 0, 0);
    for operation in before..counted.operations() {
        for seed in 0..8 {
            let disk = MemoryDisk::new(seed * 1_000 + operation);
            drop(folded_on(&disk, 2));
            disk.plan(operation, Fault::Crash);
            let _cut_off = copies(&store).fetch(PARTITION, &disk, DIR, Some(version(had)));
            disk.crash();
            match brought(&disk) {
                None => none += 1,
                Some(found) if found == had => old += 1,
                found => {
                    assert_eq!(found, Some(next), "operation {operation}");
                    new += 1;
                }
            }
        }
    }
    assert!(old > 0 && none > 0 && new > 0, "{old} older, {none} without, {new} newer");
}

#[test]
fn damaged_copies_replace_nothing() {
    let (store, _) = further();
    let (disk, had) = older();
    for object in store.puts().iter().rev().filter(|object| object.contains("/copies/")).take(2) {
        damage(&store, object, Damage::Flip);
    }
    let refused = copies(&store).fetch(PARTITION, &disk, DIR, Some(version(had))).unwrap_err();
    assert!(matches!(refused, CheckpointError::Damaged { .. }), "{refused}");
    assert_eq!(brought(&disk), Some(had));
}
