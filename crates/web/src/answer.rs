//! From a page, or the reason why there is none, to what goes over the wire.

use crate::ask::BadAsk;
use crate::cache::Page;
use crate::json;
use crate::pages::notice;
use crate::source::SourceError;
use askama::Template;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use std::sync::Arc;

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const JSON: &str = "application/json";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

pub(crate) type Answer = Response<Body>;

/// Why there is no page.
pub(crate) enum Refusal {
    /// Nothing was counted yet.
    Nothing,
    /// The address cannot be read.
    Ask(BadAsk),
    /// Nobody has this id.
    Nobody,
    /// The engine does not answer.
    Source(SourceError),
}

impl From<SourceError> for Refusal {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<BadAsk> for Refusal {
    fn from(error: BadAsk) -> Self {
        Self::Ask(error)
    }
}

/// A page that says why there is no other.
pub(crate) fn speak(status: u16, notice: &notice::Notice, headers: &HeaderMap) -> Answer {
    let html = notice.render().unwrap_or_else(|_| notice.title.to_owned());
    answer(&Page::new(status, HTML, html), headers)
}

/// The same for programs.
pub(crate) fn json_answer(page: Result<Arc<Page>, Refusal>, headers: &HeaderMap) -> Answer {
    let (status, what) = match page {
        Ok(page) => return answer(&page, headers),
        Err(Refusal::Nothing) => (404, "there is no snapshot yet; report usage and ask again".to_owned()),
        Err(Refusal::Nobody) => (404, "nobody is known by this id".to_owned()),
        Err(Refusal::Ask(error)) => (400, error.to_string()),
        Err(Refusal::Source(error)) => (503, error.to_string()),
    };
    answer(&Page::new(status, JSON, json::error(&what)), headers)
}

/// A page as an answer: compressed if the reader can, nothing at all if it has it already.
pub(crate) fn answer(page: &Page, headers: &HeaderMap) -> Answer {
    let says = |name: HeaderName, text: &str| {
        headers.get_all(name).iter().any(|value| value.to_str().is_ok_and(|value| value.contains(text)))
    };
    let builder = Response::builder()
        .header(header::ETAG, &page.etag)
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::VARY, "accept-encoding");
    let builder = if page.status == 503 { builder.header(header::RETRY_AFTER, "5") } else { builder };
    if page.status == 200 && says(header::IF_NONE_MATCH, &page.etag) {
        return builder.status(304).body(Body::empty()).expect("a status and plain headers are valid");
    }
    let builder = builder.status(page.status).header(header::CONTENT_TYPE, page.media);
    let answer = if says(header::ACCEPT_ENCODING, "gzip") {
        builder.header(header::CONTENT_ENCODING, "gzip").body(Body::from(page.gzip.clone()))
    } else {
        builder.body(Body::from(page.body.clone()))
    };
    answer.expect("a status and plain headers are valid")
}

/// What every answer says about itself: nothing from elsewhere runs or loads here.
pub(crate) async fn guarded(mut answer: Answer) -> Answer {
    const SAYS: [(HeaderName, &str); 4] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in SAYS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}
