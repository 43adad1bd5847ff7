//! The leaderboard: people by rank, the rest and the whole.

use super::{Choice, window_name, window_words};
use crate::ask::BoardAsk;
use crate::chart::Spark;
use crate::frame::Frame;
use crate::rows::{BoardPage, BoardRow};
use crate::show;
use crate::shown::{Cost, Figure, Movement, Share, called, hue, trend};
use askama::Template;
use tally_domain::{Board, Metric, Window};

/// The query of the page; its parameters are named in the file.
pub const SQL: &str = include_str!("board.sql");

/// The board as HTML.
///
/// # Errors
/// Only when the template cannot be written, which no row can cause.
pub fn render(frame: Frame, ask: &BoardAsk, rows: &BoardPage) -> Result<String, askama::Error> {
    BoardHtml::of(frame, ask, rows).render()
}

#[derive(Template)]
#[template(path = "board.html")]
struct BoardHtml {
    frame: Frame,
    window: &'static str,
    metric: &'static str,
    window_words: &'static str,
    metric_words: &'static str,
    by_cost: bool,
    windows: Vec<Choice>,
    metrics: Vec<Choice>,
    search: String,
    found_text: String,
    found_count: String,
    clear: String,
    first_text: String,
    last_text: String,
    company: Sum,
    others: Option<Sum>,
    people: Vec<PersonHtml>,
    pages_shown: bool,
    page: u64,
    page_last: u64,
    page_last_text: String,
    page_fields: Vec<(&'static str, String)>,
    previous: Option<String>,
    next: Option<String>,
    pinned: bool,
    newest: String,
}

struct Sum {
    people: u64,
    people_count: String,
    people_text: String,
    tokens: Figure,
    cost: Cost,
    cost_short: Cost,
    share_percent: String,
    share_width: String,
    spark: Spark,
    spark_label: String,
}

struct PersonHtml {
    id: String,
    href: String,
    name: String,
    anonymous: bool,
    initials: String,
    hue: u8,
    rank: String,
    medal: &'static str,
    marked: bool,
    movement: Movement,
    tokens: Figure,
    cost: Cost,
    share_percent: String,
    share_width: String,
    spark: Spark,
    spark_label: String,
}

impl BoardHtml {
    fn of(frame: Frame, ask: &BoardAsk, rows: &BoardPage) -> Self {
        let Paging { page, page_last, first, last, steady } = Paging::of(ask, rows);
        let turn = |page: u64| {
            BoardAsk { page: u32::try_from(page).unwrap_or(u32::MAX), ..steady.clone() }.address("/")
        };
        let metric_words = match ask.board.metric {
            Metric::Tokens => "tokens",
            Metric::Cost => "list cost",
        };
        Self {
            frame,
            window: ask.board.window.name(),
            metric: ask.board.metric.name(),
            window_words: window_words(ask.board.window),
            metric_words,
            by_cost: ask.board.metric == Metric::Cost,
            windows: window_choices(ask),
            metrics: metric_choices(ask),
            search: ask.search.clone(),
            found_text: people_found(rows.company.found),
            found_count: show::full(rows.company.found.into()),
            clear: BoardAsk { search: String::new(), ..ask.on(ask.board) }.address("/"),
            first_text: show::full(first.into()),
            last_text: show::full(last.into()),
            company: Sum::of(&rows.company),
            others: rows.others.as_ref().map(Sum::of),
            people: rows.people.iter().map(|row| PersonHtml::of(row, ask)).collect(),
            pages_shown: page_last > 1,
            page,
            page_last,
            page_last_text: show::full(page_last.into()),
            page_fields: page_fields(&steady),
            previous: (page > 1).then(|| turn(page - 1)),
            next: (page < page_last).then(|| turn(page + 1)),
            pinned: ask.at.is_some(),
            newest: BoardAsk { at: None, around: None, ..steady.clone() }.address("/"),
        }
    }
}

/// Where this page lies among all pages; turning it stays with the same snapshot.
struct Paging {
    page: u64,
    page_last: u64,
    first: u64,
    last: u64,
    steady: BoardAsk,
}

impl Paging {
    fn of(ask: &BoardAsk, rows: &BoardPage) -> Self {
        let company = &rows.company;
        let limit = u64::from(ask.limit.max(1));
        let page = company.skipped / limit + 1;
        let shown = u64::try_from(rows.people.len()).unwrap_or(u64::MAX);
        let steady = BoardAsk {
            page: u32::try_from(page).unwrap_or(u32::MAX),
            around: None,
            at: Some(rows.steady),
            ..ask.clone()
        };
        Self {
            page,
            page_last: company.found.div_ceil(limit).max(1),
            first: company.skipped + u64::from(shown > 0),
            last: company.skipped + shown,
            steady,
        }
    }
}

impl Sum {
    fn of(row: &BoardRow) -> Self {
        let share = Share::of(row.cache_read_share);
        let (spark, spark_label) = trend(row);
        Self {
            people: row.people,
            people_count: show::full(row.people.into()),
            people_text: people_counted(row.people),
            tokens: Figure::tokens(row.tokens),
            cost: Cost::of(row.cost_nano_usd, row.unpriced, row.tokens),
            cost_short: Cost::short(row.cost_nano_usd, row.unpriced, row.tokens),
            share_percent: share.percent,
            share_width: share.width,
            spark,
            spark_label,
        }
    }
}

impl PersonHtml {
    fn of(row: &BoardRow, ask: &BoardAsk) -> Self {
        let person = row.person_id();
        let share = Share::of(row.cache_read_share);
        let (spark, spark_label) = trend(row);
        let anonymous = row.name.trim().is_empty();
        Self {
            id: person.to_string(),
            href: format!("/people/{person}"),
            name: called(&row.name, person),
            anonymous,
            initials: if anonymous { "·".to_owned() } else { show::initials(&row.name) },
            hue: hue(person),
            rank: show::full(row.rank.into()),
            medal: medal(row.rank),
            marked: ask.around == Some(person),
            movement: Movement::of(row.movement),
            tokens: Figure::tokens(row.tokens),
            cost: Cost::of(row.cost_nano_usd, row.unpriced, row.tokens),
            share_percent: share.percent,
            share_width: share.width,
            spark,
            spark_label,
        }
    }
}

fn window_choices(ask: &BoardAsk) -> Vec<Choice> {
    let choice = |window: Window| Choice {
        name: window_name(window),
        href: ask.on(Board { window, ..ask.board }).address("/"),
        here: window == ask.board.window,
    };
    Window::ALL.map(choice).into()
}

fn metric_choices(ask: &BoardAsk) -> Vec<Choice> {
    let choice = |metric: Metric| Choice {
        name: match metric {
            Metric::Tokens => "Tokens",
            Metric::Cost => "Cost",
        },
        href: ask.on(Board { metric, ..ask.board }).address("/"),
        here: metric == ask.board.metric,
    };
    Metric::ALL.map(choice).into()
}

fn page_fields(ask: &BoardAsk) -> Vec<(&'static str, String)> {
    let mut fields =
        vec![("window", ask.board.window.name().to_owned()), ("by", ask.board.metric.name().to_owned())];
    if !ask.search.is_empty() {
        fields.push(("q", ask.search.clone()));
    }
    fields.push(("limit", ask.limit.to_string()));
    fields.extend(ask.at.map(|snapshot| ("at", snapshot.to_string())));
    fields
}

fn people_counted(people: u64) -> String {
    let noun = if people == 1 { "person" } else { "people" };
    format!("{} {noun}", show::full(people.into()))
}

fn people_found(people: u64) -> String {
    format!("{} found.", people_counted(people))
}

const fn medal(rank: u32) -> &'static str {
    match rank {
        1 => " first",
        2 => " second",
        3 => " third",
        _ => "",
    }
}
