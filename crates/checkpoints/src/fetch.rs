//! Bringing the newest whole copy into a directory that has no state, or an older one.

use tally_disk::{Disk, DiskFile};
use tally_domain::{Partition, Version};
use tally_store::{Incoming, StoreError};

use crate::Checkpoints;
use crate::contents::{Hash, Part};
use crate::error::CheckpointError;
use crate::place::{CopyName, Place};

/// What was brought.
#[derive(Debug)]
#[must_use]
pub enum Fetched {
    /// There is no copy, or none that is newer.
    Nothing,
    /// A whole state.
    State {
        /// The version that it has.
        version: Version,
        /// How many bytes it has.
        bytes: u64,
        /// What is wrong with newer copies, which were passed over.
        passed_over: Vec<CheckpointError>,
    },
}

impl Checkpoints {
    /// Brings the newest whole copy of a partition's state into `dir` of `disk`. The state there has the version `held`,
    /// `None` where there is none: only what is newer replaces it. Cut off at any moment it leaves the older state,
    /// none, or all of the new one.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`] when there are newer copies and none is whole; when there is a state in `dir` and
    /// `held` is `None`; when the store or the disk refuses.
    pub fn fetch<D: Disk>(
        &self,
        partition: Partition,
        disk: &D,
        dir: &str,
        held: Option<Version>,
    ) -> Result<Fetched, CheckpointError> {
        let place = self.place(partition);
        let mut passed_over = Vec::new();
        let copies = place.copies()?;
        let newer = copies.iter().rev().filter(|name| held.is_none_or(|held| name.version > held));
        for name in newer {
            let begin = if held.is_some() { Incoming::begin_beside } else { Incoming::begin };
            match bring(&place, name, || begin(disk, dir)) {
                Ok(bytes) => return Ok(Fetched::State { version: name.version, bytes, passed_over }),
                Err(error @ CheckpointError::Damaged { .. }) => passed_over.push(error),
                Err(error) => return Err(error),
            }
        }
        if passed_over.is_empty() { Ok(Fetched::Nothing) } else { Err(passed_over.swap_remove(0)) }
    }
}

/// How many bytes it was.
fn bring<D: Disk>(
    place: &Place,
    name: &CopyName,
    begin: impl FnOnce() -> Result<Incoming<D>, StoreError>,
) -> Result<u64, CheckpointError> {
    let contents = place.contents(name)?;
    let incoming = begin()?;
    for part in &contents.files {
        let mut file = incoming.create(&part.name)?;
        receive(place, part, &mut file)?;
    }
    incoming.finish()?;
    Ok(contents.files.iter().fold(0, |sum, part| sum.saturating_add(part.bytes)))
}

fn receive<F: DiskFile>(place: &Place, part: &Part, file: &mut F) -> Result<(), CheckpointError> {
    let path = place.file_path(&part.hash);
    let damaged = |what: String| CheckpointError::Damaged { object: path.to_string(), what };
    let mut hasher = blake3::Hasher::new();
    let mut bytes = 0;
    place.get(&path, |piece| {
        bytes += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        if bytes > part.bytes {
            return Err(damaged(format!("it has more than {} bytes", part.bytes)));
        }
        hasher.update(piece);
        Ok(file.append(piece)?)
    })?;
    if bytes != part.bytes {
        return Err(damaged(format!("it has {bytes} bytes, not {}", part.bytes)));
    }
    if Hash::from(&hasher.finalize()) != part.hash {
        return Err(damaged("it has another hash than its name".to_owned()));
    }
    Ok(file.sync()?)
}
