//! A member's client, whose end is waited for only so long.
//!
//! librdkafka ends a consumer after the last of its commits was answered, and tries one that it could not send again
//! without end: away from its brokers, a client with a commit under way is never done.

use std::ops::Deref;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tally_domain::Topic;
use tally_log::LogError;

use super::joining;
use super::member::Member;
use crate::error::refused;
use crate::log::Installed;
use crate::reader::introduce;

/// With its brokers there, a client ends within a second.
const END_MAX: Duration = Duration::from_secs(5);

/// Dropping it takes no longer than [`END_MAX`].
pub(super) struct Client(Option<BaseConsumer<Member>>);

impl Client {
    /// One that the group may give partitions to.
    pub(super) fn subscribed(installed: &Installed, group: &str, instance: &str) -> Result<Self, LogError> {
        let config = &installed.config;
        let doing = || joining(group, instance);
        let consumer =
            BaseConsumer::from_config_and_context(&config.member(group, instance), Member::new(config))
                .map_err(|error| refused(doing(), &error, None))?;
        introduce(&consumer, Duration::from_millis(config.answer_timeout_ms.into()))?;
        consumer
            .subscribe(&[installed.name(Topic::Usage)])
            .map_err(|error| refused(doing(), &error, None))?;
        Ok(Self(Some(consumer)))
    }
}

impl Deref for Client {
    type Target = BaseConsumer<Member>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("it is taken only to be dropped")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let consumer = self.0.take();
        let (ended, end) = channel::<()>();
        // Where there is no thread, the client is dropped right here.
        let ending = thread::Builder::new().name("kafka-end".to_owned()).spawn(move || {
            drop(consumer);
            drop(ended);
        });
        if ending.is_ok() && end.recv_timeout(END_MAX) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(
                waited_s = END_MAX.as_secs(),
                "a member's client waits for brokers that do not answer: it goes on without us, and nothing is lost"
            );
        }
    }
}
