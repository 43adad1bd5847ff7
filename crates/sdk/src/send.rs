//! One request, and what its answer means.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};

use crate::builder::BuildError;

/// How long a request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Where usage is sent.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    url: reqwest::Url,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Outcome {
    /// Every event is durable or rejected: the indices of the latter, and why the first of them was.
    Settled { rejected: Vec<usize>, why: Option<String> },
    /// Too large to be taken at once.
    Split,
    /// Nothing is known of it: send the same again, not before so long.
    Later { why: String, after: Option<Duration> },
}

/// The collector's answer, as far as it matters here.
#[derive(Debug, serde::Deserialize)]
struct Answer {
    rejected: Option<Vec<Rejected>>,
    error: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
struct Rejected {
    index: Option<usize>,
    #[serde(default)]
    detail: String,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self, BuildError> {
        let invalid = |problem: String| BuildError::Invalid { field: "endpoint", problem };
        let mut url: reqwest::Url = text
            .parse()
            .map_err(|error| invalid(format!("is {text:?}: {error}; expected http://host:port")))?;
        match url.scheme() {
            "http" => {}
            "https" => {
                let advice = "this build speaks no TLS; send to a collector or proxy on this machine";
                return Err(invalid(format!("is {text:?}; {advice}")));
            }
            _ => return Err(invalid(format!("is {text:?}; expected http://host:port"))),
        }
        if !url.path().ends_with("/v1/usage") {
            let path = format!("{}/v1/usage", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        Ok(Self { url })
    }

    /// Sends lines as one request.
    pub(crate) fn send(&self, client: &Client, lines: &[String], patience: Duration) -> Outcome {
        let body = format!("{{\"events\":[{}]}}", lines.join(","));
        let request = client
            .post(self.url.clone())
            .timeout(REQUEST_TIMEOUT.min(patience))
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        match request.send() {
            Ok(response) => judge(response, lines.len()),
            Err(error) => later(format!("sending to {}: {}", self.url, root_of(&error)), None),
        }
    }
}

/// Only an answer that speaks of the events settles them; any other may come from something in between.
fn judge(response: Response, events: usize) -> Outcome {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let after = after.map(Duration::from_secs);
    let text = match response.text() {
        Ok(text) => text,
        Err(error) => return later(format!("reading the answer: {}", root_of(&error)), after),
    };
    let answer: Option<Answer> = serde_json::from_str(&text).ok();
    match (status, answer) {
        (StatusCode::OK | StatusCode::BAD_REQUEST, Some(Answer { rejected: Some(rejected), .. })) => {
            settled(&rejected, events)
        }
        (StatusCode::PAYLOAD_TOO_LARGE, _) => Outcome::Split,
        (_, Some(Answer { error: Some(error), .. })) => {
            later(format!("the collector answered {status}: {error}"), after)
        }
        _ => later(
            format!("the collector answered {status}, and not in its own words; is the endpoint right?"),
            after,
        ),
    }
}

fn settled(rejected: &[Rejected], events: usize) -> Outcome {
    let why = rejected.first().map(|first| first.detail.clone());
    // Without an index it is the request as a whole.
    let all = rejected.iter().any(|rejected| rejected.index.is_none());
    let indices =
        if all { (0..events).collect() } else { rejected.iter().filter_map(|one| one.index).collect() };
    Outcome::Settled { rejected: indices, why }
}

fn later(why: String, after: Option<Duration>) -> Outcome {
    Outcome::Later { why, after }
}

/// What is behind an error of the HTTP client, which itself only says that there was one.
fn root_of(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_completed_and_nonsense_is_refused() {
        let url = |text| Endpoint::parse(text).map(|endpoint| endpoint.url.to_string());
        assert_eq!(url("http://h:1").unwrap(), "http://h:1/v1/usage");
        assert_eq!(url("http://h:1/tally/").unwrap(), "http://h:1/tally/v1/usage");
        assert_eq!(url("http://h:1/v1/usage").unwrap(), "http://h:1/v1/usage");
        let error = url("h:1").unwrap_err().to_string();
        assert_eq!(error, "building a client: endpoint is \"h:1\"; expected http://host:port");
    }

    #[test]
    fn a_rejection_without_an_index_is_of_all() {
        let rejected = |index| Rejected { index, detail: "why".to_owned() };
        let of = |list: &[Rejected]| match settled(list, 3) {
            Outcome::Settled { rejected, .. } => rejected,
            _ => Vec::new(),
        };
        assert_eq!(of(&[rejected(Some(1))]), [1]);
        assert_eq!(of(&[rejected(Some(1)), rejected(None)]), [0, 1, 2]);
        assert_eq!(of(&[]), [0_usize; 0]);
    }
}
