//! The record log on Apache Kafka: the ports of `tally-log` by librdkafka.
//!
//! * Appending: one idempotent producer per process, `acks=all`, the partition given by the caller, murmur2 pinned for
//!   whoever leaves it open.
//! * Reading: no group and nothing committed; each lane from the offset that is asked for, whole batches per call,
//!   records of committed transactions only, never another offset than the one asked for.
//! * Owning: a consumer group spreads the partitions over instances, [`KafkaLog::join`]; nothing is read through it.
//! * Topics are made as they must be, or held against it: [`KafkaLog::open`].
//!
//! Compaction by key and retention are the brokers'.

mod appender;
mod batch;
pub mod config;
mod context;
mod error;
mod log;
pub mod ownership;
mod reader;
pub mod security;
mod token;
mod topic_id;
mod topics;

pub use appender::Appender;
pub use config::{Compression, KafkaConfig};
pub use log::{KafkaLog, OpenError, Opened};
pub use ownership::{Change, Hints, Membership};
pub use reader::Reader;
pub use security::{Password, Sasl, Security, Tls};
pub use topics::{Difference, Weight};
