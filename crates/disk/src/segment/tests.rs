use proptest::prelude::*;

use super::*;
use crate::{Disk, DiskFile, MemoryDisk, memory::MemoryFile};

/// A file of frames: `x` writes one, `|` syncs.
fn written(disk: &MemoryDisk, script: &str) -> FrameWriter<MemoryFile> {
    let mut writer = FrameWriter::new(disk.create("f").unwrap()).unwrap();
    for (n, sign) in script.chars().enumerate() {
        if sign == '|' {
            writer.sync().unwrap();
        } else {
            let _at = writer.push(format!("frame {n} {sign}").as_bytes());
            writer.flush().unwrap();
        }
    }
    writer
}

/// The same signs, for what can be read; then how it ends.
fn read(disk: &MemoryDisk) -> String {
    let file = disk.open("f").unwrap();
    let mut reader = FrameReader::new(&file, 0).unwrap();
    let mut seen = String::new();
    loop {
        match reader.next().unwrap() {
            Step::Frame { payload, .. } => seen.push(char::from(*payload.last().unwrap())),
            Step::End { at } => return format!("{seen} end {at}"),
            Step::Torn { at, lost_bytes } => return format!("{seen} torn {at} lost {lost_bytes}"),
            Step::Rotten { at, next_good } => return format!("{seen} rotten {at} next {next_good}"),
        }
    }
}

/// Each frame of `written` takes 12 + 9 bytes.
const FRAME: u64 = 21;

#[test]
fn clean_torn_and_rotten_are_three_things() {
    let drawn = |script: &str, damaged: Option<u64>, cut: u64| {
        let disk = MemoryDisk::new(1);
        let mut writer = written(&disk, script);
        writer.sync().unwrap();
        let len = writer.position();
        let mut file = disk.open("f").unwrap();
        file.truncate(len - cut).unwrap();
        if let Some(at) = damaged {
            assert!(disk.damage("f", at, 0x10));
        }
        read(&disk)
    };
    assert_eq!(drawn("ab|c", None, 0), "abc end 63");
    assert_eq!(drawn("ab|c", None, 1), "ab torn 42 lost 20");
    assert_eq!(drawn("ab|c", None, FRAME - 1), "ab torn 42 lost 1");
    // `a` was durable before `c` was written: rot. `c` and `d` went out together: nobody was told of them.
    assert_eq!(drawn("ab|cd", Some(13), 0), " rotten 0 next 42");
    assert_eq!(drawn("ab|cd", Some(2 * FRAME + 13), 0), "ab torn 42 lost 42");
    // A length that lies is like a payload that does.
    assert_eq!(drawn("ab|cd", Some(4), 0), " rotten 0 next 42");
    assert_eq!(drawn("ab|cd", Some(7), 0), " rotten 0 next 42");
}

#[test]
fn zeros_are_no_frames() {
    let disk = MemoryDisk::new(1);
    disk.create("f").unwrap().append(&[0; 100]).unwrap();
    assert_eq!(read(&disk), " torn 0 lost 100");
}

#[test]
fn a_writer_that_met_a_full_disk_goes_on_after_its_durable_frames() {
    let disk = MemoryDisk::new(1);
    let mut writer = written(&disk, "ab|");
    disk.limit_bytes(Some(2 * FRAME + 5));
    let _at = writer.push(b"frame 9 c");
    assert_eq!(writer.flush().unwrap_err().kind, crate::Kind::Full);
    writer.give_up().unwrap();
    disk.limit_bytes(None);
    let _at = writer.push(b"frame 9 d");
    writer.sync().unwrap();
    assert_eq!(read(&disk), "abd end 63");
}

proptest! {
    /// Whatever a crash does: what was synced is read, in order, and the rest is a torn tail, never rot.
    #[test]
    fn a_crash_never_reads_as_rot(seed in any::<u64>(), script in "[a-z]{0,5}(\\|[a-z]{0,5}){0,4}") {
        let disk = MemoryDisk::new(seed);
        let _writer = written(&disk, &format!("|{script}"));
        disk.sync_dir("").unwrap();
        disk.crash();
        let all: String = script.chars().filter(|c| *c != '|').collect();
        let synced = script.rsplit_once('|').map_or("", |(synced, _)| synced).replace('|', "");
        let outcome = read(&disk);
        let (seen, how) = outcome.split_once(' ').unwrap();
        prop_assert!(seen.starts_with(&synced) && all.starts_with(seen), "{seen} of {script}");
        prop_assert!(!how.starts_with("rotten"), "{how}");
    }

    /// Bytes of any kind never panic, and a reader never goes past its end.
    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..400), end in 0u64..400) {
        let disk = MemoryDisk::new(0);
        let mut file = disk.create("f").unwrap();
        file.append(&bytes).unwrap();
        let mut reader = FrameReader::until(&file, 0, end.min(file.len().unwrap()));
        while let Step::Frame { next, .. } = reader.next().unwrap() {
            prop_assert!(next <= end);
        }
    }
}
