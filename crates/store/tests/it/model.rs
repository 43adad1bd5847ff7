//! What a store must hold, kept naively, and scripts that drive both.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tally_disk::{Disk, MemoryDisk};
use tally_store::{Engine, Expiry, Keyspace, Merge, Merged, StoreError, prefix};

/// Newest by generation, sums by prefix, rows for ever: one of each kind there is.
pub(crate) const KEYSPACES: [Keyspace; 3] = [
    Keyspace {
        name: "events",
        key_bytes: 16,
        value_bytes: Some(16),
        merge: Merge::Newest,
        expiry: Expiry::Generation,
        filter_bits: 12,
        uniform: true,
    },
    Keyspace {
        name: "sums",
        key_bytes: 8,
        value_bytes: Some(16),
        merge: Merge::Sum,
        expiry: Expiry::Prefix,
        filter_bits: 0,
        uniform: false,
    },
    Keyspace {
        name: "rows",
        key_bytes: 4,
        value_bytes: None,
        merge: Merge::Newest,
        expiry: Expiry::Never,
        filter_bits: 0,
        uniform: false,
    },
];

/// One move of a script.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    /// A row of each keyspace, made from this number.
    Put(u16),
    /// The generation (a day), and with it every horizon, goes on.
    Day,
    /// Merge this many rows.
    Merge(u8),
    /// Everything so far, with its count as meta.
    Commit,
}

pub(crate) fn script(moves: usize) -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        12 => any::<u16>().prop_map(Move::Put),
        1 => Just(Move::Day),
        3 => any::<u8>().prop_map(Move::Merge),
        4 => Just(Move::Commit),
    ];
    proptest::collection::vec(one, 1..moves)
}

/// Days that a row of `events` lives; `sums` live as many tens.
const RETENTION: i32 = 5;

/// The naive twin: maps, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) moves: u64,
    day: i32,
    events: BTreeMap<Vec<u8>, (Vec<u8>, i32)>,
    sums: BTreeMap<Vec<u8>, [i64; 2]>,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

type Content = [BTreeMap<Vec<u8>, Vec<u8>>; 3];

impl Model {
    fn put(&mut self, n: u16) -> [(Vec<u8>, Vec<u8>); 3] {
        let mixed = u64::from(n % 97).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let event: Vec<u8> = [mixed.to_be_bytes(), (!mixed).to_be_bytes()].concat();
        let told: Vec<u8> = [self.moves.to_le_bytes(), u64::from(n).to_le_bytes()].concat();
        let minute = self.day * 10 - i32::from(n % 60);
        let sum: Vec<u8> = [prefix(minute), u32::from(n % 7).to_be_bytes()].concat();
        let lanes = [i64::from(n) - 30_000, 1];
        let row = u32::from(n % 41).to_be_bytes().to_vec();
        let text = vec![b'r'; usize::from(n % 300)];
        let _old = self.events.insert(event.clone(), (told.clone(), self.day));
        let held = self.sums.entry(sum.clone()).or_default();
        held.iter_mut().zip(lanes).for_each(|(held, lane)| *held += lane);
        let _old = self.rows.insert(row.clone(), text.clone());
        [(event, told), (sum, lanes.map(i64::to_le_bytes).concat()), (row, text)]
    }

    pub(crate) fn horizons(&self) -> [i32; 2] {
        // A horizon is set when a day passes, not before.
        if self.day == 0 { [i32::MIN; 2] } else { [self.day - RETENTION, self.day * 10 - RETENTION * 10] }
    }

    /// What can be seen.
    pub(crate) fn content(&self) -> Content {
        let [days, minutes] = self.horizons();
        let events = self.events.iter().filter(|(_, (_, day))| *day >= days);
        let sums = self.sums.iter().filter(|(key, _)| tally_store::prefix_of(key) >= minutes);
        [
            events.map(|(key, (value, _))| (key.clone(), value.clone())).collect(),
            sums.map(|(key, lanes)| (key.clone(), lanes.map(i64::to_le_bytes).concat())).collect(),
            self.rows.clone(),
        ]
    }
}

/// A store and its twin, and the twin at every commit that was asked for.
#[derive(Debug)]
pub(crate) struct Pair<D: Disk> {
    pub(crate) engine: Engine<D>,
    pub(crate) model: Model,
    /// The last commit that succeeded; before the first one, the empty state.
    pub(crate) committed: Model,
    /// A commit that was refused: it may have happened.
    pub(crate) attempted: Option<Model>,
}

pub(crate) fn meta(model: &Model) -> Vec<u8> {
    format!("{} moves", model.moves).into_bytes()
}

impl<D: Disk> Pair<D> {
    pub(crate) fn open(disk: &D) -> Result<Self, StoreError> {
        let (engine, meta) = Engine::open(disk, "state/p0", &KEYSPACES)?;
        assert_eq!(meta, None, "a new disk holds no state");
        let model = Model::default();
        Ok(Self { engine, committed: model.clone(), model, attempted: None })
    }

    pub(crate) fn play(&mut self, script: &[Move]) -> Result<(), StoreError> {
        script.iter().try_for_each(|step| self.step(step))
    }

    pub(crate) fn step(&mut self, step: &Move) -> Result<(), StoreError> {
        self.model.moves += 1;
        match step {
            Move::Put(n) => {
                let day = self.model.day;
                for (keyspace, (key, value)) in self.model.put(*n).into_iter().enumerate() {
                    self.engine.put(keyspace, &key, &value, day)?;
                }
            }
            Move::Day => {
                self.model.day += 1;
                let [days, minutes] = self.model.horizons();
                self.engine.expire(0, days);
                self.engine.expire(1, minutes);
            }
            Move::Merge(rows) => {
                let _more = self.engine.merge(u64::from(*rows))?;
            }
            Move::Commit => {
                self.attempted = Some(self.model.clone());
                self.engine.commit(&meta(&self.model))?;
                self.committed = self.model.clone();
                self.attempted = None;
            }
        }
        Ok(())
    }

    /// Every key there ever was, looked up; and the sweep of the index, which must agree.
    pub(crate) fn check(&self) {
        let expected = self.model.content();
        let every = [
            self.model.events.keys().collect::<Vec<_>>(),
            self.model.sums.keys().collect(),
            self.model.rows.keys().collect(),
        ];
        let mut value = Vec::new();
        for (keyspace, (keys, expected)) in every.iter().zip(&expected).enumerate() {
            for key in keys {
                let found = self.engine.get(keyspace, key, &mut value).unwrap().then(|| value.clone());
                assert_eq!(found.as_ref(), expected.get(*key), "{} {key:02x?}", KEYSPACES[keyspace].name);
            }
        }
        let keys: Vec<&[u8]> = every[0].iter().map(|key| key.as_slice()).collect();
        let mut swept = BTreeMap::new();
        let keep = |place: usize, value: &[u8]| {
            let twice = swept.insert(keys[place].to_vec(), value.to_vec());
            assert_eq!(twice, None, "a key is found once");
        };
        self.engine.sweep(0, &keys, |_| i32::MIN, keep).unwrap();
        assert_eq!(swept, expected[0], "the sweep finds what single lookups find");
    }

    pub(crate) fn merge_all(&mut self) {
        while self.engine.merge(1_000).unwrap() == Merged::Some {}
    }
}

/// All committed rows, as a walk shows them.
pub(crate) fn content<D: Disk>(engine: &Engine<D>) -> Content {
    [0, 1, 2].map(|keyspace| {
        let mut rows = BTreeMap::new();
        let mut last: Vec<u8> = Vec::new();
        let visit = |key: &[u8], value: &[u8]| {
            assert!(rows.is_empty() || last.as_slice() < key, "a walk rises");
            last = key.to_vec();
            let _new = rows.insert(key.to_vec(), value.to_vec());
            true
        };
        engine.walk(keyspace, &[], visit).unwrap();
        rows
    })
}

/// Opens what a crash left and says which of the possible states it is; that it is one, whole, is the point.
pub(crate) fn reopened(disk: &MemoryDisk, possible: &[&Model]) -> Pair<MemoryDisk> {
    let (engine, found) = Engine::open(disk, "state/p0", &KEYSPACES).unwrap();
    let is = |model: &&&Model| found.as_ref().map_or(model.moves == 0, |found| *found == meta(model));
    let model = possible.iter().find(is);
    let model = model.unwrap_or_else(|| panic!("{found:?} was never committed; possible: {possible:?}"));
    assert_eq!(content(&engine), model.content(), "the rows are those of the meta");
    let model = (**model).clone();
    Pair { engine, committed: model.clone(), model, attempted: None }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Without any accident the store is the model, at every step of the way and after any number of merges.
    #[test]
    fn the_store_is_its_model(script in script(160)) {
        let disk = MemoryDisk::new(1);
        let mut pair = Pair::open(&disk).unwrap();
        for step in &script {
            pair.step(step).unwrap();
            if !matches!(step, Move::Put(_)) {
                pair.check();
            }
        }
        pair.step(&Move::Commit).unwrap();
        prop_assert_eq!(content(&pair.engine), pair.model.content());
        pair.merge_all();
        pair.check();
        prop_assert_eq!(content(&pair.engine), pair.model.content());
        pair.step(&Move::Commit).unwrap();
        let last = pair.committed.clone();
        drop(pair);
        let again = reopened(&disk, &[&last]);
        again.check();
    }
}

#[test]
fn files_that_no_manifest_names_do_not_pile_up() {
    let disk = MemoryDisk::new(1);
    let mut pair = Pair::open(&disk).unwrap();
    for n in 0..200 {
        pair.play(&[Move::Put(n), Move::Commit, Move::Merge(255)]).unwrap();
    }
    pair.merge_all();
    pair.step(&Move::Commit).unwrap();
    let files = disk.list("state/p0").unwrap();
    let sizes = pair.engine.sizes();
    assert_eq!(files.len(), sizes.runs + 1, "one file per run and the manifest: {files:?}");
    assert!(sizes.runs <= 3 * 9, "{sizes:?}");
}
