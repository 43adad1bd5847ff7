//! One thread, one seed: the shipped log, stores and aggregators on simulated disks, clocks and tables.

mod acts;
mod archive;
mod checks;
mod compact;
mod end;
mod installation;
mod instances;
mod names;
mod owners;
mod recount;
mod standings;

use crate::act::Act;
use crate::clickhouse::{ClickHouse, Shared};
use crate::oracle::Oracle;
use crate::producers::{Producer, Sent};
use archive::{Archiving, Keepers};
use installation::Log;
use instances::Instance;
use owners::Owners;
use standings::{Content, Standing};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use tally_domain::{Partition, WallTime};
use tally_ranker::Pace;
use tally_ranker::store::SnapshotId;

pub(crate) use installation::{PARTITIONS, count};

/// A promise that was broken: what, and with which values.
pub(crate) type Broken = String;
pub(crate) type Kept = Result<(), Broken>;

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: WallTime,
    log: Log,
    instances: [Instance; 2],
    clickhouse: Shared,
    producers: Vec<Producer>,
    ledger: Vec<Sent>,
    oracles: Vec<Oracle>,
    owners: Owners,
    archivers: [Option<Archiving>; 2],
    keepers: Keepers,
    /// ClickHouse lost what the log has forgotten since: nobody can archive that again.
    archive_is_lost: bool,
    standing: Option<Standing>,
    pace: Pace,
    /// What every snapshot stands for that was written.
    contents: BTreeMap<SnapshotId, Content>,
    /// Numbers of which a reader has ever found a complete one.
    complete: BTreeSet<u64>,
    /// Acts for which a machine stands still, waiting for its disk: the log's, and those of the instances.
    stalls: [u8; 3],
    barrier: u16,
    /// The first incarnation of the present topic.
    first_incarnation: u16,
    /// The totals topic was compacted.
    compacted: bool,
    /// Nothing is held against an oracle: what is wrong must be found by `verify`.
    is_trusting: bool,
    drawing: Option<Vec<String>>,
}

impl World {
    /// An installation as it is begun, at half past eleven at night.
    pub(crate) fn new(seed: u64) -> Self {
        let now = WallTime::parse("2026-02-10T23:30:00Z").expect("a time");
        let mut world = Self {
            now,
            log: Log::new(seed),
            instances: [0, 1].map(|nth| Instance::new(nth, seed)),
            clickhouse: ClickHouse::new(),
            producers: (0..3).map(Producer::new).collect(),
            ledger: vec![],
            oracles: vec![],
            owners: Owners::default(),
            archivers: [None, None],
            keepers: Keepers::default(),
            archive_is_lost: false,
            standing: None,
            pace: standings::pace(seed),
            contents: BTreeMap::new(),
            complete: BTreeSet::new(),
            stalls: [0; 3],
            barrier: 0,
            first_incarnation: 1,
            compacted: false,
            is_trusting: false,
            drawing: None,
        };
        world.begin_topic();
        world
    }

    /// From now on what happens is drawn.
    pub(crate) fn draw(&mut self) {
        self.drawing = Some(vec![]);
    }

    /// From now on nothing but `verify` looks at what is published.
    #[cfg(all(test, tally_planted))]
    pub(crate) const fn trust(&mut self) {
        self.is_trusting = true;
    }

    pub(crate) fn drawing(&mut self) -> Vec<String> {
        self.drawing.take().unwrap_or_default()
    }

    /// Adds a line under the act that is drawn.
    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(drawing) = &mut self.drawing {
            drawing.push(format!("        {}", line()));
        }
    }

    /// One thing happens, and everything that is always true is looked at.
    pub(crate) fn live(&mut self, act: &Act) -> Kept {
        if let Some(drawing) = &mut self.drawing {
            drawing.push(format!("{:>5} {act:?}", drawing.len()));
        }
        for stall in &mut self.stalls {
            *stall = stall.saturating_sub(1);
        }
        self.act(act)?;
        self.power()?;
        self.feed()
    }
}

fn all_partitions() -> impl Iterator<Item = Partition> {
    (0..PARTITIONS).map(Partition)
}

fn broken<T>(why: impl Display) -> Result<T, Broken> {
    Err(why.to_string())
}
