//! What can be chosen about a local log. There is no default here: they stand in `ops/tally.toml`.

use tally_disk::segment::PAYLOAD_BYTES_MAX;
use tally_domain::Topic;

use super::batch::{HEAD_BYTES, RECORD_BYTES};
use crate::error::LogError;
use crate::records::to_u64;

/// Of a frame with one record.
const OVERHEAD_BYTES: usize = HEAD_BYTES + RECORD_BYTES;

/// How a local log writes and how long it keeps.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct LocalConfig {
    /// Partitions of every topic, for the life of the log.
    pub partitions: u16,
    /// When an append is acknowledged.
    pub durability: Durability,
    /// How long a record may wait for company before a turn writes it, ms; 0: every turn writes.
    pub commit_interval_ms: i64,
    /// A segment that has reached this size is sealed and another one begun, bytes.
    pub segment_bytes: u64,
    /// Records of one turn and lane share a frame up to about this size, bytes.
    pub batch_bytes: usize,
    /// Records that are not yet durable may take this much memory; then [`crate::Full`], bytes.
    pub pending_bytes_max: usize,
    /// A record, key and value, may be this large, bytes.
    pub record_bytes_max: usize,
    /// How long records are kept, days.
    pub retention_days: RetentionDays,
    /// How long a tombstone outlives what it forgets, so that every reader meets it, hours.
    pub tombstone_hours: u32,
    /// A compacted lane is compacted again when this share of its sealed bytes is new, percent.
    pub compact_percent: u8,
}

/// When an append is acknowledged, and shown to readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// After `fdatasync`: it survives the loss of power.
    Synced,
    /// After `write`: it survives the death of the process, and a crash of the machine may lose the last
    /// half minute, acknowledged or not. For measurements and throw-away data only.
    Written,
}

/// Days that records of each topic are kept at least. Compacted topics keep the last record of each key instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionDays {
    /// At least 38, and never less than what the archive still needs.
    pub usage: u32,
    /// See [`Topic::Outcomes`].
    pub outcomes: u32,
    /// See [`Topic::Rejects`].
    pub rejects: u32,
    /// See [`Topic::Alerts`].
    pub alerts: u32,
}

impl LocalConfig {
    /// Whether a log can work with these values.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let frame_bytes =
            self.record_bytes_max.saturating_add(self.batch_bytes).saturating_add(OVERHEAD_BYTES);
        let wrong = |field, value: u64, range| Err(LogError::Config { field, value, range });
        if self.partitions == 0 {
            return wrong("partitions", 0, "at least 1");
        }
        if frame_bytes > PAYLOAD_BYTES_MAX {
            return wrong("record_bytes_max", to_u64(self.record_bytes_max), "with batch_bytes below 64 MiB");
        }
        if self.retention_days.usage < 38 {
            return wrong("retention_days.usage", self.retention_days.usage.into(), "at least 38");
        }
        if self.compact_percent == 0 || self.compact_percent > 100 {
            return wrong("compact_percent", self.compact_percent.into(), "1 to 100");
        }
        Ok(())
    }
}

impl RetentionDays {
    /// Of one topic, in ms; `None`: not by time.
    #[must_use]
    pub fn ms(&self, topic: Topic) -> Option<i64> {
        let days = match topic {
            Topic::Usage => self.usage,
            Topic::Outcomes => self.outcomes,
            Topic::Rejects => self.rejects,
            Topic::Alerts => self.alerts,
            Topic::Identities | Topic::Totals => return None,
        };
        Some(i64::from(days) * 86_400_000)
    }
}
