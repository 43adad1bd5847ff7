//! Where a measured log and its state lie, laid out as an installation lays them out.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tally_disk::OsDisk;
use tally_domain::{Secret, WallTime};
use tally_log::local::{Durability, LocalConfig, LocalLog, RetentionDays};

/// Partitions, as `tally up` has them.
pub const PARTITIONS: u16 = 8;

/// The log of this machine's disk.
pub type Log = LocalLog<OsDisk>;

/// A data directory and the secret that names its accounts.
#[derive(Clone, Debug)]
pub struct Place {
    /// The data directory.
    pub dir: PathBuf,
    /// As the node reads it.
    pub secret: Secret,
}

impl Place {
    /// The place at `dir`; its secret is one of the node's, read from there.
    #[must_use]
    pub fn new(dir: &Path, secret: Secret) -> Self {
        Self { dir: dir.to_owned(), secret }
    }

    /// The directory of the log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// Opens or makes the log. Every turn writes what waits, unsynced: it is filled with what is thrown away after
    /// the measurement.
    ///
    /// # Errors
    /// What the log says.
    pub fn open_log(&self) -> Result<Log> {
        let config = LocalConfig {
            partitions: PARTITIONS,
            durability: Durability::Written,
            commit_interval_ms: 0,
            segment_bytes: 64 << 20,
            batch_bytes: 1 << 20,
            pending_bytes_max: 64 << 20,
            record_bytes_max: 4 << 20,
            retention_days: RetentionDays { usage: 45, outcomes: 45, rejects: 90, alerts: 90 },
            tombstone_hours: 24 * 7,
            compact_percent: 50,
        };
        let topic = tally_domain::TopicId(tally_domain::Hash128([7; 16]));
        Ok(LocalLog::open(OsDisk::open(self.log())?, config, topic)?)
    }
}

/// The wall clock, as the node reads it.
#[must_use]
pub fn now() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let ms = i64::try_from(since.as_millis()).ok();
    ms.and_then(WallTime::from_ms).unwrap_or(WallTime::MAX)
}
