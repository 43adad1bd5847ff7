//! Tally's store beside embedded engines, on one workload: the full event index entry with all generations
//! probed, slices and hours summed in memory and flushed at each commit, one thread, every commit durable.
//!
//! ```text
//! cargo run --release -- <directory> <events> <events per commit> <lookups: yes|no> <engine: ours|redb|fjall|nothing>
//! ```

use std::{collections::HashMap, path::Path, time::Instant};

use anyhow::{Context, Result, bail};
use tally_disk::OsDisk;
use tally_store::{Engine, Expiry, Keyspace, Merge, Merged, prefix};

const REPORT_BYTES: usize = 113;
const DAYS: u64 = 30;
/// Of 85,000 people on 8 partitions.
const ACCOUNTS: u64 = 10_600;
const BATCH: u64 = 8_192;

type Sums = HashMap<[u8; 12], [i64; 9]>;

struct Event {
    key: [u8; 16],
    report: [u8; REPORT_BYTES],
    minute: i32,
    account: u32,
    dims: u32,
    lanes: [i64; 9],
}

/// Event `n` of `of`: 2 % are repeats of an earlier one, people are skewed, time runs over 30 days.
fn event(n: u64, of: u64) -> Event {
    let mix = |n: u64| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes());
    let source = if mix(n).is_multiple_of(50) && n > 0 { mix(n ^ 0x55) % n } else { n };
    let hash = mix(source ^ 0x9e37_79b9);
    let account = ((hash % ACCOUNTS) * ((hash >> 20) % ACCOUNTS) / ACCOUNTS) as u32;
    let minute = (source as u128 * (DAYS * 1440) as u128 / of as u128) as i32;
    let read = (hash % 200_000) as i64;
    let lanes = [hash as i64 & 0xfff, read, 0, (hash >> 40) as i64 & 0xffff, 500, 0, 1, 0, read * 300];
    let mut report = [0; REPORT_BYTES];
    let words = [n, 1_700_000_000_000 + n, mix(hash), mix(source ^ 7), u64::from(account % 7)];
    let words = words.into_iter().chain(lanes.map(i64::cast_unsigned));
    for (to, word) in report.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    let key = xxhash_rust::xxh3::xxh3_128(&source.to_le_bytes()).to_be_bytes();
    Event { key, report, minute, account, dims: account % 7, lanes }
}

fn dated(at: i32, event: &Event) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&prefix(at));
    key[4..8].copy_from_slice(&event.account.to_be_bytes());
    key[8..].copy_from_slice(&event.dims.to_be_bytes());
    key
}

fn add(sums: &mut Sums, key: [u8; 12], lanes: &[i64; 9]) {
    let sum = sums.entry(key).or_default();
    sum.iter_mut().zip(lanes).for_each(|(sum, lane)| *sum += lane);
}

fn bytes(lanes: &[i64; 9]) -> Vec<u8> {
    lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect()
}

/// What every engine must do; `found` of `recall` counts how many of the sorted keys it has.
trait Contender {
    fn recall(&mut self, keys: &[&[u8]]) -> Result<u64>;
    fn put(&mut self, event: &Event) -> Result<()>;
    fn commit(&mut self, offset: u64) -> Result<()>;
    fn idle(&mut self) -> Result<()> {
        Ok(())
    }
}

struct Ours(Engine<OsDisk>);

impl Contender for Ours {
    fn recall(&mut self, keys: &[&[u8]]) -> Result<u64> {
        let mut found = 0;
        self.0.sweep(0, keys, |_| i32::MIN, |_, _| found += 1)?;
        Ok(found)
    }
    fn put(&mut self, event: &Event) -> Result<()> {
        self.0.put(0, &event.key, &event.report, event.minute / 1440)?;
        self.0.put(1, &dated(event.minute, event), &bytes(&event.lanes), 0)?;
        self.0.put(2, &dated(event.minute / 60, event), &bytes(&event.lanes), 0)?;
        Ok(())
    }
    fn commit(&mut self, offset: u64) -> Result<()> {
        Ok(self.0.commit(&offset.to_le_bytes())?)
    }
    fn idle(&mut self) -> Result<()> {
        while self.0.merge(1 << 20)? == Merged::Some {}
        Ok(())
    }
}

fn ours(dir: &Path) -> Result<Ours> {
    let index = Keyspace {
        name: "index",
        key_bytes: 16,
        value_bytes: Some(REPORT_BYTES),
        merge: Merge::Newest,
        expiry: Expiry::Generation,
        filter_bits: 12,
        uniform: true,
    };
    let sums = |name| Keyspace {
        name,
        key_bytes: 12,
        value_bytes: Some(72),
        merge: Merge::Sum,
        expiry: Expiry::Prefix,
        filter_bits: 0,
        uniform: false,
    };
    let (engine, _) = Engine::open(&OsDisk::open(dir)?, "p0", &[index, sums("slices"), sums("hours")])?;
    Ok(Ours(engine))
}

/// What the others get for nothing: sums and new entries gathered in memory until the commit.
#[derive(Default)]
struct Pending {
    index: HashMap<[u8; 16], [u8; REPORT_BYTES]>,
    slices: Sums,
    hours: Sums,
}

impl Pending {
    fn put(&mut self, event: &Event) {
        self.index.insert(event.key, event.report);
        add(&mut self.slices, dated(event.minute, event), &event.lanes);
        add(&mut self.hours, dated(event.minute / 60, event), &event.lanes);
    }
    fn sorted<K: Ord + Copy, V: Copy>(map: &mut HashMap<K, V>) -> Vec<(K, V)> {
        let mut rows: Vec<_> = map.drain().collect();
        rows.sort_unstable_by_key(|row| row.0);
        rows
    }
}

fn summed(before: Option<&[u8]>, lanes: &[i64; 9]) -> Vec<u8> {
    let mut lanes = *lanes;
    for (lane, word) in lanes.iter_mut().zip(before.unwrap_or_default().chunks_exact(8)) {
        *lane += i64::from_le_bytes(word.try_into().expect("8 bytes"));
    }
    bytes(&lanes)
}

struct Redb(redb::Database, Pending);
const TABLES: [redb::TableDefinition<&[u8], &[u8]>; 4] = [
    redb::TableDefinition::new("index"),
    redb::TableDefinition::new("slices"),
    redb::TableDefinition::new("hours"),
    redb::TableDefinition::new("meta"),
];

impl Contender for Redb {
    fn recall(&mut self, keys: &[&[u8]]) -> Result<u64> {
        use redb::ReadableDatabase;
        let read = self.0.begin_read()?;
        // Before the first commit there is no table.
        let table = read.open_table(TABLES[0]).ok();
        let mut found = 0;
        for key in keys {
            let committed = || table.as_ref().map_or(Ok(false), |table| table.get(*key).map(|v| v.is_some()));
            found += u64::from(self.1.index.contains_key(*key) || committed()?);
        }
        Ok(found)
    }
    fn put(&mut self, event: &Event) -> Result<()> {
        self.1.put(event);
        Ok(())
    }
    fn commit(&mut self, offset: u64) -> Result<()> {
        use redb::ReadableTable;
        let write = self.0.begin_write()?;
        {
            let mut index = write.open_table(TABLES[0])?;
            for (key, report) in Pending::sorted(&mut self.1.index) {
                index.insert(key.as_slice(), report.as_slice())?;
            }
            for (n, sums) in [(1, &mut self.1.slices), (2, &mut self.1.hours)] {
                let mut table = write.open_table(TABLES[n])?;
                for (key, lanes) in Pending::sorted(sums) {
                    let sum = summed(table.get(key.as_slice())?.map(|v| v.value().to_vec()).as_deref(), &lanes);
                    table.insert(key.as_slice(), sum.as_slice())?;
                }
            }
            write.open_table(TABLES[3])?.insert(b"offset".as_slice(), offset.to_le_bytes().as_slice())?;
        }
        write.commit()?;
        Ok(())
    }
}

struct Fjall(fjall::Database, [fjall::Keyspace; 4], Pending);

impl Contender for Fjall {
    fn recall(&mut self, keys: &[&[u8]]) -> Result<u64> {
        let mut found = 0;
        for key in keys {
            found += u64::from(self.2.index.contains_key(*key) || self.1[0].get(key)?.is_some());
        }
        Ok(found)
    }
    fn put(&mut self, event: &Event) -> Result<()> {
        self.2.put(event);
        Ok(())
    }
    fn commit(&mut self, offset: u64) -> Result<()> {
        let mut batch = self.0.batch().durability(Some(fjall::PersistMode::SyncAll));
        for (key, report) in Pending::sorted(&mut self.2.index) {
            batch.insert(&self.1[0], key, report);
        }
        for (n, sums) in [(1, &mut self.2.slices), (2, &mut self.2.hours)] {
            for (key, lanes) in Pending::sorted(sums) {
                batch.insert(&self.1[n], key, summed(self.1[n].get(key)?.as_deref(), &lanes));
            }
        }
        batch.insert(&self.1[3], b"offset", offset.to_le_bytes());
        Ok(batch.commit()?)
    }
}

fn fjall(dir: &Path) -> Result<Fjall> {
    let db = fjall::Database::builder(dir).open()?;
    let open = |name: &str| db.keyspace(name, fjall::KeyspaceCreateOptions::default);
    let keyspaces = [open("index")?, open("slices")?, open("hours")?, open("meta")?];
    Ok(Fjall(db, keyspaces, Pending::default()))
}

/// A number of this process that the kernel keeps, by its name in a file below `/proc/self`.
fn kernel(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
    line.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

/// Processor time of all threads so far, in seconds.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// Does nothing: what the workload itself costs.
struct Nothing;

impl Contender for Nothing {
    fn recall(&mut self, _: &[&[u8]]) -> Result<u64> {
        Ok(0)
    }
    fn put(&mut self, event: &Event) -> Result<()> {
        std::hint::black_box(event.report);
        Ok(())
    }
    fn commit(&mut self, _: u64) -> Result<()> {
        Ok(())
    }
}

fn run(contender: &mut dyn Contender, events: u64, per_commit: u64, lookups: bool) -> Result<()> {
    let (mut found, mut commits) = (0, Vec::new());
    let began = Instant::now();
    let mut merging = 0.0;
    let mut n = 0;
    while n < events {
        let batch: Vec<Event> = (n..events.min(n + BATCH)).map(|n| event(n, events)).collect();
        if lookups {
            let mut keys: Vec<&[u8]> = batch.iter().map(|event| event.key.as_slice()).collect();
            keys.sort_unstable();
            found += contender.recall(&keys)?;
        }
        batch.iter().try_for_each(|event| contender.put(event))?;
        let before = n;
        n += BATCH;
        if before / per_commit != n / per_commit || n >= events {
            let start = Instant::now();
            contender.commit(n)?;
            commits.push(start.elapsed().as_secs_f64() * 1000.0);
            let start = Instant::now();
            contender.idle()?;
            merging += start.elapsed().as_secs_f64();
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    commits.sort_by(f64::total_cmp);
    println!(
        "{:.0} k events/s, {:.2} µs of processor per event, commit p50 {:.0} ms max {:.0} ms, merging {:.0} % of the time, {:.0} B written per event, \
         {} MB peak, {found} found",
        events as f64 / seconds / 1000.0,
        processor_seconds() * 1e6 / events as f64,
        commits[commits.len() / 2],
        commits[commits.len() - 1],
        merging / seconds * 100.0,
        kernel("io", "write_bytes:") as f64 / events as f64,
        kernel("status", "VmHWM:") / 1024,
    );
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, events, per_commit, lookups, engine] = arguments.as_slice() else {
        bail!("give: directory, events, events per commit, lookups (yes or no), engine (ours, redb, fjall, nothing)")
    };
    let dir = Path::new(dir);
    std::fs::create_dir_all(dir).context("making the directory")?;
    let mut contender: Box<dyn Contender> = match engine.as_str() {
        "nothing" => Box::new(Nothing),
        "ours" => Box::new(ours(dir)?),
        "redb" => Box::new(Redb(redb::Database::create(dir.join("redb"))?, Pending::default())),
        "fjall" => Box::new(fjall(dir)?),
        other => bail!("no engine {other}: ours, redb, fjall or nothing"),
    };
    run(contender.as_mut(), events.parse()?, per_commit.parse()?, lookups == "yes")
}
