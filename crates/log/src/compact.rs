//! Compaction by key: of the sealed segments of a lane only the last record of each key stays.

use std::collections::HashMap;

use tally_disk::segment::push_frame;
use tally_disk::{Disk, DiskFile};
use tally_domain::{Lane, Offset, WallTime};

use crate::error::LogError;
use crate::local::LocalLog;
use crate::local::batch::{Batch, HEAD_BYTES, push_record, write_head};
use crate::local::catalog::{Mark, Segment, lanes};
use crate::local::segment::{DRAFT, FIRST_BATCH, Name, create_anew, dir_of, head, walk};
use crate::records::{TOMBSTONE, short, to_u64};

const MS_PER_HOUR: i64 = 3_600_000;
/// Frames are handed to the file in pieces of about this size.
const WRITE_BYTES: usize = 1 << 20;

/// What compaction made of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Compacted {
    /// Which lane.
    pub lane: Lane,
    /// Bytes of its sealed segments before.
    pub before_bytes: u64,
    /// And after.
    pub after_bytes: u64,
    /// Records kept.
    pub kept: u64,
    /// Records dropped.
    pub dropped: u64,
}

/// The last offset of each key of a lane.
type Last = HashMap<Box<[u8]>, Offset>;

impl<D: Disk> LocalLog<D> {
    /// Compacts one lane that is due: so much of it is new as is configured, or something in it has waited as
    /// long as a tombstone is kept. A forgotten key is off the disk within that time.
    ///
    /// # Errors
    /// Damage, or what the disk refuses; the lane is then as it was.
    pub fn compact_one(&mut self, now: WallTime) -> Result<Option<Compacted>, LogError> {
        let compacted = lanes(self.partitions()).enumerate().filter(|(_, lane)| lane.topic.is_compacted());
        for (index, lane) in compacted {
            if self.is_due_for_compaction(index, now) {
                return self.compact(lane, now).map(Some);
            }
        }
        Ok(None)
    }

    fn is_due_for_compaction(&self, index: usize, now: WallTime) -> bool {
        let shown = &self.catalog.read()[index];
        let Some((open, sealed)) = shown.segments.split_last() else { return false };
        let bytes = |compacted| -> u64 {
            sealed.iter().filter(|s| s.compacted == compacted).map(|s| s.durable_bytes).sum()
        };
        let (old, new) = (bytes(true), bytes(false));
        let much = new > 0 && new * 100 >= (old + new) * u64::from(self.config.compact_percent);
        let waited = |since: i64| since < now.ms().saturating_sub(self.tombstone_ms());
        let long = open.base < shown.next && self.lanes[index].begun_ms().is_some_and(waited);
        much || long
    }

    fn tombstone_ms(&self) -> i64 {
        i64::from(self.config.tombstone_hours) * MS_PER_HOUR
    }

    /// Seals what a lane holds and keeps of it the last record of each key; tombstones stay as long as is
    /// configured. Offsets stay as they were, with gaps between them.
    ///
    /// # Errors
    /// As [`Self::compact_one`].
    pub fn compact(&mut self, lane: Lane, now: WallTime) -> Result<Compacted, LogError> {
        let index = self.catalog.index(lane)?;
        if self.catalog.read()[index].segments.is_empty() {
            return Ok(Compacted { lane, before_bytes: 0, after_bytes: 0, kept: 0, dropped: 0 });
        }
        self.roll(index)?;
        let sealed = {
            let shown = &self.catalog.read()[index];
            let (open, sealed) = shown.segments.split_last().expect("a lane that was rolled has a segment");
            (open.base, sealed.to_vec())
        };
        let (end, sealed) = sealed;
        let before_bytes = sealed.iter().map(|segment| segment.durable_bytes).sum();
        let mut done = Compacted { lane, before_bytes, after_bytes: before_bytes, kept: 0, dropped: 0 };
        if sealed.iter().any(|segment| !segment.compacted) {
            let last = self.last_of_each_key(lane, &sealed)?;
            let tombstones_from_ms = now.ms().saturating_sub(self.tombstone_ms());
            let merged = self.merge(lane, end, &sealed, &last, tombstones_from_ms, &mut done)?;
            done.after_bytes = merged.durable_bytes;
            self.replace(index, lane, sealed, merged)?;
        }
        Ok(done)
    }

    fn last_of_each_key(&self, lane: Lane, sealed: &[Segment]) -> Result<Last, LogError> {
        let mut last = Last::new();
        self.each_batch(lane, sealed, |batch| {
            for entry in batch.entries().flatten() {
                let (key, _) = batch.key_and_value(&entry);
                match last.get_mut(key) {
                    Some(offset) => *offset = entry.offset,
                    None => drop(last.insert(key.into(), entry.offset)),
                }
            }
            Ok(())
        })?;
        Ok(last)
    }

    fn each_batch(
        &self,
        lane: Lane,
        segments: &[Segment],
        mut each: impl FnMut(&Batch<'_>) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        for segment in segments {
            let file = self.disk.open(&segment.path)?;
            let mut outcome = Ok(());
            let _walked = walk(lane, &file, FIRST_BATCH, segment.durable_bytes, |batch| {
                outcome = each(batch);
                outcome.is_err()
            })?;
            outcome?;
        }
        Ok(())
    }

    /// Writes what stays into one file that stands for all of `sealed`.
    fn merge(
        &self,
        lane: Lane,
        end: Offset,
        sealed: &[Segment],
        last: &Last,
        tombstones_from_ms: i64,
        done: &mut Compacted,
    ) -> Result<Segment, LogError> {
        let first = sealed.first().expect("there is something to merge");
        let name = Name { base: first.base, compacted_to: Some(end) };
        let path = format!("{}/{}", dir_of(lane), name.show());
        let draft = format!("{path}{DRAFT}");
        let mut file = create_anew(&self.disk, &draft)?;
        let mut merged = Segment {
            path: path.clone().into(),
            base: first.base,
            appended_max_ms: first.appended_max_ms,
            durable_bytes: 0,
            compacted: true,
            marks: Vec::new(),
        };
        let mut buffer = head(first.base, first.appended_max_ms);
        let mut appended_max_ms = first.appended_max_ms;
        let mut payload = Vec::new();
        self.each_batch(lane, sealed, |batch| {
            let kept = keep(batch, last, tombstones_from_ms, &mut payload);
            done.kept += u64::from(kept.0);
            done.dropped += u64::from(kept.1);
            if kept.0 > 0 {
                let position = merged.durable_bytes + to_u64(buffer.len());
                merged.mark(Mark { offset: batch.base, position, appended_max_ms });
                push_frame(&mut buffer, &payload, 0);
                appended_max_ms = appended_max_ms.max(batch.appended_at.ms());
            }
            if buffer.len() >= WRITE_BYTES {
                file.append(&buffer)?;
                merged.durable_bytes += to_u64(buffer.len());
                buffer.clear();
            }
            Ok(())
        })?;
        file.append(&buffer)?;
        merged.durable_bytes += to_u64(buffer.len());
        file.sync()?;
        self.disk.rename(&draft, &path)?;
        self.disk.sync_dir(&dir_of(lane))?;
        Ok(merged)
    }

    /// Shows the merged file instead of what it was made of, and only then removes that.
    fn replace(
        &mut self,
        index: usize,
        lane: Lane,
        sealed: Vec<Segment>,
        merged: Segment,
    ) -> Result<(), LogError> {
        let _replaced: Vec<Segment> =
            self.catalog.write()[index].segments.splice(..sealed.len(), [merged]).collect();
        for segment in sealed {
            self.disk.remove(&segment.path)?;
        }
        self.disk.sync_dir(&dir_of(lane))?;
        Ok(())
    }
}

/// Writes the batch without what is superseded or forgotten into `payload`; gives how many stay and how many go.
fn keep(batch: &Batch<'_>, last: &Last, tombstones_from_ms: i64, payload: &mut Vec<u8>) -> (u32, u32) {
    payload.clear();
    payload.resize(HEAD_BYTES, 0);
    let forget = batch.appended_at.ms() < tombstones_from_ms;
    let (mut kept, mut dropped) = (0, 0);
    for entry in batch.entries().flatten() {
        let (key, value) = batch.key_and_value(&entry);
        let stands = last.get(key) == Some(&entry.offset);
        if stands && !(forget && entry.value_len == TOMBSTONE) {
            push_record(payload, delta(batch.base, entry.offset), key, value);
            kept += 1;
        } else {
            dropped += 1;
        }
    }
    write_head(payload, batch.base, batch.appended_at, delta(batch.base, batch.end), kept);
    (kept, dropped)
}

fn delta(base: Offset, offset: Offset) -> u32 {
    short(usize::try_from(offset.get() - base.get()).expect("a usize holds a span"))
}
