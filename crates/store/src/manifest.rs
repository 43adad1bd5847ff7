//! The one file that says what the state is: which runs, up to which horizons, and the meta blob.
//!
//! It is written under another name, synced, renamed, and the directory synced; so there is one manifest at any
//! time, and it is whole. Frames: head, then the meta blob in pieces.

use tally_disk::{
    Disk, DiskFile, Kind,
    segment::{FrameReader, Step, push_frame},
};

use crate::{
    error::{Doing, StoreError},
    keyspace::{Keyspace, to_u64},
    run::RunFacts,
};

pub(crate) const NAME: &str = "MANIFEST";
pub(crate) const NEW_NAME: &str = "MANIFEST.new";
const MAGIC: &[u8; 8] = b"tallymf\x01";
const PIECE_BYTES: usize = 16 << 20;
const WRITING: &str = "writing the manifest of the state";
const READING: &str = "reading the manifest of the state";

/// What one keyspace consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) layout: String,
    pub(crate) horizon: i32,
    /// Oldest first.
    pub(crate) runs: Vec<RunFacts>,
}

/// A state, by the files that hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Counts commits.
    pub(crate) commit: u64,
    /// No run has this number or a higher one.
    pub(crate) next_number: u64,
    pub(crate) keyspaces: Vec<Listed>,
    pub(crate) meta: Vec<u8>,
}

impl Manifest {
    /// Writes the new manifest beside the present one, durably.
    pub(crate) fn prepare<D: Disk>(&self, disk: &D) -> Result<(), StoreError> {
        // A failed attempt may have left one.
        match disk.remove(NEW_NAME) {
            Ok(()) => {}
            Err(e) if e.kind == Kind::NotFound => {}
            Err(e) => return Err(e).doing(WRITING),
        }
        let mut bytes = Vec::new();
        push_frame(&mut bytes, &self.head(), 0);
        for piece in self.meta.chunks(PIECE_BYTES) {
            push_frame(&mut bytes, piece, 0);
        }
        let mut file = disk.create(NEW_NAME).doing(WRITING)?;
        file.append(&bytes).doing(WRITING)?;
        file.sync().doing(WRITING)
    }

    /// The present manifest, `None` where nothing was ever committed.
    pub(crate) fn load<D: Disk>(disk: &D, keyspaces: &[Keyspace]) -> Result<Option<Self>, StoreError> {
        let file = match disk.open(NAME) {
            Ok(file) => file,
            Err(e) if e.kind == Kind::NotFound => return Ok(None),
            Err(e) => return Err(e).doing(READING),
        };
        let (found, meta_bytes) = read(&file, Self::parse)?;
        let layouts = |of: &mut dyn Iterator<Item = String>| of.collect::<Vec<_>>().join(" ");
        let theirs = layouts(&mut found.keyspaces.iter().map(|listed| listed.layout.clone()));
        let ours = layouts(&mut keyspaces.iter().map(Keyspace::layout));
        if theirs != ours {
            return Err(StoreError::Layout { path: disk.show(NAME), found: theirs, expected: ours });
        }
        if to_u64(found.meta.len()) != meta_bytes {
            return Err(damaged(
                &file,
                0,
                format!("its meta has {} bytes, not {meta_bytes}", found.meta.len()),
            ));
        }
        Ok(Some(found))
    }

    fn head(&self) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        for number in [self.commit, self.next_number, to_u64(self.meta.len()), to_u64(self.keyspaces.len())] {
            head.extend_from_slice(&number.to_le_bytes());
        }
        for listed in &self.keyspaces {
            head.extend_from_slice(&to_u64(listed.layout.len()).to_le_bytes());
            head.extend_from_slice(listed.layout.as_bytes());
            head.extend_from_slice(&listed.horizon.to_le_bytes());
            head.extend_from_slice(&to_u64(listed.runs.len()).to_le_bytes());
            for run in &listed.runs {
                for number in [run.number, run.file_bytes, run.rows] {
                    head.extend_from_slice(&number.to_le_bytes());
                }
                head.extend_from_slice(&run.ages.0.to_le_bytes());
                head.extend_from_slice(&run.ages.1.to_le_bytes());
                head.extend_from_slice(&run.footer_sum.to_le_bytes());
            }
        }
        head
    }

    /// The inverse of `head`, and how long the meta blob is.
    fn parse(head: &[u8]) -> Option<(Self, u64)> {
        let mut head = Bytes(head.strip_prefix(MAGIC)?);
        let (commit, next_number, meta_bytes, count) =
            (head.long()?, head.long()?, head.long()?, head.long()?);
        let keyspaces = (0..count).map(|_| parse_listed(&mut head)).collect::<Option<Vec<_>>>()?;
        head.0.is_empty().then_some((Self { commit, next_number, keyspaces, meta: Vec::new() }, meta_bytes))
    }
}

fn parse_listed(head: &mut Bytes<'_>) -> Option<Listed> {
    let layout_bytes = usize::try_from(head.long()?).ok()?;
    let layout = String::from_utf8(head.take(layout_bytes)?.to_vec()).ok()?;
    let horizon = head.signed()?;
    let count = head.long()?;
    let runs = (0..count).map(|_| {
        Some(RunFacts {
            number: head.long()?,
            file_bytes: head.long()?,
            rows: head.long()?,
            ages: (head.signed()?, head.signed()?),
            footer_sum: u32::from_le_bytes(head.signed()?.to_le_bytes()),
        })
    });
    let runs = runs.collect::<Option<Vec<_>>>()?;
    Some(Listed { layout, horizon, runs })
}

/// What is left of a head.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
    fn long(&mut self) -> Option<u64> {
        self.take(8)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }
    fn signed(&mut self) -> Option<i32> {
        self.take(4)?.first_chunk().map(|bytes| i32::from_le_bytes(*bytes))
    }
}

/// Reads all frames; a manifest is whole or damaged, never torn: it had another name until it was durable.
fn read<F: DiskFile>(
    file: &F,
    parse: impl Fn(&[u8]) -> Option<(Manifest, u64)>,
) -> Result<(Manifest, u64), StoreError> {
    let mut frames = FrameReader::new(file, 0).doing(READING)?;
    let mut found: Option<(Manifest, u64)> = None;
    loop {
        match (frames.next().doing(READING)?, &mut found) {
            (Step::Frame { at, payload, .. }, None) => match parse(payload) {
                Some(parsed) => found = Some(parsed),
                None => return Err(damaged(file, at, "its head cannot be read".to_owned())),
            },
            (Step::Frame { payload, .. }, Some((manifest, _))) => manifest.meta.extend_from_slice(payload),
            (Step::End { .. }, Some(_)) => break,
            (Step::End { at }, None) => return Err(damaged(file, at, "it is empty".to_owned())),
            (Step::Torn { at, .. } | Step::Rotten { at, .. }, _) => {
                return Err(damaged(file, at, "a frame fails its checksum".to_owned()));
            }
        }
    }
    found.ok_or_else(|| damaged(file, 0, "it is empty".to_owned()))
}

fn damaged<F: DiskFile>(file: &F, position: u64, what: String) -> StoreError {
    StoreError::Damaged { path: file.path().to_owned(), position, what }
}
