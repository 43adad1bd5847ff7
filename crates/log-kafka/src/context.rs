//! What librdkafka tells its owner: diagnostics, errors, delivery reports, the wish for a fresh token.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;

use crate::appender::Delivery;
use crate::config::KafkaConfig;
use crate::security;

/// Events that are served before a cause is told.
const EVENTS_MAX: usize = 100;

/// Of one client.
#[derive(Debug)]
pub(crate) struct Context {
    token_file: Option<PathBuf>,
    /// A token was given, or none is needed.
    known: AtomicBool,
    /// The newest thing that went wrong, for the message of whoever waits in vain.
    trouble: Mutex<Option<String>>,
}

impl Context {
    pub(crate) fn new(config: &KafkaConfig) -> Self {
        let token_file = config.security.token_file();
        Self { known: AtomicBool::new(token_file.is_none()), token_file, trouble: Mutex::new(None) }
    }

    /// True once brokers can be spoken to: until then, poll.
    pub(crate) fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().expect("nobody panics while holding this lock").clone()
    }

    /// A token from the file; `None` if it is not what proves this client's identity.
    pub(crate) fn token(&self) -> Option<Result<OAuthToken, String>> {
        let file = self.token_file.as_ref()?;
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string());
        let read = text.and_then(|text| security::token(&text));
        Some(read.map_err(|why| format!("reading the token file {}: {why}", file.display())))
    }

    fn note(&self, trouble: String) {
        *self.trouble.lock().expect("nobody panics while holding this lock") = Some(trouble);
    }
}

/// What went wrong last with a client that is polled.
pub(crate) fn trouble_of<C: ConsumerContext + AsRef<Context>>(consumer: &BaseConsumer<C>) -> Option<String> {
    // One poll brings one event, and lines of diagnostics are events too.
    for _event in 0..EVENTS_MAX {
        drop(consumer.poll(Duration::ZERO));
    }
    consumer.context().as_ref().as_ref().trouble()
}

impl AsRef<Self> for Context {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        // Each that matters comes as an error too, with a reason; these lines are for the search for a cause.
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", "{fac}: {message}");
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
                tracing::info!(target: "librdkafka", "{fac}: {message}");
            }
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "librdkafka", "{fac}: {message}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "librdkafka", "{error}: {reason}");
        // That all brokers are down follows from what was said of each.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.note(reason.to_owned());
        }
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let read = self.token().unwrap_or_else(|| Err("no token file is configured".to_owned()));
        match read {
            Ok(token) => {
                self.known.store(true, Ordering::Release);
                Ok(token)
            }
            Err(why) => {
                self.note(why.clone());
                Err(why.into())
            }
        }
    }
}

impl ConsumerContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Box<Delivery>) {
        delivery.decide(result);
    }
}
