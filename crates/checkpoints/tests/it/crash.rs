//! The store goes away, or the machine, at every single operation.

use tally_checkpoints::{Copied, Fetched};
use tally_disk::{MemoryDisk, memory::Fault};

use crate::state::{DIR, PARTITION, brought, committed, copier, copies, fold, folded, merge, version};
use crate::trouble::{Fails, Trouble};

/// What is there, read by one who begins with nothing.
fn newest(store: &Trouble) -> Option<u64> {
    let disk = MemoryDisk::new(1);
    match copies(store).fetch(PARTITION, &disk, DIR, None).unwrap() {
        Fetched::Nothing => None,
        Fetched::State { version: found, passed_over, .. } => {
            assert!(passed_over.is_empty(), "{passed_over:?}");
            let next = brought(&disk);
            assert_eq!(next.map(version), Some(found));
            next
        }
    }
}

#[test]
fn a_copying_that_is_cut_off_anywhere_leaves_the_older_or_the_newer_state() {
    // Two copies are there; the third merges, so that files go too.
    let (_disk, mut engine, mut next) = folded(3);
    let before = Trouble::default();
    for _copy in 0..2 {
        let _copied = copier(&before).copy(&committed(&engine)).unwrap();
        fold(&mut engine, &mut next, 10);
    }
    let older = next - 10;
    merge(&mut engine);
    fold(&mut engine, &mut next, 10);
    let state = committed(&engine);
    let whole = before.fork();
    let copied = copier(&whole).copy(&state).unwrap();
    assert!(matches!(copied, Copied::Done { removed: 2.., .. }), "a copy and a file go: {copied:?}");
    let (mut seen_older, mut seen_newer) = (false, false);
    for operation in 0..whole.operations() {
        for fails in [Fails::Before, Fails::After] {
            let store = before.fork();
            store.fail(operation, fails);
            let cut_off = copier(&store).copy(&state).unwrap_err().to_string();
            assert!(cut_off.contains("the store is down"), "{cut_off}");
            store.heal();
            match newest(&store) {
                Some(found) if found == older => seen_older = true,
                Some(found) if found == next => seen_newer = true,
                found => panic!("operation {operation}, {fails:?}: {found:?}"),
            }
            // The next one, with more, is whole whatever was left.
            let mut more = next;
            let (_disk, mut engine, mut at) = folded(3);
            while at < next {
                fold(&mut engine, &mut at, 10);
            }
            fold(&mut engine, &mut more, 10);
            let copied = copier(&store).copy(&committed(&engine)).unwrap();
            assert!(matches!(copied, Copied::Done { .. }), "{copied:?}");
            assert_eq!(newest(&store), Some(more));
        }
    }
    assert!(seen_older && seen_newer);
}

#[test]
fn a_fetch_that_the_store_cuts_off_leaves_no_state_and_the_next_one_brings_it() {
    let store = Trouble::default();
    let (_disk, engine, next) = folded(3);
    let _copied = copier(&store).copy(&committed(&engine)).unwrap();
    let probe = store.fork();
    assert_eq!(newest(&probe), Some(next));
    for operation in 0..probe.operations() {
        for fails in [Fails::Before, Fails::After] {
            let store = store.fork();
            store.fail(operation, fails);
            let disk = MemoryDisk::new(operation);
            assert!(copies(&store).fetch(PARTITION, &disk, DIR, None).is_err());
            assert_eq!(brought(&disk.snapshot()), None, "operation {operation}");
            store.heal();
            assert!(matches!(
                copies(&store).fetch(PARTITION, &disk, DIR, None).unwrap(),
                Fetched::State { .. }
            ));
            assert_eq!(brought(&disk), Some(next));
        }
    }
}

#[test]
fn a_fetch_in_which_power_is_lost_leaves_no_state_or_all_of_it() {
    let store = Trouble::default();
    let (_disk, engine, next) = folded(3);
    let _copied = copier(&store).copy(&committed(&engine)).unwrap();
    let counted = MemoryDisk::new(0);
    let _fetched = copies(&store).fetch(PARTITION, &counted, DIR, None).unwrap();
    assert!(counted.operations() > 15, "{} operations", counted.operations());
    let (mut none, mut all) = (0, 0);
    for operation in 0..counted.operations() {
        for seed in 0..8 {
            let disk = MemoryDisk::new(seed * 1_000 + operation);
            disk.plan(operation, Fault::Crash);
            let _cut_off = copies(&store).fetch(PARTITION, &disk, DIR, None);
            disk.crash();
            match brought(&disk) {
                None => none += 1,
                found => {
                    assert_eq!(found, Some(next), "operation {operation}");
                    all += 1;
                }
            }
        }
    }
    assert!(none > 0 && all > 0, "{none} without, {all} with the state");
}
