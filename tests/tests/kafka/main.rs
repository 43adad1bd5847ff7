//! The log on Kafka, on real brokers that the tests start: the contract of every log, topics made and held against
//! what is wanted, TLS and SASL, a leader that is killed, and groups that share the partitions.

#![cfg(test)]

mod contract;
mod failover;
mod ownership;
mod security;
mod topics;

use std::sync::atomic::{AtomicU32, Ordering};

use tally_log::RetentionDays;
use tally_log::contract::PARTITIONS;
use tally_log_kafka::{Compression, KafkaConfig, Security};

/// A log of its own on these brokers: each has another prefix.
fn config(brokers: String) -> KafkaConfig {
    static LOGS: AtomicU32 = AtomicU32::new(0);
    KafkaConfig {
        brokers,
        prefix: format!("log{}.", LOGS.fetch_add(1, Ordering::Relaxed)),
        partitions: PARTITIONS,
        replication: 1,
        min_insync: 1,
        retention_days: RetentionDays { usage: 45, outcomes: 45, rejects: 90, alerts: 90 },
        compression: Compression::Zstd,
        linger_ms: 2,
        batch_bytes: 1_000_000,
        delivery_timeout_ms: 120_000,
        answer_timeout_ms: 60_000,
        pending_bytes_max: 64 << 20,
        record_bytes_max: 1 << 20,
        fetch_bytes_max: 64 << 20,
        session_timeout_ms: 10_000,
        release_timeout_ms: 60_000,
        security: Security::default(),
    }
}
