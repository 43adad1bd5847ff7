//! The page of a person: ranks on every board, history by day, models, tools, sessions.

use super::{Choice, window_name};
use crate::ask::{BoardAsk, HISTORY_DAYS, PersonAsk, Split};
use crate::chart::{self, STACK_HEIGHT, Segment};
use crate::frame::Frame;
use crate::rows::{PersonPage, PersonRow};
use crate::show;
use crate::shown::{Cost, Figure, Movement, Share, called, hue};
use askama::Template;
use tally_domain::{Board, Day, Metric, PersonId, Window};

/// The query of the page; its parameters are named in the file.
pub const SQL: &str = include_str!("person.sql");

/// Width of a day in the view box of the chart.
const DAY_WIDTH: i128 = 100;

/// The page of a person as HTML.
///
/// # Errors
/// Only when the template cannot be written, which no row can cause.
pub fn render(frame: Frame, ask: &PersonAsk, rows: &PersonPage) -> Result<String, askama::Error> {
    PersonHtml::of(frame, ask, rows).render()
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonHtml {
    frame: Frame,
    id: String,
    name: String,
    anonymous: bool,
    initials: String,
    hue: u8,
    place: String,
    on_board: String,
    boards: Vec<BoardHtml>,
    spans: Vec<Choice>,
    splits: Vec<Choice>,
    span_words: String,
    series: Vec<String>,
    days: Vec<DayHtml>,
    bars: Vec<BarHtml>,
    axis_top: String,
    axis_half: String,
    chart_width: i128,
    chart_height: i128,
    chart_half: i128,
    chart_label: String,
    dates: Vec<String>,
    tables: Vec<TableHtml>,
    sessions: Vec<SessionHtml>,
}

struct BoardHtml {
    key: &'static str,
    window: &'static str,
    tokens: Figure,
    cost: Cost,
    rank_tokens: u32,
    rank_tokens_text: String,
    rank_cost: u32,
    rank_cost_text: String,
    movement_tokens: Movement,
    movement_cost: Movement,
    href_tokens: String,
    href_cost: String,
}

struct DayHtml {
    day: String,
    cells: Vec<String>,
    all: String,
    cost: Cost,
}

struct BarHtml {
    x: i128,
    x_hit: i128,
    title: String,
    segments: Vec<Segment>,
}

struct TableHtml {
    key: &'static str,
    title: &'static str,
    column: &'static str,
    /// False where a cost cannot be told: it is of a call, not of a class.
    priced: bool,
    lines: Vec<LineHtml>,
}

struct LineHtml {
    label: String,
    share_percent: String,
    share_width: String,
    tokens: Figure,
    cost: Cost,
}

struct SessionHtml {
    started: String,
    lasted: String,
    label: String,
    requests: String,
    share_percent: String,
    cost: Cost,
    tokens: Figure,
}

impl PersonHtml {
    fn of(frame: Frame, ask: &PersonAsk, rows: &PersonPage) -> Self {
        let anonymous = rows.head.label.trim().is_empty();
        let history = History::of(&rows.days);
        let chart = Chart::of(&history, ask);
        Self {
            frame,
            id: ask.person.to_string(),
            name: called(&rows.head.label, ask.person),
            anonymous,
            initials: if anonymous { "·".to_owned() } else { show::initials(&rows.head.label) },
            hue: hue(ask.person),
            place: place(&rows.boards),
            on_board: BoardAsk { around: Some(ask.person), ..BoardAsk::default() }.address("/"),
            boards: rows.boards.iter().filter_map(|row| BoardHtml::of(row, ask.person)).collect(),
            spans: span_choices(ask),
            splits: split_choices(ask),
            span_words: format!("last {} days", ask.days),
            days: history.table(),
            series: history.series.iter().map(|label| series_name(label)).collect(),
            bars: chart.bars,
            axis_top: chart.axis_top,
            axis_half: chart.axis_half,
            chart_width: chart.width,
            chart_height: STACK_HEIGHT,
            chart_half: STACK_HEIGHT / 2,
            chart_label: chart.label,
            dates: chart.dates,
            tables: vec![
                table("classes", "Token classes", "Class", &rows.classes),
                table("models", "Models", "Model", &rows.models),
                table("tools", "Tools", "Tool", &rows.tools),
            ],
            sessions: rows.sessions.iter().map(SessionHtml::of).collect(),
        }
    }
}

fn place(boards: &[PersonRow]) -> String {
    let month = boards.iter().find(|row| row.label == Window::Days30.name() && row.rank_tokens > 0);
    match month {
        None => "Not on the board of the last 30 days.".to_owned(),
        Some(row) => format!(
            "Number {} of {} over the last 30 days, by tokens.",
            show::full(row.rank_tokens.into()),
            show::full(row.people.into())
        ),
    }
}

impl BoardHtml {
    fn of(row: &PersonRow, person: PersonId) -> Option<Self> {
        let window = Window::from_name(&row.label)?;
        let around = |metric| {
            BoardAsk { board: Board { metric, window }, around: Some(person), ..BoardAsk::default() }
                .address("/")
        };
        Some(Self {
            key: window.name(),
            window: window_name(window),
            tokens: Figure::tokens(row.tokens),
            cost: Cost::of(row.cost_nano_usd, row.unpriced, row.tokens),
            rank_tokens: row.rank_tokens,
            rank_tokens_text: show::full(row.rank_tokens.into()),
            rank_cost: row.rank_cost,
            rank_cost_text: show::full(row.rank_cost.into()),
            movement_tokens: Movement::of(row.movement_tokens),
            movement_cost: Movement::of(row.movement_cost),
            href_tokens: around(Metric::Tokens),
            href_cost: around(Metric::Cost),
        })
    }
}

/// The days of the rows, each with one value per series; days without a row are absent.
struct History<'a> {
    series: Vec<&'a str>,
    days: Vec<(Day, &'a PersonRow, Vec<i128>)>,
}

impl<'a> History<'a> {
    /// Rows with an empty label are whole days; the others come in the order of their series.
    fn of(rows: &'a [PersonRow]) -> Self {
        let mut series: Vec<&str> = Vec::new();
        for row in rows.iter().filter(|row| !row.label.is_empty()) {
            if !series.contains(&row.label.as_str()) {
                series.push(&row.label);
            }
        }
        let value = |day: Day, label: &str| {
            let row = rows.iter().find(|row| row.label == label && row.day() == day);
            row.map_or(0, |row| row.tokens)
        };
        let whole = rows.iter().filter(|row| row.label.is_empty());
        let days = whole
            .map(|row| (row.day(), row, series.iter().map(|label| value(row.day(), label)).collect()))
            .collect();
        Self { series, days }
    }

    fn table(&self) -> Vec<DayHtml> {
        let newest_first = self.days.iter().rev();
        newest_first
            .map(|(day, row, values)| DayHtml {
                day: show::day_full(*day),
                cells: values.iter().map(|&tokens| show::full(tokens)).collect(),
                all: show::full(row.tokens),
                cost: Cost::of(row.cost_nano_usd, row.unpriced, row.tokens),
            })
            .collect()
    }
}

struct Chart {
    bars: Vec<BarHtml>,
    axis_top: String,
    axis_half: String,
    width: i128,
    label: String,
    dates: Vec<String>,
}

impl Chart {
    fn of(history: &History<'_>, ask: &PersonAsk) -> Self {
        let span = i32::try_from(ask.days).unwrap_or(i32::MAX);
        let last = history.days.iter().map(|(day, ..)| *day).max().unwrap_or_default();
        let first = Day(last.0.saturating_sub(span.saturating_sub(1)));
        let peak = history.days.iter().max_by_key(|(_, row, _)| row.tokens);
        let top = chart::axis_top(peak.map_or(0, |(_, row, _)| row.tokens));
        let short = |tokens| show::short(tokens).to_string();
        Self {
            bars: history.days.iter().map(|(day, row, values)| bar(first, *day, row, values, top)).collect(),
            axis_top: short(top),
            axis_half: short(top / 2),
            width: i128::from(span) * DAY_WIDTH,
            label: peak.map_or_else(String::new, |(day, row, _)| {
                let most = short(row.tokens).replace('\u{a0}', " ");
                format!("Tokens by day; highest day {}: {most} tokens", show::day(*day))
            }),
            dates: dates(first, span),
        }
    }
}

fn bar(first: Day, day: Day, row: &PersonRow, values: &[i128], top: i128) -> BarHtml {
    let x_hit = i128::from(day.0.saturating_sub(first.0)) * DAY_WIDTH;
    BarHtml {
        x: x_hit + 14,
        x_hit,
        title: format!(
            "{}: {} tokens, {}",
            show::day(day),
            show::short(row.tokens),
            show::dollars(row.cost_nano_usd)
        ),
        segments: chart::stack(values, top),
    }
}

/// Five dates, evenly from the first day to the last.
fn dates(first: Day, span: i32) -> Vec<String> {
    let step = |n: i32| Day(first.0.saturating_add(span.saturating_sub(1).saturating_mul(n) / 4));
    (0..5).map(|n| show::day(step(n))).collect()
}

fn span_choices(ask: &PersonAsk) -> Vec<Choice> {
    let names = ["30 days", "90 days", "1 year"];
    HISTORY_DAYS
        .into_iter()
        .zip(names)
        .map(|(days, name)| Choice {
            name,
            href: PersonAsk { days, ..ask.clone() }.address(),
            here: days == ask.days,
        })
        .collect()
}

fn split_choices(ask: &PersonAsk) -> Vec<Choice> {
    let choice = |split: Split| Choice {
        name: match split {
            Split::Class => "By class",
            Split::Model => "By model",
        },
        href: PersonAsk { split, ..ask.clone() }.address(),
        here: split == ask.split,
    };
    Split::ALL.map(choice).into()
}

fn table(key: &'static str, title: &'static str, column: &'static str, rows: &[PersonRow]) -> TableHtml {
    let line = |row: &PersonRow| {
        let share = Share::of(row.share);
        LineHtml {
            label: series_name(&row.label),
            share_percent: share.percent,
            share_width: share.width,
            tokens: Figure::tokens(row.tokens),
            cost: Cost::of(row.cost_nano_usd, row.unpriced, row.tokens),
        }
    };
    TableHtml { key, title, column, priced: key != "classes", lines: rows.iter().map(line).collect() }
}

impl SessionHtml {
    fn of(row: &PersonRow) -> Self {
        Self {
            started: show::instant_short(row.since()),
            lasted: show::span(row.until_ms.saturating_sub(row.since_ms)),
            label: row.label.clone(),
            requests: show::full(row.requests.into()),
            share_percent: Share::of(row.cache_read_share).percent,
            cost: Cost::of(row.cost_nano_usd, row.unpriced, row.tokens),
            tokens: Figure::tokens(row.tokens),
        }
    }
}

/// Token classes in words; models and tools as they were reported.
fn series_name(label: &str) -> String {
    match label {
        "input" => "Input",
        "cache_read" => "Cache reads",
        "cache_write_5m" => "Cache writes, 5 min",
        "cache_write_1h" => "Cache writes, 1 h",
        "output" => "Output",
        "reasoning" => "Reasoning",
        "" => "Not said",
        other => other,
    }
    .to_owned()
}
