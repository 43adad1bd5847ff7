//! Segment files: their names, their head frame, making one and opening what a crash left.
//!
//! ```text
//! 00000000000000000042.log                        records from offset 42 on
//! 00000000000000000000-00000000000000000042.log   what compaction left of the offsets 0 to 41
//! ```
//! The first frame is the head; every other one is a batch.

use std::sync::Arc;

use tally_disk::segment::{FrameReader, FrameWriter, Step, push_frame};
use tally_disk::{Disk, DiskFile, Kind};
use tally_domain::{Lane, Offset};

use super::batch::Batch;
use super::catalog::{Mark, Segment};
use crate::error::{Corruption, LogError};

const FORMAT: &[u8; 8] = b"tallylg1";
const HEAD_BYTES: usize = 24;

/// What ends the name of a file that is still being written.
pub(crate) const DRAFT: &str = ".tmp";

/// Bytes of the head frame: the first batch begins here.
pub(crate) const FIRST_BATCH: u64 = 36;

/// The name of a segment, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) base: Offset,
    /// The offset after those that this file replaces; `None` for a file as it was appended.
    pub(crate) compacted_to: Option<Offset>,
}

impl Name {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let offset = |text: &str| {
            let digits = text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits).and_then(Offset::new)
        };
        let stem = name.strip_suffix(".log")?;
        match stem.split_once('-') {
            None => Some(Self { base: offset(stem)?, compacted_to: None }),
            Some((base, end)) => Some(Self { base: offset(base)?, compacted_to: Some(offset(end)?) }),
        }
    }

    /// Whether a file is one that was still being written.
    pub(crate) fn is_draft(name: &str) -> bool {
        name.strip_suffix(DRAFT).is_some()
    }

    pub(crate) fn show(self) -> String {
        let base = self.base.get();
        match self.compacted_to {
            None => format!("{base:020}.log"),
            Some(end) => format!("{base:020}-{:020}.log", end.get()),
        }
    }
}

/// The directory of a lane, below the log's.
pub(crate) fn dir_of(lane: Lane) -> String {
    format!("{}/{}", lane.topic.name(), lane.partition)
}

/// The head frame of a segment.
pub(crate) fn head(base: Offset, appended_max_ms: i64) -> Vec<u8> {
    let payload = [&FORMAT[..], &base.get().to_le_bytes(), &appended_max_ms.to_le_bytes()].concat();
    let mut frame = Vec::new();
    push_frame(&mut frame, &payload, 0);
    frame
}

/// Reads a head's payload: base and the greatest appended-at before it, ms.
fn read_head(payload: &[u8]) -> Option<(Offset, i64)> {
    let payload: &[u8; HEAD_BYTES] = payload.try_into().ok()?;
    let (format, rest) = payload.split_first_chunk::<8>()?;
    let (base, appended_max_ms) = rest.split_first_chunk::<8>()?;
    let base = Offset::new(u64::from_le_bytes(*base))?;
    (format == FORMAT).then_some((base, i64::from_le_bytes(appended_max_ms.try_into().ok()?)))
}

/// Makes the segment that begins at `base`, durably, with its name.
pub(crate) fn create<D: Disk>(
    disk: &D,
    lane: Lane,
    base: Offset,
    appended_max_ms: i64,
) -> Result<(Segment, FrameWriter<D::File>), LogError> {
    let dir = dir_of(lane);
    let path = format!("{dir}/{}", Name { base, compacted_to: None }.show());
    // A file of this name is an attempt that was refused half-way: the lane ends at `base`.
    let mut file = create_anew(disk, &path)?;
    file.append(&head(base, appended_max_ms))?;
    file.sync()?;
    disk.sync_dir(&dir)?;
    let segment = Segment {
        path: path.into(),
        base,
        appended_max_ms,
        durable_bytes: FIRST_BATCH,
        compacted: false,
        marks: Vec::new(),
    };
    Ok((segment, FrameWriter::new(file)?))
}

/// A new file where an earlier attempt, of which nothing was ever shown, may have left one.
pub(crate) fn create_anew<D: Disk>(disk: &D, path: &str) -> Result<D::File, LogError> {
    match disk.create(path) {
        Err(error) if error.kind == Kind::Exists => {
            disk.remove(path)?;
            Ok(disk.create(path)?)
        }
        file => Ok(file?),
    }
}

/// What stands at the beginning of a segment file.
pub(crate) enum Beginning {
    /// A whole head.
    Head(Segment),
    /// The file was being made when everything stopped: nothing in it was ever durable.
    Unfinished,
}

/// Opens a segment by its head alone; a sealed one is durable as it is.
pub(crate) fn open<D: Disk>(disk: &D, lane: Lane, name: Name) -> Result<Beginning, LogError> {
    let path: Arc<str> = format!("{}/{}", dir_of(lane), name.show()).into();
    let file = disk.open(&path)?;
    let durable_bytes = file.len()?;
    let damaged = |cause: &str| corrupt(lane, file.path(), 0, cause);
    match FrameReader::new(&file, 0)?.next()? {
        Step::Frame { payload, .. } => match read_head(payload) {
            Some((base, appended_max_ms)) if base == name.base => {
                let marks = Vec::new();
                let compacted = name.compacted_to.is_some();
                Ok(Beginning::Head(Segment { path, base, appended_max_ms, durable_bytes, compacted, marks }))
            }
            Some((base, _)) => Err(damaged(&format!("the head says that it begins at offset {base}"))),
            None => Err(damaged("the head is of another format")),
        },
        Step::Rotten { next_good, .. } => {
            Err(damaged(&format!("the head fails its checksum, the next good frame is at {next_good}")))
        }
        Step::End { .. } | Step::Torn { .. } => Ok(Beginning::Unfinished),
    }
}

/// What a scan of the last segment of a lane found.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// The offset after the last whole record.
    pub(crate) next: Offset,
    /// Greatest appended-at of the lane, ms.
    pub(crate) appended_max_ms: i64,
    /// When the first record of this segment was appended, ms.
    pub(crate) begun_ms: Option<i64>,
    /// Where the good frames end.
    pub(crate) end: u64,
    /// Bytes after that: a batch that was being written, and never acknowledged.
    pub(crate) lost_bytes: u64,
}

/// Reads the last segment of a lane from end to end, and marks it.
pub(crate) fn scan<F: DiskFile>(lane: Lane, file: &F, segment: &mut Segment) -> Result<Scanned, LogError> {
    let mut frames = FrameReader::until(file, FIRST_BATCH, segment.durable_bytes);
    let mut found = Scanned {
        next: segment.base,
        appended_max_ms: segment.appended_max_ms,
        begun_ms: None,
        end: FIRST_BATCH,
        lost_bytes: 0,
    };
    loop {
        match frames.next()? {
            Step::Frame { at, next, payload } => {
                let batch = Batch::read(payload).filter(|batch| batch.base == found.next);
                let Some(batch) = batch else {
                    let cause = format!("the frame there is no batch of records from offset {}", found.next);
                    return Err(corrupt(lane, file.path(), at, &cause));
                };
                segment.mark(Mark {
                    offset: batch.base,
                    position: at,
                    appended_max_ms: found.appended_max_ms,
                });
                found.next = batch.end;
                found.begun_ms.get_or_insert(batch.appended_at.ms());
                found.appended_max_ms = found.appended_max_ms.max(batch.appended_at.ms());
                found.end = next;
            }
            Step::End { .. } => return Ok(found),
            Step::Torn { lost_bytes, .. } => return Ok(Scanned { lost_bytes, ..found }),
            Step::Rotten { at, next_good } => {
                let cause = format!(
                    "the records from offset {} fail their checksum, the next good frame is at byte {next_good}",
                    found.next
                );
                return Err(corrupt(lane, file.path(), at, &cause));
            }
        }
    }
}

/// Gives every batch of a segment from `from` to `until`, both positions, to `found`, until that is true; then
/// gives its position.
pub(crate) fn walk<F: DiskFile>(
    lane: Lane,
    file: &F,
    from: u64,
    until: u64,
    mut found: impl FnMut(&Batch<'_>) -> bool,
) -> Result<Option<u64>, LogError> {
    let mut frames = FrameReader::until(file, from, until);
    loop {
        match frames.next()? {
            Step::Frame { at, payload, .. } => match Batch::read(payload) {
                Some(batch) if found(&batch) => return Ok(Some(at)),
                Some(_) => {}
                None => return Err(corrupt(lane, file.path(), at, "the frame there is no batch of records")),
            },
            Step::End { .. } => return Ok(None),
            Step::Torn { at, .. } | Step::Rotten { at, .. } => {
                return Err(corrupt(lane, file.path(), at, "the records there fail their checksum"));
            }
        }
    }
}

pub(crate) fn corrupt(lane: Lane, file: &str, position: u64, cause: &str) -> LogError {
    let at = Corruption { file: file.to_owned(), position, cause: cause.to_owned() };
    LogError::Corrupt { lane, at: Box::new(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_left_alone() {
        let name = |base, end: Option<u64>| Name {
            base: Offset::new(base).unwrap(),
            compacted_to: end.and_then(Offset::new),
        };
        for name in [name(42, None), name(0, Some(42))] {
            assert_eq!(Name::parse(&name.show()), Some(name));
        }
        let others =
            ["", ".log", "42.log", "00000000000000000042.tmp", "0000000000000000004x.log", "log.meta"];
        assert_eq!(others.map(Name::parse), [None; 6]);
    }

    #[test]
    fn the_head_ends_where_the_first_batch_begins() {
        assert_eq!(u64::try_from(head(Offset::ZERO, i64::MIN).len()), Ok(FIRST_BATCH));
    }
}
