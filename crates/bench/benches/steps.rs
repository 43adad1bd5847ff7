//! Each step by itself, and a floor beside it: `cargo bench -p tally-bench`. CI runs it once over with `--test`.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tally_bench::place::Place;
use tally_bench::sample::Sample;
use tally_disk::OsDisk;
use tally_domain::{Hash128, Lane, Offset, Partition, PersonId, Secret, Topic, WallTime};
use tally_fold::{Batch, Changes, Recalled};
use tally_log::{AppendLog, ReadLog, Records};
use tally_standings::snapshot::rank_all;
use tally_standings::{PersonTotals, Sum};
use tally_store::{Store, StoreSettings};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const EVENTS: usize = 16_384;
const PEOPLE: usize = 85_000;

fn sample() -> Sample {
    Sample::new(40_000).expect("a sample can be drawn")
}

/// A directory of its own, below one that the next run of this process does not meet.
fn new_dir() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    root().join(number.to_string())
}

fn root() -> PathBuf {
    std::env::temp_dir().join(format!("tally-bench-steps-{}", std::process::id()))
}

fn per_event(events: usize) -> Throughput {
    Throughput::Elements(u64::try_from(events).expect("a count"))
}

fn decode(c: &mut Criterion) {
    let sample = sample();
    let mut group = c.benchmark_group("decode");
    group.throughput(per_event(sample.records.len()));
    let values = || sample.records.iter().filter_map(|record| record.value);
    group.bench_function("floor, every byte hashed", |b| {
        b.iter(|| values().map(xxh3_64).fold(0, u64::wrapping_add));
    });
    group.bench_function("records to columns", |b| {
        b.iter(|| values().filter(|value| black_box(tally_schema::decode(value)).is_ok()).count());
    });
    group.finish();
}

fn fold(c: &mut Criterion) {
    let sample = sample();
    let begun = sample.fold().expect("the barrier is ours");
    let mut group = c.benchmark_group("fold");
    group.throughput(per_event(EVENTS));
    let mut taken = begun.clone();
    let mut batch = Batch::default();
    sample.take(&mut taken, &mut batch, 0, EVENTS);
    group.bench_function("floor, every report copied", |b| b.iter(|| black_box(batch.reports.clone())));
    let mut changes = Changes::default();
    group.bench_function("admit, price, window", |b| {
        b.iter_batched(
            || taken.clone(),
            |mut fold| {
                let mut recalled = not_looked_up(&batch);
                black_box(fold.step(&batch, &mut recalled, &mut changes));
                fold
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn not_looked_up(batch: &Batch) -> Recalled {
    Recalled { slot_of: vec![Recalled::NOT_LOOKED_UP; batch.reports.len()], slots: Vec::new() }
}

fn store(c: &mut Criterion) {
    let sample = sample();
    let mut fold = sample.fold().expect("the barrier is ours");
    let (mut batch, mut changes) = (Batch::default(), Changes::default());
    sample.take(&mut fold, &mut batch, 0, EVENTS);
    let _counts = fold.step(&batch, &mut not_looked_up(&batch), &mut changes);
    let tuning = StoreSettings { index_filter_bits: 12 };
    let open = || {
        let dir = new_dir();
        std::fs::create_dir_all(&dir).expect("a directory for a state");
        let disk = OsDisk::open(dir).expect("a disk");
        Store::open(&disk, "0", sample.settings(), tuning).expect("a new state").0
    };
    let mut group = c.benchmark_group("store");
    group.throughput(per_event(batch.reports.len()));
    group.bench_function("floor of a commit, as many bytes written and synced", |b| {
        let bytes = vec![7; batch.reports.len() * 160];
        b.iter_batched(
            new_dir,
            |path| {
                std::fs::create_dir_all(root()).expect("a directory");
                let mut file = std::fs::File::create(path).expect("a file");
                std::io::Write::write_all(&mut file, &bytes).expect("room on the disk");
                file.sync_data().expect("a sync");
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("absorb and commit", |b| {
        b.iter_batched(
            || (open(), fold.clone()),
            |(mut store, mut fold)| {
                store.absorb(&changes).expect("sums fit");
                store.commit(&mut fold).expect("room on the disk");
                (store, fold)
            },
            BatchSize::PerIteration,
        );
    });
    let mut store = open();
    store.absorb(&changes).expect("sums fit");
    store.commit(&mut fold).expect("room on the disk");
    let mut asked = batch.clone();
    asked.probes.fill(tally_fold::Probe::All);
    let mut recalled = Recalled::default();
    group.bench_function("floor of a recall, every key sorted", |b| {
        b.iter(|| {
            let mut keys = asked.keys.clone();
            keys.sort_unstable();
            keys
        });
    });
    group.bench_function("recall, every event known", |b| {
        b.iter(|| store.recall(&asked, &mut recalled).expect("the state is whole"));
    });
    let flipped =
        |key: &tally_domain::EventKey| tally_domain::EventKey(Hash128(key.bytes().map(|byte| !byte)));
    asked.keys = batch.keys.iter().map(flipped).collect();
    group.bench_function("recall, every event new", |b| {
        b.iter(|| store.recall(&asked, &mut recalled).expect("the state is whole"));
    });
    group.finish();
}

fn log(c: &mut Criterion) {
    let sample = sample();
    let lane = Lane { topic: Topic::Usage, partition: Partition(0) };
    let now = WallTime::from_ms(1_770_345_600_000).expect("an instant of 2026");
    let append = |place: &Place| {
        let mut log = place.open_log().expect("a new log");
        let mut appender = log.appender();
        for record in sample.records.iter() {
            let _ticket = appender.append(lane, record.key, record.value).expect("room");
        }
        assert_eq!(log.turn(now).failed, 0, "the disk took all");
        log
    };
    let place = || {
        let dir = new_dir();
        std::fs::create_dir_all(dir.join("log")).expect("a directory for a log");
        Place::new(&dir, Secret::new([3; 32]))
    };
    let bytes: Vec<u8> =
        sample.records.iter().flat_map(|record| record.value.unwrap_or_default()).copied().collect();
    let mut group = c.benchmark_group("log");
    group.throughput(per_event(sample.records.len()));
    group.bench_function("floor of an append, as many bytes written", |b| {
        b.iter_batched(new_dir, |path| std::fs::write(path, &bytes), BatchSize::PerIteration);
    });
    group
        .bench_function("append", |b| b.iter_batched(place, |place| append(&place), BatchSize::PerIteration));
    let plain = new_dir();
    std::fs::write(&plain, &bytes).expect("room on the disk");
    group.bench_function("floor of a read, a plain file", |b| b.iter(|| std::fs::read(&plain)));
    let log = append(&place());
    let (mut reader, mut records) = (log.reader(), Records::default());
    group.bench_function("read", |b| {
        b.iter(|| {
            reader.read(lane, Offset::ZERO, usize::MAX >> 8, &mut records).expect("the log is whole");
            records.len()
        });
    });
    group.finish();
}

fn rank(c: &mut Criterion) {
    let people: Vec<PersonTotals> = (0..PEOPLE).map(person).collect();
    let mut group = c.benchmark_group("rank");
    group.throughput(per_event(PEOPLE));
    group.bench_function("floor, the totals walked", |b| {
        let tokens = |person: &PersonTotals| person.windows.iter().map(Sum::tokens).sum::<i128>();
        b.iter(|| people.iter().map(tokens).sum::<i128>());
    });
    group.bench_function("everyone on eight boards", |b| b.iter(|| rank_all(black_box(&people))));
    group.finish();
}

/// Totals over some ten octaves; most are idle in the shortest window.
fn person(number: usize) -> PersonTotals {
    let number = u64::try_from(number).expect("a count");
    let draw = |seed: u64| xxh3_64_with_seed(&number.to_le_bytes(), seed);
    let windows = [(28, 66), (31, 40), (33, 10), (36, 0)].map(|(bits, idle)| {
        let idle = draw(bits) % 100 < idle;
        let tokens = if idle { 0 } else { i128::from((draw(1) % (1 << bits)) >> (draw(2) % 10)) + 1 };
        Sum([tokens / 20, tokens, 0, 0, tokens / 100, 0, 1, 0, tokens * 731])
    });
    PersonTotals { person: PersonId(Hash128(u128::from(number).to_be_bytes())), windows }
}

fn tidy_up(_: &mut Criterion) {
    // What is left when it cannot be removed lies in the system's own temporary directory.
    drop(std::fs::remove_dir_all(root()));
}

criterion_group!(steps, decode, fold, store, log, rank, tidy_up);
criterion_main!(steps);
