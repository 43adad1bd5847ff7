//! Brings a database to the tables and views of this build, from whatever a kill left behind.
//!
//! Every statement of a migration may run twice; what is done is recorded after it, statement by statement.
//! Views hold no data of their own: each is made anew when its text changed, or when it is gone.

use crate::database::Database;
use crate::error::ClickHouseError;
use crate::layout::Layout;
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const MIGRATIONS: [(&str, &str); 5] = [
    ("0001_published", include_str!("../migrations/0001_published.sql")),
    ("0002_archive", include_str!("../migrations/0002_archive.sql")),
    ("0003_standings", include_str!("../migrations/0003_standings.sql")),
    ("0004_rejects", include_str!("../migrations/0004_rejects.sql")),
    ("0005_life", include_str!("../migrations/0005_life.sql")),
];

/// In the order in which they build on each other.
const VIEWS: [(&str, &str); 10] = [
    ("progress_now", include_str!("../views/01_progress_now.sql")),
    ("people_now", include_str!("../views/02_people_now.sql")),
    ("live_totals", include_str!("../views/03_live_totals.sql")),
    ("user_hourly", include_str!("../views/04_user_hourly.sql")),
    ("user_daily", include_str!("../views/05_user_daily.sql")),
    ("model_daily", include_str!("../views/06_model_daily.sql")),
    ("tool_daily", include_str!("../views/07_tool_daily.sql")),
    ("team_daily", include_str!("../views/08_team_daily.sql")),
    ("snapshot_newest", include_str!("../views/09_snapshot_newest.sql")),
    ("leaderboard", include_str!("../views/10_leaderboard.sql")),
];

/// How the step of a view is called, before the view's name.
const OF_VIEW: &str = "view/";

const RECORDS: &str = "CREATE TABLE IF NOT EXISTS ${t}migrations${on_cluster} (
    name String COMMENT 'migration, or view/name',
    number UInt16 COMMENT 'which statement of it, from 1',
    statement String COMMENT 'its text',
    version UInt64 COMMENT 'rises with every change of a view'
) ENGINE = ${replacing}(version) ORDER BY (name, number)
COMMENT 'Statements that were applied. Key: name, number'";

/// What a migration did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Statements that ran.
    pub ran: usize,
    /// Statements that had run before.
    pub found: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
struct AppliedRecord {
    name: String,
    number: u16,
    statement: String,
    version: u64,
}

impl crate::rows::Table for AppliedRecord {
    const TABLE: &'static str = "migrations";
}

/// A statement of this build.
#[derive(Clone, Debug)]
struct Step {
    name: String,
    number: u16,
    statement: String,
    is_view: bool,
}

impl Step {
    /// False for a view that is gone, be it by hand or by a disk that was full: it holds nothing of its own.
    fn stands_in(&self, standing: &BTreeSet<String>, layout: &Layout) -> bool {
        self.name.strip_prefix(OF_VIEW).is_none_or(|view| standing.contains(&layout.table(view)))
    }
}

/// What ClickHouse answers to one of two that make or drop the same thing at once: it is there already, it is gone
/// already, it is being dropped, it is held by another statement.
const RACES: [u16; 9] = [57, 60, 82, 218, 219, 390, 473, 591, 741];
/// What it answers when it reads a definition that is empty.
const EMPTY_QUERY: u16 = 62;
/// How often such an answer is believed, and how long others are given in between.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(150);

/// Brings the database up to date; a rerun after a kill at any point finishes it. Several processes may do so at once:
/// whoever loses a race begins again, and finds done what the others did.
///
/// # Errors
/// When a statement fails, or one that was applied has since been edited.
pub async fn migrate(database: &Database) -> Result<Migrated, ClickHouseError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt(database).await {
            Err(error) if tries < TRIES && error.code.is_some_and(|code| RACES.contains(&code)) => {
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

async fn attempt(database: &Database) -> Result<Migrated, ClickHouseError> {
    database.execute("creating the database", "CREATE DATABASE IF NOT EXISTS ${d}${on_cluster}").await?;
    database.execute("creating table migrations", RECORDS).await?;
    let (applied, standing) = (applied(database).await?, standing(database).await?);
    let mut done = Migrated::default();
    for step in steps() {
        let key = (step.name.clone(), step.number);
        let text =
            if step.is_view { database.layout().expand(&step.statement) } else { step.statement.clone() };
        let version = match applied.get(&key) {
            Some((_, was)) if *was == text && step.stands_in(&standing, database.layout()) => {
                done.found = done.found.saturating_add(1);
                continue;
            }
            Some(_) if !step.is_view => return Err(edited(&step)),
            Some((version, _)) => version.saturating_add(1),
            None => 1,
        };
        run(database, &step).await?;
        done.ran = done.ran.saturating_add(1);
        record(database, &step, text, version).await?;
    }
    Ok(done)
}

async fn run(database: &Database, step: &Step) -> Result<(), ClickHouseError> {
    let doing = format!("applying statement {} of {}", step.number, step.name);
    let Some(view) = step.name.strip_prefix(OF_VIEW) else {
        return database.execute(&doing, &step.statement).await;
    };
    let taking_back = format!("DROP TABLE IF EXISTS ${{t}}{view}${{on_cluster}} SYNC");
    if step.statement.contains("CREATE MATERIALIZED VIEW") {
        database.execute(&doing, &taking_back).await?;
    }
    database.execute(&doing, &step.statement).await?;
    // On a full disk ClickHouse creates it with an empty definition, and says nothing: so it must not stay.
    let shown = database.execute(&doing, &format!("SHOW CREATE TABLE ${{t}}{view}")).await;
    if shown.as_ref().is_err_and(|error| error.code == Some(EMPTY_QUERY)) {
        database.execute(&doing, &taking_back).await?;
    }
    shown
}

async fn record(
    database: &Database,
    step: &Step,
    statement: String,
    version: u64,
) -> Result<(), ClickHouseError> {
    let row = AppliedRecord { name: step.name.clone(), number: step.number, statement, version };
    database.insert([Ok(row)]).await.map(|_| ())
}

/// Text and version of what was applied, by (name, number).
async fn applied(database: &Database) -> Result<BTreeMap<(String, u16), (u64, String)>, ClickHouseError> {
    let newest = "SELECT name, number, argMax(m.statement, m.version) AS statement, max(m.version) AS version
        FROM ${t}migrations AS m GROUP BY name, number";
    let rows: Vec<AppliedRecord> = database.fetch("reading table migrations", database.query(newest)).await?;
    Ok(rows.into_iter().map(|row| ((row.name, row.number), (row.version, row.statement))).collect())
}

/// The tables and views that are there, with their database.
async fn standing(database: &Database) -> Result<BTreeSet<String>, ClickHouseError> {
    let named = "SELECT concat('${d}.', name) AS name FROM system.tables WHERE database = '${d}'";
    let names: Vec<String> = database.fetch("reading system.tables", database.query(named)).await?;
    Ok(names.into_iter().collect())
}

fn edited(step: &Step) -> ClickHouseError {
    let doing = format!("comparing statement {} of {} with what was applied", step.number, step.name);
    ClickHouseError::answer(
        doing,
        "its text has changed since; use the build that applied it, or another database or prefix",
    )
}

fn steps() -> Vec<Step> {
    let tables = MIGRATIONS.iter().flat_map(|(name, text)| {
        (1..).zip(statements(text)).map(|(number, statement)| Step {
            name: (*name).to_owned(),
            number,
            statement,
            is_view: false,
        })
    });
    let views = VIEWS.iter().map(|(name, text)| Step {
        name: format!("{OF_VIEW}{name}"),
        number: 1,
        statement: uncommented(text),
        is_view: true,
    });
    tables.chain(views).collect()
}

/// The statements of a file: they end with a semicolon at the end of a line.
fn statements(text: &str) -> Vec<String> {
    let text = uncommented(text);
    text.split(";\n")
        .map(|part| part.trim().trim_end_matches(';').to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// Without lines that only comment.
fn uncommented(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_statements_without_comments() {
        let text =
            "-- about\nCREATE TABLE a (x Int8 COMMENT 'one; two');\n\n-- more\nCREATE TABLE b\n(y Int8);\n";
        assert_eq!(
            statements(text),
            ["CREATE TABLE a (x Int8 COMMENT 'one; two')", "CREATE TABLE b\n(y Int8)"]
        );
    }

    #[test]
    fn every_statement_may_run_twice() {
        for step in steps().iter().filter(|step| !step.is_view) {
            // What is inserted twice is there once: every table is keyed.
            let starts = ["CREATE TABLE IF NOT EXISTS ${t}", "DROP TABLE IF EXISTS ${t}", "INSERT INTO ${t}"];
            assert!(starts.iter().any(|start| step.statement.starts_with(start)), "{}", step.statement);
        }
        for step in steps().iter().filter(|step| step.is_view) {
            let starts = ["CREATE OR REPLACE VIEW ${t}", "CREATE MATERIALIZED VIEW IF NOT EXISTS ${t}"];
            let name = step.name.trim_start_matches(OF_VIEW);
            assert!(
                starts.iter().any(|start| step.statement.starts_with(&format!("{start}{name}"))),
                "{name}"
            );
        }
    }
}
