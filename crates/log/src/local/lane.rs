//! Writing one lane: its open segment, rolling to the next, and mending after a refusal of the disk.

use tally_disk::segment::FrameWriter;
use tally_disk::{Disk, DiskFile};
use tally_domain::planted::{self, Bug};
use tally_domain::{Lane, LogTime, Offset};

use super::batch::write_head;
use super::catalog::{LaneSegments, Mark, Segment};
use super::config::Durability;
use super::inbox::Waiting;
use super::segment::{self, FIRST_BATCH, Scanned, dir_of};
use crate::error::LogError;
use crate::records::short;

/// The writing end of a lane.
#[derive(Debug)]
pub(crate) struct LaneWriter<D: Disk> {
    lane: Lane,
    /// `None`: there is no segment yet, or the disk refused something and the segment is to be mended.
    writer: Option<FrameWriter<D::File>>,
    /// The offset after the last record that was pushed to `writer`.
    next: Offset,
    appended_max_ms: i64,
    /// When the first record of the open segment was appended, ms.
    begun_ms: Option<i64>,
    /// Batches pushed and not yet published.
    marks: Vec<Mark>,
}

impl<D: Disk> LaneWriter<D> {
    /// Of a lane that holds nothing.
    pub(crate) fn empty(lane: Lane) -> Self {
        let (next, appended_max_ms) = (Offset::ZERO, i64::MIN);
        Self { lane, writer: None, next, appended_max_ms, begun_ms: None, marks: Vec::new() }
    }

    /// Goes on in the last segment of a lane.
    fn resume(lane: Lane, file: D::File, found: &Scanned) -> Result<Self, LogError> {
        let Scanned { next, appended_max_ms, begun_ms, .. } = *found;
        let writer = Some(FrameWriter::new(file)?);
        Ok(Self { writer, next, appended_max_ms, begun_ms, ..Self::empty(lane) })
    }

    /// Hands what waits to the system, as frames appended at `now`. Gives the offset of the first record.
    pub(crate) fn write(&mut self, waiting: &mut Waiting, now: LogTime) -> Result<Offset, LogError> {
        let first = self.next;
        let writer = self.writer.as_mut().expect("the lane was made ready");
        let mut start = 0;
        for draft in &waiting.drafts {
            let payload = &mut waiting.bytes[start..draft.end];
            write_head(payload, self.next, now, draft.count, draft.count);
            let position = writer.push(payload);
            self.marks.push(Mark { offset: self.next, position, appended_max_ms: self.appended_max_ms });
            self.appended_max_ms = self.appended_max_ms.max(now.ms());
            self.begun_ms.get_or_insert(now.ms());
            self.next = Offset::new(self.next.get() + u64::from(draft.count))
                .expect("a partition holds fewer than 2^48 records");
            start = draft.end;
        }
        writer.flush()?;
        Ok(first)
    }

    /// Makes what was written durable, as far as that was asked for, and shows it to readers.
    pub(crate) fn publish(
        &mut self,
        durability: Durability,
        shown: impl FnOnce(&mut dyn FnMut(&mut LaneSegments)),
    ) -> Result<(), LogError> {
        let writer = self.writer.as_mut().expect("the lane was written");
        if durability == Durability::Synced && !planted::is(Bug::AheadOfSync) {
            writer.sync()?;
        }
        let (durable_bytes, next, marks) = (writer.position(), self.next, &mut self.marks);
        let appended_max_ms = self.appended_max_ms;
        shown(&mut |lane| {
            let active = lane.segments.last_mut().expect("a lane that was written has a segment");
            active.durable_bytes = durable_bytes;
            marks.drain(..).for_each(|mark| active.mark(mark));
            lane.next = next;
            lane.appended_max_ms = appended_max_ms;
        });
        Ok(())
    }

    /// After a refusal nobody knows what is in the file behind its durable end: it is left, and cut before the
    /// next write.
    pub(crate) fn give_up(&mut self, shown: &LaneSegments) {
        self.writer = None;
        self.marks.clear();
        self.next = shown.next;
        self.appended_max_ms = shown.appended_max_ms;
    }

    /// Opens, mends or rolls the lane's segment, so that it can be written. Gives a segment that was begun.
    pub(crate) fn ready(
        &mut self,
        disk: &D,
        shown: &LaneSegments,
        segment_bytes: u64,
    ) -> Result<Option<Segment>, LogError> {
        match (&mut self.writer, shown.segments.last()) {
            (Some(writer), _) if writer.position() < segment_bytes => Ok(None),
            (Some(_), _) => self.roll(disk).map(Some),
            (None, Some(active)) => self.mend(disk, active),
            (None, None) => {
                make_dir(disk, self.lane)?;
                self.begin(disk).map(Some)
            }
        }
    }

    /// Seals the open segment and begins another one at the next offset.
    pub(crate) fn roll(&mut self, disk: &D) -> Result<Segment, LogError> {
        if let Some(writer) = &mut self.writer {
            // Only the last segment of a lane may have a torn tail.
            writer.sync()?;
        }
        self.begin(disk)
    }

    fn begin(&mut self, disk: &D) -> Result<Segment, LogError> {
        let (segment, writer) = segment::create(disk, self.lane, self.next, self.appended_max_ms)?;
        self.writer = Some(writer);
        self.begun_ms = None;
        Ok(segment)
    }

    /// Cuts the open segment to what readers have seen, and goes on in a new file: after a failed sync the old
    /// one is trusted no further.
    fn mend(&mut self, disk: &D, active: &Segment) -> Result<Option<Segment>, LogError> {
        let mut file = disk.open(&active.path)?;
        file.truncate(active.durable_bytes)?;
        file.sync()?;
        if active.durable_bytes > FIRST_BATCH {
            return self.begin(disk).map(Some);
        }
        self.writer = Some(FrameWriter::new(file)?);
        Ok(None)
    }

    /// When the first record of the open segment was appended, ms.
    pub(crate) fn begun_ms(&self) -> Option<i64> {
        self.begun_ms
    }
}

/// Makes the directory of a lane, durably.
fn make_dir<D: Disk>(disk: &D, lane: Lane) -> Result<(), LogError> {
    disk.make_dir(&dir_of(lane))?;
    disk.sync_dir("")?;
    disk.sync_dir(lane.topic.name())?;
    Ok(())
}

/// What a lane's directory held, put in order.
#[derive(Debug)]
pub(crate) struct Recovered<D: Disk> {
    pub(crate) writer: LaneWriter<D>,
    pub(crate) shown: LaneSegments,
    /// What was cut off.
    pub(crate) repair: Option<Repair>,
}

/// The tail of a segment that was being written when everything stopped; it was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Of which lane.
    pub lane: Lane,
    /// The file, as the user would find it.
    pub file: String,
    /// Where it was cut.
    pub position: u64,
    /// How many bytes were cut off.
    pub lost_bytes: u64,
}

/// Opens a lane as a crash may have left it.
pub(crate) fn recover<D: Disk>(disk: &D, lane: Lane, names: &[String]) -> Result<Recovered<D>, LogError> {
    let mut segments = super::leftovers::sweep(disk, lane, names)?;
    let Some(active) = segments.last_mut() else {
        return Ok(Recovered {
            writer: LaneWriter::empty(lane),
            shown: LaneSegments::default(),
            repair: None,
        });
    };
    let mut file = disk.open(&active.path)?;
    let scanned = segment::scan(lane, &file, active)?;
    let mut repair = None;
    if scanned.lost_bytes > 0 {
        file.truncate(scanned.end)?;
        let (position, lost_bytes) = (scanned.end, scanned.lost_bytes);
        repair = Some(Repair { lane, file: file.path().to_owned(), position, lost_bytes });
    }
    // A process that died may have written what it never synced; it is about to be shown, so it must stay.
    file.sync()?;
    disk.sync_dir(&dir_of(lane))?;
    active.durable_bytes = scanned.end;
    let writer = LaneWriter::resume(lane, file, &scanned)?;
    let shown = LaneSegments { segments, next: scanned.next, appended_max_ms: scanned.appended_max_ms };
    Ok(Recovered { writer, shown, repair })
}

impl Waiting {
    /// How many records wait.
    pub(crate) fn records(&self) -> u32 {
        short(self.tickets.len())
    }
}
