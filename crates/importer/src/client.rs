//! The collector's `POST /v1/usage`, and patience with it.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::Client as Http;
use serde::{Deserialize, Serialize};
use tally_domain::{Class, Epoch, ProducerId, Sequence};
use tally_sources::SourceEvent;

/// How long one request may take; the answer comes once the log has it on disk.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);
/// Between two attempts, unless the collector names another time.
const PAUSE: Duration = Duration::from_millis(200);

/// Why a collector did not take events.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or none that lasted.
    #[error("sending to the collector {url}: {cause}; is it running?")]
    Away {
        /// Where.
        url: String,
        /// What the connection said.
        cause: Box<reqwest::Error>,
    },
    /// It answered with an error.
    #[error("sending to the collector {url}: it answered {status}: {body}")]
    Refused {
        /// Where.
        url: String,
        /// The status.
        status: u16,
        /// The beginning of its answer.
        body: String,
    },
    /// The HTTP client could not be made.
    #[error("preparing an HTTP client: {0}")]
    Setup(Box<reqwest::Error>),
}

/// What a line became, on its way.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// Usage, and its number.
    Event(SourceEvent, Sequence),
    /// A line that could not become usage, to be kept and counted.
    Reject(KeptLine),
}

/// An unreadable line, as the collector keeps it. No path: that would name people and what they work on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct KeptLine {
    pub(crate) source: String,
    pub(crate) position: String,
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
    #[serde(rename = "bytes_base64", serialize_with = "base64")]
    pub(crate) bytes: Vec<u8>,
}

fn base64<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    use base64::Engine;
    to.serialize_str(&base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// Who sends, for whom.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) source: String,
    pub(crate) subject: String,
    pub(crate) producer: ProducerId,
    pub(crate) epoch: Epoch,
}

#[derive(Serialize)]
struct Body<'a> {
    events: Vec<EventBody<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejects: Vec<&'a KeptLine>,
}

#[derive(Serialize)]
struct EventBody<'a> {
    source: &'a str,
    subject: &'a str,
    id: &'a str,
    occurred_at: i64,
    model: &'a str,
    tool: &'a str,
    view: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    service_tier: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    region: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    client_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    agent: &'a str,
    input: i64,
    cache_read: i64,
    cache_write_5m: i64,
    cache_write_1h: i64,
    output: i64,
    reasoning: i64,
    requests: i64,
    unsplit: u8,
    producer: ProducerId,
    epoch: Epoch,
    sequence: Sequence,
}

/// What the collector did with a batch, once the log had acknowledged it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Answer {
    pub(crate) accepted: u64,
    #[serde(default)]
    pub(crate) rejected: Vec<RejectedEvent>,
    #[serde(default)]
    pub(crate) appended: Vec<Appended>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct RejectedEvent {
    pub(crate) reason: String,
    pub(crate) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Appended {
    pub(crate) partition: u16,
    pub(crate) next_offset: u64,
}

/// What one attempt came to.
#[derive(Debug)]
pub(crate) enum Attempt {
    Done(Answer),
    /// Not now: come again after the pause.
    Again(Duration, ClientError),
}

/// A collector at a base URL.
#[derive(Debug)]
pub(crate) struct Client {
    http: Http,
    url: String,
    sender: Sender,
}

impl Client {
    pub(crate) fn new(base: &str, sender: Sender) -> Result<Self, ClientError> {
        let http = Http::builder().timeout(REQUEST_TIMEOUT).no_proxy().build();
        let http = http.map_err(|cause| ClientError::Setup(Box::new(cause)))?;
        Ok(Self { http, url: format!("{}/v1/usage", base.trim_end_matches('/')), sender })
    }

    /// From now on at this base URL.
    pub(crate) fn go_to(&mut self, base: &str) {
        self.url = format!("{}/v1/usage", base.trim_end_matches('/'));
    }

    /// Sends a batch once. A batch that got lost on the way, or whose answer did, is simply sent again.
    pub(crate) fn attempt(&self, batch: &[Item]) -> Result<Attempt, ClientError> {
        let body = self.body(batch);
        let away = |cause| ClientError::Away { url: self.url.clone(), cause: Box::new(cause) };
        let answer = match self.http.post(&self.url).json(&body).send() {
            Ok(answer) => answer,
            Err(cause) => return Ok(Attempt::Again(PAUSE, away(cause))),
        };
        let (status, pause) = (answer.status(), retry_after(&answer));
        if status.is_success() {
            return Ok(match answer.json() {
                Ok(done) => Attempt::Done(done),
                Err(cause) => Attempt::Again(PAUSE, away(cause)),
            });
        }
        let body = answer.text().unwrap_or_default();
        // All of it has to be corrected: that is an answer about each event, like any other.
        if status == StatusCode::BAD_REQUEST
            && let Ok(done) = serde_json::from_str::<Answer>(&body)
        {
            return Ok(Attempt::Done(done));
        }
        let body = body.chars().take(500).collect();
        let refused = ClientError::Refused { url: self.url.clone(), status: status.as_u16(), body };
        match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY => {
                Ok(Attempt::Again(pause, refused))
            }
            _ => Err(refused),
        }
    }

    fn body<'a>(&'a self, batch: &'a [Item]) -> Body<'a> {
        let mut body = Body { events: Vec::new(), rejects: Vec::new() };
        for item in batch {
            match item {
                Item::Event(event, sequence) => body.events.push(self.event(event, *sequence)),
                Item::Reject(line) => body.rejects.push(line),
            }
        }
        body
    }

    fn event<'a>(&'a self, event: &'a SourceEvent, sequence: Sequence) -> EventBody<'a> {
        let sender = &self.sender;
        EventBody {
            source: &sender.source,
            subject: &sender.subject,
            id: &event.event_id,
            occurred_at: event.occurred_at.ms(),
            model: &event.dims.model,
            tool: &event.dims.tool,
            view: event.dims.view.symbol(),
            session: event.session.as_deref(),
            request_id: event.request_id.as_deref(),
            service_tier: &event.dims.service_tier,
            region: &event.dims.region,
            client_version: &event.client_version,
            agent: &event.agent,
            input: event.usage.of(Class::Input),
            cache_read: event.usage.of(Class::CacheRead),
            cache_write_5m: event.usage.of(Class::CacheWrite5m),
            cache_write_1h: event.usage.of(Class::CacheWrite1h),
            output: event.usage.of(Class::Output),
            reasoning: event.usage.of(Class::Reasoning),
            requests: event.usage.requests,
            unsplit: event.dims.unsplit.0,
            producer: sender.producer,
            epoch: sender.epoch,
            sequence,
        }
    }
}

fn retry_after(answer: &reqwest::blocking::Response) -> Duration {
    let header = answer.headers().get(reqwest::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    header
        .and_then(|text| text.parse().ok())
        .map_or(PAUSE, |seconds: u64| Duration::from_secs(seconds.min(10)))
}
