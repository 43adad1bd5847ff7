//! Floors of the same run: what the machine takes, at this moment, for the least that must be done with the bytes.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::Result;
use tally_domain::{Entry, Lane, Offset, Topic};
use tally_log::{ReadLog, Records};
use xxhash_rust::xxh3::xxh3_64;

use crate::measure::{Took, Watch};
use crate::place::Log;

/// What was measured on one thread, of all usage records of a log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ceilings {
    /// Reading the log's files one after the other, checking nothing.
    pub plain_read: Took,
    /// Reading them and hashing every byte.
    pub hash: Took,
    /// Reading them and copying every byte once more.
    pub copy: Took,
    /// Reading the log through its reader, checksums and all.
    pub log_read: Took,
    /// That, and decoding every record.
    pub log_decode: Took,
    /// Usage records among them.
    pub events: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

impl Ceilings {
    /// Measures them, each once to warm the page cache and once to count.
    ///
    /// # Errors
    /// What the disk or the log says.
    pub fn measure(dir: &Path, log: &Log) -> Result<Self> {
        let usage = dir.join("usage");
        let mut ceilings = Self::default();
        for _ in 0..2 {
            ceilings.bytes = 0;
            ceilings.plain_read = files(&usage, &mut |_| {}, &mut ceilings.bytes)?;
            ceilings.hash = files(
                &usage,
                &mut |block| {
                    let _hash = std::hint::black_box(xxh3_64(block));
                },
                &mut 0,
            )?;
            let mut copy = vec![0; 1 << 20];
            ceilings.copy = files(&usage, &mut |block| copy[..block.len()].copy_from_slice(block), &mut 0)?;
            ceilings.log_read = read(log, |_| 1)?.0;
            (ceilings.log_decode, ceilings.events) = read(log, |value| {
                let entry = tally_schema::decode(value);
                u64::from(matches!(std::hint::black_box(entry), Ok(Entry::Usage(_))))
            })?;
        }
        Ok(ceilings)
    }
}

fn files(dir: &Path, each: &mut impl FnMut(&[u8]), bytes: &mut u64) -> Result<Took> {
    let watch = Watch::start();
    let mut block = vec![0; 1 << 20];
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let mut file = File::open(path)?;
            loop {
                let read = file.read(&mut block)?;
                if read == 0 {
                    break;
                }
                each(&block[..read]);
                *bytes += u64::try_from(read)?;
            }
        }
    }
    Ok(watch.stop())
}

fn read(log: &Log, mut each: impl FnMut(&[u8]) -> u64) -> Result<(Took, u64)> {
    let watch = Watch::start();
    let mut reader = log.reader();
    let mut records = Records::default();
    let mut sum = 0;
    for partition in log.partitions().all() {
        let lane = Lane { topic: Topic::Usage, partition };
        let mut next = Offset::ZERO;
        loop {
            reader.read(lane, next, 4 << 20, &mut records)?;
            let Some(last) = records.last() else { break };
            next = last.offset.next();
            sum += records.iter().filter_map(|record| record.value).map(&mut each).sum::<u64>();
        }
    }
    Ok((watch.stop(), sum))
}
