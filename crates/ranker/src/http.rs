//! The HTTP edge: the live board, one person, status, and the wish for a snapshot. Loopback; reads [`Live`] alone.
//!
//! ```text
//! GET  /v1/board?window=30d&by=tokens&offset=0&limit=50&search=ann&around=<person>
//! GET  /v1/person/<32 hexadecimal digits>
//! GET  /v1/status
//! POST /v1/snapshot   {"positions": {"0": 42}, "timeout_ms": 10000}   answers once a stored snapshot is past them
//! ```

use crate::live::{Live, Ranked, Stored, less, total};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tally_domain::usage::NanoUsd;
use tally_domain::{Board, EventTime, Metric, Minute, Offset, Partition, PersonId, Version, Window};
use tally_standings::{PersonTotals, Standing, Sum};

/// Rows of one page at most.
const LIMIT_MAX: usize = 1_000;
/// Longest wait for a snapshot.
const WAIT_MAX: Duration = Duration::from_mins(5);

/// The routes.
pub fn router(live: Arc<Live>) -> Router {
    Router::new()
        .route("/v1/board", get(board))
        .route("/v1/person/{person}", get(person))
        .route("/v1/status", get(status))
        .route("/v1/snapshot", post(snapshot))
        .with_state(live)
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default = "days30")]
    window: String,
    #[serde(default = "tokens")]
    by: String,
    #[serde(default)]
    offset: usize,
    #[serde(default = "page")]
    limit: usize,
    /// Part of a name, an e-mail or a subject, or the first digits of an id.
    #[serde(default)]
    search: String,
    /// The page that this person is on, instead of `offset`.
    around: Option<PersonId>,
}

fn days30() -> String {
    Window::Days30.name().to_owned()
}
fn tokens() -> String {
    Metric::Tokens.name().to_owned()
}
const fn page() -> usize {
    50
}

/// The lines of one page: its people, everyone else, and everyone. The first two add up to the third.
async fn board(State(live): State<Arc<Live>>, Query(asked): Query<Asked>) -> Response {
    let Some(window) = Window::from_name(&asked.window) else {
        return refused(&format!("window is {:?}; write 24h, 7d, 30d or lifetime", asked.window));
    };
    let Some(metric) = Metric::from_name(&asked.by) else {
        return refused(&format!("by is {:?}; write tokens or cost", asked.by));
    };
    let board = Board { metric, window };
    let ranked = live.ranked();
    let limit = asked.limit.clamp(1, LIMIT_MAX);
    let offset = asked.around.map_or(asked.offset, |person| before(&ranked, person, board, limit));
    let search = asked.search.to_lowercase();
    let is_found = |person| search.is_empty() || is_found(&live, person, &search);
    let found: Vec<_> = ranked.board(board).filter(|(totals, _)| is_found(totals.person)).collect();
    let shown = found.get(offset..).unwrap_or_default();
    let shown = shown.get(..limit).unwrap_or(shown);
    let company = ranked.company(window);
    let others = less(&company, &total(shown.iter().map(|(totals, _)| totals.window(window))));
    let people = ranked.snapshot.people.len();
    let rows: Vec<Value> =
        shown.iter().map(|(totals, standing)| row(&live, totals, window, standing)).collect();
    let mut answer = head(&ranked);
    extend(
        &mut answer,
        json!({
            "window": window.name(), "by": metric.name(), "found": found.len(), "skipped": offset, "rows": rows,
            "company": line(&company, people), "others": line(&others, people.saturating_sub(shown.len())),
        }),
    );
    Json(answer).into_response()
}

/// How many stand before the page that a person is on; none when they are not ranked.
fn before(ranked: &Ranked, person: PersonId, board: Board, limit: usize) -> usize {
    let place = ranked.standing(person, board).and_then(|standing| usize::try_from(standing.place).ok());
    place.map_or(0, |place| place.saturating_sub(1) / limit * limit)
}

fn is_found(live: &Live, person: PersonId, search: &str) -> bool {
    live.name(person).words.contains(search) || person.to_string().starts_with(search)
}

/// What every answer says of the ranking: the minute it is true for, its number, which one it is since the start.
fn head(ranked: &Ranked) -> Value {
    let as_of = (ranked.snapshot.number > 0).then(|| instant(ranked.snapshot.as_of));
    json!({
        "as_of": as_of, "snapshot": ranked.snapshot.number, "revision": ranked.revision,
        "people": ranked.snapshot.people.len(),
    })
}

/// Several people's usage.
fn line(sum: &Sum, people: usize) -> Value {
    let mut line = usage(sum);
    extend(&mut line, json!({ "people": people }));
    line
}

fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

fn row(live: &Live, totals: &PersonTotals, window: Window, standing: &Standing) -> Value {
    let mut row = usage(totals.window(window));
    let more = json!({
        "rank": standing.rank, "place": standing.place, "movement": standing.climbed,
        "person": totals.person.to_string(), "name": live.name(totals.person).shown,
    });
    extend(&mut row, more);
    row
}

fn usage(sum: &Sum) -> Value {
    let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, unpriced, cost] =
        sum.0;
    json!({
        "tokens": whole(sum.tokens()), "input": whole(input), "cache_read": whole(cache_read),
        "cache_write_5m": whole(cache_write_5m), "cache_write_1h": whole(cache_write_1h), "output": whole(output),
        "reasoning": whole(reasoning), "requests": whole(requests), "unpriced_tokens": whole(unpriced),
        "cost_nano_usd": whole(cost), "list_cost_usd": NanoUsd(cost).to_string(), "cache_read_share": share(cache_read, sum.tokens()),
    })
}

/// A JSON number, or a string where JSON readers would round it to another.
fn whole(value: i128) -> Value {
    i64::try_from(value).map_or_else(|_| Value::from(value.to_string()), Value::from)
}

/// Part of the whole, to four digits; `None` of nothing.
fn share(part: i128, of: i128) -> Option<f64> {
    let parts = part.checked_mul(10_000)?.checked_div(of)?;
    i32::try_from(parts).ok().map(|parts| f64::from(parts) / 10_000.0)
}

async fn person(State(live): State<Arc<Live>>, Path(person): Path<String>) -> Response {
    let Ok(person) = person.parse::<PersonId>() else {
        return refused(&format!("person is {person:?}; write 32 hexadecimal digits"));
    };
    let Some(totals) = live.totals(person) else {
        return answer(StatusCode::NOT_FOUND, &format!("nobody here is {person}"));
    };
    let ranked = live.ranked();
    let windows: serde_json::Map<String, Value> = Window::ALL
        .into_iter()
        .map(|window| {
            let mut value = usage(totals.window(window));
            for metric in Metric::ALL {
                let standing = ranked.standing(person, Board { metric, window });
                value[format!("rank_{}", metric.name())] = standing.map(|standing| standing.rank).into();
                value[format!("movement_{}", metric.name())] =
                    standing.and_then(|standing| standing.climbed).into();
            }
            (window.name().to_owned(), value)
        })
        .collect();
    let mut answer = head(&ranked);
    let name = live.name(person).shown;
    extend(&mut answer, json!({ "person": person.to_string(), "name": name, "windows": windows }));
    Json(answer).into_response()
}

async fn status(State(live): State<Arc<Live>>) -> Response {
    let ranked = live.ranked();
    let stored = live.stored().borrow().as_ref().map(told);
    let mut answer = head(&ranked);
    extend(&mut answer, json!({ "vector": vector(&ranked.snapshot.vector), "stored": stored }));
    Json(answer).into_response()
}

fn told(stored: &Stored) -> Value {
    json!({ "as_of": instant(stored.as_of), "snapshot": stored.number, "vector": vector(&stored.vector) })
}

fn vector(vector: &BTreeMap<Partition, Version>) -> Value {
    vector.iter().map(|(partition, version)| (partition.to_string(), Value::from(version.get()))).collect()
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Offset after the last record that must be in, by partition.
    #[serde(default)]
    positions: BTreeMap<Partition, Offset>,
    #[serde(default = "ten_seconds")]
    timeout_ms: u64,
}

const fn ten_seconds() -> u64 {
    10_000
}

async fn snapshot(State(live): State<Arc<Live>>, Json(wanted): Json<Wanted>) -> Response {
    let mut stored = live.stored();
    live.want_snapshot();
    let passed =
        |stored: &Option<Stored>| stored.as_ref().is_some_and(|stored| passes(stored, &wanted.positions));
    let wait = Duration::from_millis(wanted.timeout_ms).min(WAIT_MAX);
    let met = tokio::time::timeout(wait, async {
        loop {
            if passed(&stored.borrow_and_update()) {
                return true;
            }
            // A snapshot that was under way may have been made too early: ask again.
            live.want_snapshot();
            if stored.changed().await.is_err() {
                return false;
            }
        }
    });
    let met = met.await.unwrap_or(false);
    let now = live.stored().borrow().as_ref().map(told);
    let code = if met { StatusCode::OK } else { StatusCode::GATEWAY_TIMEOUT };
    (code, Json(json!({ "reached": met, "stored": now }))).into_response()
}

/// True when a snapshot holds every record before these positions.
#[must_use]
pub fn passes(stored: &Stored, positions: &BTreeMap<Partition, Offset>) -> bool {
    positions.iter().all(|(partition, position)| {
        stored.vector.get(partition).is_some_and(|version| version.next() >= *position)
    })
}

fn instant(minute: Minute) -> String {
    EventTime::from_ms(minute.start_ms()).map_or_else(|| format!("{minute:?}"), |instant| instant.to_string())
}

fn refused(why: &str) -> Response {
    answer(StatusCode::BAD_REQUEST, why)
}

fn answer(code: StatusCode, why: &str) -> Response {
    (code, Json(json!({ "error": why }))).into_response()
}
