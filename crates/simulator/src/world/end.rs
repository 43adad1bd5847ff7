//! The end of a life: troubles stop, everything is turned until nothing is left to do, and all readers are
//! held against the oracle.

use crate::clickhouse::Fate;
use crate::oracle::Oracle;
use crate::shown::{Key, agree, lanes};
use crate::world::archive::is_kept;
use crate::world::instances::other_count;
use crate::world::{Kept, World, all_partitions, broken};
use std::collections::{BTreeMap, BTreeSet};
use tally_aggregator::{Aggregator, PartError};
use tally_domain::{Lane, Partition, Topic, Version};
use tally_schema::Totals;

impl World {
    /// Troubles end; power is lost once more.
    fn calm(&mut self) -> Kept {
        self.stalls = [0; 3];
        for instance in &mut self.instances {
            instance.disk.limit_bytes(None);
            instance.skew_ms = 0;
            instance.crash();
        }
        self.log.disk.limit_bytes(None);
        self.log.skew_ms = 0;
        self.log_crash()?;
        self.feed()?;
        // Nobody waits for a record of the future any more.
        let newest = self.oracles.iter().map(|oracle| oracle.log_ms).max().unwrap_or(i64::MIN);
        self.now = self.now.plus_ms(newest.saturating_sub(self.now.ms()).max(0));
        Ok(())
    }

    /// Turns everything until there is nothing to do.
    fn settle(&mut self, instances: &[usize]) -> Kept {
        for _ in 0..3_000 {
            let mut worked = false;
            for by in 0..self.producers.len() {
                self.send(by, usize::MAX);
            }
            worked |= !self.log_turn().is_idle();
            for by in 0..self.producers.len() {
                self.hear(by, false)?;
                worked |= !self.producers[by].is_done();
            }
            self.hear_kept()?;
            self.feed()?;
            worked |= self.archive(0)? | self.archive_lands(0, Fate::Taken, 0)?;
            worked |= self.rank(true)? | self.store_lands(Fate::Taken)? | !self.is_ranked();
            for &instance in instances {
                for partition in all_partitions() {
                    worked |= self.turn(instance, partition)?;
                    worked |= self.land(instance, partition, Fate::Taken)?;
                    let part = self.instances[instance].parts[usize::from(partition.0)].as_ref();
                    worked |= part.is_none_or(|part| {
                        let status = part.status();
                        status.claimed != status.version || status.rejects_waiting > 0 || status.lag() > 0
                    });
                }
            }
            if !worked {
                return Ok(());
            }
            self.now = self.now.plus_ms(50);
        }
        let status = |instance: &usize| {
            let parts = self.instances[*instance].parts.iter();
            parts.map(|part| part.as_ref().map(Aggregator::status)).collect::<Vec<_>>()
        };
        broken(format!("no end: {:?}", instances.iter().map(status).collect::<Vec<_>>()))
    }

    /// The life ends well: whatever was lost, late, doubled or cut off, every reader sees what the oracle counts.
    pub(crate) fn end(&mut self, seed: u64) -> Kept {
        self.calm()?;
        let alone = usize::try_from(seed % 2).expect("one or none");
        self.settle(&[alone])?;
        self.check(&[alone])?;
        self.settle(&[0, 1])?;
        self.check(&[0, 1])?;
        self.stops_at_another_layout()
    }

    fn check(&mut self, instances: &[usize]) -> Kept {
        if self.is_trusting {
            return self.recount_is_green();
        }
        for partition in all_partitions() {
            let oracle = &self.oracles[usize::from(partition.0)];
            let progress = self.clickhouse.borrow().tables.claimed(partition);
            if progress != Some(oracle.version()) {
                return broken(format!(
                    "partition {partition}: progress {progress:?} in the end, the log is at {}",
                    oracle.version()
                ));
            }
            self.progress_is_right(partition, oracle.version())?;
            for instance in instances {
                let part = self.instances[*instance].parts[usize::from(partition.0)].as_ref();
                let counts = part.map(|part| part.status().counts);
                if counts != Some(oracle.counts) {
                    return broken(format!(
                        "partition {partition}: {counts:?} counted, {:?} true",
                        oracle.counts
                    ));
                }
            }
            // A compacted topic keeps the last written, not the highest: it is no store.
            if !self.compacted {
                self.totals_topic_is_right(partition)?;
            }
            self.rejects_are_kept(partition)?;
        }
        self.nothing_else_is_shown()?;
        self.archive_is_whole()?;
        self.standings_are_right()?;
        self.recount_is_green()?;
        self.ledger_is_counted()
    }

    fn nothing_else_is_shown(&self) -> Kept {
        let known: BTreeSet<&Key> = self.oracles.iter().flat_map(Oracle::keys).collect();
        let server = self.clickhouse.borrow();
        for key in self.shown_keys() {
            let (version, value) = &server.tables.rows[&key];
            if !known.contains(&key) && !agree(value, &[]) {
                return broken(format!(
                    "{key:?} is shown at {version} as {value:?}, and the log says nothing of it"
                ));
            }
        }
        Ok(())
    }

    /// A reader of the totals topic that keeps the highest version of each key knows every total.
    fn totals_topic_is_right(&mut self, partition: Partition) -> Kept {
        let lane = Lane { topic: Topic::Totals, partition };
        let mut newest: BTreeMap<Key, (Version, Vec<i64>)> = BTreeMap::new();
        let start = self.log.bounds(lane)?.start;
        self.log.each(lane, start, |record| match record.value.map(tally_schema::decode_totals) {
            Some(Ok(Totals::Total(row, version))) => {
                let key = Key::Total(row.account, row.dims.as_ref().clone());
                let held = newest.entry(key).or_default();
                if version >= held.0 {
                    *held = (version, row.windows.iter().flat_map(lanes).collect());
                }
                Ok(())
            }
            Some(Ok(Totals::Progress(_))) => Ok(()),
            other => broken(format!("a record of the totals topic is none: {other:?}")),
        })?;
        let oracle = &self.oracles[usize::from(partition.0)];
        for key in oracle.keys().filter(|key| matches!(key, Key::Total(..))) {
            let counted = oracle.value(key, oracle.version()).unwrap_or_default();
            let shown = newest.get(key).map(|(_, value)| value.as_slice()).unwrap_or_default();
            if !agree(shown, &counted) {
                return broken(format!("the totals topic says {shown:?} of {key:?}, the oracle {counted:?}"));
            }
        }
        Ok(())
    }

    fn rejects_are_kept(&mut self, partition: Partition) -> Kept {
        let lane = Lane { topic: Topic::Rejects, partition };
        let mut kept = BTreeSet::new();
        let start = self.log.bounds(lane)?.start;
        self.log.each(lane, start, |record| {
            if is_kept(record.value) {
                return Ok(());
            }
            let reject = record.value.map(tally_schema::decode_reject);
            let Some(Ok(reject)) = reject else { return broken("a record of the rejects topic is none") };
            kept.insert(reject.offset.get());
            Ok(())
        })?;
        let rejects = &self.oracles[usize::from(partition.0)].rejects;
        if *rejects == kept {
            return Ok(());
        }
        broken(format!("partition {partition}: rejects kept {kept:?}, the oracle refuses {rejects:?}"))
    }

    /// Told from the other end: what producers were promised is there, by whoever they claimed to be.
    fn ledger_is_counted(&self) -> Kept {
        let mut accounts = BTreeMap::new();
        for sent in &self.ledger {
            let claimed = accounts.entry(sent.event.account).or_insert(sent.claimed);
            if *claimed != sent.claimed {
                return broken(format!("{claimed:?} and {:?} are one account", sent.claimed));
            }
        }
        match self.ledger.iter().find(|sent| sent.acknowledged.is_none()) {
            Some(sent) => broken(format!("{} was never acknowledged", sent.event.event_id)),
            None => Ok(()),
        }
    }

    /// A barrier of another number of partitions stops whoever meets it.
    fn stops_at_another_layout(&mut self) -> Kept {
        let record = self.barrier_record(other_count(), self.barrier + 1);
        self.append(Partition(0), &[], &record);
        let _turn = self.log_turn();
        let now = self.now;
        let part = self.instances[0].parts[0].as_mut();
        let part = part.ok_or("the first instance drives its first partition")?;
        for _ in 0..9 {
            match part.turn(now) {
                Err(PartError::Refused { .. }) => return Ok(()),
                Err(error) => return broken(error),
                Ok(_) => {}
            }
        }
        broken("a barrier of another number of partitions was passed")
    }

    /// The topic is deleted and made anew. States of the old one refuse the new one; they are put aside.
    pub(super) fn recreate(&mut self) -> Kept {
        if self.log.topic > 1 {
            return Ok(());
        }
        self.calm()?;
        self.settle(&[0])?;
        self.check(&[0])?;
        for part in self.instances[0].parts.iter_mut().flatten() {
            part.commit(self.now).map_err(|error| error.to_string())?;
        }
        for instance in &mut self.instances {
            instance.stop();
        }
        self.producers.iter_mut().for_each(crate::producers::Producer::disconnect);
        self.ledger.clear();
        self.begin_archive();
        self.standing = None;
        self.log.opened = None;
        self.log.disk = tally_disk::MemoryDisk::new(self.log.disk.operations());
        self.clickhouse.borrow_mut().forget_backup();
        let old = self.dir(Partition(0));
        self.log.topic += 1;
        self.log.open().map_err(|error| format!("making the topic anew: {error}"))?;
        self.begin_topic();
        self.refuses_old_state(&old)?;
        for instance in &mut self.instances {
            instance.committed.iter_mut().for_each(|committed| *committed = 0);
        }
        Ok(())
    }

    fn refuses_old_state(&self, dir: &str) -> Kept {
        let log = self.log.get();
        let sink = crate::clickhouse::SimulatedSink::new(&self.clickhouse, Partition(0));
        let settings = super::installation::settings(Partition(0), self.log.topic_id());
        let ports = (log.reader(), log.appender(), sink);
        match Aggregator::open(settings, ports, &self.instances[0].disk, dir) {
            Err(PartError::OtherTopic { .. }) => Ok(()),
            Err(error) => broken(format!("a state of the old topic: {error}")),
            Ok(_) => broken("a state of the old topic goes on with the new one"),
        }
    }
}
