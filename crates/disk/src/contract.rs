//! What every disk must do, as checks that any implementation can be held against.

use crate::{
    error::Kind,
    port::{Disk, DiskFile},
};

/// Holds a disk against the whole contract. `fresh` gives an empty tree each time.
///
/// # Panics
/// When the disk breaks a promise; the message says which.
pub fn check<D: Disk>(mut fresh: impl FnMut() -> D) {
    files_grow_and_are_read_by_position(&fresh());
    names_are_taken_once_and_listed_sorted(&fresh());
    a_rename_replaces_and_a_removed_file_stays_readable(&fresh());
    directories_are_made_with_their_parents(&fresh());
    a_lock_is_held_by_one(&fresh());
    what_is_missing_is_named(&fresh());
}

fn bytes<F: DiskFile>(file: &F) -> Vec<u8> {
    let len = usize::try_from(file.len().expect("a length")).expect("a small file");
    let mut into = vec![0; len];
    file.read_exact_at(0, &mut into).expect("as many bytes as the length says");
    into
}

fn write<D: Disk>(disk: &D, path: &str, content: &[u8]) -> D::File {
    let mut file = disk.create(path).expect("a new file");
    file.append(content).expect("an append");
    file.sync().expect("a sync");
    file
}

/// Appends add up; a second handle sees them; reads stop at the end and exact reads refuse to; cuts cut.
fn files_grow_and_are_read_by_position<D: Disk>(disk: &D) {
    let mut file = write(disk, "a", b"hello");
    file.append(b" world").expect("an append");
    let mut reader = disk.open("a").expect("an open");
    assert_eq!(bytes(&reader), b"hello world");
    let mut into = [0; 8];
    assert_eq!(reader.read_at(6, &mut into).expect("a read"), 5, "a read stops at the end");
    assert_eq!(&into[..5], b"world");
    assert_eq!(reader.read_at(99, &mut into).expect("a read"), 0, "a read behind the end is empty");
    let short = reader.read_exact_at(6, &mut into).expect_err("an exact read refuses to stop early");
    assert_eq!(short.kind, Kind::Short);
    reader.truncate(4).expect("a cut");
    file.append(b"!").expect("an append goes to the present end");
    assert_eq!(bytes(&file), b"hell!");
    assert!(!file.is_empty().expect("a length"));
}

/// `create` refuses a name that is taken; a list is sorted by bytes and holds files and directories.
fn names_are_taken_once_and_listed_sorted<D: Disk>(disk: &D) {
    for name in ["b", "a", "Z", "10", "9"] {
        let _file = write(disk, name, b"");
    }
    disk.make_dir("c").expect("a directory");
    assert_eq!(disk.list("").expect("a list"), ["10", "9", "Z", "a", "b", "c"]);
    let taken = disk.create("a").expect_err("the name is taken");
    assert_eq!(taken.kind, Kind::Exists);
    assert!(taken.to_string().contains(&disk.show("a")), "the message names the path: {taken}");
}

/// After a rename the new name has the old file; a handle of a removed or replaced file keeps reading it.
fn a_rename_replaces_and_a_removed_file_stays_readable<D: Disk>(disk: &D) {
    let old = write(disk, "name", b"old");
    let _new = write(disk, "name.new", b"new");
    disk.rename("name.new", "name").expect("a rename");
    disk.sync_dir("").expect("a sync of names");
    assert_eq!(disk.list("").expect("a list"), ["name"]);
    assert_eq!(bytes(&disk.open("name").expect("an open")), b"new");
    assert_eq!(bytes(&old), b"old", "who had the replaced file open keeps it");
    let held = disk.open("name").expect("an open");
    disk.remove("name").expect("a removal");
    disk.sync_dir("").expect("a sync of names");
    assert_eq!(bytes(&held), b"new", "who had the removed file open keeps it");
    assert!(disk.list("").expect("a list").is_empty());
}

/// `at` is a tree below, which need not exist; `make_dir` makes what is missing and minds nothing that is there.
fn directories_are_made_with_their_parents<D: Disk>(disk: &D) {
    let below = disk.at("x/y");
    assert_eq!(below.list("").expect_err("not made yet").kind, Kind::NotFound);
    below.make_dir("z").expect("a directory and those above it");
    below.make_dir("z").expect("again");
    let _file = write(&below, "z/f", b"deep");
    assert_eq!(bytes(&disk.open("x/y/z/f").expect("the same file from above")), b"deep");
    assert_eq!(disk.list("x").expect("a list"), ["y"]);
    let _file = write(disk, "plain", b"");
    assert_eq!(disk.make_dir("plain").expect_err("a file has the name").kind, Kind::Exists);
    assert!(disk.free_bytes().expect("free space") > 0);
}

/// A lock is refused while held, by another handle of the same process too, and free again afterwards.
fn a_lock_is_held_by_one<D: Disk>(disk: &D) {
    let held = disk.lock("LOCK").expect("a free lock");
    assert_eq!(disk.clone().lock("LOCK").expect_err("it is held").kind, Kind::Locked);
    drop(held);
    let _again = disk.lock("LOCK").expect("it is free again");
}

/// What does not exist is refused by name.
fn what_is_missing_is_named<D: Disk>(disk: &D) {
    let errors = [
        disk.open("nowhere").expect_err("no such file"),
        disk.remove("nowhere").expect_err("no such file"),
        disk.rename("nowhere", "b").expect_err("no such file"),
        disk.list("nowhere").expect_err("no such directory"),
        disk.sync_dir("nowhere").expect_err("no such directory"),
        disk.create("nowhere/f").expect_err("no such directory"),
    ];
    for error in errors {
        assert_eq!(error.kind, Kind::NotFound, "{error}");
        assert!(error.to_string().contains(&disk.show("nowhere")), "the message names the path: {error}");
    }
}
