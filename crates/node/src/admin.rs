//! `/metrics`, `/healthz` and `/readyz`, from closures: the admin endpoints know no part.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

#[cfg(test)]
mod tests;

/// Whether the process can do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Everything is there.
    Ready,
    /// Each what is missing, in a sentence.
    Waiting(Vec<String>),
}

/// What the endpoints show.
#[derive(Clone)]
pub struct Views {
    /// The metrics in the Prometheus text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether the process can do its work; must not block.
    pub readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").finish_non_exhaustive()
    }
}

/// The routes. `/healthz` answers as long as the process does; `/readyz` is 503 while something is missing.
pub fn router(views: Views) -> Router {
    let Views { metrics, readiness } = views;
    Router::new()
        .route("/metrics", get(move || async move { text(metrics()) }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || async move { answer(readiness()) }))
}

fn text(metrics: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics)
}

fn answer(readiness: Readiness) -> Response {
    match readiness {
        Readiness::Ready => "ready\n".into_response(),
        Readiness::Waiting(missing) => {
            (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n").into_response()
        }
    }
}
