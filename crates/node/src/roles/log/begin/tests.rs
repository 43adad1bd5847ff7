use tally_disk::OsDisk;
use tally_domain::{ClaimedIdentity, TopicId};
use tally_log::local::LocalLog;

use super::*;
use crate::clock::Clock;
use crate::config::{Config, Sources, load};
use crate::installation::DataDir;
use crate::roles::log;

fn now() -> WallTime {
    WallTime::parse("2026-02-13T00:00:00Z").unwrap()
}

fn config(home: &std::path::Path) -> Config {
    let environment = [("HOME".to_owned(), home.display().to_string())].into();
    load(&Sources { environment, ..Sources::default() }).unwrap().0
}

/// A log that nobody has begun.
fn unbegun(dir: &DataDir) -> Log {
    let config = log::local_config(&config(dir.path()), Clock::Fixed(now()));
    let disk = OsDisk::open(dir.log()).unwrap();
    Log::Local(Box::new(LocalLog::open(disk, config, TopicId::default()).unwrap()))
}

/// The records of partition 0, as what they are.
fn records(log: &Log) -> Vec<&'static str> {
    let mut records = Records::default();
    let lane = Lane { topic: Topic::Usage, partition: Partition(0) };
    log.reader().read(lane, Offset::ZERO, 1 << 20, &mut records).unwrap();
    let name = |value| match tally_schema::decode(value).unwrap() {
        Entry::Barrier(_) => "barrier",
        Entry::Prices(_) => "prices",
        _ => "other",
    };
    records.iter().map(|record| name(record.value.unwrap())).collect()
}

fn barrier(log: &Log, secret: &Secret) -> Vec<u8> {
    tally_schema::encode_barrier(&Barrier {
        number: 1,
        topic: log.topic_id(),
        partitions: log.partitions(),
        fold_version: FOLD_VERSION,
        secret_check: secret.check(),
    })
}

#[test]
fn a_log_is_begun_once_and_one_that_was_cut_short_is_completed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::new(temp.path());
    let file = dir.secret_file(std::path::Path::new(""));
    let mut log = unbegun(&dir);
    let cut = barrier(&log, &file.make().unwrap());
    append_to(&mut log, &[Partition(0)], &cut, now()).unwrap();
    for _ in 0..2 {
        begin(&mut log, &file, now()).unwrap();
        assert_eq!(records(&log), ["barrier", "prices"]);
    }
}

#[test]
fn what_two_began_at_once_is_completed_by_whoever_lives() {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::new(temp.path());
    let file = dir.secret_file(std::path::Path::new(""));
    let mut log = unbegun(&dir);
    let cut = barrier(&log, &file.make().unwrap());
    for _ in 0..2 {
        append_to(&mut log, &[Partition(0)], &cut, now()).unwrap();
    }
    begin(&mut log, &file, now()).unwrap();
    assert_eq!(records(&log), ["barrier", "barrier", "prices"]);
}

#[test]
fn another_secret_is_refused_and_a_lost_one_is_not_made_anew() {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::new(temp.path());
    let file = dir.secret_file(std::path::Path::new(""));
    let mut log = unbegun(&dir);
    begin(&mut log, &file, now()).unwrap();
    let before = records(&log);
    let stranger = SecretFile::at(temp.path().join("other"));
    let refused = begin(&mut log, &stranger, now()).unwrap_err().to_string();
    assert!(refused.contains("other") && refused.contains("is not there"), "{refused}");
    assert_eq!(stranger.find().unwrap().map(|secret| secret.check()), None);
    let _secret = stranger.make().unwrap();
    let refused = begin(&mut log, &stranger, now()).unwrap_err().to_string();
    assert!(refused.contains("other") && refused.contains("another secret"), "{refused}");
    assert_eq!(records(&log), before, "nothing was appended");
}

#[test]
fn where_the_barriers_are_gone_an_identity_tells_whose_secret_it_was() {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::new(temp.path());
    let mut log = unbegun(&dir);
    let (ours, theirs) = (Secret::new([1; 32]), Secret::new([2; 32]));
    let partitions = log.partitions();
    let says = |log: &Log, secret: &Secret| accounts_are_of(&mut log.reader(), partitions, secret).unwrap();
    assert!(says(&log, &ours) && says(&log, &theirs), "nobody has claimed anything");
    let claimed = ClaimedIdentity {
        source: "curl".to_owned(),
        subject: "ann".to_owned(),
        email: None,
        name: None,
        first_seen_ms: 0,
    };
    let key = AccountKey::of(&ours, "curl", "ann");
    let mut appender = log.appender();
    let lane = Lane { topic: Topic::Identities, partition: Partition(3) };
    let value = tally_schema::encode_identity(&claimed);
    appender.append(lane, key.bytes(), Some(&value)).unwrap();
    log.press(&mut appender, now());
    assert!(says(&log, &ours) && !says(&log, &theirs));
}
