//! What every log must do, as a suite that every log runs in its tests: the local one, and Kafka.
//!
//! A log is a [`Subject`]; [`check_all`] gives each check a fresh one.

use std::collections::BTreeMap;

use tally_domain::{Lane, Offset, Partition, Topic};

use crate::error::LogError;
use crate::ports::{AppendLog, Bounds, ReadLog, Ticket};
use crate::records::{Records, to_u64};

/// How often a log is given a turn before a check gives up on it.
const TURNS_MAX: usize = 20_000;
/// Partitions of every topic of a subject.
pub const PARTITIONS: u16 = 3;

/// A log under test, empty when it is handed over, with [`PARTITIONS`] partitions.
pub trait Subject: Sized {
    /// Its reader.
    type Reader: ReadLog;
    /// Its appender.
    type Appender: AppendLog;

    /// Another reader.
    fn reader(&mut self) -> Self::Reader;
    /// Another appender.
    fn appender(&mut self) -> Self::Appender;
    /// Lets the log do what it does by itself, for a moment; its wall clock goes on.
    fn turn(&mut self);
    /// Stops it, in order, and starts it again.
    #[must_use]
    fn restart(self) -> Self;
    /// Brings about the compaction of a lane, or waits for it.
    fn compact(&mut self, lane: Lane);
}

/// Runs every check on a fresh log.
///
/// # Panics
/// When the log does not keep the contract.
pub fn check_all<S: Subject>(mut fresh: impl FnMut() -> S) {
    records_come_back_as_they_were_appended(fresh());
    tombstones_empty_keys_and_empty_values_differ(fresh());
    lanes_are_apart(fresh());
    appenders_get_their_own_acknowledgements(fresh());
    reading_stops_at_the_bytes_asked_for(fresh());
    reading_begins_anywhere_and_ends_at_the_end(fresh());
    what_is_outside_is_refused(fresh());
    times_find_their_offset(fresh());
    a_restart_loses_nothing_and_numbers_go_on(fresh());
    compaction_keeps_the_last_of_each_key(fresh());
}

const LANE: Lane = Lane { topic: Topic::Usage, partition: Partition(1) };
const COMPACTED: Lane = Lane { topic: Topic::Identities, partition: Partition(2) };

/// A record as the checks compare them: offset, key, value.
type Seen = (u64, Vec<u8>, Option<Vec<u8>>);

fn append<A: AppendLog, S: Subject>(
    log: &mut S,
    appender: &mut A,
    lane: Lane,
    key: &[u8],
    value: Option<&[u8]>,
) -> Ticket {
    for _turn in 0..TURNS_MAX {
        if let Ok(ticket) = appender.append(lane, key, value) {
            return ticket;
        }
        log.turn();
    }
    unreachable!("the log takes records again after some turns")
}

/// Turns the log until `count` appends are acknowledged.
fn settle<A: AppendLog, S: Subject>(log: &mut S, appender: &mut A, count: usize) -> BTreeMap<Ticket, Offset> {
    let mut decided = Vec::new();
    for _turn in 0..TURNS_MAX {
        appender.acknowledged(&mut decided);
        if decided.len() >= count {
            break;
        }
        log.turn();
    }
    assert_eq!(decided.len(), count, "every append is acknowledged, once");
    decided.into_iter().map(|(ticket, offset)| (ticket, offset.expect("nothing refuses it"))).collect()
}

fn put<S: Subject>(log: &mut S, lane: Lane, values: &[&str]) -> Vec<Offset> {
    let mut appender = log.appender();
    let tickets: Vec<_> = values
        .iter()
        .map(|value| append(log, &mut appender, lane, value.as_bytes(), Some(value.as_bytes())))
        .collect();
    let offsets = settle(log, &mut appender, tickets.len());
    tickets.iter().map(|ticket| offsets[ticket]).collect()
}

fn read_from<R: ReadLog>(reader: &mut R, lane: Lane, from: Offset, bytes_max: usize) -> Vec<Seen> {
    let mut records = Records::default();
    let mut seen = Vec::new();
    let mut next = from;
    loop {
        reader.read(lane, next, bytes_max, &mut records).expect("the lane is whole");
        let Some(last) = records.last() else { return seen };
        next = last.offset.next();
        seen.extend(records.iter().map(|r| (r.offset.get(), r.key.to_vec(), r.value.map(<[u8]>::to_vec))));
    }
}

fn values(seen: &[Seen]) -> Vec<String> {
    let text =
        |value: &Option<Vec<u8>>| String::from_utf8_lossy(value.as_deref().unwrap_or(b"-")).into_owned();
    seen.iter().map(|(_, _, value)| text(value)).collect()
}

/// Offsets are dense from 0, in the order of appending, and what is acknowledged can be read at once.
fn records_come_back_as_they_were_appended<S: Subject>(mut log: S) {
    let mut reader = log.reader();
    assert_eq!(reader.bounds(LANE).expect("the lane exists"), Bounds::default());
    for round in 0..3_u64 {
        let texts: Vec<String> = (0..50).map(|i| format!("{round}.{i}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let offsets = put(&mut log, LANE, &texts);
        let dense: Vec<_> = (0..50).map(|i| Offset::new(round * 50 + i).expect("it is small")).collect();
        assert_eq!(offsets, dense);
        assert_eq!(values(&read_from(&mut reader, LANE, offsets[0], 1 << 20)), texts);
        let end = dense[49].next();
        assert_eq!(reader.bounds(LANE).expect("the lane exists"), Bounds { start: Offset::ZERO, end });
    }
}

fn tombstones_empty_keys_and_empty_values_differ<S: Subject>(mut log: S) {
    let mut appender = log.appender();
    let large = vec![7; 900_000];
    let records: [(&[u8], Option<&[u8]>); 5] =
        [(b"", Some(b"v")), (b"k", Some(b"")), (b"k", None), (b"", None), (b"large", Some(&large))];
    for (key, value) in records {
        let _ticket = append(&mut log, &mut appender, LANE, key, value);
    }
    let _offsets = settle(&mut log, &mut appender, records.len());
    let seen = read_from(&mut log.reader(), LANE, Offset::ZERO, 1 << 16);
    let seen: Vec<_> = seen.iter().map(|(_, key, value)| (&key[..], value.as_deref())).collect();
    assert_eq!(seen, records);
}

fn lanes_are_apart<S: Subject>(mut log: S) {
    let lanes = [Topic::Usage, Topic::Rejects]
        .into_iter()
        .flat_map(|topic| (0..PARTITIONS).map(move |p| Lane { topic, partition: Partition(p) }));
    let lanes: Vec<_> = lanes.collect();
    for lane in &lanes {
        assert_eq!(put(&mut log, *lane, &[&lane.to_string()]), [Offset::ZERO]);
    }
    let mut reader = log.reader();
    for lane in lanes {
        assert_eq!(values(&read_from(&mut reader, lane, Offset::ZERO, 1 << 20)), [lane.to_string()]);
    }
}

/// And the records of each keep their order, however they mingle.
fn appenders_get_their_own_acknowledgements<S: Subject>(mut log: S) {
    let mut appenders: Vec<_> = (0..3).map(|_| log.appender()).collect();
    for i in 0..30 {
        for (who, appender) in appenders.iter_mut().enumerate() {
            let value = format!("{who}.{i:02}");
            let _ticket = append(&mut log, appender, LANE, b"k", Some(value.as_bytes()));
        }
    }
    for appender in &mut appenders {
        assert_eq!(settle(&mut log, appender, 30).len(), 30);
    }
    let seen = values(&read_from(&mut log.reader(), LANE, Offset::ZERO, 1 << 20));
    for who in 0..3 {
        let own: Vec<_> = seen.iter().filter(|value| value.starts_with(&format!("{who}."))).collect();
        assert!(own.len() == 30 && own.is_sorted(), "{own:?}");
    }
}

fn reading_stops_at_the_bytes_asked_for<S: Subject>(mut log: S) {
    let texts: Vec<String> = (0..400).map(|i| format!("{i:0>1000}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let offsets = put(&mut log, LANE, &texts);
    let mut reader = log.reader();
    let mut records = Records::default();
    for bytes_max in [0, 1, 10_000] {
        reader.read(LANE, offsets[7], bytes_max, &mut records).expect("the lane is whole");
        assert_eq!(
            records.get(0).map(|record| record.offset),
            Some(offsets[7]),
            "at least one, of {bytes_max}"
        );
    }
    for bytes_max in [1, 5_000, 1 << 20] {
        assert_eq!(values(&read_from(&mut reader, LANE, Offset::ZERO, bytes_max)), texts);
    }
}

fn reading_begins_anywhere_and_ends_at_the_end<S: Subject>(mut log: S) {
    let texts: Vec<String> = (0..100).map(|i| i.to_string()).collect();
    for texts in texts.chunks(7) {
        let _offsets = put(&mut log, LANE, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let mut reader = log.reader();
    for from in [0_usize, 99, 3, 50, 51, 7, 6, 100] {
        let offset = Offset::new(u64::try_from(from).expect("it is small")).expect("it is small");
        assert_eq!(values(&read_from(&mut reader, LANE, offset, 64)), texts[from..], "from {from}");
    }
}

fn what_is_outside_is_refused<S: Subject>(mut log: S) {
    let _offsets = put(&mut log, LANE, &["a", "b"]);
    let mut reader = log.reader();
    let mut records = Records::default();
    let three = Offset::new(3).expect("it is small");
    let beyond = reader.read(LANE, three, 100, &mut records);
    let two = Offset::new(2).expect("it is small");
    assert!(matches!(beyond, Err(LogError::BeyondEnd { from, end, .. }) if from == three && end == two));
    let nowhere = Lane { topic: Topic::Usage, partition: Partition(PARTITIONS) };
    let refused =
        |error| matches!(error, LogError::NoSuchLane { lane, partitions: PARTITIONS } if lane == nowhere);
    assert!(reader.read(nowhere, Offset::ZERO, 100, &mut records).is_err_and(refused));
    assert!(reader.bounds(nowhere).is_err_and(refused));
    let mut appender = log.appender();
    let ticket = append(&mut log, &mut appender, nowhere, b"", None);
    let mut decided = Vec::new();
    for _turn in 0..TURNS_MAX {
        appender.acknowledged(&mut decided);
        if !decided.is_empty() {
            break;
        }
        log.turn();
    }
    assert!(matches!(&decided[..], [(t, Err(LogError::NoSuchLane { .. }))] if *t == ticket), "{decided:?}");
}

/// The offset for a time is that of the first record appended at or after it.
fn times_find_their_offset<S: Subject>(mut log: S) {
    for i in 0..40 {
        let _offset = put(&mut log, LANE, &[&i.to_string()]);
        log.turn();
    }
    let mut reader = log.reader();
    let mut records = Records::default();
    let mut times: Vec<i64> = Vec::new();
    while times.len() < 40 {
        let next = Offset::new(to_u64(times.len())).expect("it is small");
        reader.read(LANE, next, 1 << 20, &mut records).expect("the lane is whole");
        assert!(!records.is_empty(), "every record can be read");
        times.extend(records.iter().map(|record| record.appended_at.ms()));
    }
    assert!(times[0] < times[39], "the clock of the log goes on: {times:?}");
    for at_ms in times.iter().flat_map(|&ms| [ms - 1, ms, ms + 1]) {
        let first = times.iter().position(|&ms| ms >= at_ms).unwrap_or(times.len());
        let found = reader.offset_for_time(LANE, at_ms).expect("the lane is whole");
        assert_eq!(usize::try_from(found.get()), Ok(first), "at {at_ms} in {times:?}");
    }
}

fn a_restart_loses_nothing_and_numbers_go_on<S: Subject>(mut log: S) {
    let mut all: Vec<String> = Vec::new();
    for round in 0..4 {
        let texts: Vec<String> = (0..25).map(|i| format!("{round}.{i}")).collect();
        let offsets = put(&mut log, LANE, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(usize::try_from(offsets[0].get()), Ok(all.len()));
        all.extend(texts);
        log = log.restart();
        assert_eq!(values(&read_from(&mut log.reader(), LANE, Offset::ZERO, 500)), all);
    }
}

fn compaction_keeps_the_last_of_each_key<S: Subject>(mut log: S) {
    let mut appender = log.appender();
    let mut last = BTreeMap::new();
    for i in 0..300_u64 {
        let key = format!("key {}", i * i % 31);
        let value = (i % 7 != 0).then(|| format!("value {i}"));
        let _ticket =
            append(&mut log, &mut appender, COMPACTED, key.as_bytes(), value.as_ref().map(String::as_bytes));
        let _before = last.insert(key, (i, value));
    }
    let _offsets = settle(&mut log, &mut appender, 300);
    let mut reader = log.reader();
    // A reader that is on its way meets the last record of each key too.
    let mut records = Records::default();
    reader.read(COMPACTED, Offset::ZERO, 1, &mut records).expect("the lane is whole");
    log.compact(COMPACTED);
    let check = |seen: &[Seen]| {
        for (key, (offset, value)) in &last {
            let found = seen.iter().rfind(|(_, k, _)| k == key.as_bytes());
            // A tombstone may have gone with what it forgets.
            if value.is_some() || found.is_some() {
                let (at, _, v) = found.expect("the last record of a key that has a value stays");
                assert_eq!((at, v), (offset, &value.clone().map(String::into_bytes)), "of {key}");
            }
        }
    };
    check(&read_from(&mut reader, COMPACTED, Offset::ZERO, 200));
    let next = put(&mut log, COMPACTED, &["after"]);
    assert_eq!(next, [Offset::new(300).expect("it is small")]);
    let mut log = log.restart();
    check(&read_from(&mut log.reader(), COMPACTED, Offset::ZERO, 200));
}
