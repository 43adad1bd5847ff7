//! What readers may see: the segments of each lane and how far they are durable.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tally_domain::{Lane, Offset, Partition, PartitionCount, Topic};

use crate::error::LogError;
use crate::ports::Bounds;

/// Bytes of a segment between two marks, at least.
const MARK_BYTES: u64 = 64 << 10;

/// Where a batch begins, so that reading need not begin at the start of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) offset: Offset,
    pub(crate) position: u64,
    /// Greatest appended-at of the lane before this position, ms.
    pub(crate) appended_max_ms: i64,
}

/// One file of a lane: offsets from `base` up to the base of the next one.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// The path on the log's disk; never reused for other bytes.
    pub(crate) path: Arc<str>,
    pub(crate) base: Offset,
    /// Greatest appended-at of the lane before this segment, ms.
    pub(crate) appended_max_ms: i64,
    /// Readers see the file up to here.
    pub(crate) durable_bytes: u64,
    /// Compaction may have left gaps between its offsets.
    pub(crate) compacted: bool,
    /// Sparse; may be empty, then reading begins at the first batch.
    pub(crate) marks: Vec<Mark>,
}

impl Segment {
    /// Remembers where a batch begins, if the last mark is far enough behind.
    pub(crate) fn mark(&mut self, mark: Mark) {
        let last = self.marks.last().map_or(0, |last| last.position);
        if mark.position >= last + MARK_BYTES {
            self.marks.push(mark);
        }
    }

    /// Where to begin reading for `from`; `first` when there is no mark before it.
    pub(crate) fn position_before(&self, from: Offset, first: u64) -> u64 {
        let after = self.marks.partition_point(|mark| mark.offset <= from);
        after.checked_sub(1).map_or(first, |index| self.marks[index].position)
    }
}

/// The segments of one lane, by base.
#[derive(Clone, Debug)]
pub(crate) struct LaneSegments {
    pub(crate) segments: Vec<Segment>,
    /// The offset after the last durable record.
    pub(crate) next: Offset,
    /// Greatest appended-at of a durable record, dropped ones included, ms.
    pub(crate) appended_max_ms: i64,
}

impl Default for LaneSegments {
    fn default() -> Self {
        Self { segments: Vec::new(), next: Offset::ZERO, appended_max_ms: i64::MIN }
    }
}

impl LaneSegments {
    pub(crate) fn bounds(&self) -> Bounds {
        let start = self.segments.first().map_or(self.next, |segment| segment.base);
        Bounds { start, end: self.next }
    }

    /// The segment that `from` lies in, and the offset where the next one begins, if there is one.
    pub(crate) fn holding(&self, from: Offset) -> Option<(&Segment, Option<Offset>)> {
        let after = self.segments.partition_point(|segment| segment.base <= from);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        Some((segment, self.segments.get(after).map(|next| next.base)))
    }
}

/// All lanes of a log; shared by the log, which changes it, and its readers.
#[derive(Debug)]
pub(crate) struct Catalog {
    partitions: PartitionCount,
    lanes: RwLock<Vec<LaneSegments>>,
}

impl Catalog {
    pub(crate) fn new(partitions: PartitionCount) -> Self {
        let lanes = lanes(partitions).map(|_| LaneSegments::default()).collect();
        Self { partitions, lanes: RwLock::new(lanes) }
    }

    pub(crate) fn partitions(&self) -> PartitionCount {
        self.partitions
    }

    /// The place of a lane among all lanes.
    pub(crate) fn index(&self, lane: Lane) -> Result<usize, LogError> {
        let partitions = self.partitions.get();
        if lane.partition.0 >= partitions {
            return Err(LogError::NoSuchLane { lane, partitions });
        }
        let topic = Topic::ALL.iter().position(|topic| *topic == lane.topic).expect("ALL holds every topic");
        Ok(topic * usize::from(partitions) + usize::from(lane.partition.0))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Vec<LaneSegments>> {
        // A reader that panicked changed nothing, and the log replaces whole values.
        self.lanes.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Vec<LaneSegments>> {
        self.lanes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every lane of a log, in the order of [`Catalog::index`].
pub(crate) fn lanes(partitions: PartitionCount) -> impl Iterator<Item = Lane> {
    Topic::ALL
        .into_iter()
        .flat_map(move |topic| partitions.all().map(move |partition: Partition| Lane { topic, partition }))
}
