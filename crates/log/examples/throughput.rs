//! How fast the local log appends and reads, beside a plain sequential write and read of the same bytes.
//!
//! `cargo run --release -p tally-log --example throughput [directory]`
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use tally_disk::OsDisk;
use tally_domain::{Hash128, Lane, Offset, Partition, Topic, TopicId, WallTime};
use tally_log::{AppendLog, Durability, LocalConfig, LocalLog, ReadLog, Records, RetentionDays};

const RECORDS: u32 = 4_000_000;
const LANES: u16 = 8;
const VALUE: [u8; 184] = [0x5a; 184];
/// What a turn finds when appenders are faster than the disk.
const RECORDS_PER_TURN: u32 = 40_000;

fn config() -> LocalConfig {
    LocalConfig {
        partitions: LANES,
        durability: Durability::Synced,
        commit_interval_ms: 0,
        segment_bytes: 64 << 20,
        batch_bytes: 256 << 10,
        pending_bytes_max: 64 << 20,
        record_bytes_max: 16 << 20,
        retention_days: RetentionDays { usage: 38, outcomes: 38, rejects: 90, alerts: 90 },
        tombstone_hours: 24,
        compact_percent: 50,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = env::args().nth(1).map_or_else(env::temp_dir, Into::into).join("tally-log-throughput");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    fs::create_dir_all(&root)?;
    let appended = append(&root)?;
    let read = read_all(&root)?;
    let (written, slurped) = plain(&root.join("plain"))?;
    fs::remove_dir_all(&root)?;
    let show = |what: &str, took: Duration, plain: Duration| {
        let rate = f64::from(RECORDS) / took.as_secs_f64() / 1e6;
        let ratio = took.as_secs_f64() / plain.as_secs_f64();
        println!("{what}: {rate:.2} M records/s, {ratio:.2} × the time of plain files");
    };
    println!("{RECORDS} records of 200 bytes, {LANES} lanes, a turn every {RECORDS_PER_TURN}");
    show("append, group commit, synced", appended, written);
    show("read, from the page cache", read, slurped);
    Ok(())
}

fn append(root: &Path) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut log = LocalLog::open(OsDisk::open(root.join("log"))?, config(), TopicId(Hash128([1; 16])))?;
    let mut appender = log.appender();
    let now = WallTime::from_ms(1_770_000_000_000).ok_or("a time of 2026")?;
    let mut acknowledged = Vec::new();
    let start = Instant::now();
    for number in 0..RECORDS {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&number.to_le_bytes());
        let partition = Partition(u16::try_from(number % u32::from(LANES))?);
        let _ticket = appender.append(Lane { topic: Topic::Usage, partition }, &key, Some(&VALUE))?;
        if (number + 1) % RECORDS_PER_TURN == 0 {
            let _turn = log.turn(now);
            acknowledged.clear();
            appender.acknowledged(&mut acknowledged);
        }
    }
    Ok(start.elapsed())
}

fn read_all(root: &Path) -> Result<Duration, Box<dyn std::error::Error>> {
    let log = LocalLog::open(OsDisk::open(root.join("log"))?, config(), TopicId(Hash128([1; 16])))?;
    let mut reader = log.reader();
    let mut records = Records::default();
    let mut seen = 0_usize;
    let start = Instant::now();
    for partition in (0..LANES).map(Partition) {
        let lane = Lane { topic: Topic::Usage, partition };
        let mut next = Offset::ZERO;
        loop {
            reader.read(lane, next, 1 << 20, &mut records)?;
            let Some(last) = records.last() else { break };
            next = last.offset.next();
            seen += records.iter().filter(|record| record.key.len() == 16).count();
        }
    }
    let took = start.elapsed();
    if seen != usize::try_from(RECORDS)? {
        return Err(format!("read {seen} of {RECORDS} records").into());
    }
    Ok(took)
}

/// Writes and reads the same bytes in one file, synced as often as the log is.
fn plain(path: &Path) -> io::Result<(Duration, Duration)> {
    let turn = vec![0x5a; usize::try_from(RECORDS_PER_TURN).unwrap_or(0) * (16 + VALUE.len())];
    let mut file = fs::File::create(path)?;
    let start = Instant::now();
    for _turn in 0..RECORDS / RECORDS_PER_TURN {
        file.write_all(&turn)?;
        file.sync_data()?;
    }
    let written = start.elapsed();
    let mut file = fs::File::open(path)?;
    let mut block = vec![0; 1 << 20];
    let start = Instant::now();
    while file.read(&mut block)? > 0 {}
    Ok((written, start.elapsed()))
}
