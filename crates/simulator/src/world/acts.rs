//! What each act does.

use crate::act::{Act, Disk, Trouble};
use crate::clickhouse::Fate;
use crate::world::installation::{PARTITIONS, count, price_book, usage};
use crate::world::{Kept, World, all_partitions, broken};
use tally_disk::{Kind as DiskKind, MemoryDisk, memory::Fault};
use tally_domain::{AccountKey, Lane, Offset, Partition, Topic};
use tally_log::AppendLog;

impl World {
    pub(super) fn act(&mut self, act: &Act) -> Kept {
        match *act {
            Act::Pass(ms) => self.now = self.now.plus_ms(ms),
            Act::Use { by, .. } => {
                let Self { producers, ledger, now, .. } = self;
                producers[by % 3].measure(act, *now, ledger, count());
            }
            Act::Tell { by, .. } => {
                let Self { producers, ledger, now, .. } = self;
                producers[by % 3].tell(act, *now, ledger, count());
            }
            Act::Send { by, most } => self.send(by % 3, most.into()),
            Act::Hear { by, lost } => return self.hear(by % 3, lost),
            Act::RestartProducer(by) => self.producers[by % 3].restart(),
            Act::Garbage(partition) => {
                let key = AccountKey::of(&crate::producers::SECRET, "codex", "bob");
                self.append(Partition(partition % PARTITIONS), key.bytes(), b"\0\0\0\0\x01not a record");
            }
            Act::Prices { number, all } => {
                for partition in all_partitions().take(if all { usize::MAX } else { 1 }) {
                    self.append(partition, &[], &price_book(number));
                }
            }
            Act::Barrier => {
                self.barrier += 1;
                for partition in all_partitions() {
                    let record = self.barrier_record(count(), self.barrier);
                    self.append(partition, &[], &record);
                }
            }
            Act::LogTurn if self.stalls[0] == 0 => {
                let _turn = self.log_turn();
            }
            Act::Turn { instance, partition, turns } if self.stalls[1 + instance % 2] == 0 => {
                for _ in 0..turns {
                    self.turn(instance % 2, Partition(partition % PARTITIONS))?;
                }
            }
            Act::Land { instance, partition, fate } => {
                self.land(instance % 2, Partition(partition % PARTITIONS), fate)?;
            }
            Act::Archive(owner) => {
                let _worked = self.archive(owner % 2)?;
            }
            Act::ArchiveLands { owner, fate, cut } => {
                let _landed = self.archive_lands(owner % 2, fate, cut)?;
            }
            Act::Keep { again } => return self.keep(again),
            Act::Rank { turns, wanted } => {
                for _ in 0..turns {
                    let _worked = self.rank(wanted)?;
                }
            }
            Act::StoreLands { requests, fate } => {
                for nth in 1..=requests {
                    self.store_lands(if nth == requests { fate } else { Fate::Taken })?;
                }
            }
            Act::Snapshot { requests } => {
                for _ in 0..requests {
                    let worked = self.rank(true)? | self.store_lands(Fate::Taken)?;
                    if !worked {
                        break;
                    }
                }
            }
            Act::KillRanker { lands } => return self.kill_ranker(lands),
            Act::Identify { whose, name } => self.identify(whose, name),
            Act::Restart(instance) => {
                self.instances[instance % 2].stop();
                self.archivers[instance % 2] = None;
            }
            Act::Crash(instance) => {
                self.instances[instance % 2].crash();
                self.archivers[instance % 2] = None;
            }
            Act::LogCrash => return self.log_crash(),
            _ => return self.trouble(act),
        }
        Ok(())
    }

    fn trouble(&mut self, act: &Act) -> Kept {
        match *act {
            Act::Plan { disk, operations, trouble } => {
                let fault = match trouble {
                    Trouble::Crash => Fault::Crash,
                    Trouble::Full => Fault::Refuse(DiskKind::Full),
                    Trouble::Broken => Fault::Refuse(DiskKind::Other),
                };
                let disk = self.disk(disk);
                disk.plan(disk.operations() + operations, fault);
            }
            Act::Room(disk, room) => {
                let disk = self.disk(disk);
                disk.limit_bytes(room.map(|room| disk.used_bytes() + room));
            }
            Act::Skew(Disk::Log, ms) => self.log.skew_ms = ms,
            Act::Skew(Disk::Of(instance), ms) => self.instances[instance % 2].skew_ms = ms,
            Act::BackUp => self.clickhouse.borrow_mut().back_up(self.now.ms()),
            Act::ServerRestart => self.clickhouse.borrow_mut().restart(),
            Act::SetBack => {
                // Keys are remembered for so long; a copy that is older is of no use to anybody.
                let since = self.now.ms() - 20 * 86_400_000;
                if self.clickhouse.borrow_mut().set_back(since) {
                    self.snapshots_are_lost();
                }
            }
            Act::Retain(days) => {
                self.now = self.now.plus_ms(days * 86_400_000);
                return self.retain(days > 0);
            }
            Act::Compact(partition) => return self.compact(partition),
            Act::Stall(Disk::Log, acts) => self.stalls[0] = acts,
            Act::Stall(Disk::Of(instance), acts) => self.stalls[1 + instance % 2] = acts,
            Act::LoseDisk => {
                let seed = self.instances[1].disk.operations();
                self.instances[1].lose_disk(seed);
            }
            Act::CopyState(partition) => self.copy_state(Partition(partition % PARTITIONS)),
            Act::Recreate => return self.recreate(),
            _ => {}
        }
        Ok(())
    }

    fn disk(&self, disk: Disk) -> &MemoryDisk {
        match disk {
            Disk::Log => &self.log.disk,
            Disk::Of(instance) => &self.instances[instance % 2].disk,
        }
    }

    pub(super) fn send(&mut self, by: usize, most: usize) {
        let Self { producers, ledger, log, .. } = self;
        let producer = &mut producers[by];
        for place in producer.to_send(most) {
            let sent = &ledger[place];
            let mut bytes = vec![];
            tally_schema::encode_usage(&sent.event.as_ref(), &mut bytes);
            let appender = producer.appender(|| log.get().appender());
            // Full: it stays in the spool.
            let Ok(ticket) = appender.append(usage(sent.partition), sent.event.account.bytes(), Some(&bytes))
            else {
                return;
            };
            producer.sent(ticket, place);
        }
    }

    /// What is acknowledged can be read.
    pub(super) fn hear(&mut self, by: usize, lost: bool) -> Kept {
        for (place, offset) in self.producers[by].hear(lost) {
            let partition = self.ledger[place].partition;
            if self.log.bounds(usage(partition))?.end <= offset {
                return broken(format!(
                    "{offset} of partition {partition} is acknowledged and cannot be read"
                ));
            }
            self.ledger[place].acknowledged = Some(offset);
        }
        Ok(())
    }

    /// Nothing goes that the first instance's state needs, or the archive, which has had time if days went by.
    fn retain(&mut self, has_time: bool) -> Kept {
        for _ in 0..if has_time { 4 } else { 0 } {
            let _worked = self.archive(0)?;
            while self.archive_lands(0, Fate::Taken, 0)? {}
        }
        let mut committed = self.instances[0].committed.clone();
        if !self.archive_is_lost {
            for (needed, partition) in committed.iter_mut().zip(all_partitions()) {
                *needed = self.archived(partition).next().get().min(*needed);
            }
        }
        let now = self.log_now();
        let needed = |lane: Lane| match lane.topic {
            Topic::Usage => Offset::new(committed[usize::from(lane.partition.0)]).expect("short"),
            _ => Offset::MAX,
        };
        let _dropped = self.log.get_mut().retain(now, u64::MAX, needed);
        for partition in all_partitions() {
            let start = self.log.bounds(usage(partition))?.start.get();
            let (first, hashes) = &mut self.log.read[usize::from(partition.0)];
            let gone = usize::try_from(start.saturating_sub(*first)).expect("short").min(hashes.len());
            hashes.drain(..gone);
            *first = start.max(*first);
        }
        Ok(())
    }
}
