//! Reading from any thread: whole blocks into the arena of [`Records`], parsed where they lie.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tally_disk::segment::{HEADER_BYTES, PAYLOAD_BYTES_MAX, checksum};
use tally_disk::{Disk, DiskFile, Kind};
use tally_domain::{Lane, Offset};

use super::catalog::{Catalog, Segment};
use super::inbox::Inbox;
use super::segment::{FIRST_BATCH, corrupt, walk};
use crate::error::LogError;
use crate::ports::{Bounds, ReadLog};
use crate::records::{Records, wide};

/// Reads a local log from any thread. Each has its own open files and remembers where it is.
#[derive(Debug)]
pub struct Reader<D: Disk> {
    disk: D,
    catalog: Arc<Catalog>,
    inbox: Arc<Inbox>,
    news: u64,
    cursors: Vec<Option<Cursor<D::File>>>,
}

/// Where a lane was last read to.
#[derive(Debug)]
struct Cursor<F> {
    path: Arc<str>,
    file: F,
    next: Offset,
    position: u64,
}

/// What a reader needs to know of a segment, copied so that nothing is locked while the file is read.
#[derive(Debug)]
struct Extent {
    path: Arc<str>,
    durable_bytes: u64,
    /// Where to begin reading for the offset that was asked for.
    mark: u64,
    compacted: bool,
    next_base: Option<Offset>,
}

impl<D: Disk> Reader<D> {
    pub(crate) fn new(disk: D, catalog: Arc<Catalog>, inbox: Arc<Inbox>) -> Self {
        Self { disk, catalog, inbox, news: 0, cursors: Vec::new() }
    }

    /// Waits until the log has written something since the last wait, or `at_most` has passed. For threads that
    /// have nothing else to do; the simulator never waits.
    pub fn wait(&mut self, at_most: Duration) {
        self.news = self.inbox.wait_for_news(self.news, at_most);
    }

    /// The segment that holds `from`; `None` at the end of the lane.
    fn extent(&self, lane: Lane, index: usize, from: Offset) -> Result<Option<Extent>, LogError> {
        let lanes = self.catalog.read();
        let shown = &lanes[index];
        let Bounds { start, end } = shown.bounds();
        if from < start {
            return Err(LogError::BelowStart { lane, from, start });
        }
        if from > end {
            return Err(LogError::BeyondEnd { lane, from, end });
        }
        let Some((segment, next_base)) = shown.holding(from).filter(|_| from < end) else { return Ok(None) };
        Ok(Some(Extent::of(segment, from, next_base)))
    }

    /// The segment in which the first record appended at or after `at_ms` may lie, and the offset that is the
    /// answer if it does not; `Err` is the answer where no file need be read.
    ///
    /// The greatest appended-at so far never falls, so the record lies in the last segment that begins below the
    /// time, or is the first of the next one.
    fn extent_for_time(&self, index: usize, at_ms: i64) -> Result<(Extent, Offset), Offset> {
        let shown = &self.catalog.read()[index];
        let after = shown.segments.partition_point(|segment| segment.appended_max_ms < at_ms);
        let otherwise = shown.segments.get(after).map_or(shown.next, |segment| segment.base);
        let segment = &shown.segments[after.checked_sub(1).ok_or(otherwise)?];
        let marks = segment.marks.partition_point(|mark| mark.appended_max_ms < at_ms);
        let mut extent = Extent::of(segment, segment.base, None);
        extent.mark = marks.checked_sub(1).map_or(FIRST_BATCH, |mark| segment.marks[mark].position);
        Ok((extent, otherwise))
    }

    /// Opens a segment; `None` if retention or compaction has meanwhile replaced it.
    fn open(&self, index: usize, path: &Arc<str>) -> Result<Option<D::File>, LogError> {
        match self.disk.open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind == Kind::NotFound => {
                let listed = self.catalog.read()[index].segments.iter().any(|segment| segment.path == *path);
                if listed { Err(error.into()) } else { Ok(None) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The cursor of a lane, in the file of `extent` and at `from`.
    fn cursor(
        &mut self,
        lane: Lane,
        index: usize,
        extent: &Extent,
        from: Offset,
    ) -> Result<Option<&mut Cursor<D::File>>, LogError> {
        if self.cursors.len() <= index {
            self.cursors.resize_with(index + 1, || None);
        }
        let kept = self.cursors[index].take().filter(|cursor| cursor.path == extent.path);
        let mut cursor = match kept {
            Some(cursor) => cursor,
            None => match self.open(index, &extent.path)? {
                Some(file) => Cursor { path: Arc::clone(&extent.path), file, next: Offset::MAX, position: 0 },
                None => return Ok(None),
            },
        };
        if cursor.next != from {
            cursor.position = seek(lane, &cursor.file, extent, from)?;
            cursor.next = from;
        }
        Ok(Some(self.cursors[index].insert(cursor)))
    }

    /// Reads what one segment has from `from` on. False: the file is gone, retention or compaction was faster.
    fn read_segment(
        &mut self,
        lane: Lane,
        index: usize,
        extent: &Extent,
        from: Offset,
        bytes_max: usize,
        into: &mut Records,
    ) -> Result<bool, LogError> {
        let Some(cursor) = self.cursor(lane, index, extent, from)? else { return Ok(false) };
        fill(lane, cursor, extent.durable_bytes, bytes_max, into)?;
        let Cursor { next, position, .. } = *cursor;
        let hole = |base: &Offset| !extent.compacted && position == extent.durable_bytes && next != *base;
        match extent.next_base.filter(hole) {
            None => Ok(true),
            Some(base) => {
                let cause = format!("it ends with offset {next} to come, and the next file begins at {base}");
                Err(corrupt(lane, cursor.file.path(), position, &cause))
            }
        }
    }
}

impl<D: Disk> Clone for Reader<D> {
    fn clone(&self) -> Self {
        Self::new(self.disk.clone(), Arc::clone(&self.catalog), Arc::clone(&self.inbox))
    }
}

impl<D: Disk> ReadLog for Reader<D> {
    fn read(
        &mut self,
        lane: Lane,
        from: Offset,
        bytes_max: usize,
        into: &mut Records,
    ) -> Result<(), LogError> {
        into.clear();
        let index = self.catalog.index(lane)?;
        let mut from = from;
        while let Some(extent) = self.extent(lane, index, from)? {
            let read = self.read_segment(lane, index, &extent, from, bytes_max, into).inspect_err(|_| {
                into.clear();
            })?;
            match extent.next_base {
                _ if !read => {}
                // Compaction left nothing of this segment from here on.
                Some(base) if into.is_empty() => from = base,
                _ => break,
            }
        }
        Ok(())
    }

    fn bounds(&mut self, lane: Lane) -> Result<Bounds, LogError> {
        let index = self.catalog.index(lane)?;
        Ok(self.catalog.read()[index].bounds())
    }

    fn offset_for_time(&mut self, lane: Lane, at_ms: i64) -> Result<Offset, LogError> {
        let index = self.catalog.index(lane)?;
        loop {
            let (extent, otherwise) = match self.extent_for_time(index, at_ms) {
                Ok(found) => found,
                Err(decided) => return Ok(decided),
            };
            let Some(file) = self.open(index, &extent.path)? else { continue };
            let mut first = otherwise;
            let _at = walk(lane, &file, extent.mark, extent.durable_bytes, |batch| {
                let found = batch.appended_at.ms() >= at_ms;
                if found {
                    first = batch.entries().flatten().next().map_or(batch.base, |entry| entry.offset);
                }
                found
            })?;
            return Ok(first);
        }
    }
}

impl Extent {
    fn of(segment: &Segment, from: Offset, next_base: Option<Offset>) -> Self {
        Self {
            path: Arc::clone(&segment.path),
            durable_bytes: segment.durable_bytes,
            mark: segment.position_before(from, FIRST_BATCH),
            compacted: segment.compacted,
            next_base,
        }
    }
}

/// Where the batch begins that holds `from`, or the first one after it.
fn seek<F: DiskFile>(lane: Lane, file: &F, extent: &Extent, from: Offset) -> Result<u64, LogError> {
    let found = walk(lane, file, extent.mark, extent.durable_bytes, |batch| batch.end > from)?;
    Ok(found.unwrap_or(extent.durable_bytes))
}

/// The frame that the bytes begin with.
enum Framed {
    /// Whole and sound: its payload, and where the next one begins.
    Whole(Range<usize>, usize),
    /// It, or its header, needs so many bytes.
    Needs(usize),
    /// The bytes are no frame, or its checksum does not hold.
    Unsound,
}

fn frame(bytes: &[u8]) -> Framed {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Framed::Needs(HEADER_BYTES) };
    let [a, b, c, d, e, f, g, h, ..] = *header;
    let payload_bytes = wide(u32::from_le_bytes([e, f, g, h]));
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return Framed::Unsound;
    }
    let end = HEADER_BYTES + payload_bytes;
    match bytes.get(4..end) {
        None => Framed::Needs(end),
        Some(covered) if checksum(covered) == u32::from_le_bytes([a, b, c, d]) => {
            Framed::Whole(HEADER_BYTES..end, end)
        }
        Some(_) => Framed::Unsound,
    }
}

/// Reads whole frames from the cursor on until there are about `bytes_max` bytes, or none are left.
fn fill<F: DiskFile>(
    lane: Lane,
    cursor: &mut Cursor<F>,
    durable_bytes: u64,
    bytes_max: usize,
    into: &mut Records,
) -> Result<(), LogError> {
    let from = cursor.next;
    let mut at = into.arena().len();
    while cursor.position < durable_bytes && (into.is_empty() || at < bytes_max) {
        let whole = match frame(&into.arena()[at..]) {
            Framed::Whole(payload, end) => into
                .index(at + payload.start..at + payload.end, from)
                .filter(|after| *after >= cursor.next)
                .map(|after| (after, end)),
            Framed::Needs(bytes) => {
                if more(cursor, durable_bytes, bytes, bytes_max, at, into)? {
                    continue;
                }
                None
            }
            Framed::Unsound => None,
        };
        let Some((after, bytes)) = whole else {
            let cause = format!("the records from offset {} fail their checksum or are cut off", cursor.next);
            return Err(corrupt(lane, cursor.file.path(), cursor.position, &cause));
        };
        cursor.next = after;
        cursor.position += u64::try_from(bytes).expect("a frame's length fits 64 bits");
        at += bytes;
    }
    into.cut(at);
    Ok(())
}

/// Reads on behind what the arena has, so that at least `bytes` bytes follow `at`. False: the segment ends first.
fn more<F: DiskFile>(
    cursor: &Cursor<F>,
    durable_bytes: u64,
    bytes: usize,
    bytes_max: usize,
    at: usize,
    into: &mut Records,
) -> Result<bool, LogError> {
    let left = usize::try_from(durable_bytes - cursor.position).unwrap_or(usize::MAX);
    if left < bytes {
        return Ok(false);
    }
    let have = into.arena().len() - at;
    let wanted = (bytes - have).max(bytes_max.saturating_sub(at + have)).min(left - have);
    let behind = cursor.position + u64::try_from(have).expect("a block's length fits 64 bits");
    let read = cursor.file.read_at(behind, into.room(wanted))?;
    into.cut(at + have + read);
    Ok(have + read >= bytes)
}
