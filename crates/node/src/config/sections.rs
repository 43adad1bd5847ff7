//! The sections as types. No `Default`: every default stands in `ops/tally.toml`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::layer::ConfigError;
use super::origin::{Origin, Origins};

/// Keys whose values are never shown; each is a [`Secret`].
pub(super) const SECRET_KEYS: &[&str] = &["clickhouse.password", "kafka.key_password", "kafka.password"];

/// A value that does not show itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value, for the one who must send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Declares the sections: what each key means stands beside its default.
macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
    )*};
}

sections! {
    /// Everything that can be set.
    Config {
        /// Where the installation keeps everything; never empty.
        data_dir: PathBuf,
        /// Empty: `secret` in the data directory.
        secret_file: PathBuf,
        /// The local log.
        log: LogConfig,
        /// The log on Kafka.
        kafka: KafkaConfig,
        /// The partitions' stores.
        store: StoreConfig,
        /// Copies of the partitions' states.
        checkpoints: CheckpointsConfig,
        /// Where rows are published.
        clickhouse: ClickHouseConfig,
        /// The ClickHouse engine in its child process.
        engine: EngineConfig,
        /// The endpoint that takes usage.
        collector: CollectorConfig,
        /// The fold's driver.
        aggregator: AggregatorConfig,
        /// Archive and recount.
        audit: AuditConfig,
        /// Rankings and live totals.
        ranker: RankerConfig,
        /// The pages.
        web: WebConfig,
        /// Metrics and health.
        admin: AdminConfig,
        /// What is written to stderr.
        diagnostics: DiagnosticsConfig,
        /// The simulated company.
        demo: DemoConfig,
    }
    /// The local log.
    LogConfig {
        /// 1 to 256; fixed for the life of a data directory.
        partitions: u16,
        /// When records become durable.
        sync: LogSync,
        /// How long an append may wait to share a sync.
        group_commit_max_ms: u64,
        /// Size at which a segment is closed; at least 1 MiB.
        segment_bytes: u64,
        /// How long topics keep their records.
        retention: RetentionConfig,
        /// Of the topics that keep the last record of each key.
        compaction: CompactionConfig,
    }
    /// The log on Kafka.
    KafkaConfig {
        /// Empty: the local log.
        brokers: String,
        /// Before the names of topics and group.
        prefix: String,
        /// Empty: every aggregator has all partitions.
        group: String,
        /// Empty: from host name and data directory.
        instance: String,
        /// 1 to 1,024; fixed for the life of the topics.
        partitions: u16,
        /// At least 1.
        replication: u16,
        /// 1 to `replication`.
        min_insync: u16,
        /// Of batches.
        compression: Compression,
        /// At most 60,000.
        linger_ms: u32,
        /// 1 KiB to 64 MiB.
        batch_max_bytes: usize,
        /// At least 1,000.
        delivery_timeout_ms: u32,
        /// At least 100.
        answer_timeout_ms: u32,
        /// At least 1 MiB.
        pending_max_bytes: usize,
        /// 1 to 64 MiB.
        record_max_bytes: usize,
        /// At least 1 MiB.
        fetch_max_bytes: usize,
        /// 1,000 to 1,800,000.
        session_timeout_ms: u32,
        /// 1,000 to 3,600,000.
        release_timeout_ms: u32,
        /// Encrypt.
        tls: bool,
        /// PEM file; empty: what this machine believes.
        ca: PathBuf,
        /// PEM file; empty: none.
        certificate: PathBuf,
        /// PEM file; empty: none.
        key: PathBuf,
        /// Of the key.
        key_password: Secret,
        /// How this client proves who it is.
        sasl: SaslMechanism,
        /// For PLAIN and SCRAM.
        user: String,
        /// Of that user.
        password: Secret,
        /// For OAUTHBEARER.
        token_file: PathBuf,
    }
    /// What is kept of compacted topics.
    CompactionConfig {
        /// 1 to 100.
        new_percent: u8,
        /// At least 1.
        tombstone_hours: u32,
    }
    /// Days that records stay in the log.
    RetentionConfig {
        /// At least 38.
        usage_days: u32,
        /// At least 1.
        outcomes_days: u32,
        /// At least 1.
        rejects_days: u32,
        /// At least 1.
        alerts_days: u32,
        /// At least 1.
        check_interval_s: u64,
    }
    /// The partitions' stores.
    StoreConfig {
        /// At least 1.
        checkpoint_interval_s: u64,
        /// At least 1.
        checkpoint_catch_up_events: u64,
        /// Of rows that are not committed, for all partitions together; at least 64.
        memory_mib: u64,
        /// At least 38.
        index_retention_days: u32,
    }
    /// Copies of the partitions' states.
    CheckpointsConfig {
        /// Empty: none.
        url: String,
        /// At least 1.
        interval_s: u64,
    }
    /// Where rows are published.
    ClickHouseConfig {
        /// Empty: the engine in its child process.
        url: String,
        /// Database of all tables.
        database: String,
        /// User of the server.
        user: String,
        /// Password of the user.
        password: Secret,
        /// Put before every table name.
        prefix: String,
        /// 1 to 250,000.
        insert_max_rows: usize,
    }
    /// The ClickHouse engine in its child process.
    EngineConfig {
        /// Empty: the library in the cache.
        library: PathBuf,
        /// Address of its HTTP interface.
        #[serde(deserialize_with = "address")]
        listen: SocketAddr,
        /// How long it may take to be ready; at least 1.
        start_max_s: u64,
    }
    /// The endpoint that takes usage.
    CollectorConfig {
        /// Its address.
        #[serde(deserialize_with = "address")]
        listen: SocketAddr,
        /// Where imports go; empty: to the owner's own.
        url: String,
        /// After decompression; at least 1 KiB.
        body_max_bytes: usize,
    }
    /// The fold's driver.
    AggregatorConfig {
        /// Per partition; at least 64 KiB.
        read_max_bytes: usize,
    }
    /// Archive and recount.
    AuditConfig {
        /// Before `verify` says "not yet".
        verify_wait_max_s: u64,
    }
    /// Rankings and live totals.
    RankerConfig {
        /// Address of the live totals.
        #[serde(deserialize_with = "address")]
        listen: SocketAddr,
        /// At least 1.
        snapshot_interval_s: u64,
        /// At least 10.
        live_interval_ms: u64,
    }
    /// The pages.
    WebConfig {
        /// Their address.
        #[serde(deserialize_with = "address")]
        listen: SocketAddr,
        /// Of the live board; empty: of this process.
        ranker_url: String,
        /// Of the empty page; empty: of this process.
        collector_url: String,
    }
    /// Metrics and health.
    AdminConfig {
        /// Their address.
        #[serde(deserialize_with = "address")]
        listen: SocketAddr,
    }
    /// What is written to stderr.
    DiagnosticsConfig {
        /// A level, or directives.
        filter: String,
        /// For people or for machines.
        format: DiagnosticsFormat,
    }
    /// The simulated company.
    DemoConfig {
        /// At least 1.
        company_people: u32,
        /// 1 to 365.
        history_days: u32,
        /// The same seed gives the same company.
        seed: u64,
        /// 0 for none.
        live_events_per_s: u32,
    }
}

/// Declares settings that are one of a few words.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        #[serde(try_from = "String")]
        pub enum $name { $($(#[$word_doc])* $variant,)* }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                match text.as_str() {
                    $($word => Ok(Self::$variant),)*
                    other => Err(format!("{other:?} is none of {}", [$(concat!("`", $word, "`")),*].join(", "))),
                }
            }
        }
    )*};
}

choices! {
    /// When records of the local log become durable.
    LogSync {
        /// What has gathered is synced together before it is acknowledged.
        Group = "group",
        /// When the operating system pleases.
        Never = "never",
    }
    /// How batches on Kafka are compressed.
    Compression {
        /// The faster.
        Lz4 = "lz4",
        /// The smaller.
        Zstd = "zstd",
    }
    /// How a client proves to brokers who it is.
    SaslMechanism {
        /// Not at all, or by its certificate.
        None = "",
        /// Name and password, in the clear within TLS.
        Plain = "PLAIN",
        /// A proof that the password is known.
        ScramSha256 = "SCRAM-SHA-256",
        /// The same with the longer hash.
        ScramSha512 = "SCRAM-SHA-512",
        /// A token from a file.
        OauthBearer = "OAUTHBEARER",
    }
    /// How diagnostics look.
    DiagnosticsFormat {
        /// Human on a terminal, JSON elsewhere.
        Auto = "auto",
        /// A line for people.
        Human = "human",
        /// One object a line.
        Json = "json",
    }
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!("{text:?} is no address: write IP and port, such as 127.0.0.1:8080"))
    })
}

/// The shortest that windows of 30 days and late events allow.
const RETENTION_MIN_DAYS: u64 = 38;

impl Config {
    /// Ranges that the types do not say.
    pub(super) fn check(&self, origins: &Origins) -> Result<(), ConfigError> {
        let (log, store, kafka) = (&self.log, &self.store, &self.kafka);
        let short = "the longest window and what may come late need at least 38";
        let one = "at least 1";
        let rules: &[(&'static str, u64, u64, u64, &'static str)] = &[
            ("log.partitions", log.partitions.into(), 1, 256, "from 1 to 256"),
            ("log.segment_bytes", log.segment_bytes, 1 << 20, u64::MAX, "at least 1048576"),
            (
                "log.retention.usage_days",
                log.retention.usage_days.into(),
                RETENTION_MIN_DAYS,
                u64::MAX,
                short,
            ),
            ("log.retention.outcomes_days", log.retention.outcomes_days.into(), 1, u64::MAX, one),
            ("log.retention.rejects_days", log.retention.rejects_days.into(), 1, u64::MAX, one),
            ("log.retention.alerts_days", log.retention.alerts_days.into(), 1, u64::MAX, one),
            ("log.retention.check_interval_s", log.retention.check_interval_s, 1, u64::MAX, one),
            ("log.compaction.new_percent", log.compaction.new_percent.into(), 1, 100, "from 1 to 100"),
            ("log.compaction.tombstone_hours", log.compaction.tombstone_hours.into(), 1, u64::MAX, one),
            ("kafka.partitions", kafka.partitions.into(), 1, 1_024, "from 1 to 1024"),
            ("kafka.replication", kafka.replication.into(), 1, 32, "from 1 to 32"),
            (
                "kafka.min_insync",
                kafka.min_insync.into(),
                1,
                kafka.replication.into(),
                "from 1 to kafka.replication: more copies than there are never have a record",
            ),
            ("kafka.linger_ms", kafka.linger_ms.into(), 0, 60_000, "at most 60000"),
            ("kafka.batch_max_bytes", wide(kafka.batch_max_bytes), 1_024, 64 << 20, "from 1024 to 67108864"),
            ("kafka.delivery_timeout_ms", kafka.delivery_timeout_ms.into(), 1_000, u64::MAX, "at least 1000"),
            ("kafka.answer_timeout_ms", kafka.answer_timeout_ms.into(), 100, u64::MAX, "at least 100"),
            ("kafka.pending_max_bytes", wide(kafka.pending_max_bytes), 1 << 20, u64::MAX, "at least 1048576"),
            (
                "kafka.record_max_bytes",
                wide(kafka.record_max_bytes),
                1 << 20,
                64 << 20,
                "from 1048576 to 67108864",
            ),
            ("kafka.fetch_max_bytes", wide(kafka.fetch_max_bytes), 1 << 20, u64::MAX, "at least 1048576"),
            (
                "kafka.session_timeout_ms",
                kafka.session_timeout_ms.into(),
                1_000,
                1_800_000,
                "from 1000 to 1800000",
            ),
            (
                "kafka.release_timeout_ms",
                kafka.release_timeout_ms.into(),
                1_000,
                3_600_000,
                "from 1000 to 3600000",
            ),
            ("store.checkpoint_interval_s", store.checkpoint_interval_s, 1, u64::MAX, one),
            ("store.checkpoint_catch_up_events", store.checkpoint_catch_up_events, 1, u64::MAX, one),
            ("store.memory_mib", store.memory_mib, 64, u64::MAX, "at least 64"),
            (
                "store.index_retention_days",
                store.index_retention_days.into(),
                RETENTION_MIN_DAYS,
                u64::MAX,
                short,
            ),
            ("checkpoints.interval_s", self.checkpoints.interval_s, 1, u64::MAX, one),
            (
                "clickhouse.insert_max_rows",
                wide(self.clickhouse.insert_max_rows),
                1,
                250_000,
                "from 1 to 250000: larger inserts are not atomic everywhere",
            ),
            (
                "collector.body_max_bytes",
                wide(self.collector.body_max_bytes),
                1_024,
                u64::MAX,
                "at least 1024",
            ),
            (
                "aggregator.read_max_bytes",
                wide(self.aggregator.read_max_bytes),
                65_536,
                u64::MAX,
                "at least 65536",
            ),
            ("engine.start_max_s", self.engine.start_max_s, 1, u64::MAX, one),
            ("ranker.snapshot_interval_s", self.ranker.snapshot_interval_s, 1, u64::MAX, one),
            ("ranker.live_interval_ms", self.ranker.live_interval_ms, 10, u64::MAX, "at least 10"),
            ("demo.company_people", self.demo.company_people.into(), 1, u64::MAX, one),
            ("demo.history_days", self.demo.history_days.into(), 1, 365, "from 1 to 365"),
        ];
        for &(key, value, least, most, rule) in rules {
            if !(least..=most).contains(&value) {
                let origin = origins.of_key(key).cloned().unwrap_or(Origin::Default);
                return Err(ConfigError::OutOfRange { key, origin, found: value.to_string(), rule });
            }
        }
        Ok(())
    }
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).expect("a usize has at most 64 bits")
}
