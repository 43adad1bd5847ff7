//! Keyspaces of bytes with one atomic commit.

use std::sync::Arc;

use tally_disk::Disk;

use crate::{
    commit::Debris,
    copy,
    error::{Doing, StoreError},
    keyspace::{Expiry, Keyspace, Merge, VALUE_BYTES_MAX},
    manifest::{self, Manifest},
    memtable::Memtable,
    merge::Merging,
    run::{Probe, Run},
    walk::{Row, Walk},
};

const OPENING: &str = "opening the state";
const LOCK: &str = "LOCK";

/// One keyspace: what was put since the last commit, and its runs.
#[derive(Debug)]
pub(crate) struct Table<F> {
    pub(crate) keyspace: Keyspace,
    pub(crate) memtable: Memtable,
    /// Oldest first.
    pub(crate) runs: Vec<Arc<Run<F>>>,
    pub(crate) horizon: i32,
}

/// Keyspaces of bytes, committed together. It has no threads: merging is a step that the driver calls.
#[derive(Debug)]
pub struct Engine<D: Disk> {
    pub(crate) disk: D,
    pub(crate) tables: Vec<Table<D::File>>,
    pub(crate) commits: u64,
    pub(crate) next_number: u64,
    pub(crate) debris: Debris,
    pub(crate) merging: Option<Merging<D::File>>,
    _lock: D::Lock,
}

/// How much there is, for metrics and for whoever decides when to commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Rows put since the last commit.
    pub fresh_rows: usize,
    /// Bytes in memory for those.
    pub fresh_bytes: usize,
    /// Bytes in memory for directories and filters of runs.
    pub resident_bytes: usize,
    /// Runs on disk.
    pub runs: usize,
    /// Their bytes.
    pub run_bytes: u64,
}

impl<D: Disk> Engine<D> {
    /// The last committed state in `dir` of `disk`, and its meta blob; empty, without meta, where there was none.
    ///
    /// Files that no manifest names are removed.
    ///
    /// # Errors
    /// When the directory is held by another, damaged, or of another layout.
    pub fn open(disk: &D, dir: &str, keyspaces: &[Keyspace]) -> Result<(Self, Option<Vec<u8>>), StoreError> {
        let (disk, lock) = enter(disk, dir)?;
        let found = Manifest::load(&disk, keyspaces)?;
        // Were the manifest's own name not durable yet, removing what it replaced could lose both.
        disk.sync_dir("").doing(OPENING)?;
        let committed = found.is_some();
        let found = found.unwrap_or_default();
        let mut tables = Vec::with_capacity(keyspaces.len());
        for (number, &keyspace) in keyspaces.iter().enumerate() {
            let listed = found.keyspaces.get(number).cloned().unwrap_or_default();
            let of = (keyspace_number(number), keyspace);
            let runs = listed.runs.iter().map(|&facts| Ok(Arc::new(Run::open(&disk, of, facts)?)));
            let runs = runs.collect::<Result<_, StoreError>>()?;
            let horizon = if committed { listed.horizon } else { i32::MIN };
            tables.push(Table { keyspace, memtable: Memtable::new(keyspace), runs, horizon });
        }
        let mut engine = Self {
            disk,
            tables,
            commits: found.commit,
            next_number: found.next_number,
            debris: Debris::default(),
            merging: None,
            _lock: lock,
        };
        engine.remove_unnamed()?;
        Ok((engine, committed.then_some(found.meta)))
    }

    /// How often this state was committed.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Rows below `horizon` are gone from now on. A horizon never falls.
    pub fn expire(&mut self, keyspace: usize, horizon: i32) {
        let table = &mut self.tables[keyspace];
        table.horizon = table.horizon.max(horizon);
    }

    /// The present horizon of a keyspace.
    #[must_use]
    pub fn horizon(&self, keyspace: usize) -> i32 {
        self.tables[keyspace].horizon
    }

    /// Replaces the row of `key`, or adds to it, as the keyspace says. `generation` counts only where rows
    /// expire by it.
    ///
    /// # Errors
    /// [`StoreError::Overflow`], [`StoreError::TooLong`].
    pub fn put(
        &mut self,
        keyspace: usize,
        key: &[u8],
        value: &[u8],
        generation: i32,
    ) -> Result<(), StoreError> {
        let table = &mut self.tables[keyspace];
        if value.len() > VALUE_BYTES_MAX {
            let (keyspace, bytes) = (table.keyspace.name, value.len());
            return Err(StoreError::TooLong { keyspace, bytes, most: VALUE_BYTES_MAX });
        }
        let generation = generation.to_le_bytes();
        let dated = table.keyspace.expiry == Expiry::Generation;
        table.memtable.put(key, value, if dated { &generation } else { &[] })
    }

    /// The present value of `key`, put into `value`; false if there is none above the horizon.
    ///
    /// # Errors
    /// When a run cannot be read or is damaged.
    pub fn get(&self, keyspace: usize, key: &[u8], value: &mut Vec<u8>) -> Result<bool, StoreError> {
        let table = &self.tables[keyspace];
        let found = table.find(key, value)?;
        let live = found && table.keyspace.is_live(key, value, table.horizon);
        if live {
            let len = table.keyspace.value(value).len();
            value.truncate(len);
        }
        Ok(live)
    }

    /// Looks up many keys of a [`Merge::Newest`] keyspace in one sweep. `keys` are sorted; `since` says for each
    /// the first generation that may hold it (runs that end before it are not probed). `found` gets the place of
    /// the key and its value.
    ///
    /// # Errors
    /// When a run cannot be read or is damaged.
    pub fn sweep(
        &self,
        keyspace: usize,
        keys: &[&[u8]],
        since: impl Fn(usize) -> i32,
        mut found: impl FnMut(usize, &[u8]),
    ) -> Result<(), StoreError> {
        let table = &self.tables[keyspace];
        debug_assert_eq!(table.keyspace.merge, Merge::Newest, "a sweep stops at the first value it finds");
        let mut missing: Vec<usize> = Vec::with_capacity(keys.len());
        for (place, key) in keys.iter().enumerate() {
            match table.memtable.get(key) {
                Some(stored) => table.show(key, stored, |value| found(place, value)),
                None => missing.push(place),
            }
        }
        let mut stored = Vec::new();
        let mut candidates: Vec<usize> = Vec::new();
        for run in table.runs.iter().rev() {
            candidates.clear();
            let newest = run.facts.ages.1;
            let dated = table.keyspace.expiry == Expiry::Generation;
            let probed = |place: usize| !dated || (newest >= since(place) && newest >= table.horizon);
            candidates
                .extend(missing.iter().copied().filter(|&place| probed(place) && run.may_have(keys[place])));
            if candidates.is_empty() {
                continue;
            }
            let mut probe = Probe::default();
            let mut hits = Vec::new();
            for &place in &candidates {
                if run.get(keys[place], &mut probe, &mut stored)? {
                    table.show(keys[place], &stored, |value| found(place, value));
                    hits.push(place);
                }
            }
            if !hits.is_empty() {
                missing.retain(|place| hits.binary_search(place).is_err());
            }
        }
        Ok(())
    }

    /// Walks the *committed* rows from `from` on in key order, until `visit` says false. What was put since the
    /// last commit is not among them: see [`Engine::fresh`].
    ///
    /// # Errors
    /// When a run cannot be read or is damaged.
    pub fn walk(
        &self,
        keyspace: usize,
        from: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let table = &self.tables[keyspace];
        let least = if table.keyspace.expiry == Expiry::Prefix { crate::prefix_of(from) } else { i32::MIN };
        let runs = table.runs.iter().filter(|run| run.facts.ages.1 >= least || least == i32::MIN).cloned();
        let mut walk = Walk::new(table.keyspace, table.horizon, runs, from)?;
        let (mut key, mut stored) = (Vec::new(), Vec::new());
        while let Some(Row::Packed(found, _) | Row::Stored(found, _)) = walk.next()? {
            key.clear();
            key.extend_from_slice(found);
            walk.stored(&mut stored)?;
            if !visit(&key, table.keyspace.value(&stored)) {
                break;
            }
        }
        Ok(())
    }

    /// The rows put since the last commit whose keys begin with the [`crate::prefix`] of a number in
    /// `from..=to`, in the order of that number. Only for keyspaces that expire by it.
    pub fn fresh(&self, keyspace: usize, from: i32, to: i32) -> impl Iterator<Item = (&[u8], &[u8])> {
        let table = &self.tables[keyspace];
        let rows = table.memtable.range(from.max(table.horizon), to);
        rows.map(|row| (table.memtable.key(row), table.keyspace.value(table.memtable.stored(row))))
    }

    /// The present sums of many keys of a [`Merge::Sum`] keyspace, in the order of `keys`, which are sorted;
    /// `None` where there is none above the horizon.
    ///
    /// # Errors
    /// When a run cannot be read or is damaged, or a sum overflows.
    pub fn gather(&self, keyspace: usize, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let table = &self.tables[keyspace];
        let mut sums: Vec<Option<Vec<u8>>> =
            keys.iter().map(|key| table.memtable.get(key).map(<[u8]>::to_vec)).collect();
        let mut more = Vec::new();
        for run in table.runs.iter().rev() {
            let mut probe = Probe::default();
            for (key, sum) in keys.iter().zip(&mut sums) {
                if !table.may_hold(run, key) || !run.get(key, &mut probe, &mut more)? {
                    continue;
                }
                match sum {
                    Some(sum) => table.keyspace.add(key, sum, &more)?,
                    None => *sum = Some(more.clone()),
                }
            }
        }
        for (key, sum) in keys.iter().zip(&mut sums) {
            *sum = sum.take().filter(|stored| table.keyspace.is_live(key, stored, table.horizon));
        }
        Ok(sums)
    }

    /// Up to `limit` keys behind `after` (from the first one without it), committed or not, in order.
    ///
    /// # Errors
    /// When a run cannot be read or is damaged.
    pub fn keys_after(
        &self,
        keyspace: usize,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let table = &self.tables[keyspace];
        let mut keys: Vec<Vec<u8>> = Vec::new();
        self.walk(keyspace, after.unwrap_or_default(), |key, _| {
            if after.is_none_or(|after| key > after) && keys.len() < limit {
                keys.push(key.to_vec());
            }
            keys.len() < limit
        })?;
        let memtable = &table.memtable;
        let is_next = |row: u32| {
            let key = memtable.key(row);
            after.is_none_or(|after| key > after)
                && table.keyspace.is_live(key, memtable.stored(row), table.horizon)
        };
        let mut fresh: Vec<&[u8]> =
            memtable.rows().filter(|&row| is_next(row)).map(|row| memtable.key(row)).collect();
        if fresh.len() > limit && limit > 0 {
            let _nth = fresh.select_nth_unstable(limit - 1);
            fresh.truncate(limit);
        }
        keys.extend(fresh.into_iter().map(<[u8]>::to_vec));
        keys.sort_unstable();
        keys.dedup();
        keys.truncate(limit);
        Ok(keys)
    }

    /// See [`Sizes`].
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let mut sizes = Sizes::default();
        for table in &self.tables {
            sizes.fresh_rows += table.memtable.len();
            sizes.fresh_bytes += table.memtable.bytes();
            sizes.runs += table.runs.len();
            for run in &table.runs {
                sizes.resident_bytes += run.resident_bytes();
                sizes.run_bytes += run.facts.file_bytes;
            }
        }
        sizes
    }
}

impl<F: tally_disk::DiskFile> Table<F> {
    /// The stored value of `key`, whatever the horizon.
    fn find(&self, key: &[u8], stored: &mut Vec<u8>) -> Result<bool, StoreError> {
        stored.clear();
        let mut found = false;
        if let Some(fresh) = self.memtable.get(key) {
            stored.extend_from_slice(fresh);
            found = true;
        }
        let mut older = Vec::new();
        for run in self.runs.iter().rev() {
            if found && self.keyspace.merge == Merge::Newest {
                break;
            }
            if !self.may_hold(run, key) || !run.get(key, &mut Probe::default(), &mut older)? {
                continue;
            }
            if found {
                self.keyspace.add(key, stored, &older)?;
            } else {
                std::mem::swap(stored, &mut older);
                found = true;
            }
        }
        Ok(found)
    }

    /// False only if the run does not have the key.
    fn may_hold(&self, run: &Run<F>, key: &[u8]) -> bool {
        let (first, last) = run.facts.ages;
        let aged = self.keyspace.expiry != Expiry::Prefix || (first..=last).contains(&crate::prefix_of(key));
        aged && run.may_have(key)
    }

    fn show(&self, key: &[u8], stored: &[u8], found: impl FnOnce(&[u8])) {
        if self.keyspace.is_live(key, stored, self.horizon) {
            found(self.keyspace.value(stored));
        }
    }
}

/// Makes the directory, durably, goes there and holds it.
pub(crate) fn enter<D: Disk>(disk: &D, dir: &str) -> Result<(D, D::Lock), StoreError> {
    disk.make_dir(dir).doing(OPENING)?;
    let mut above = dir;
    while let Some((parent, _)) = above.rsplit_once('/') {
        disk.sync_dir(parent).doing(OPENING)?;
        above = parent;
    }
    disk.sync_dir("").doing(OPENING)?;
    let disk = disk.at(dir);
    let lock = disk.lock(LOCK).doing(OPENING)?;
    Ok((disk, lock))
}

pub(crate) fn keyspace_number(number: usize) -> u32 {
    u32::try_from(number).expect("there are a dozen keyspaces")
}

/// Which of our files a name in the directory belongs to; `None`: not one that may be removed.
pub(crate) fn ours(name: &str) -> Option<Ours> {
    if let Some(digits) = name.strip_suffix(".run") {
        return digits.parse().ok().map(Ours::Run);
    }
    (name == manifest::NEW_NAME || copy::is_incoming(name)).then_some(Ours::Unswitched)
}

/// A file that the store may remove when no manifest names it.
pub(crate) enum Ours {
    /// A run, by its number.
    Run(u64),
    /// A manifest, or a file that was brought in, that never got its name.
    Unswitched,
}
