//! Compaction: of each key the last record stays, which is not always the one of the highest version.

use crate::shown::Key;
use crate::world::installation::PARTITIONS;
use crate::world::{Broken, Kept, World};
use std::collections::BTreeMap;
use tally_domain::{Lane, Partition, Topic, Version};
use tally_schema::Totals;

impl World {
    /// The topics of totals and of identities keep the last record of each key.
    pub(super) fn compact(&mut self, partition: u16) -> Kept {
        let now = self.log_now();
        self.compacted = true;
        for topic in [Topic::Totals, Topic::Identities] {
            let lane = Lane { topic, partition: Partition(partition % PARTITIONS) };
            if topic == Topic::Identities || self.may_compact(lane)? {
                let _compacted = self.log.get_mut().compact(lane, now);
            }
        }
        Ok(())
    }

    /// Where a later record of a key is of a lower version, compaction loses the higher one. It is assumed to come
    /// after ClickHouse has that, for good, and after the ranker has read it if one runs.
    fn may_compact(&mut self, lane: Lane) -> Result<bool, Broken> {
        let mut lost: BTreeMap<Key, Version> = BTreeMap::new();
        let mut highest: BTreeMap<Key, Version> = BTreeMap::new();
        let bounds = self.log.bounds(lane)?;
        self.log.each(lane, bounds.start, |record| {
            if let Some(Ok(Totals::Total(row, version))) = record.value.map(tally_schema::decode_totals) {
                let key = Key::Total(row.account, row.dims.as_ref().clone());
                let held = highest.entry(key.clone()).or_default();
                if version < *held {
                    lost.insert(key, *held);
                } else {
                    *held = version;
                    lost.remove(&key);
                }
            }
            Ok(())
        })?;
        if lost.is_empty() {
            return Ok(true);
        }
        let mut server = self.clickhouse.borrow_mut();
        let holds = |(key, version): (&Key, &Version)| {
            server.tables.rows.get(key).is_some_and(|(held, _)| held >= version)
        };
        if !lost.iter().all(holds) || !self.standing.as_ref().is_none_or(|it| it.has_read(lane, bounds.end)) {
            return Ok(false);
        }
        server.forget_backup();
        Ok(true)
    }
}
