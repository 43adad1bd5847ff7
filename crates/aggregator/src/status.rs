//! What a partition says of itself, for the live status.

use crate::aggregator::Aggregator;
use tally_disk::Disk;
use tally_domain::published::{Counts, Progress};
use tally_domain::{LogTime, Offset, Partition, Version};
use tally_fold::{Destination, Fold, Memory};

/// A partition at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which.
    pub partition: Partition,
    /// Offset of the first record that is not folded.
    pub next: Offset,
    /// Where the last checkpoint goes on: the log must keep everything from there.
    pub committed: Offset,
    /// The log's durable end, as last read.
    pub end: Offset,
    /// That of the present state.
    pub version: Version,
    /// Greatest appended-at of the folded records.
    pub log_time: LogTime,
    /// Verdicts since the partition's first record.
    pub counts: Counts,
    /// How far ClickHouse has acknowledged everything; `None` while every key is published anew.
    pub clickhouse: Option<Progress>,
    /// How far the totals topic has.
    pub totals: Option<Progress>,
    /// The greatest progress of which ClickHouse holds the row.
    pub claimed: Version,
    /// Keys that wait for ClickHouse.
    pub pending: usize,
    /// Rejects that are not yet durable in their topic.
    pub rejects_waiting: usize,
    /// Appended-at of a record that is too far ahead of the driver's clock and waits.
    pub waits_for: Option<LogTime>,
    /// Number of the price book in force; 0 = none.
    pub price_book: u32,
    /// Accounts that this partition has seen.
    pub accounts: usize,
    /// Checkpoints since the partition was opened.
    pub commits: u64,
    /// Bytes of memory of the fold, roughly.
    pub memory: Memory,
    /// Bytes of memory of the store: rows since the last commit, filters and directories.
    pub store_bytes: usize,
    /// Bytes of the state on disk.
    pub disk_bytes: u64,
}

impl Status {
    /// Durable records that are not folded.
    #[must_use]
    pub const fn lag(&self) -> u64 {
        self.end.get().saturating_sub(self.next.get())
    }
}

impl<L, A, K, D: Disk> Aggregator<L, A, K, D> {
    /// What there is to say now.
    #[must_use]
    pub fn status(&self) -> Status {
        let sizes = self.store.sizes();
        Status {
            partition: self.settings.fold.acceptance.partition,
            next: self.fold.next(),
            committed: self.commits.next,
            end: self.bounds.end,
            version: self.fold.version(),
            log_time: self.fold.log_time(),
            counts: *self.fold.counts(),
            clickhouse: self.fold.progress(Destination::ClickHouse),
            totals: self.fold.progress(Destination::Totals),
            claimed: self.fold.claimed(Destination::ClickHouse),
            pending: self.fold.pending(Destination::ClickHouse),
            rejects_waiting: self.rejects.len(),
            waits_for: self.waits_for,
            price_book: self.fold.price_book(),
            accounts: self.fold.names().accounts().len(),
            commits: self.commits.count,
            memory: self.fold.memory(),
            store_bytes: sizes.fresh_bytes.saturating_add(sizes.resident_bytes),
            disk_bytes: sizes.run_bytes,
        }
    }

    /// The state, to be read.
    #[must_use]
    pub const fn fold(&self) -> &Fold {
        &self.fold
    }

    /// The sink, for whoever put it there.
    pub const fn sink_mut(&mut self) -> &mut K {
        &mut self.sink
    }
}
