//! The real disk against the same contract, and its refusals.

use tally_disk::{Disk, DiskFile, Kind, OsDisk, contract};

#[test]
fn the_real_disk_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let mut trees = 0;
    contract::check(|| {
        trees += 1;
        OsDisk::open(dir.path().join(trees.to_string())).unwrap()
    });
}

#[test]
fn a_root_that_is_a_file_is_refused_by_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = OsDisk::open(file.path()).unwrap_err();
    assert!(refused.to_string().starts_with("opening the root directory "), "{refused}");
    assert!(refused.to_string().contains(&file.path().display().to_string()), "{refused}");
}

#[test]
fn a_device_without_space_says_what_to_do() {
    // The kernel's own full device stands in for a full volume; not every system has one.
    let disk = OsDisk::open("/dev").unwrap();
    let Ok(mut full) = disk.open("full") else { panic!("this system has no /dev/full") };
    let refused = full.append(b"x").unwrap_err();
    assert_eq!(refused.kind, Kind::Full);
    assert!(refused.to_string().contains("appending to /dev/full"), "{refused}");
    assert!(refused.to_string().contains("free space"), "{refused}");
}
