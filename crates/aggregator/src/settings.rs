//! What an aggregator is told.

use tally_domain::TopicId;
use tally_fold::Settings;
use tally_store::StoreSettings;

/// One partition's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregatorSettings {
    /// Of the fold: which partition, what it accepts, the secret's check.
    pub fold: Settings,
    /// The life of the log's topic.
    pub topic: TopicId,
    /// Tuning of the store.
    pub store: StoreSettings,
    /// How much and how often.
    pub cadence: Cadence,
}

/// How much a turn does, and how often the state is committed; see `[aggregator]` in `ops/tally.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// Bytes of the log that a turn reads at most.
    pub read_bytes_max: usize,
    /// Usage records of a batch at most.
    pub batch_events_max: usize,
    /// A state is committed when its oldest change is so old, ms.
    pub commit_interval_ms: i64,
    /// Or when so many records were folded since the last commit.
    pub commit_events: u64,
    /// Or when the rows put since then fill so many bytes of memory.
    pub fresh_bytes_max: usize,
    /// Rows of one publication at most.
    pub publish_rows_max: usize,
    /// How long a part that has nothing to do may sleep, ms.
    pub idle_ms: i64,
    /// Whether this part appends a heartbeat to its partition once a minute.
    pub heartbeats: bool,
}
