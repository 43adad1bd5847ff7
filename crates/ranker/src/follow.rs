//! Reads a topic from its start and on, partition by partition.

use tally_domain::{Lane, Offset, Partition, PartitionCount, Topic};
use tally_log::{LogError, ReadLog, Record, Records};

/// Bytes read from one partition in a turn.
const READ_BYTES: usize = 1 << 20;

/// Where reading a compacted topic stands.
#[derive(Debug)]
pub(crate) struct Follow {
    topic: Topic,
    next: Vec<Offset>,
    records: Records,
}

impl Follow {
    pub(crate) fn new(topic: Topic, partitions: PartitionCount) -> Self {
        Self { topic, next: vec![Offset::ZERO; usize::from(partitions.get())], records: Records::default() }
    }

    /// Reads the next records of every partition; true when there were any.
    pub(crate) fn read<L: ReadLog>(
        &mut self,
        log: &mut L,
        mut take: impl FnMut(Partition, Record<'_>),
    ) -> Result<bool, LogError> {
        let mut read = false;
        for (partition, next) in (0..).map(Partition).zip(&mut self.next) {
            let lane = Lane { topic: self.topic, partition };
            // What compaction has dropped before the start is overtaken by what it kept.
            let from = (*next).max(log.bounds(lane)?.start);
            log.read(lane, from, READ_BYTES, &mut self.records)?;
            *next = self.records.last().map_or(from, |record| record.offset.next());
            read |= !self.records.is_empty();
            self.records.iter().for_each(|record| take(partition, record));
        }
        Ok(read)
    }

    /// Σ of next offsets: rises with every record read.
    pub(crate) fn version(&self) -> u64 {
        self.next.iter().fold(0, |sum: u64, next| sum.saturating_add(next.get()))
    }
}
