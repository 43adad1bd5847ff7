//! Boards and people for people.

use comfy_table::{Cell, Color, Table};

use super::number::{bar, dollars, human, movement, percent, sparkline};
use super::{coloured, right, table};
use crate::report::{InWindow, Me, Top, Used};

/// Cells of the bar that shows how much came from a cache.
const BAR: usize = 10;

/// A board.
pub(crate) fn top(report: &Top) -> String {
    let Some(as_of) = &report.as_of else {
        return "Nobody is ranked yet. Import something first: tally import --help\n".to_owned();
    };
    let by = if report.by == "cost" { "list cost" } else { "tokens" };
    let mut text = format!("{} by {by}, {}, as of {as_of}\n\n", span(report.window), people(report.people));
    let mut table = table(&["#", "", "person", "tokens", "from cache", "list cost"]);
    for row in &report.rows {
        table.add_row([
            Cell::new(row.rank),
            moved(row.movement),
            Cell::new(&row.person),
            Cell::new(human(row.tokens)),
            cached(row.cache_read_share),
            Cell::new(dollars(row.list_cost_usd.0)),
        ]);
    }
    right(&mut table, [0, 3, 5]);
    text.push_str(&table.trim_fmt());
    text.push('\n');
    text
}

/// A person.
pub(crate) fn me(report: &Me) -> String {
    let row = &report.row;
    let mut text = format!(
        "{}  #{} of {} {}\n{} by {}, as of {}\n\n",
        row.person,
        row.rank,
        report.people,
        movement(row.movement),
        span(report.window),
        if report.by == "cost" { "list cost" } else { "tokens" },
        report.as_of,
    );
    text.push_str(&section(&windows(&report.windows)));
    if !report.days.is_empty() {
        let tokens: Vec<i128> = report.days.iter().map(|day| day.used.tokens).collect();
        text.push_str(&sparkline(&tokens));
        text.push('\n');
        text.push_str(&section(&used("day", report.days.iter().map(|it| (it.day.as_str(), &it.used)))));
    }
    text.push_str(&section(&used("model", report.models.iter().map(|it| (it.model.as_str(), &it.used)))));
    text.push_str(&section(&used("tool", report.tools.iter().map(|it| (it.tool.as_str(), &it.used)))));
    let sessions: Vec<String> = report
        .sessions
        .iter()
        .map(|it| format!("{}  {} to {}", it.source, minute(&it.first), minute(&it.last)))
        .collect();
    let lines = sessions.iter().map(String::as_str).zip(report.sessions.iter().map(|it| &it.used));
    text.push_str(&section(&used("latest sessions", lines)));
    text
}

fn windows(windows: &[InWindow]) -> Table {
    let mut table = table(&["window", "#", "", "tokens", "from cache", "requests", "list cost"]);
    for it in windows {
        let rank = if it.rank == 0 { "–".to_owned() } else { it.rank.to_string() };
        table.add_row([
            Cell::new(it.window),
            Cell::new(rank),
            moved(it.movement),
            Cell::new(human(it.used.tokens)),
            cached(it.used.cache_read_share),
            Cell::new(human(it.used.requests)),
            Cell::new(dollars(it.used.list_cost_usd.0)),
        ]);
    }
    right(&mut table, [1, 3, 5, 6]);
    table
}

fn used<'a>(what: &str, lines: impl Iterator<Item = (&'a str, &'a Used)>) -> Table {
    let mut table = table(&[what, "tokens", "from cache", "requests", "list cost"]);
    for (name, used) in lines {
        table.add_row([
            Cell::new(name),
            Cell::new(human(used.tokens)),
            cached(used.cache_read_share),
            Cell::new(human(used.requests)),
            Cell::new(dollars(used.list_cost_usd.0)),
        ]);
    }
    right(&mut table, [1, 3, 4]);
    table
}

fn section(table: &Table) -> String {
    if table.row_count() == 0 { String::new() } else { table.trim_fmt() + "\n\n" }
}

fn cached(share: f64) -> Cell {
    let cell = Cell::new(format!("{} {:>5}", bar(share, BAR), percent(share)));
    if coloured() { cell.fg(Color::Cyan) } else { cell }
}

fn moved(climbed: Option<i32>) -> Cell {
    let cell = Cell::new(movement(climbed));
    match climbed {
        Some(1..) if coloured() => cell.fg(Color::Green),
        Some(..=-1) if coloured() => cell.fg(Color::Red),
        _ => cell,
    }
}

fn people(count: u64) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

fn span(window: &str) -> &'static str {
    match window {
        "24h" => "The last 24 hours",
        "7d" => "The last 7 days",
        "30d" => "The last 30 days",
        _ => "All time",
    }
}

/// `2026-02-11T20:36:47.925Z` to the minute.
fn minute(instant: &str) -> String {
    instant.get(..16).unwrap_or(instant).replace('T', " ")
}
