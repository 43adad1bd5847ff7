//! What is true after every step: nothing that is shown differs from what the oracle counts at its version.

use crate::shown::{Key, Value, agree};
use crate::world::{Kept, World, broken};
use std::collections::BTreeSet;
use tally_domain::{Partition, Version};

impl World {
    /// Every row says what the oracle counts at the row's version, and that version's records are durable.
    pub(super) fn rows_are_right(
        &self,
        partition: Partition,
        version: Version,
        rows: &[(Key, Value)],
    ) -> Kept {
        if self.is_trusting || rows.is_empty() || version.incarnation().0 < self.first_incarnation {
            return Ok(());
        }
        let oracle = &self.oracles[usize::from(partition.0)];
        if !oracle.knows(version) {
            return broken(format!(
                "partition {partition}: rows at version {version}, where the log is at {}",
                oracle.version()
            ));
        }
        for (key, shown) in rows {
            let Some(counted) = oracle.value(key, version) else { continue };
            if !agree(shown, &counted) {
                return broken(format!(
                    "{key:?} is published at {version} as {shown:?}, the oracle counts {counted:?}"
                ));
            }
        }
        Ok(())
    }

    /// Once a partition says that everything up to a version is in, every key is shown as it is at its row's
    /// version, or at that one where the row is older or there is none.
    pub(super) fn progress_is_right(&self, partition: Partition, progress: Version) -> Kept {
        let oracle = &self.oracles[usize::from(partition.0)];
        if self.is_trusting || progress.incarnation().0 < self.first_incarnation {
            return Ok(());
        }
        let server = self.clickhouse.borrow();
        // What is shown counts, not what is claimed by one of two.
        let progress = server.tables.claimed(partition).unwrap_or(progress).max(progress);
        for key in oracle.keys() {
            // A row of an earlier topic stays until the new one says something of its key.
            let row = server.tables.rows.get(key);
            let row = row.filter(|(version, _)| version.incarnation().0 >= self.first_incarnation);
            let at = row.map_or(progress, |(version, _)| *version).max(progress);
            // What nobody remembers any more is published no more, wherever the readers are.
            let remembered = oracle.value(key, oracle.version()).is_some();
            let Some(counted) = oracle.value(key, at).filter(|_| remembered) else { continue };
            let shown = row.map(|(_, value)| value.as_slice()).unwrap_or_default();
            if !agree(shown, &counted) {
                let version = row.map(|(version, _)| *version);
                return broken(format!(
                    "partition {partition} claims {progress}, but {key:?} is shown at {version:?} as {shown:?}, \
                     the oracle counts {counted:?}"
                ));
            }
        }
        Ok(())
    }

    /// Keys of the present topic that anything shows.
    pub(super) fn shown_keys(&self) -> BTreeSet<Key> {
        let server = self.clickhouse.borrow();
        let present = |version: &Version| version.incarnation().0 >= self.first_incarnation;
        server
            .tables
            .rows
            .iter()
            .filter(|(_, (version, _))| present(version))
            .map(|(key, _)| key.clone())
            .collect()
    }
}
