//! The suite that every log passes, on both disks.

use tally_disk::{Disk, MemoryDisk, OsDisk};
use tally_domain::{Lane, WallTime};
use tally_log::contract::{Subject, check_all};
use tally_log::{Appender, LocalLog, Reader};

use super::{day, open};

struct Local<D: Disk> {
    disk: D,
    log: LocalLog<D>,
    now: WallTime,
    /// Removes the directory at the end.
    keep: Option<tempfile::TempDir>,
}

impl<D: Disk> Local<D> {
    fn new(disk: D, keep: Option<tempfile::TempDir>) -> Self {
        Self { log: open(&disk).unwrap(), disk, now: day(0), keep }
    }
}

impl<D: Disk> Subject for Local<D> {
    type Reader = Reader<D>;
    type Appender = Appender;

    fn reader(&mut self) -> Reader<D> {
        self.log.reader()
    }
    fn appender(&mut self) -> Appender {
        self.log.appender()
    }
    fn turn(&mut self) {
        self.now = self.now.plus_ms(3);
        let _turn = self.log.turn(self.now);
    }
    fn restart(self) -> Self {
        let Self { disk, log, now, keep } = self;
        drop(log);
        Self { log: open(&disk).unwrap(), disk, now, keep }
    }
    fn compact(&mut self, lane: Lane) {
        let done = self.log.compact(lane, self.now).unwrap();
        assert!(done.dropped > 0 && done.after_bytes < done.before_bytes, "{done:?}");
    }
}

#[test]
fn the_local_logkeeps_the_contract_in_memory() {
    let mut seed = 0;
    check_all(|| {
        seed += 1;
        Local::new(MemoryDisk::new(seed), None)
    });
}

#[test]
fn the_local_logkeeps_the_contract_on_the_real_disk() {
    check_all(|| {
        let dir = tempfile::tempdir().unwrap();
        Local::new(OsDisk::open(dir.path()).unwrap(), Some(dir))
    });
}
