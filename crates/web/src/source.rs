//! Where rows come from: ClickHouse, one query a page.

use crate::ask::{BoardAsk, PersonAsk};
use crate::pages;
use crate::rows::{BoardRow, DaysRow, NewestRow, PersonRow};
use clickhouse::query::Query;
use clickhouse::{RowOwned, RowRead};
use std::future::Future;
use tally_clickhouse::Database;
use tally_domain::{Day, PersonId};

/// Days of a sparkline: [`DaysRow::DAYS`].
const TREND_DAYS: i32 = 30;
/// Sessions on the page of a person.
const SESSIONS: u32 = 20;

/// The rows of the pages could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("reading {what} from ClickHouse: {why}")]
pub struct SourceError {
    /// Which rows.
    pub what: &'static str,
    /// What the engine or the connection said.
    pub why: String,
}

/// Gives the rows of the pages. Behind it lies ClickHouse, or rows written down by a test.
pub trait Source: Send + Sync + 'static {
    /// The newest complete snapshot; `None` while there is none.
    fn newest(&self) -> impl Future<Output = Result<Option<NewestRow>, SourceError>> + Send;
    /// The lines of a board page, of the snapshot that the ask or else `newest` names.
    fn board(
        &self,
        ask: &BoardAsk,
        newest: &NewestRow,
    ) -> impl Future<Output = Result<Vec<BoardRow>, SourceError>> + Send;
    /// The days of some people and of everybody, up to `last`.
    fn days(
        &self,
        people: &[PersonId],
        last: Day,
    ) -> impl Future<Output = Result<Vec<DaysRow>, SourceError>> + Send;
    /// The lines of a person's page.
    fn person(
        &self,
        ask: &PersonAsk,
        newest: &NewestRow,
    ) -> impl Future<Output = Result<Vec<PersonRow>, SourceError>> + Send;
}

#[derive(clickhouse::Row, serde::Deserialize)]
struct PlaceRow {
    skipped: u32,
}

impl Source for Database {
    async fn newest(&self) -> Result<Option<NewestRow>, SourceError> {
        let query = self.query(include_str!("pages/newest.sql"));
        Ok(fetch(query, "the newest snapshot").await?.pop())
    }

    async fn board(&self, ask: &BoardAsk, newest: &NewestRow) -> Result<Vec<BoardRow>, SourceError> {
        let of = kept(self, ask.at, newest).await?;
        let offset = match ask.around {
            Some(person) => place(self, ask, person, &of).await?,
            None => ask.page.saturating_sub(1).saturating_mul(ask.limit),
        };
        let last_day = of.as_of().minute().day().0;
        let query = of_board(self, &with_days(pages::board::SQL), ask, &of)
            .param("search", &ask.search)
            .param("offset", offset)
            .param("as_of_ms", of.as_of_ms)
            .param("first_day", last_day.saturating_sub(TREND_DAYS - 1))
            .param("last_day", last_day);
        fetch(query, "a page of the board").await
    }

    async fn days(&self, people: &[PersonId], last: Day) -> Result<Vec<DaysRow>, SourceError> {
        let people: Vec<String> = people.iter().map(PersonId::to_string).collect();
        let query = self
            .query(&with_days(include_str!("pages/days.sql")))
            .param("people", people)
            .param("first_day", last.0.saturating_sub(TREND_DAYS - 1))
            .param("last_day", last.0);
        fetch(query, "the days of a page").await
    }

    async fn person(&self, ask: &PersonAsk, newest: &NewestRow) -> Result<Vec<PersonRow>, SourceError> {
        let last_day = newest.as_of().minute().day().0;
        let span = i32::try_from(ask.days).unwrap_or(i32::MAX);
        let query = self
            .query(pages::person::SQL)
            .param("snapshot", newest.snapshot)
            .param("people_version", newest.people_version)
            .param("person", ask.person.to_string())
            .param("as_of_ms", newest.as_of_ms)
            .param("split", ask.split.name())
            .param("first_day", last_day.saturating_sub(span.saturating_sub(1)))
            .param("sessions", SESSIONS);
        fetch(query, "the page of a person").await
    }
}

/// The snapshot that the reader stays with, if it is still kept; else the newest.
async fn kept(database: &Database, at: Option<u64>, newest: &NewestRow) -> Result<NewestRow, SourceError> {
    let Some(snapshot) = at.filter(|at| *at != newest.snapshot) else { return Ok(*newest) };
    let query = database.query(include_str!("pages/kept.sql")).param("snapshot", snapshot);
    Ok(fetch(query, "an earlier snapshot").await?.pop().unwrap_or(*newest))
}

/// How many people stand before the page that `person` is on; none when they are not on the board.
async fn place(
    database: &Database,
    ask: &BoardAsk,
    person: PersonId,
    of: &NewestRow,
) -> Result<u32, SourceError> {
    let query =
        of_board(database, include_str!("pages/place.sql"), ask, of).param("person", person.to_string());
    let row: Option<PlaceRow> = fetch(query, "the place of a person").await?.pop();
    Ok(row.map_or(0, |row| row.skipped))
}

/// The query with what a board and a live page say of the days of their people.
fn with_days(sql: &str) -> String {
    sql.replace("${page_days}", include_str!("pages/page_days.sql"))
}

fn of_board(database: &Database, sql: &str, ask: &BoardAsk, of: &NewestRow) -> Query {
    let sql = sql.replace("${span}", ask.board.window.name()).replace("${by}", ask.board.metric.name());
    database
        .query(&sql)
        .param("snapshot", of.snapshot)
        .param("people_version", of.people_version)
        .param("limit", ask.limit)
}

async fn fetch<T: RowOwned + RowRead>(query: Query, what: &'static str) -> Result<Vec<T>, SourceError> {
    // Nobody waits longer for a page, so the engine need not either.
    let query = query.with_setting("max_execution_time", "15");
    query.fetch_all().await.map_err(|error| SourceError { what, why: error.to_string() })
}
