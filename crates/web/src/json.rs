//! The same rows as JSON: one object, integers as integers, money as a string with nine digits.

use crate::ask::{BoardAsk, PersonAsk};
use crate::rows::{BoardPage, BoardRow, NewestRow, PersonPage, PersonRow};
use crate::show::dollars_full;
use serde::Serialize;

#[derive(Serialize)]
struct BoardJson<'a> {
    as_of: String,
    snapshot: u64,
    window: &'static str,
    by: &'static str,
    people: u64,
    found: u64,
    skipped: u64,
    company: SumJson,
    others: Option<SumJson>,
    rows: Vec<PlaceJson<'a>>,
}

#[derive(Serialize)]
struct SumJson {
    people: u64,
    tokens: i128,
    unpriced_tokens: i128,
    list_cost_usd: String,
    cache_read_share: f64,
}

#[derive(Serialize)]
struct PlaceJson<'a> {
    rank: u32,
    person: String,
    name: &'a str,
    tokens: i128,
    unpriced_tokens: i128,
    list_cost_usd: String,
    cache_read_share: f64,
    movement: Option<i32>,
    days: &'a [i64],
}

#[derive(Serialize)]
struct PersonJson<'a> {
    as_of: String,
    snapshot: u64,
    person: String,
    name: &'a str,
    boards: Vec<StandingJson<'a>>,
    days: Vec<LineJson<'a>>,
    classes: Vec<ClassJson<'a>>,
    models: Vec<LineJson<'a>>,
    tools: Vec<LineJson<'a>>,
    sessions: Vec<LineJson<'a>>,
}

#[derive(Serialize)]
struct StandingJson<'a> {
    window: &'a str,
    people: u64,
    tokens: i128,
    unpriced_tokens: i128,
    list_cost_usd: String,
    cache_read_share: f64,
    rank: u32,
    movement: Option<i32>,
    rank_by_cost: u32,
    movement_by_cost: Option<i32>,
}

/// A class has no cost and no calls of its own: those are of whole calls.
#[derive(Serialize)]
struct ClassJson<'a> {
    name: &'a str,
    tokens: i128,
    share: f64,
}

#[derive(Serialize)]
struct LineJson<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
    tokens: i128,
    unpriced_tokens: i128,
    requests: i64,
    list_cost_usd: String,
    cache_read_share: f64,
}

/// The board.
#[must_use]
pub fn board(ask: &BoardAsk, page: &BoardPage) -> String {
    let company = &page.company;
    written(&BoardJson {
        as_of: company.as_of().to_string(),
        snapshot: company.snapshot,
        window: ask.board.window.name(),
        by: ask.board.metric.name(),
        people: company.people,
        found: company.found,
        skipped: company.skipped,
        company: sum(company),
        others: page.others.as_ref().map(sum),
        rows: page.people.iter().map(place).collect(),
    })
}

/// A person.
#[must_use]
pub fn person(ask: &PersonAsk, newest: &NewestRow, page: &PersonPage) -> String {
    let day = |row: &PersonRow| Some(row.day().to_string());
    let whole_days = page.days.iter().filter(|row| row.label.is_empty());
    written(&PersonJson {
        as_of: newest.as_of().to_string(),
        snapshot: newest.snapshot,
        person: ask.person.to_string(),
        name: &page.head.label,
        boards: page.boards.iter().map(standing).collect(),
        days: whole_days.map(|row| LineJson { day: day(row), ..line(row) }).collect(),
        classes: page.classes.iter().map(class).collect(),
        models: page.models.iter().map(line).collect(),
        tools: page.tools.iter().map(line).collect(),
        sessions: page.sessions.iter().map(session).collect(),
    })
}

fn sum(row: &BoardRow) -> SumJson {
    SumJson {
        people: row.people,
        tokens: row.tokens,
        unpriced_tokens: row.unpriced,
        list_cost_usd: dollars_full(row.cost_nano_usd),
        cache_read_share: row.cache_read_share,
    }
}

fn place(row: &BoardRow) -> PlaceJson<'_> {
    PlaceJson {
        rank: row.rank,
        person: row.person_id().to_string(),
        name: &row.name,
        tokens: row.tokens,
        unpriced_tokens: row.unpriced,
        list_cost_usd: dollars_full(row.cost_nano_usd),
        cache_read_share: row.cache_read_share,
        movement: row.movement,
        days: &row.days,
    }
}

fn standing(row: &PersonRow) -> StandingJson<'_> {
    StandingJson {
        window: &row.label,
        people: row.people,
        tokens: row.tokens,
        unpriced_tokens: row.unpriced,
        list_cost_usd: dollars_full(row.cost_nano_usd),
        cache_read_share: row.cache_read_share,
        rank: row.rank_tokens,
        movement: row.movement_tokens,
        rank_by_cost: row.rank_cost,
        movement_by_cost: row.movement_cost,
    }
}

fn line(row: &PersonRow) -> LineJson<'_> {
    LineJson {
        name: &row.label,
        day: None,
        first: None,
        last: None,
        tokens: row.tokens,
        unpriced_tokens: row.unpriced,
        requests: row.requests,
        list_cost_usd: dollars_full(row.cost_nano_usd),
        cache_read_share: row.cache_read_share,
    }
}

fn class(row: &PersonRow) -> ClassJson<'_> {
    ClassJson { name: &row.label, tokens: row.tokens, share: row.share }
}

fn session(row: &PersonRow) -> LineJson<'_> {
    let last = tally_domain::WallTime::from_ms(row.until_ms).map(|last| last.to_string());
    LineJson { first: Some(row.since().to_string()), last, ..line(row) }
}

/// An error as JSON.
#[must_use]
pub fn error(what: &str) -> String {
    written(&serde_json::json!({ "error": what }))
}

fn written<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("rows have string keys and finite numbers")
}
