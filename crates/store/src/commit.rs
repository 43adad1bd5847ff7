//! One switch to {runs, horizons, meta}: all of it or nothing.
//!
//! Order is everything: the bytes of new runs, then their names, then the bytes of the manifest, then its name;
//! and only when that is durable may anything go that the old manifest names.

use std::sync::Arc;

use tally_disk::{Disk, Kind};

use crate::{
    engine::{Engine, Ours, keyspace_number, ours},
    error::{Doing, StoreError},
    keyspace::{Expiry, to_u64},
    manifest::{self, Listed, Manifest},
    run::{Run, RunFacts, RunWriter, file_name},
};

const COMMITTING: &str = "committing the state";
const CLEANING: &str = "removing files that the manifest does not name";

/// Files that may go once a manifest that does not name them is durable.
#[derive(Debug, Default)]
pub(crate) struct Debris(pub(crate) Vec<u64>);

/// A run per keyspace that had rows.
type Written<F> = Vec<Option<Arc<Run<F>>>>;

impl<D: Disk> Engine<D> {
    /// Makes all that was put since the last commit durable, together with `meta`.
    ///
    /// # Errors
    /// When the disk refuses. Then what is durable is the last commit or, if only the very last step failed, this
    /// one; what is in memory is unchanged, and committing again is right.
    pub fn commit(&mut self, meta: &[u8]) -> Result<(), StoreError> {
        let first_number = self.next_number;
        let written = match self.write_runs(meta) {
            Ok(written) => written,
            Err(e) => {
                // No manifest can name these yet; on a full disk the space is needed.
                (first_number..self.next_number).for_each(|number| self.forget(number));
                return Err(e);
            }
        };
        if let Err(e) = self.switch() {
            // The switch may have happened or not: a crash shows one or the other, so these must stay.
            self.debris.0.extend(written.iter().flatten().map(|run| run.facts.number));
            return Err(e);
        }
        self.commits += 1;
        self.install(written);
        self.clean();
        Ok(())
    }

    /// Writes a run per keyspace with fresh rows, and the manifest that names them, under its other name.
    fn write_runs(&mut self, meta: &[u8]) -> Result<Written<D::File>, StoreError> {
        let mut written = Vec::with_capacity(self.tables.len());
        for number in 0..self.tables.len() {
            written.push(self.write_run(number)?);
        }
        let keyspaces = self.tables.iter().zip(&written).map(|(table, new)| Listed {
            layout: table.keyspace.layout(),
            horizon: table.horizon,
            runs: table.live_runs().chain(new).map(|run| run.facts).collect(),
        });
        let keyspaces = keyspaces.collect();
        // The names of runs must be durable before a manifest can name them.
        self.disk.sync_dir("").doing(COMMITTING)?;
        let manifest = Manifest {
            commit: self.commits + 1,
            next_number: self.next_number,
            keyspaces,
            meta: meta.to_vec(),
        };
        manifest.prepare(&self.disk)?;
        Ok(written)
    }

    fn write_run(&mut self, keyspace: usize) -> Result<Option<Arc<Run<D::File>>>, StoreError> {
        let number = self.next_number;
        let table = &self.tables[keyspace];
        if table.memtable.len() == 0 {
            return Ok(None);
        }
        self.next_number += 1;
        let of = (keyspace_number(keyspace), table.keyspace);
        let mut writer = RunWriter::create(&self.disk, number, of, to_u64(table.memtable.len()))?;
        for row in table.memtable.sorted() {
            let (key, stored) = (table.memtable.key(row), table.memtable.stored(row));
            if table.keyspace.is_live(key, stored, table.horizon) {
                writer.push(key, stored)?;
            }
        }
        let facts: RunFacts = writer.finish()?;
        Ok(Some(Arc::new(Run::open(&self.disk, of, facts)?)))
    }

    /// The switch itself.
    fn switch(&self) -> Result<(), StoreError> {
        self.disk.rename(manifest::NEW_NAME, manifest::NAME).doing(COMMITTING)?;
        self.disk.sync_dir("").doing(COMMITTING)
    }

    fn install(&mut self, written: Written<D::File>) {
        for (table, new) in self.tables.iter_mut().zip(written) {
            let dead = table
                .runs
                .iter()
                .filter(|run| !is_live(table.keyspace.expiry, run.facts.ages, table.horizon));
            self.debris.0.extend(dead.map(|run| run.facts.number));
            table.runs = table.live_runs().cloned().chain(new).collect();
            table.memtable.clear();
        }
    }

    /// Removes what the manifest, now durable, does not name. What cannot be removed is tried again.
    fn clean(&mut self) {
        let disk = &self.disk;
        self.debris.0.retain(|&number| match disk.remove(&file_name(number)) {
            Ok(()) => false,
            Err(e) => e.kind != Kind::NotFound,
        });
    }

    /// Removes a file that no manifest ever named, if it can be removed.
    pub(crate) fn forget(&mut self, number: u64) {
        if let Err(e) = self.disk.remove(&file_name(number))
            && e.kind != Kind::NotFound
        {
            self.debris.0.push(number);
        }
    }

    /// At open: removes our files that the manifest does not name, and never gives their numbers again.
    pub(crate) fn remove_unnamed(&mut self) -> Result<(), StoreError> {
        let mut named: Vec<u64> =
            self.tables.iter().flat_map(|table| &table.runs).map(|run| run.facts.number).collect();
        named.sort_unstable();
        for name in self.disk.list("").doing(CLEANING)? {
            match ours(&name) {
                Some(Ours::Run(number)) if named.binary_search(&number).is_ok() => {}
                Some(Ours::Run(number)) => {
                    self.next_number = self.next_number.max(number + 1);
                    self.disk.remove(&name).doing(CLEANING)?;
                }
                Some(Ours::Unswitched) => self.disk.remove(&name).doing(CLEANING)?,
                None => {}
            }
        }
        Ok(())
    }
}

impl<F> crate::engine::Table<F> {
    /// The runs that may still have a row above the horizon.
    fn live_runs(&self) -> impl Iterator<Item = &Arc<Run<F>>> {
        self.runs.iter().filter(|run| is_live(self.keyspace.expiry, run.facts.ages, self.horizon))
    }
}

fn is_live(expiry: Expiry, ages: (i32, i32), horizon: i32) -> bool {
    expiry == Expiry::Never || ages.1 >= horizon
}
