//! Retention by time, per topic: whole segments, oldest first, never what is still needed.

use tally_disk::Disk;
use tally_domain::{Lane, Offset, WallTime};

use crate::error::LogError;
use crate::local::LocalLog;
use crate::local::catalog::lanes;
use crate::local::segment::dir_of;

/// What retention removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Dropped {
    /// Files.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl<D: Disk> LocalLog<D> {
    /// Drops segments whose every record was appended longer ago than its topic keeps. `needed` is asked for the
    /// first offset of a lane that someone still needs, the archive for instance: nothing from there on is
    /// dropped. [`Offset::MAX`] says that nobody does. Offsets go on where they were, also in a lane left empty.
    /// At most `segments_max` go at once: when so many went, there may be more.
    ///
    /// # Errors
    /// What the disk refuses; what was dropped before stays dropped.
    pub fn retain(
        &mut self,
        now: WallTime,
        segments_max: u64,
        needed: impl Fn(Lane) -> Offset,
    ) -> Result<Dropped, LogError> {
        let mut dropped = Dropped::default();
        for (index, lane) in lanes(self.partitions()).enumerate() {
            if let Some(ms) = self.config.retention_days.ms(lane.topic) {
                let before_ms = now.ms().saturating_sub(ms);
                let needed = needed(lane);
                self.seal_if_old(index, before_ms, needed)?;
                while dropped.segments < segments_max
                    && self.drop_oldest(index, lane, before_ms, needed, &mut dropped)?
                {}
            }
        }
        Ok(dropped)
    }

    /// Rolls a lane whose open segment is wholly old, so that it can be dropped and the next offset stays known.
    fn seal_if_old(&mut self, index: usize, before_ms: i64, needed: Offset) -> Result<(), LogError> {
        let old = {
            let shown = &self.catalog.read()[index];
            let filled = shown.segments.last().is_some_and(|open| open.base < shown.next);
            filled && shown.appended_max_ms < before_ms && shown.next <= needed
        };
        if old { self.roll(index) } else { Ok(()) }
    }

    /// False when there is nothing to drop in this lane.
    fn drop_oldest(
        &mut self,
        index: usize,
        lane: Lane,
        before_ms: i64,
        needed: Offset,
        dropped: &mut Dropped,
    ) -> Result<bool, LogError> {
        let oldest = {
            let shown = &mut self.catalog.write()[index];
            let droppable = shown
                .segments
                .get(1)
                .is_some_and(|next| next.appended_max_ms < before_ms && next.base <= needed);
            // Readers lose sight of it before it is gone.
            droppable.then(|| shown.segments.remove(0))
        };
        let Some(oldest) = oldest else { return Ok(false) };
        self.disk.remove(&oldest.path)?;
        // One by one: a crash that brings one back must not leave a hole behind it.
        self.disk.sync_dir(&dir_of(lane))?;
        dropped.segments += 1;
        dropped.bytes += oldest.durable_bytes;
        Ok(true)
    }

    /// Seals the open segment of a lane and begins another.
    pub(crate) fn roll(&mut self, index: usize) -> Result<(), LogError> {
        self.make_ready(index)?;
        let already = {
            let shown = &self.catalog.read()[index];
            shown.segments.last().is_some_and(|open| open.base == shown.next)
        };
        if !already {
            let begun = self.lanes[index].roll(&self.disk);
            if begun.is_err() {
                self.lanes[index].give_up(&self.catalog.read()[index]);
            }
            self.catalog.write()[index].segments.push(begun?);
        }
        Ok(())
    }
}
