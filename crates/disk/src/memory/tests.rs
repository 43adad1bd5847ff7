use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn text(disk: &MemoryDisk, path: &str) -> Option<String> {
    let file = disk.open(path).ok()?;
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// All that `written` can look like after a crash, over many seeds.
fn outcomes(write: impl Fn(&MemoryDisk)) -> BTreeSet<String> {
    let look = |disk: &MemoryDisk| {
        let file = |name: &String| format!("{name}={}", text(disk, name).unwrap());
        disk.list("").unwrap().iter().map(file).collect::<Vec<_>>().join(" ")
    };
    let crashed = |seed| {
        let disk = MemoryDisk::new(seed);
        write(&disk);
        disk.crash();
        look(&disk)
    };
    (0..400).map(crashed).collect()
}

fn put(disk: &MemoryDisk, name: &str, content: &[u8], sync: bool) {
    let mut file = disk.create(name).unwrap();
    file.append(content).unwrap();
    if sync {
        file.sync().unwrap();
    }
}

fn set(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|&s| s.to_owned()).collect()
}

#[test]
fn it_keeps_the_contract() {
    crate::contract::check(|| MemoryDisk::new(7));
}

#[test]
fn synced_bytes_and_names_survive() {
    let seen = outcomes(|disk| {
        put(disk, "a", b"xy", true);
        disk.sync_dir("").unwrap();
    });
    assert_eq!(seen, set(&["a=xy"]));
}

#[test]
fn a_synced_file_without_a_synced_name_may_be_gone() {
    assert_eq!(outcomes(|disk| put(disk, "a", b"xy", true)), set(&["", "a=xy"]));
}

#[test]
fn unsynced_bytes_are_lost_torn_or_empty() {
    let seen = outcomes(|disk| {
        put(disk, "a", b"xy", false);
        disk.sync_dir("").unwrap();
    });
    assert_eq!(seen, set(&["a=", "a=x", "a=xy", "a=\0\0"]));
}

#[test]
fn files_lose_their_bytes_in_any_order() {
    let seen = outcomes(|disk| {
        put(disk, "a", b"1", false);
        put(disk, "b", b"2", false);
        disk.sync_dir("").unwrap();
    });
    assert!(seen.is_superset(&set(&["a=1 b=2", "a= b=2", "a=1 b=", "a= b="])), "{seen:?}");
}

#[test]
fn names_are_lost_in_any_order() {
    let seen = outcomes(|disk| {
        put(disk, "a", b"", true);
        put(disk, "b", b"", true);
    });
    assert_eq!(seen, set(&["", "a=", "b=", "a= b="]));
}

#[test]
fn a_rename_is_whole() {
    let seen = outcomes(|disk| {
        put(disk, "a", b"old", true);
        put(disk, "b", b"new", true);
        disk.sync_dir("").unwrap();
        disk.rename("b", "a").unwrap();
    });
    assert_eq!(seen, set(&["a=old b=new", "a=new"]));
}

#[test]
fn an_unsynced_cut_may_not_have_happened() {
    let seen = outcomes(|disk| {
        put(disk, "a", b"abcd", true);
        disk.sync_dir("").unwrap();
        let mut file = disk.open("a").unwrap();
        file.truncate(2).unwrap();
    });
    assert_eq!(seen, set(&["a=ab", "a=abcd"]));
}

#[test]
fn after_a_crash_old_handles_are_dead_and_locks_are_free() {
    let disk = MemoryDisk::new(3);
    let mut file = disk.create("a").unwrap();
    let _lock = disk.lock("LOCK").unwrap();
    disk.sync_dir("").unwrap();
    disk.crash();
    assert_eq!(file.append(b"x").unwrap_err().kind, Kind::Crashed);
    let _free = disk.lock("LOCK").unwrap();
    assert_eq!(text(&disk, "a").unwrap(), "");
}

#[test]
fn a_planned_crash_stops_everything_until_the_restart() {
    let disk = MemoryDisk::new(3);
    disk.plan(1, Fault::Crash);
    let mut file = disk.create("a").unwrap();
    assert_eq!(file.append(b"xyz").unwrap_err().kind, Kind::Crashed);
    assert!(disk.is_down());
    assert_eq!(disk.list("").unwrap_err().kind, Kind::Crashed);
    disk.crash();
    assert!(disk.list("").is_ok());
}

#[test]
fn a_full_disk_takes_what_fits_and_room_returns_with_removed_files() {
    let disk = MemoryDisk::new(3);
    disk.limit_bytes(Some(5));
    let mut file = disk.create("a").unwrap();
    let refused = file.append(b"1234567").unwrap_err();
    assert_eq!((refused.kind, file.len().unwrap()), (Kind::Full, 5));
    drop(file);
    disk.remove("a").unwrap();
    disk.sync_dir("").unwrap();
    assert_eq!(disk.free_bytes().unwrap(), 5);
}

#[test]
fn a_refused_sync_leaves_the_bytes_in_danger() {
    let seen = outcomes(|disk| {
        disk.plan(2, Fault::Refuse(Kind::Other));
        let mut file = disk.create("a").unwrap();
        file.append(b"x").unwrap();
        assert_eq!(file.sync().unwrap_err().kind, Kind::Other);
        disk.sync_dir("").unwrap();
    });
    assert_eq!(seen, set(&["a=", "a=x", "a=\0"]));
}

#[test]
fn snapshots_part_ways() {
    let disk = MemoryDisk::new(3);
    put(&disk, "a", b"one", true);
    let copy = disk.snapshot();
    disk.open("a").unwrap().append(b" more").unwrap();
    copy.remove("a").unwrap();
    assert_eq!((text(&disk, "a"), text(&copy, "a")), (Some("one more".to_owned()), None));
}

proptest! {
    #[test]
    fn one_seed_is_one_fate(seed in any::<u64>(), content in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let fate = || {
            let disk = MemoryDisk::new(seed);
            put(&disk, "a", &content, false);
            put(&disk, "b", &content, false);
            disk.crash();
            (text(&disk, "a"), text(&disk, "b"))
        };
        prop_assert_eq!(fate(), fate());
    }
}
