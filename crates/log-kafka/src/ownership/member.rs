//! What the group says while a member's client is polled.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use rdkafka::TopicPartitionList;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset as Position;
use rdkafka::types::RDKafkaRespErr;
use tally_domain::Partition;

use super::held::Said;
use crate::config::KafkaConfig;
use crate::context::Context;

/// How librdkafka marks the line about a commit that failed.
const COMMIT_FAILED: &str = "COMMITFAIL";

type Inbox = Vec<Result<Said, KafkaError>>;

/// Of a member's client.
#[derive(Debug)]
pub(super) struct Member {
    context: Context,
    /// What was said since the last turn.
    inbox: Mutex<Inbox>,
    /// Nobody takes turns any more.
    closing: AtomicBool,
    hints_failed: AtomicU64,
}

impl Member {
    pub(super) fn new(config: &KafkaConfig) -> Self {
        Self {
            context: Context::new(config),
            inbox: Mutex::default(),
            closing: AtomicBool::new(false),
            hints_failed: AtomicU64::new(0),
        }
    }

    pub(super) fn take(&self) -> Inbox {
        std::mem::take(&mut self.open())
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn hint_failed(&self) {
        self.hints_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn hints_failed(&self) -> u64 {
        self.hints_failed.load(Ordering::Relaxed)
    }

    fn open(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().expect("nobody panics while holding this lock")
    }

    /// Takes partitions so that nothing is fetched: at their end, and paused.
    fn accept(consumer: &BaseConsumer<Self>, list: &mut TopicPartitionList) -> Result<Said, KafkaError> {
        list.set_all_offsets(Position::End)?;
        consumer.incremental_assign(list)?;
        consumer.pause(list)?;
        Ok(Said::Gained(partitions_of(list)))
    }

    /// What was lost is given back at once, and so is everything when nobody takes turns any more; the rest waits for
    /// its owner.
    fn revoked(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> Result<Said, KafkaError> {
        let lost = consumer.assignment_lost();
        if lost || self.closing.load(Ordering::Acquire) {
            consumer.incremental_unassign(list)?;
        }
        let partitions = partitions_of(list);
        Ok(if lost { Said::Lost(partitions) } else { Said::AskedBack(partitions) })
    }
}

impl AsRef<Context> for Member {
    fn as_ref(&self) -> &Context {
        &self.context
    }
}

impl ClientContext for Member {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        // Of a commit that nobody waits for, librdkafka says nothing but this.
        if fac == COMMIT_FAILED {
            self.hint_failed();
        }
        self.context.log(level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.context.generate_oauth_token(config)
    }
}

impl ConsumerContext for Member {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let said = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            Self::accept(consumer, list)
        } else {
            self.revoked(consumer, list)
        };
        self.open().push(said);
    }
}

fn partitions_of(list: &TopicPartitionList) -> Vec<Partition> {
    let numbers = list.elements().into_iter().filter_map(|element| u16::try_from(element.partition()).ok());
    let mut partitions: Vec<Partition> = numbers.map(Partition).collect();
    partitions.sort_unstable();
    partitions
}
