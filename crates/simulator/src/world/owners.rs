//! Two who own the same partitions, by mistake or on purpose: what one publishes, the other publishes too.

use crate::clickhouse::Landed;
use crate::shown::{Key, Value, agree};
use crate::world::{Kept, World, broken};
use std::collections::BTreeMap;
use tally_domain::Version;

/// What was ever published of a key at a version, and by which of the two.
#[derive(Debug, Default)]
pub(crate) struct Owners(BTreeMap<(Key, Version), (Value, [bool; 2])>);

impl World {
    /// A key has one value at a version, whoever says it.
    pub(super) fn owners_agree(&mut self, instance: usize, landed: &Landed) -> Kept {
        for (key, value) in &landed.rows {
            let said = self.owners.0.entry((key.clone(), landed.version));
            let (first, by) = said.or_insert_with(|| (value.clone(), [false; 2]));
            if !agree(first, value) {
                return broken(format!(
                    "{key:?} has two values at {}: {first:?} was published before, instance {instance} says {value:?}",
                    landed.version
                ));
            }
            by[instance] = true;
        }
        Ok(())
    }

    /// Values that both have published.
    #[cfg(all(test, not(tally_planted)))]
    pub(crate) fn published_by_both(&self) -> usize {
        self.owners.0.values().filter(|(_, by)| *by == [true; 2]).count()
    }

    /// The greatest number of heartbeats that a partition holds of one minute.
    #[cfg(all(test, not(tally_planted)))]
    pub(crate) fn heartbeats_of_a_minute(&self) -> usize {
        let mut of_minutes: BTreeMap<_, usize> = BTreeMap::new();
        for (partition, oracle) in self.oracles.iter().enumerate() {
            let beats =
                oracle.told.iter().filter(|told| told.entry == tally_clickhouse::rows::EntryCode::Heartbeat);
            for told in beats {
                *of_minutes.entry((partition, told.log_ms.div_euclid(60_000))).or_default() += 1;
            }
        }
        of_minutes.into_values().max().unwrap_or(0)
    }
}
