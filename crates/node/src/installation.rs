//! One installation on disk: who owns its data directory, its secret, and where it can be reached.
//!
//! ```text
//! <data-dir>/lock            held by the owner for as long as it lives
//!            owner.json      who holds it and where it listens; gone after a clean stop
//!            secret          32 random bytes, readable by the owner alone
//!            log/  state/  clickhouse/  import/
//!            demo.json       what a demo is made of; there only if this is one
//! ```

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tally_disk::{Disk, OsDisk};
use tally_domain::{Secret, TopicId, WallTime};

/// A data directory. Making one touches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    path: PathBuf,
}

/// Where an owner can be reached; what `owner.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Owner {
    /// Process id of the owner.
    pub pid: u32,
    /// This life of its log: positions that an importer kept are true for it alone.
    pub topic: TopicId,
    /// Base URL of its control endpoints: leases, progress, metrics, health.
    pub control: String,
    /// Base URL of the collector; none when the owner runs none.
    pub collector: Option<String>,
    /// URL of ClickHouse, for any client; none when the owner knows none.
    pub clickhouse: Option<String>,
    /// ClickHouse database.
    pub database: String,
    /// Base URL of the ranker's live boards; none when the owner ranks nothing.
    pub ranker: Option<String>,
    /// Base URL of the pages; none when the owner serves no pages.
    pub web: Option<String>,
    /// File of the installation's secret.
    pub secret_file: PathBuf,
    /// False when it is a command that will be done in a moment.
    pub stays: bool,
    /// The wall clock that stands still, when it does.
    pub clock: Option<WallTime>,
}

/// What keeps a data directory from being used.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// The file system refuses.
    #[error("{doing} {path}: {cause}; check that the directory exists and that you may write to it")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// There is something else.
    #[error("{path} is a file, and the data directory must be a directory; name another one with --data-dir")]
    NoDirectory {
        /// The file.
        path: PathBuf,
    },
    /// The secret is not one.
    #[error(
        "reading {path}: it holds {bytes} bytes, a secret has 32; restore it from a backup: without it no account can be recognised"
    )]
    BadSecret {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// There is no secret.
    #[error(
        "reading the secret {path}: it is not there; name the installation's own with secret_file, or restore it from a backup"
    )]
    NoSecret {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else owns it.
    #[error("the data directory {path} is in use{}; stop that process, or use another --data-dir", owner_of(.owner.as_deref()))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who, when that can be read.
        owner: Option<Box<Owner>>,
    },
    /// The lock cannot be taken for another reason.
    #[error(transparent)]
    Disk(#[from] tally_disk::DiskError),
}

fn owner_of(owner: Option<&Owner>) -> String {
    owner.map(|owner| format!(" by process {}", owner.pid)).unwrap_or_default()
}

/// Holds a data directory until dropped, or until the process dies.
#[derive(Debug)]
pub struct Ownership {
    dir: DataDir,
    _lock: <OsDisk as Disk>::Lock,
}

impl DataDir {
    /// The directory at `path`, which need not exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of the log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// The directory of the partitions' states.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// The directory of the embedded engine.
    #[must_use]
    pub fn clickhouse(&self) -> PathBuf {
        self.path.join("clickhouse")
    }

    /// The directory in which importers remember how far they read.
    #[must_use]
    pub fn import(&self) -> PathBuf {
        self.path.join("import")
    }

    /// What the demo of this installation is made of; there only if it is one.
    #[must_use]
    pub fn demo(&self) -> PathBuf {
        self.path.join("demo.json")
    }

    /// True when no process ever owned it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        !self.log().exists()
    }

    /// Makes the directory and becomes its owner.
    ///
    /// # Errors
    /// [`InstallationError::InUse`] when another process owns it, or what the file system refuses.
    pub fn own(&self) -> Result<Ownership, InstallationError> {
        if let Err(error) = fs::create_dir_all(&self.path) {
            let file = self.path.ancestors().find(|path| path.is_file());
            return Err(file.map_or_else(
                || io_error("making the data directory", &self.path)(error),
                |file| InstallationError::NoDirectory { path: file.to_owned() },
            ));
        }
        match OsDisk::open(&self.path).and_then(|disk| disk.lock("lock")) {
            Ok(lock) => Ok(Ownership { dir: self.clone(), _lock: lock }),
            Err(error) if error.kind == tally_disk::Kind::Locked => {
                let owner = self.owner().map(Box::new);
                Err(InstallationError::InUse { path: self.path.clone(), owner })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Where the owner says it can be reached; `None` when nobody says so. A killed owner leaves its file
    /// behind: only an owner that answers is one.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        let text = fs::read(self.path.join("owner.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// The installation's secret, made at the first call.
    ///
    /// # Errors
    /// When it cannot be read, made, or has another length than 32 bytes.
    pub fn secret(&self) -> Result<Secret, InstallationError> {
        let file = self.secret_file(Path::new(""));
        file.find()?.map_or_else(|| file.make(), Ok)
    }

    /// The file of the secret: the configured one, or the directory's own where none is.
    #[must_use]
    pub fn secret_file(&self, configured: &Path) -> SecretFile {
        let own = configured.as_os_str().is_empty();
        SecretFile { path: if own { self.path.join("secret") } else { configured.to_owned() } }
    }
}

/// Where the installation's secret lies: 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    path: PathBuf,
}

impl SecretFile {
    /// A file that an owner named.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The secret.
    ///
    /// # Errors
    /// When it is not there, cannot be read, or has another length than 32 bytes.
    pub fn read(&self) -> Result<Secret, InstallationError> {
        self.find()?.ok_or_else(|| InstallationError::NoSecret { path: self.path.clone() })
    }

    /// The secret; none when the file is not there.
    ///
    /// # Errors
    /// When it cannot be read, or has another length than 32 bytes.
    pub fn find(&self) -> Result<Option<Secret>, InstallationError> {
        match fs::read(&self.path) {
            Ok(bytes) => <[u8; 32]>::try_from(bytes.as_slice())
                .map(|bytes| Some(Secret::new(bytes)))
                .map_err(|_| InstallationError::BadSecret { path: self.path.clone(), bytes: bytes.len() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("reading the secret", &self.path)(error)),
        }
    }

    /// Makes the secret. Where another process made one at the same moment, that is the one.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn make(&self) -> Result<Secret, InstallationError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| {
            io_error("making the secret", &self.path)(io::Error::other(error.to_string()))
        })?;
        let written = write_once(&self.path, &bytes, 0o600);
        match written {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(io_error("writing the secret", &self.path)(error))
            }
            _ => self.read(),
        }
    }
}

impl Ownership {
    /// The directory that is owned.
    #[must_use]
    pub const fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// Tells everyone where the owner can be reached.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn announce(&self, owner: &Owner) -> Result<(), InstallationError> {
        let path = self.dir.path.join("owner.json");
        let text = serde_json::to_vec_pretty(owner).expect("an owner is plain text and numbers");
        write_atomically(&path, &text, 0o600).map_err(io_error("announcing the owner in", &path))
    }

    /// Says that the owner can no longer be reached; the directory stays owned until dropped.
    pub fn withdraw(&self) {
        // A file that stays behind misleads nobody: whoever reads it asks the owner, and nobody answers.
        drop(fs::remove_file(self.dir.path.join("owner.json")));
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> InstallationError {
    let path = path.to_owned();
    move |cause| InstallationError::Io { doing, path, cause }
}

/// Writes a small file that is not there yet, whole or not at all; of several writers one is first.
fn write_once(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let beside = path.with_extension(format!("made-by-{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // Unlike a rename, a link never takes the place of what is there.
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    linked.and_then(|()| sync_directory_of(path))
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Writes a small file so that readers and a crash see all of it or none.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_directory_of(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_and_names_it_to_the_next() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::new(temp.path().join("data"));
        let owned = dir.own().unwrap();
        let owner = Owner {
            pid: 42,
            topic: TopicId::default(),
            control: "http://127.0.0.1:1".into(),
            collector: Some("http://127.0.0.1:2".into()),
            clickhouse: None,
            database: "tally".into(),
            ranker: Some("http://127.0.0.1:4".into()),
            web: None,
            secret_file: temp.path().join("secret"),
            stays: true,
            clock: WallTime::parse("2026-02-13T00:00:00Z"),
        };
        owned.announce(&owner).unwrap();
        assert_eq!(dir.owner(), Some(owner));
        let refused = dir.own().unwrap_err().to_string();
        assert!(refused.contains("is in use by process 42"), "{refused}");
        owned.withdraw();
        drop(owned);
        assert_eq!(dir.owner(), None);
        dir.own().unwrap();
    }

    #[test]
    fn the_secret_is_made_once_and_a_damaged_one_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::new(temp.path());
        let made = dir.secret().unwrap().check();
        assert_eq!(dir.secret().unwrap().check(), made);
        let file = dir.secret_file(Path::new(""));
        assert_eq!(file.make().unwrap().check(), made, "who comes second takes what is there");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1, "nothing is left beside it");
        fs::write(file.path(), b"short").unwrap();
        assert!(dir.secret().unwrap_err().to_string().contains("it holds 5 bytes"));
    }
}
