//! A damaged state is named, with file, place and remedy; it is never read as if nothing were wrong.

use tally_disk::{Disk, DiskFile, MemoryDisk};
use tally_store::{Engine, Keyspace, StoreError};

use crate::model::{KEYSPACES, Move, Pair, content, meta};

fn committed() -> (MemoryDisk, crate::model::Model) {
    let disk = MemoryDisk::new(5);
    let mut pair = Pair::open(&disk).unwrap();
    for n in 0..60 {
        pair.step(&Move::Put(n * 7)).unwrap();
    }
    pair.step(&Move::Commit).unwrap();
    (disk, pair.committed.clone())
}

fn open(disk: &MemoryDisk) -> Result<(Engine<MemoryDisk>, Option<Vec<u8>>), StoreError> {
    Engine::open(disk, "state/p0", &KEYSPACES)
}

/// Digits sort before letters: a run comes first.
fn first_run(disk: &MemoryDisk) -> String {
    disk.list("state/p0").unwrap().swap_remove(0)
}

/// Every byte of every file, flipped on its own: noticed at open or when read, or without any effect.
#[test]
fn no_flipped_byte_is_read_as_truth() {
    let (disk, model) = committed();
    let names = disk.list("state/p0").unwrap();
    assert_eq!(names.len(), 4, "a run per keyspace and the manifest: {names:?}");
    for name in names {
        let path = format!("state/p0/{name}");
        let len = disk.open(&path).unwrap().len().unwrap();
        for at in 0..len {
            let copy = disk.snapshot();
            assert!(copy.damage(&path, at, 0x41));
            let damaged = match open(&copy) {
                Err(e) => e,
                Ok((engine, _)) => {
                    let walked = [0, 1, 2].map(|keyspace| engine.walk(keyspace, &[], |_, _| true));
                    walked
                        .into_iter()
                        .find_map(Result::err)
                        .unwrap_or_else(|| panic!("byte {at} of {path} counts"))
                }
            };
            let message = damaged.to_string();
            assert!(matches!(damaged, StoreError::Damaged { .. }), "{message}");
            assert!(message.contains(&name) && message.contains("remove it so that"), "{message}");
        }
    }
    let (engine, found) = open(&disk).unwrap();
    assert_eq!((content(&engine), found), (model.content(), Some(meta(&model))));
}

#[test]
fn a_missing_run_is_named() {
    let (disk, _) = committed();
    let name = first_run(&disk);
    disk.remove(&format!("state/p0/{name}")).unwrap();
    let message = open(&disk).unwrap_err().to_string();
    assert_eq!(
        message,
        format!(
            "the state file memory:/state/p0/{name} is missing though the manifest names it; restore the \
             partition's directory from a copy, or remove it so that the state is folded again from the log"
        )
    );
}

#[test]
fn a_cut_run_is_named() {
    let (disk, _) = committed();
    let name = first_run(&disk);
    disk.open(&format!("state/p0/{name}")).unwrap().truncate(100).unwrap();
    let message = open(&disk).unwrap_err().to_string();
    assert!(
        message.contains(&name) && message.contains("is damaged at byte 100: it has 100 bytes"),
        "{message}"
    );
}

#[test]
fn two_cannot_hold_one_state() {
    let (disk, _) = committed();
    let (_held, _) = open(&disk).unwrap();
    let message = open(&disk).unwrap_err().to_string();
    assert!(message.contains("another tally process uses this directory"), "{message}");
}

#[test]
fn another_layout_is_refused() {
    let (disk, _) = committed();
    let mut other = KEYSPACES;
    other[1] = Keyspace { value_bytes: Some(24), ..other[1] };
    let refused = Engine::open(&disk, "state/p0", &other).unwrap_err();
    assert!(matches!(refused, StoreError::Layout { .. }), "{refused}");
}

#[test]
fn the_longest_value_is_kept_and_a_longer_one_refused() {
    let disk = MemoryDisk::new(5);
    let (mut engine, _) = open(&disk).unwrap();
    let longest = vec![7; tally_store::VALUE_BYTES_MAX];
    engine.put(2, b"kkkk", &longest, 0).unwrap();
    engine.commit(&[]).unwrap();
    let mut found = Vec::new();
    assert!(engine.get(2, b"kkkk", &mut found).unwrap() && found == longest);
    let refused = engine.put(2, b"kkkk", &[longest, vec![7]].concat(), 0).unwrap_err();
    assert_eq!(refused.to_string(), "putting a value of 32769 bytes into rows: at most 32768 fit");
}

#[test]
fn a_sum_that_leaves_64_bits_is_refused() {
    let disk = MemoryDisk::new(5);
    let (mut engine, _) = open(&disk).unwrap();
    let most = [i64::MAX.to_le_bytes(), [0; 8]].concat();
    engine.put(1, &[1; 8], &most, 0).unwrap();
    let refused = engine.put(1, &[1; 8], &most, 0).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "adding to a row of sums with key [01, 01, 01, 01, 01, 01, 01, 01]: the sum leaves 64 bits"
    );
}
