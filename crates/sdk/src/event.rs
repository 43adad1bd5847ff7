//! An event as the caller gives it, and as it is written and sent: one line of JSON.

use serde::Serialize;
use tally_domain::event::TOKENS_MAX;
use tally_domain::{Epoch, ProducerId};

use crate::client::RecordError;

/// What one call of a model used. The six token classes are disjoint: a token is in one of them only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// As the provider calls it; needed.
    pub model: String,
    /// Input that was not cached.
    pub input: u64,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to a cache for five minutes, or for an unknown life.
    pub cache_write_5m: u64,
    /// Input written to a cache for an hour.
    pub cache_write_1h: u64,
    /// Output, without reasoning where it can be told apart.
    pub output: u64,
    /// Reasoning.
    pub reasoning: u64,
    /// Calls of the model; `None` is 1.
    pub requests: Option<u64>,
    /// What cannot be split: 1 reasoning is in output, 2 the life of cache writes, 4 cache is in input; summed.
    pub unsplit: u8,
    /// When it happened, ms since 1970 UTC; `None` is now.
    pub occurred_at_ms: Option<i64>,
    /// Whose it is, where one client speaks for several; `None` is the client's subject.
    pub subject: Option<String>,
    /// An id of your own, if the same event may be recorded twice; `None` mints one.
    pub id: Option<String>,
    /// The tool's session.
    pub session: Option<String>,
    /// The provider's id of the call.
    pub request_id: Option<String>,
    /// As the provider calls it.
    pub service_tier: Option<String>,
    /// As the provider calls it.
    pub region: Option<String>,
    /// Agent or sub-agent within the tool.
    pub agent: Option<String>,
}

impl Usage {
    /// Finds at once what the collector would refuse.
    pub(crate) fn check(&self) -> Result<(), RecordError> {
        if self.model.is_empty() {
            return Err(RecordError::Invalid { field: "model", value: String::new(), expected: "a name" });
        }
        let max = u64::try_from(TOKENS_MAX).unwrap_or(u64::MAX);
        let counts = [
            ("input", self.input),
            ("cache_read", self.cache_read),
            ("cache_write_5m", self.cache_write_5m),
            ("cache_write_1h", self.cache_write_1h),
            ("output", self.output),
            ("reasoning", self.reasoning),
            ("requests", self.requests.unwrap_or(1)),
        ];
        match counts.into_iter().find(|(_, count)| *count > max) {
            Some((field, count)) => {
                Err(RecordError::Invalid { field, value: count.to_string(), expected: "0 to 10^12" })
            }
            None if self.unsplit > 7 => Err(RecordError::Invalid {
                field: "unsplit",
                value: self.unsplit.to_string(),
                expected: "0 to 7",
            }),
            None => Ok(()),
        }
    }
}

/// An event with the number it was given; all that is ever written or sent of it follows from this.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) usage: Usage,
    pub(crate) sequence: i64,
    pub(crate) occurred_at_ms: i64,
}

/// What is the same for every event of a client.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) source: String,
    pub(crate) subject: String,
    pub(crate) tool: String,
    pub(crate) client_version: String,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) producer: ProducerId,
    pub(crate) epoch: Epoch,
}

/// The event of `POST /v1/usage`.
#[derive(Serialize)]
struct Wire<'a> {
    source: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    minted: bool,
    producer: ProducerId,
    epoch: i64,
    sequence: i64,
    occurred_at: i64,
    model: &'a str,
    tool: &'a str,
    view: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    client_version: &'a str,
    input: u64,
    cache_read: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
    output: u64,
    reasoning: u64,
    requests: u64,
    unsplit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
}

impl Sender {
    /// The event as one line of JSON, without the line's end.
    pub(crate) fn line(&self, event: &Numbered) -> String {
        let Numbered { usage, sequence, occurred_at_ms } = event;
        let own = usage.subject.is_none();
        let wire = Wire {
            source: &self.source,
            subject: usage.subject.as_deref().unwrap_or(&self.subject),
            id: usage.id.as_deref(),
            minted: usage.id.is_none(),
            producer: self.producer,
            epoch: self.epoch.0,
            sequence: *sequence,
            occurred_at: *occurred_at_ms,
            model: &usage.model,
            tool: &self.tool,
            view: "SDK",
            session: usage.session.as_deref(),
            request_id: usage.request_id.as_deref(),
            service_tier: usage.service_tier.as_deref(),
            region: usage.region.as_deref(),
            agent: usage.agent.as_deref(),
            client_version: &self.client_version,
            input: usage.input,
            cache_read: usage.cache_read,
            cache_write_5m: usage.cache_write_5m,
            cache_write_1h: usage.cache_write_1h,
            output: usage.output,
            reasoning: usage.reasoning,
            requests: usage.requests.unwrap_or(1),
            unsplit: usage.unsplit,
            // Name and e-mail are those of the client's own subject.
            name: self.name.as_deref().filter(|_| own),
            email: self.email.as_deref().filter(|_| own),
        };
        serde_json::to_string(&wire).expect("texts and integers are JSON")
    }
}
