//! Bytes that rot, and files that are wrong: named with file, position and remedy, and never read on.

use tally_disk::{Disk, DiskFile, MemoryDisk};
use tally_domain::{Hash128, Topic, TopicId};
use tally_log::{LocalConfig, LocalLog, LogError, ReadLog, Records};

use super::{TOPIC, all, config, day, lane, offset, open, put};

const FIRST: &str = "usage/0/00000000000000000000.log";

/// Five turns in one lane and one file, three records each.
fn five_turns(disk: &MemoryDisk) {
    let usage = lane(Topic::Usage, 0);
    let mut log = open(disk).unwrap();
    for turn in 0..5 {
        let values: Vec<String> = (0..3).map(|i| format!("value {turn}.{i}")).collect();
        let records: Vec<_> = values.iter().map(|value| (usage, "k", Some(&**value))).collect();
        assert!(put(&mut log, day(0), &records).iter().all(Result::is_ok));
    }
}

#[test]
fn a_flipped_byte_is_named_or_was_the_end_of_the_log() {
    let whole = MemoryDisk::new(1);
    five_turns(&whole);
    let bytes = whole.open(FIRST).unwrap().len().unwrap();
    let (mut named, mut cut) = (0, 0);
    for position in 0..bytes {
        let disk = whole.snapshot();
        assert!(disk.damage(FIRST, position, 0x40));
        let outcome = open(&disk).and_then(|log| {
            let seen = all(&mut log.reader(), lane(Topic::Usage, 0))?;
            Ok((seen, log.repairs().to_vec()))
        });
        match outcome {
            Err(LogError::Corrupt { at, .. }) => {
                assert!(at.file.ends_with(FIRST) && at.position <= position, "{position}: {at:?}");
                named += 1;
            }
            // The last frame, and only that, cannot be told from one that was being written.
            Ok((seen, repairs)) => {
                assert_eq!((seen.len(), repairs.len()), (12, 1), "at {position}");
                cut += 1;
            }
            Err(error) => panic!("at {position}: {error}"),
        }
    }
    assert!(named > 3 * cut && cut > 0, "{named} named, {cut} cut");
}

#[test]
fn damage_in_a_sealed_segment_is_found_when_it_is_read_and_says_what_to_do() {
    let disk = MemoryDisk::new(2);
    let usage = lane(Topic::Usage, 0);
    let mut log = open(&disk).unwrap();
    for turn in 0..60 {
        assert!(put(&mut log, day(turn), &[(usage, "k", Some(&format!("value {turn:0>100}")))])[0].is_ok());
    }
    drop(log);
    let files = disk.list("usage/0").unwrap();
    assert!(files.len() > 3, "{files:?}");
    assert!(disk.damage(&format!("usage/0/{}", files[1]), 500, 1));
    let log = open(&disk).unwrap();
    let message = all(&mut log.reader(), usage).unwrap_err().to_string();
    let expected = format!("usage/0/{} is damaged at byte ", files[1]);
    assert!(message.contains(&expected) && message.contains("restore this file from a copy"), "{message}");
    // What lies behind it can still be read.
    let mut records = Records::default();
    log.reader().read(usage, offset(59), 100, &mut records).unwrap();
    assert_eq!(records.len(), 1);

    disk.remove(&format!("usage/0/{}", files[2])).unwrap();
    let log = {
        drop(log);
        open(&disk).unwrap()
    };
    let before: u64 = files[2][..20].parse().unwrap();
    let hole = log.reader().read(usage, offset(before), 100, &mut records);
    assert!(matches!(hole, Err(LogError::Corrupt { .. })), "{hole:?}");
}

#[test]
fn a_torn_tail_is_cut_and_counted() {
    let disk = MemoryDisk::new(3);
    five_turns(&disk);
    let mut file = disk.open(FIRST).unwrap();
    let whole = file.len().unwrap();
    file.append(&[0x55; 41]).unwrap();
    drop(file);
    let log = open(&disk).unwrap();
    let [repair] = log.repairs() else { panic!("{:?}", log.repairs()) };
    assert_eq!((repair.lane, repair.position, repair.lost_bytes), (lane(Topic::Usage, 0), whole, 41));
    assert_eq!(all(&mut log.reader(), lane(Topic::Usage, 0)).unwrap().len(), 15);
    drop(log);
    assert_eq!(disk.open(FIRST).unwrap().len().unwrap(), whole);
    assert_eq!(open(&disk).unwrap().repairs(), []);
}

#[test]
fn a_log_keeps_its_name_and_its_partitions_for_life() {
    let disk = MemoryDisk::new(4);
    five_turns(&disk);
    let other = TopicId(Hash128([9; 16]));
    assert_eq!(LocalLog::open(disk.clone(), config(), other).unwrap().topic_id(), TOPIC);
    let more = LocalConfig { partitions: 8, ..config() };
    let message = LocalLog::open(disk.clone(), more, other).unwrap_err().to_string();
    assert!(
        message.contains("it has 3 partitions and 8 are configured; set the number back to 3"),
        "{message}"
    );

    assert!(disk.damage("log.meta", 20, 1));
    let message = open(&disk).unwrap_err().to_string();
    assert!(message.contains("log.meta: its checksum does not hold; restore this file"), "{message}");
    disk.remove("log.meta").unwrap();
    let message = open(&disk).unwrap_err().to_string();
    assert!(message.contains("log.meta: it is missing, but there are records in"), "{message}");
}

#[test]
fn one_process_owns_a_log() {
    let disk = MemoryDisk::new(5);
    let log = open(&disk).unwrap();
    let message = open(&disk).unwrap_err().to_string();
    assert!(message.contains("another tally process uses this directory"), "{message}");
    drop(log);
    assert!(open(&disk).is_ok());
}

#[test]
fn absurd_configuration_is_refused_by_name() {
    let refused = |config| LocalLog::open(MemoryDisk::new(6), config, TOPIC).unwrap_err().to_string();
    assert_eq!(
        refused(LocalConfig { partitions: 0, ..config() }),
        "configuring the log: partitions is 0; it must be at least 1"
    );
    assert_eq!(
        refused(LocalConfig { record_bytes_max: 64 << 20, ..config() }),
        "configuring the log: record_bytes_max is 67108864; it must be with batch_bytes below 64 MiB"
    );
}
