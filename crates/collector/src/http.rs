//! The HTTP edge: `POST /v1/usage`. Reading and answering are async here and nowhere else; the log is driven by one
//! thread that loops [`drive`].

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tally_domain::{Reason, Secret, WallTime};
use tally_log::{AppendLog, LogError};
use tally_telemetry::emit;
use tokio::sync::{Semaphore, oneshot};
use tower_http::decompression::RequestDecompressionLayer;

use crate::accept::{Format, Limits, Verdict, accept};
use crate::ingest::{Busy, Ingest, Receipt, SubmissionId};
use crate::occurrence::Answered;

/// How long the driving thread waits for a request while the log works.
const POLL: Duration = Duration::from_millis(1);
/// And while nothing is to be done.
const IDLE: Duration = Duration::from_millis(500);

/// What can be chosen about a collector. The defaults stand in `ops/tally.toml`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct CollectorConfig {
    /// Greatest body, decompressed, bytes.
    pub body_bytes_max: usize,
    /// Most events of one request.
    pub events_max: usize,
    /// Most requests at once; more are told to come back.
    pub requests_max: usize,
    /// Bytes that may wait for the log; more are told to come back.
    pub pending_bytes_max: usize,
    /// A request that is not answered after this long is told to come back, ms.
    pub answer_ms_max: u64,
}

/// What a request waits for.
type Answer = Result<Receipt, Failure>;

/// Why a request is to be sent again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Log(#[from] LogError),
}

struct Submitted {
    verdict: Arc<Verdict>,
    answer: oneshot::Sender<Answer>,
}

impl std::fmt::Debug for Submitted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submitted").field("events", &self.verdict.events.len()).finish_non_exhaustive()
    }
}

/// Where requests lay what they bring.
#[derive(Clone, Debug)]
pub struct Desk(SyncSender<Submitted>);

/// Where the driving thread takes it from.
#[derive(Debug)]
pub struct Requests(Receiver<Submitted>);

/// The two ends between HTTP and the driving thread.
#[must_use]
pub fn desk(config: &CollectorConfig) -> (Desk, Requests) {
    let (sender, receiver) = sync_channel(config.requests_max);
    (Desk(sender), Requests(receiver))
}

/// Brings what lies on the desk to the log and answers, until every [`Desk`], and the router with it, is gone.
pub fn drive<A: AppendLog>(mut ingest: Ingest<A>, requests: &Requests, clock: impl Fn() -> WallTime) {
    let mut waiting: HashMap<SubmissionId, oneshot::Sender<Answer>> = HashMap::new();
    let mut settled = Vec::new();
    let mut moved = true;
    loop {
        let patience = match (moved, ingest.is_idle()) {
            (_, true) => IDLE,
            (true, false) => Duration::ZERO,
            (false, false) => POLL,
        };
        let mut next = requests.0.recv_timeout(patience);
        if matches!(next, Err(RecvTimeoutError::Disconnected)) && ingest.is_idle() {
            return;
        }
        while let Ok(Submitted { verdict, answer }) = next {
            match ingest.submit(&verdict, clock()) {
                Ok(id) => drop(waiting.insert(id, answer)),
                // Whoever asked may have left.
                Err(busy) => drop(answer.send(Err(busy.into()))),
            }
            next = requests.0.recv_timeout(Duration::ZERO);
        }
        moved = ingest.turn();
        ingest.settled(&mut settled);
        for (id, outcome) in settled.drain(..) {
            if let Some(answer) = waiting.remove(&id) {
                let _left = answer.send(outcome.map_err(Failure::from));
            }
        }
    }
}

struct Edge {
    desk: Desk,
    secret: Secret,
    config: CollectorConfig,
    places: Semaphore,
}

/// The routes of the collector.
pub fn router(desk: Desk, secret: Secret, config: CollectorConfig) -> Router {
    let places = Semaphore::new(config.requests_max);
    let limit = DefaultBodyLimit::max(config.body_bytes_max);
    let edge = Arc::new(Edge { desk, secret, config, places });
    Router::new()
        .route("/v1/usage", post(usage))
        .layer(limit)
        .layer(RequestDecompressionLayer::new())
        .layer(from_fn_with_state(Arc::clone(&edge), bounded))
        .with_state(edge)
}

/// Lets so many requests in at once, and each for so long.
async fn bounded(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let Ok(_place) = edge.places.try_acquire() else {
        return later(&format!(
            "{} requests are being read already; try again later",
            edge.config.requests_max
        ));
    };
    let patience = Duration::from_millis(edge.config.answer_ms_max);
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => later(&format!(
            "the request was not read, or the log did not answer, within {patience:?}; send the same events again, with the same ids"
        )),
    }
}

async fn usage(
    State(edge): State<Arc<Edge>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let bytes = match body {
        Ok(bytes) => bytes,
        Err(rejection) => {
            let advice = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    format!("; at most {} bytes are taken, send several requests", edge.config.body_bytes_max)
                }
                _ => "; is it cut off, or no gzip?".to_owned(),
            };
            return failed(
                rejection.status(),
                &format!("reading the body: {}{advice}", rejection.body_text()),
            );
        }
    };
    let body_bytes = bytes.len();
    let (answer, verdict) = match take(&edge, &headers, bytes).await {
        Ok(taken) => taken,
        Err(response) => return *response,
    };
    let response = match answer {
        Ok(receipt) => told(&verdict, &receipt),
        Err(failure) => later(&failure.to_string()),
    };
    let refused = verdict.refused.iter().map(|refused| refused.reason);
    let reasons = refused.chain(verdict.kept.iter().map(|kept| kept.reason)).map(Reason::name);
    emit(&Answered {
        status: response.status().as_u16(),
        body_bytes,
        accepted: verdict.events.len(),
        reasons: reasons.collect(),
    });
    response
}

/// Reads the body, lays it on the desk and waits for the log.
async fn take(
    edge: &Arc<Edge>,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<(Answer, Arc<Verdict>), Box<Response>> {
    let format = format_of(headers);
    let limits = Limits { events_max: edge.config.events_max };
    let reading = Arc::clone(edge);
    // A large body takes a while, and the others' answers must not wait for it.
    let read = tokio::task::spawn_blocking(move || accept(&body, format, &reading.secret, limits)).await;
    let verdict = match read {
        Ok(Ok(verdict)) => Arc::new(verdict),
        Ok(Err(too_much)) => {
            return Err(Box::new(failed(StatusCode::PAYLOAD_TOO_LARGE, &too_much.to_string())));
        }
        Err(stopped) => {
            return Err(Box::new(later(&format!("reading the body: {stopped}; try again later"))));
        }
    };
    let (sender, answer) = oneshot::channel();
    match edge.desk.0.try_send(Submitted { verdict: Arc::clone(&verdict), answer: sender }) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => return Err(Box::new(later("the log is behind; try again later"))),
        Err(TrySendError::Disconnected(_)) => {
            return Err(Box::new(later("the collector stops; try again later")));
        }
    }
    match answer.await {
        Ok(answer) => Ok((answer, verdict)),
        Err(_) => Err(Box::new(later("the collector stops; send the same events again, with the same ids"))),
    }
}

fn format_of(headers: &HeaderMap) -> Format {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Format::Lines
        }
        _ => Format::Json,
    }
}

/// The answer once everything is durable: 400 only if the sender has to correct all of it.
fn told(verdict: &Verdict, receipt: &Receipt) -> Response {
    let rejected: Vec<Value> = verdict
        .refused
        .iter()
        .map(|refused| {
            json!({"index": refused.index, "reason": refused.reason.name(), "detail": refused.detail})
        })
        .collect();
    let appended: Vec<Value> = receipt
        .appended
        .iter()
        .map(|(partition, next)| json!({"partition": partition, "next_offset": next}))
        .collect();
    let useless = verdict.events.is_empty() && verdict.kept.is_empty() && !verdict.refused.is_empty();
    let status = if useless { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let body = json!({
        "accepted": verdict.events.len(),
        "rejected": rejected,
        "kept": verdict.kept.len(),
        "appended": appended,
    });
    (status, Json(body)).into_response()
}

fn failed(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

/// Back-pressure: nothing is claimed to be taken.
fn later(error: &str) -> Response {
    let mut response = failed(StatusCode::SERVICE_UNAVAILABLE, error);
    let _none = response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    response
}
