//! What a crash left in a lane's directory: drafts, files that compaction replaced, a segment begun and not made.

use tally_disk::Disk;
use tally_domain::{Lane, Offset};

use super::catalog::Segment;
use super::segment::{self, Beginning, Name, corrupt, dir_of};
use crate::error::LogError;

/// The segments of a lane by base, the last one open for appending; removes what is none.
pub(crate) fn sweep<D: Disk>(disk: &D, lane: Lane, names: &[String]) -> Result<Vec<Segment>, LogError> {
    let dir = dir_of(lane);
    let mut found: Vec<Name> = names.iter().filter_map(|name| Name::parse(name)).collect();
    for draft in names.iter().filter(|name| Name::is_draft(name)) {
        disk.remove(&format!("{dir}/{draft}"))?;
    }
    found.sort_by_key(|name| (name.base, name.compacted_to));
    let replaced = replaced(&found);
    for name in &replaced {
        disk.remove(&format!("{dir}/{}", name.show()))?;
    }
    found.retain(|name| !replaced.contains(name));

    let mut segments = Vec::with_capacity(found.len());
    let last = found.last().copied();
    for name in found {
        match segment::open(disk, lane, name)? {
            Beginning::Head(segment) => segments.push(segment),
            Beginning::Unfinished => {
                let path = format!("{dir}/{}", name.show());
                // Only the newest file may be unfinished, and only if what it was to continue is there.
                if Some(name) != last || (segments.is_empty() && name.base > Offset::ZERO) {
                    return Err(corrupt(lane, &disk.show(&path), 0, "the head of the file is missing"));
                }
                disk.remove(&path)?;
            }
        }
    }
    Ok(segments)
}

/// The files whose offsets a compacted file stands for.
fn replaced(found: &[Name]) -> Vec<Name> {
    let stands_for = |of: &Name, name: &Name| {
        let inside = |end: Offset| name.base >= of.base && name.base < end && name != of;
        of.compacted_to.is_some_and(|end| inside(end) && name.compacted_to.is_none_or(|other| other < end))
    };
    found.iter().filter(|name| found.iter().any(|of| stands_for(of, name))).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_compacted_file_stands_for_all_it_was_made_of() {
        let name = |base, end: Option<u64>| Name {
            base: Offset::new(base).unwrap(),
            compacted_to: end.and_then(Offset::new),
        };
        let found = [name(0, None), name(0, Some(5)), name(0, Some(9)), name(5, None), name(9, None)];
        assert_eq!(replaced(&found), [name(0, None), name(0, Some(5)), name(5, None)]);
        assert_eq!(replaced(&found[3..]), []);
    }
}
