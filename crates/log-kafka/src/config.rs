//! What can be chosen about a Kafka log, and how librdkafka is told. There is no default here: they stand in
//! `ops/tally.toml`.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use tally_domain::{PartitionCount, Topic};
use tally_log::{LogError, RetentionDays};

use crate::security::Security;

/// One consumer fetches for at most this much memory of each lane, and for at least the second.
const LANE_BYTES_MAX: usize = 64 << 20;
const LANE_BYTES_MIN: usize = 2 << 20;

/// How a log on Kafka is reached, how it writes and how long it keeps.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Brokers to ask first, `host:port`, separated by commas.
    pub brokers: String,
    /// Put before every topic's name, for example `tally.`.
    pub prefix: String,
    /// Partitions of every topic, for life.
    pub partitions: u16,
    /// Copies of each partition that are asked for when a topic is created.
    pub replication: u16,
    /// Copies that must have a record before it is acknowledged.
    pub min_insync: u16,
    /// How long records are kept at least, days.
    pub retention_days: RetentionDays,
    /// How batches travel and lie on the brokers' disks.
    pub compression: Compression,
    /// How long a record may wait for company before it is sent, ms.
    pub linger_ms: u32,
    /// A batch is sent when it has reached this size, bytes.
    pub batch_bytes: usize,
    /// How long a record is tried before its append fails, ms.
    pub delivery_timeout_ms: u32,
    /// How long a broker may take to answer anything else, ms.
    pub answer_timeout_ms: u32,
    /// Records that are not yet acknowledged may take this much memory; then [`tally_log::Full`], bytes.
    pub pending_bytes_max: usize,
    /// A record, key and value, may be this large, bytes.
    pub record_bytes_max: usize,
    /// One reader may hold this much that was fetched ahead, over all lanes, bytes.
    pub fetch_bytes_max: usize,
    /// An instance that says nothing for so long has lost its partitions; one that starts again sooner has them
    /// still, ms.
    pub session_timeout_ms: u32,
    /// So long may an instance take to let go of a partition that another one is to have, ms.
    pub release_timeout_ms: u32,
    /// Encryption and proof of identity.
    pub security: Security,
}

/// See [`KafkaConfig::compression`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// The faster.
    Lz4,
    /// The smaller.
    Zstd,
}

impl KafkaConfig {
    /// Whether a log can work with these values.
    ///
    /// # Errors
    /// [`LogError::Config`].
    pub fn check(&self) -> Result<PartitionCount, LogError> {
        let wrong = |field, value, range| Err(LogError::Config { field, value, range });
        if self.replication == 0 {
            return wrong("kafka.replication", 0, "at least 1");
        }
        if self.min_insync == 0 || self.min_insync > self.replication {
            return wrong("kafka.min_insync", self.min_insync.into(), "1 to kafka.replication");
        }
        if self.retention_days.usage < 38 {
            return wrong("log.retention.usage_days", self.retention_days.usage.into(), "at least 38");
        }
        if self.record_bytes_max < 1 << 20 || self.record_bytes_max > 64 << 20 {
            let bytes = u64::try_from(self.record_bytes_max).unwrap_or(u64::MAX);
            return wrong("kafka.record_max_bytes", bytes, "1048576 to 67108864");
        }
        if !(1_000..=1_800_000).contains(&self.session_timeout_ms) {
            return wrong("kafka.session_timeout_ms", self.session_timeout_ms.into(), "1000 to 1800000");
        }
        if !(1_000..=3_600_000).contains(&self.release_timeout_ms) {
            return wrong("kafka.release_timeout_ms", self.release_timeout_ms.into(), "1000 to 3600000");
        }
        PartitionCount::new(self.partitions).ok_or(LogError::Config {
            field: "kafka.partitions",
            value: 0,
            range: "at least 1",
        })
    }

    /// The name of a topic on the brokers.
    #[must_use]
    pub fn topic(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    /// What every client is told.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut told = ClientConfig::new();
        told.set("bootstrap.servers", &self.brokers)
            .set("client.id", "tally")
            .set("allow.auto.create.topics", "false")
            .set("socket.keepalive.enable", "true")
            // A broker that was killed comes back on the same address within seconds. While none is there,
            // librdkafka tries one at every half of this time whatever its last attempts came to: at 50 ms the
            // seven clients of a part took 40 % of a core for 270 attempts a second.
            .set("reconnect.backoff.ms", "500")
            .set("reconnect.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.fast.interval.ms", "100");
        self.security.tell(&mut told);
        told
    }

    /// What a reader's client is told: no group, nothing committed, never another offset than the one asked for.
    pub(crate) fn consumer(&self) -> ClientConfig {
        let lane = (self.fetch_bytes_max / usize::from(self.partitions.max(1)))
            .clamp(LANE_BYTES_MIN.max(self.record_bytes_max), LANE_BYTES_MAX.max(self.record_bytes_max));
        let mut told = self.client();
        told.set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            .set("fetch.message.max.bytes", lane.min(8_000_000).max(self.record_bytes_max).to_string())
            .set("fetch.error.backoff.ms", "50")
            // A lane that is begun waits for the fetch that is under way.
            .set("fetch.wait.max.ms", "100")
            .set("queued.min.messages", "500000")
            .set("queued.max.messages.kbytes", (lane >> 10).to_string());
        told
    }

    /// What a member of a group is told. The group gives and takes partitions; it commits nothing by itself.
    pub(crate) fn member(&self, group: &str, instance: &str) -> ClientConfig {
        let mut told = self.client();
        told.set("client.id", member_id(instance))
            .set("group.id", group)
            // A name that outlives the process: one that is restarted takes up what it had.
            .set("group.instance.id", instance)
            // The newer protocol refuses the second of two namesakes instead of the first, and keeps owning while
            // its coordinator is away.
            .set("group.protocol", "classic")
            // Takes only what must move, while everything else goes on.
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", self.session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", (self.session_timeout_ms / 10).clamp(100, 3_000).to_string())
            // So long the group waits for a member's answer: one that is letting go may take its time and is still
            // there. One that takes no turn for so long is dead, however well its client's threads are.
            .set(
                "max.poll.interval.ms",
                self.session_timeout_ms.saturating_add(self.release_timeout_ms).to_string(),
            )
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Of a commit that failed, and of a session that ended, it tells in lines only.
            .set_log_level(RDKafkaLogLevel::Warning);
        told
    }

    /// What the producer is told: each record once, in order, on every copy, in the partition that its key says.
    pub(crate) fn producer(&self) -> ClientConfig {
        let mut told = self.client();
        told.set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set(
                "compression.codec",
                match self.compression {
                    Compression::Lz4 => "lz4",
                    Compression::Zstd => "zstd",
                },
            )
            .set("linger.ms", self.linger_ms.to_string())
            .set("batch.size", self.batch_bytes.to_string())
            // The brokers' limit is for a batch after compression, librdkafka's for a record with its frame.
            .set("message.max.bytes", (self.record_bytes_max + 65_536).to_string())
            .set("message.timeout.ms", self.delivery_timeout_ms.to_string())
            .set("queue.buffering.max.messages", "2000000")
            .set("queue.buffering.max.kbytes", (self.pending_bytes_max >> 10).max(1).to_string())
            .set("retry.backoff.max.ms", "500");
        told
    }
}

/// By what the brokers know the client of a member.
pub(crate) fn member_id(instance: &str) -> String {
    format!("tally-{instance}")
}
