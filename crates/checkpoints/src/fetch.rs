//! Bringing the newest whole copy into an empty directory.

use tally_disk::{Disk, DiskFile};
use tally_domain::{Partition, Version};
use tally_store::Incoming;

use crate::Checkpoints;
use crate::contents::{Hash, Part};
use crate::error::CheckpointError;
use crate::place::{CopyName, Place};

/// What was brought.
#[derive(Debug)]
#[must_use]
pub enum Fetched {
    /// There is no copy.
    Nothing,
    /// A whole state.
    State {
        /// The version that it has.
        version: Version,
        /// What is wrong with newer copies, which were passed over.
        passed_over: Vec<CheckpointError>,
    },
}

impl Checkpoints {
    /// Brings the newest whole copy of a partition's state into `dir` of `disk`, which has none yet. Cut off at any
    /// moment it leaves no state there, or all of it.
    ///
    /// # Errors
    /// [`CheckpointError::Damaged`] when there are copies and none is whole; when there is a state in `dir`; when the
    /// store or the disk refuses.
    pub fn fetch<D: Disk>(
        &self,
        partition: Partition,
        disk: &D,
        dir: &str,
    ) -> Result<Fetched, CheckpointError> {
        let place = self.place(partition);
        let mut passed_over = Vec::new();
        for name in place.copies()?.iter().rev() {
            match bring(&place, name, disk, dir) {
                Ok(()) => return Ok(Fetched::State { version: name.version, passed_over }),
                Err(error @ CheckpointError::Damaged { .. }) => passed_over.push(error),
                Err(error) => return Err(error),
            }
        }
        if passed_over.is_empty() { Ok(Fetched::Nothing) } else { Err(passed_over.swap_remove(0)) }
    }
}

fn bring<D: Disk>(place: &Place, name: &CopyName, disk: &D, dir: &str) -> Result<(), CheckpointError> {
    let contents = place.contents(name)?;
    let incoming = Incoming::begin(disk, dir)?;
    for part in &contents.files {
        let mut file = incoming.create(&part.name)?;
        receive(place, part, &mut file)?;
    }
    incoming.finish()?;
    Ok(())
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
