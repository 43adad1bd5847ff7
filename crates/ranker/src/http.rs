//! The live totals over HTTP, on loopback: what the web asks between two snapshots.
//!
//! | route | answer |
//! |---|---|
//! | `GET /v1/live?window=30d&by=tokens&limit=50` | the head of a board as of now |
//! | `GET /v1/status` | the minute the totals are true for, people, progress by partition |

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tally_domain::usage::NanoUsd;
use tally_domain::{EventTime, Metric, Partition, PersonId, Window};
use tally_standings::{PersonTotals, people};

use crate::ledger::Ledger;

/// Most rows of one answer.
const LIMIT_MAX: usize = 1_000;

/// The head of a board.
#[derive(Debug, serde::Serialize)]
struct Live {
    as_of: Option<String>,
    window: &'static str,
    by: &'static str,
    rows: Vec<LiveRow>,
}

#[derive(Debug, serde::Serialize)]
struct LiveRow {
    person: PersonId,
    tokens: i128,
    list_cost_usd: String,
}

#[derive(Debug, serde::Serialize)]
struct Status {
    as_of: Option<String>,
    people: usize,
    published: BTreeMap<Partition, u64>,
}

#[derive(Debug, serde::Deserialize)]
struct Asked {
    window: Option<String>,
    by: Option<String>,
    limit: Option<usize>,
}

/// The routes.
pub fn router(ledger: Arc<Ledger>) -> Router {
    Router::new().route("/v1/live", get(live)).route("/v1/status", get(status)).with_state(ledger)
}

async fn status(State(ledger): State<Arc<Ledger>>) -> Json<Status> {
    let published =
        ledger.reached().into_iter().map(|(partition, it)| (partition, it.version.get())).collect();
    Json(Status { as_of: as_of(&ledger), people: everyone(&ledger).len(), published })
}

async fn live(State(ledger): State<Arc<Ledger>>, Query(asked): Query<Asked>) -> Response {
    let window = asked.window.as_deref().map_or(Some(Window::Days30), Window::from_name);
    let metric = asked.by.as_deref().map_or(Some(Metric::Tokens), Metric::from_name);
    let (Some(window), Some(metric)) = (window, metric) else {
        let why = "window is one of 24h, 7d, 30d, lifetime; by is tokens or cost\n";
        return (StatusCode::BAD_REQUEST, why).into_response();
    };
    let mut people = everyone(&ledger);
    people
        .sort_unstable_by_key(|person| (std::cmp::Reverse(person.window(window).of(metric)), person.person));
    people.truncate(asked.limit.unwrap_or(50).min(LIMIT_MAX));
    let rows = people.iter().map(|person| LiveRow {
        person: person.person,
        tokens: person.window(window).tokens(),
        list_cost_usd: NanoUsd(person.window(window).cost_nano_usd()).to_string(),
    });
    Json(Live { as_of: as_of(&ledger), window: window.name(), by: metric.name(), rows: rows.collect() })
        .into_response()
}

fn everyone(ledger: &Ledger) -> Vec<PersonTotals> {
    let known = ledger.people();
    let totals = ledger.totals();
    let flat = totals.iter().flat_map(|(account, rows)| rows.iter().map(|windows| (*account, windows)));
    people(flat, |account| known.identities.get(account).map_or(PersonId(account.0), |known| known.person))
}

fn as_of(ledger: &Ledger) -> Option<String> {
    ledger.as_of().and_then(|minute| EventTime::from_ms(minute.start_ms())).map(|at| at.to_string())
}
