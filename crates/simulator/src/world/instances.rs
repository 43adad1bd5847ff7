//! Two instances that drive the same partitions: each with its own disk, clock and checkpoints.

use crate::clickhouse::{Landed, SimulatedSink};
use crate::world::installation::{count, settings, usage};
use crate::world::{Kept, World, all_partitions, broken};
use tally_aggregator::{Aggregator, PartError, Turn};
use tally_disk::{Disk as _, DiskError, DiskFile as _, MemoryDisk};
use tally_domain::event::FUTURE_TOLERANCE_MS;
use tally_domain::{Offset, Partition};
use tally_log::{Appender, LogError, Reader};
use tally_store::StoreError;

pub(super) type Part = Aggregator<Reader<MemoryDisk>, Appender, SimulatedSink, MemoryDisk>;

/// One process on one machine.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(super) disk: MemoryDisk,
    pub(super) skew_ms: i64,
    pub(super) parts: Vec<Option<Part>>,
    /// The next offset of each partition's last checkpoint, as far as it is known.
    pub(super) committed: Vec<u64>,
}

impl Instance {
    pub(super) fn new(nth: usize, seed: u64) -> Self {
        let disk = MemoryDisk::new(seed ^ (u64::try_from(nth).expect("two") + 1) << 32);
        let parts = all_partitions().map(|_| None).collect();
        let committed = all_partitions().map(|_| 0).collect();
        Self { disk, skew_ms: 0, parts, committed }
    }

    pub(super) fn stop(&mut self) {
        self.parts.iter_mut().for_each(|part| *part = None);
    }

    pub(super) fn crash(&mut self) {
        self.stop();
        self.disk.crash();
    }

    pub(super) fn lose_disk(&mut self, seed: u64) {
        self.stop();
        self.disk = MemoryDisk::new(seed);
        self.committed.iter_mut().for_each(|committed| *committed = 0);
    }
}

impl World {
    pub(super) fn dir(&self, partition: Partition) -> String {
        format!("topic-{}/{partition}", self.log.topic)
    }

    fn open(&self, instance: usize, partition: Partition) -> Result<Part, PartError> {
        let log = self.log.get();
        let sink = SimulatedSink::new(&self.clickhouse, partition);
        let ports = (log.reader(), log.appender(), sink);
        let disk = &self.instances[instance].disk;
        Aggregator::open(settings(partition, self.log.topic_id()), ports, disk, &self.dir(partition))
    }

    /// One turn of a partition; one that stopped is opened again first, as whoever supervises it would.
    pub(super) fn turn(&mut self, instance: usize, partition: Partition) -> Result<bool, String> {
        let at = usize::from(partition.0);
        if self.instances[instance].parts[at].is_none() {
            match self.open(instance, partition) {
                Ok(part) => self.instances[instance].parts[at] = Some(part),
                Err(error) => return self.stopped(instance, partition, &error).map(|()| true),
            }
        }
        let now = self.now.plus_ms(self.instances[instance].skew_ms);
        let part = self.instances[instance].parts[at].as_mut().expect("opened above");
        let before = part.status();
        let turn = match part.turn(now) {
            Ok(turn) => turn,
            Err(error) => return self.stopped(instance, partition, &error).map(|()| true),
        };
        let after = part.status();
        if after.commits > before.commits {
            self.instances[instance].committed[at] = after.next.get();
        }
        if !after.counts.adds_up() {
            return broken(format!("partition {partition}: {:?} do not add up", after.counts));
        }
        if after.version < before.version || after.log_time < before.log_time {
            return broken(format!(
                "partition {partition}: {} goes back to {}",
                before.version, after.version
            ));
        }
        let ahead = now.plus_ms(FUTURE_TOLERANCE_MS).ms();
        if after.log_time > before.log_time && after.log_time.ms() > ahead {
            return broken(format!(
                "partition {partition}: folded a record of {}, more than five minutes ahead of the clock {now}",
                after.log_time
            ));
        }
        if after.next != before.next {
            self.note(|| format!("instance {instance}, partition {partition}: now at {}", after.version));
        }
        Ok(turn == Turn::Worked)
    }

    /// A part stops only for a reason: a disk, or a log that forgot what its state needs.
    fn stopped(&mut self, instance: usize, partition: Partition, error: &PartError) -> Kept {
        self.instances[instance].parts[usize::from(partition.0)] = None;
        self.note(|| format!("instance {instance}, partition {partition}: {error}"));
        match error {
            PartError::Log { source: LogError::Disk(_), .. }
            | PartError::Store { source: StoreError::Disk { .. }, .. } => Ok(()),
            PartError::Gap { .. }
            | PartError::NoLineage { .. }
            | PartError::Log { source: LogError::BelowStart { .. }, .. }
                if instance == 1 && self.log.bounds(usage(partition))?.start > Offset::ZERO =>
            {
                self.copy_state(partition);
                Ok(())
            }
            _ => broken(format!("instance {instance}: {error}")),
        }
    }

    /// The second instance gets what the first has committed. A copy that fails leaves nothing.
    pub(super) fn copy_state(&mut self, partition: Partition) {
        let at = usize::from(partition.0);
        let dir = self.dir(partition);
        let [from, to] = &mut self.instances;
        to.parts[at] = None;
        to.committed[at] = from.committed[at];
        if copy(&from.disk, &to.disk, &dir).is_err() {
            to.committed[at] = 0;
            let _gone = clear(&to.disk, &dir);
        }
        self.note(|| format!("the second instance has a copy of the state of partition {partition}"));
    }

    /// What a part has sent meets its fate, and is held against the oracle.
    pub(super) fn land(
        &mut self,
        instance: usize,
        partition: Partition,
        fate: crate::clickhouse::Fate,
    ) -> Result<bool, String> {
        let part = self.instances[instance].parts[usize::from(partition.0)].as_mut();
        let Some(landed) = part.and_then(|part| part.sink_mut().land(fate)) else { return Ok(false) };
        self.owners_agree(instance, &landed)?;
        self.landed(&landed)?;
        Ok(true)
    }

    fn landed(&mut self, landed: &Landed) -> Kept {
        self.note(|| {
            let Landed { partition, version, rows, progress } = landed;
            format!(
                "ClickHouse: {} rows of partition {partition} at {version}, progress {progress:?}",
                rows.len()
            )
        });
        self.feed()?;
        self.rows_are_right(landed.partition, landed.version, &landed.rows)?;
        match landed.progress {
            Some(progress) => self.progress_is_right(landed.partition, progress),
            None => Ok(()),
        }
    }

    /// Machines that lost power in the middle of something come back.
    pub(super) fn power(&mut self) -> Kept {
        for instance in &mut self.instances {
            if instance.disk.is_down() {
                instance.crash();
            }
        }
        if self.log.disk.is_down() { self.log_crash() } else { Ok(()) }
    }
}

/// Files first, their names made durable, and last the switch: as the store itself commits.
fn copy(from: &MemoryDisk, to: &MemoryDisk, dir: &str) -> Result<(), DiskError> {
    clear(to, dir)?;
    to.make_dir(dir)?;
    let path = |name: &str| format!("{dir}/{name}");
    let names = from.list(dir)?;
    if !names.iter().any(|name| name == "MANIFEST") {
        // Nothing was ever committed.
        return Ok(());
    }
    // A manifest that was never switched to is none.
    for name in names.into_iter().filter(|name| name != "MANIFEST.new") {
        let source = from.open(&path(&name))?;
        let mut bytes = vec![0; usize::try_from(source.len()?).expect("small files")];
        source.read_exact_at(0, &mut bytes)?;
        let mut target = to.create(&path(if name == "MANIFEST" { "MANIFEST.new" } else { &name }))?;
        target.append(&bytes)?;
        target.sync()?;
    }
    to.sync_dir(dir)?;
    let (above, _) = dir.split_once('/').unwrap_or_default();
    to.sync_dir(above)?;
    to.sync_dir("")?;
    to.rename(&path("MANIFEST.new"), &path("MANIFEST"))?;
    to.sync_dir(dir)
}

/// The manifest goes first, and for good, before anything that it names.
fn clear(disk: &MemoryDisk, dir: &str) -> Result<(), DiskError> {
    for name in disk.list(dir).unwrap_or_default().iter().rev() {
        disk.remove(&format!("{dir}/{name}"))?;
        disk.sync_dir(dir)?;
    }
    Ok(())
}

/// Of how many partitions; for the barrier that no state may pass.
pub(super) fn other_count() -> tally_domain::PartitionCount {
    tally_domain::PartitionCount::new(count().get() + 1).expect("more than none")
}
