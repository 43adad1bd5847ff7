//! A small partition: row `n` of the log is row `n` of the state, and the next offset is its meta.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use tally_checkpoints::{Checkpoints, Copier, Keep};
use tally_disk::{Disk, DiskFile, MemoryDisk};
use tally_domain::{Hash128, Incarnation, Offset, Partition, TopicId, Version};
use tally_store::{Committed, Engine, Expiry, Keyspace, Merge, Merged};

use crate::trouble::Trouble;

pub(crate) const PARTITION: Partition = Partition(3);
pub(crate) const DIR: &str = "state/3";
/// What no copy names goes at once.
pub(crate) const AT_ONCE: Keep = Keep { unnamed: Duration::ZERO };

const ROWS: Keyspace = Keyspace {
    name: "rows",
    key_bytes: 8,
    value_bytes: None,
    merge: Merge::Newest,
    expiry: Expiry::Never,
    filter_bits: 8,
    uniform: false,
};

pub(crate) fn version(next: u64) -> Version {
    Version::new(Incarnation(1), Offset::new(next).unwrap())
}

pub(crate) fn copies(store: &Trouble) -> Checkpoints {
    let topic = TopicId(Hash128([7; 16]));
    Checkpoints::over(Arc::new(store.clone()), &Path::from("tally"), topic).unwrap()
}

pub(crate) fn copier(store: &Trouble) -> Copier {
    copies(store).copier(PARTITION, AT_ONCE)
}

/// The state on a disk, and its next offset.
pub(crate) fn open(disk: &MemoryDisk) -> (Engine<MemoryDisk>, u64) {
    let (engine, meta) = Engine::open(disk, DIR, &[ROWS]).unwrap();
    (engine, meta.map_or(0, |meta| u64::from_le_bytes(meta.try_into().unwrap())))
}

/// Folds so many records more, and commits.
pub(crate) fn fold(engine: &mut Engine<MemoryDisk>, next: &mut u64, records: u64) {
    for _record in 0..records {
        engine.put(0, &next.to_be_bytes(), format!("record {next}").as_bytes(), 0).unwrap();
        *next += 1;
    }
    engine.commit(&next.to_le_bytes()).unwrap();
}

pub(crate) fn merge(engine: &mut Engine<MemoryDisk>) {
    while engine.merge(1_000).unwrap() == Merged::Some {}
}

pub(crate) type State = Committed<<MemoryDisk as Disk>::File>;

pub(crate) fn committed(engine: &Engine<MemoryDisk>) -> State {
    let of = |meta: &[u8]| Ok(version(u64::from_le_bytes(meta.try_into().unwrap())));
    engine.committed(of).unwrap().unwrap()
}

/// A state of so many commits.
pub(crate) fn folded(commits: u64) -> (MemoryDisk, Engine<MemoryDisk>, u64) {
    let disk = MemoryDisk::new(commits);
    let (engine, next) = folded_on(&disk, commits);
    (disk, engine, next)
}

/// The same on a disk that has none yet.
pub(crate) fn folded_on(disk: &MemoryDisk, commits: u64) -> (Engine<MemoryDisk>, u64) {
    let (mut engine, mut next) = open(disk);
    (0..commits).for_each(|_| fold(&mut engine, &mut next, 10));
    (engine, next)
}

fn bytes<F: DiskFile>(file: &F) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

/// Names and bytes.
pub(crate) fn files(state: &State) -> BTreeMap<String, Vec<u8>> {
    state.files.iter().map(|file| (file.name.clone(), bytes(&file.file))).collect()
}

/// The same of a directory; the lock is none of the state's.
pub(crate) fn files_in<D: Disk>(disk: &D) -> BTreeMap<String, Vec<u8>> {
    let names = disk.list(DIR).unwrap().into_iter().filter(|name| name != "LOCK");
    names.map(|name| (name.clone(), bytes(&disk.open(&format!("{DIR}/{name}")).unwrap()))).collect()
}

/// Opens what was brought and reads all of it; `None` where there is no state.
pub(crate) fn brought(disk: &MemoryDisk) -> Option<u64> {
    let (engine, next) = open(disk);
    let mut rows = 0;
    engine
        .walk(0, &[], |key, value| {
            assert_eq!((key, value), (&rows_key(rows)[..], format!("record {rows}").as_bytes()));
            rows += 1;
            true
        })
        .unwrap();
    assert_eq!(rows, next, "as many rows as the offset says");
    (next > 0).then_some(next)
}

fn rows_key(row: u64) -> [u8; 8] {
    row.to_be_bytes()
}
