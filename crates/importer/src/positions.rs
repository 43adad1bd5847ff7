//! How far each file was read and acknowledged. Losing them costs a second reading, and nothing else.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// So much of a file's beginning tells it from another under the same name.
const HEAD_BYTES: u64 = 4_096;

/// What is kept of a file between two runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    inode: u64,
    head_bytes: u64,
    head: u64,
    /// Length of the file when it was read to its end, so that one that did not grow is not opened; else 0.
    pub(crate) length: u64,
    /// Bytes of its lines that were acknowledged; of a compressed file, of what is in it.
    pub(crate) read: u64,
}

impl Position {
    /// The same file, read up to `read`.
    pub(crate) fn at(&self, read: u64) -> Self {
        Self { read, ..self.clone() }
    }

    /// The same, not yet read to its end: whoever comes next opens it again.
    pub(crate) fn unfinished(self) -> Self {
        Self { length: 0, ..self }
    }
}

/// Positions of one account's files, and who imported which file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    lineage: String,
    /// By account, a hash; then by path.
    positions: BTreeMap<String, BTreeMap<PathBuf, Position>>,
    /// The account that a file's content was first imported for, by the hash of its head.
    owners: BTreeMap<u64, String>,
}

/// The positions of one account.
#[derive(Debug)]
pub(crate) struct Positions {
    path: PathBuf,
    account: String,
    kept: Kept,
}

impl Positions {
    /// Reads what a former run left; what is missing, damaged or of another lineage is nothing.
    pub(crate) fn open(directory: &Path, lineage: &str, source: &str, person: &str) -> Self {
        let path = directory.join("positions.json");
        let kept = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let kept = kept.filter(|kept| kept.lineage == lineage);
        let fresh = || Kept { lineage: lineage.to_owned(), ..Kept::default() };
        let account = xxhash_rust::xxh3::xxh3_128(format!("{source}\u{1f}{person}").as_bytes());
        Self { path, account: format!("{account:032x}"), kept: kept.unwrap_or_else(fresh) }
    }

    /// Where reading may begin, and what the file is now.
    pub(crate) fn of(&self, path: &Path) -> io::Result<(Position, Position)> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        let (length, inode) = (about.len(), about.ino());
        let known = self.kept.positions.get(&self.account).and_then(|files| files.get(path));
        let now = |bytes| -> io::Result<Position> {
            let (head_bytes, head) = head(path, bytes)?;
            Ok(Position { inode, head_bytes, head, length, read: 0 })
        };
        let fresh = now(HEAD_BYTES)?;
        let Some(known) = known.filter(|known| known.inode == inode && known.length <= length) else {
            return Ok((fresh.clone(), fresh));
        };
        let same = now(known.head_bytes)?;
        let same = (same.head_bytes, same.head) == (known.head_bytes, known.head);
        Ok(if same { (known.clone(), fresh) } else { (fresh.clone(), fresh) })
    }

    /// True when the file is as long as when it was read; a look that opens nothing.
    pub(crate) fn is_unchanged(&self, path: &Path) -> bool {
        let known = self.kept.positions.get(&self.account).and_then(|files| files.get(path));
        let same =
            |known: &Position, now: &fs::Metadata| known.length == now.len() && known.inode == now.ino();
        known.zip(fs::metadata(path).ok()).is_some_and(|(known, now)| same(known, &now))
    }

    /// True when this content was imported before for somebody else; else this account owns it from now on.
    pub(crate) fn is_anothers(&mut self, file: &Position) -> bool {
        if file.head_bytes == 0 {
            return false;
        }
        let owner = self.kept.owners.entry(file.head).or_insert_with(|| self.account.clone());
        *owner != self.account
    }

    pub(crate) fn reached(&mut self, path: &Path, position: Position) {
        self.kept.positions.entry(self.account.clone()).or_default().insert(path.to_owned(), position);
    }

    /// Writes them all, at once or not at all.
    pub(crate) fn save(&self) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        let next = self.path.with_extension("json.next");
        fs::write(&next, serde_json::to_vec(&self.kept)?)?;
        fs::rename(&next, &self.path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Length and hash of a file's first bytes.
fn head(path: &Path, bytes: u64) -> io::Result<(u64, u64)> {
    let mut head = Vec::new();
    File::open(path)?.take(bytes).read_to_end(&mut head)?;
    let length = u64::try_from(head.len()).expect("a file's head fits in memory");
    Ok((length, xxhash_rust::xxh3::xxh3_64(&head)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(directory: &Path) -> Positions {
        Positions::open(directory, "log-1", "claude-code", "ann")
    }

    #[test]
    fn a_file_that_grew_goes_on_and_another_under_its_name_begins_anew() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.jsonl");
        fs::write(&file, "one\n").unwrap();
        let mut positions = open(directory.path());
        let (from, now) = positions.of(&file).unwrap();
        assert_eq!((from.read, now.length), (0, 4));
        positions.reached(&file, Position { read: 4, ..now });
        positions.save().unwrap();

        let positions = open(directory.path());
        fs::write(&file, "one\ntwo\n").unwrap();
        let (from, now) = positions.of(&file).unwrap();
        assert_eq!((from.read, now.length), (4, 8));
        fs::write(&file, "two\none\n").unwrap();
        assert_eq!(positions.of(&file).unwrap().0.read, 0, "another content");
        fs::write(&file, "on").unwrap();
        assert_eq!(positions.of(&file).unwrap().0.read, 0, "shorter than before");
    }

    #[test]
    fn positions_of_another_person_log_or_of_a_damaged_file_are_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.jsonl");
        fs::write(&file, "one\n").unwrap();
        let mut positions = open(directory.path());
        let (_, now) = positions.of(&file).unwrap();
        assert!(!positions.is_anothers(&now));
        positions.reached(&file, Position { read: 4, ..now.clone() });
        positions.save().unwrap();

        let read = |positions: &Positions| positions.of(&file).unwrap().0.read;
        let mut bob = Positions::open(directory.path(), "log-1", "claude-code", "bob");
        assert_eq!(read(&bob), 0);
        assert!(bob.is_anothers(&now), "the same transcripts for another person");
        assert_eq!(read(&Positions::open(directory.path(), "log-2", "claude-code", "ann")), 0);
        assert_eq!(read(&open(directory.path())), 4);
        fs::write(directory.path().join("positions.json"), "{\"lineage\":").unwrap();
        assert_eq!(read(&open(directory.path())), 0);
    }
}
