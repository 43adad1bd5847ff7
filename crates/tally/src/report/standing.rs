//! `tally top --json` and `tally me --json`.

use serde::Serialize;
use tally_clickhouse::query::{DayLine, ModelLine, SessionLine, SnapshotHead, ToolLine, TopLine};
use tally_clickhouse::rows::{StandingColumns, minute_of};
use tally_domain::{Day, EventTime, Hash128, Metric, Window};

use super::usage::{Usd, instant, share};

/// One page of a board.
#[derive(Debug, Serialize)]
pub(crate) struct Top {
    /// The minute that the numbers are true for; none before the first ranking.
    pub(crate) as_of: Option<String>,
    pub(crate) window: &'static str,
    pub(crate) by: &'static str,
    pub(crate) people: u64,
    pub(crate) rows: Vec<Row>,
}

/// One person on a board.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) rank: u32,
    pub(crate) person: String,
    pub(crate) tokens: i128,
    pub(crate) list_cost_usd: Usd,
    pub(crate) cache_read_share: f64,
    /// Places climbed since the ranking that movement is measured against; none for who was not on it.
    pub(crate) movement: Option<i32>,
    pub(crate) person_id: String,
    pub(crate) requests: i128,
    pub(crate) unpriced_tokens: i128,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) team: String,
}

impl Row {
    pub(crate) fn of(line: TopLine) -> Self {
        let person_id = Hash128(line.person).to_string();
        Self {
            rank: line.rank,
            person: if line.name.is_empty() { person_id.clone() } else { line.name },
            tokens: line.tokens,
            list_cost_usd: Usd(line.cost),
            cache_read_share: share(line.cache_read, line.tokens),
            movement: line.climbed,
            person_id,
            requests: line.requests,
            unpriced_tokens: line.unpriced,
            team: line.team,
        }
    }
}

/// One person.
#[derive(Debug, Serialize)]
pub(crate) struct Me {
    pub(crate) as_of: String,
    pub(crate) window: &'static str,
    pub(crate) by: &'static str,
    pub(crate) people: u64,
    #[serde(flatten)]
    pub(crate) row: Row,
    /// The same numbers in every window.
    pub(crate) windows: Vec<InWindow>,
    pub(crate) days: Vec<OnDay>,
    pub(crate) models: Vec<WithModel>,
    pub(crate) tools: Vec<WithTool>,
    pub(crate) sessions: Vec<InSession>,
}

/// A person's standing in one window.
#[derive(Debug, Serialize)]
pub(crate) struct InWindow {
    pub(crate) window: &'static str,
    pub(crate) rank: u32,
    pub(crate) movement: Option<i32>,
    #[serde(flatten)]
    pub(crate) used: Used,
}

/// Usage of a person in one part of what they did.
#[derive(Debug, Serialize)]
pub(crate) struct Used {
    pub(crate) tokens: i128,
    pub(crate) requests: i128,
    pub(crate) list_cost_usd: Usd,
    pub(crate) cache_read_share: f64,
    pub(crate) unpriced_tokens: i128,
}

#[derive(Debug, Serialize)]
pub(crate) struct OnDay {
    pub(crate) day: String,
    #[serde(flatten)]
    pub(crate) used: Used,
}

#[derive(Debug, Serialize)]
pub(crate) struct WithModel {
    pub(crate) model: String,
    #[serde(flatten)]
    pub(crate) used: Used,
}

#[derive(Debug, Serialize)]
pub(crate) struct WithTool {
    pub(crate) tool: String,
    #[serde(flatten)]
    pub(crate) used: Used,
}

#[derive(Debug, Serialize)]
pub(crate) struct InSession {
    pub(crate) session: String,
    pub(crate) source: String,
    pub(crate) first: String,
    pub(crate) last: String,
    #[serde(flatten)]
    pub(crate) used: Used,
}

/// What lines of every kind say.
macro_rules! used {
    ($line:expr) => {
        Used {
            tokens: $line.tokens,
            requests: $line.requests,
            list_cost_usd: Usd($line.cost),
            cache_read_share: share($line.cache_read, $line.tokens),
            unpriced_tokens: $line.unpriced,
        }
    };
}

/// The lines that a person's page is made of.
#[derive(Debug, Default)]
pub(crate) struct PersonLines {
    pub(crate) days: Vec<DayLine>,
    pub(crate) models: Vec<ModelLine>,
    pub(crate) tools: Vec<ToolLine>,
    pub(crate) sessions: Vec<SessionLine>,
}

impl Me {
    /// `windows` are the person's standings in the order of [`Window::ALL`].
    pub(crate) fn of(
        head: &SnapshotHead,
        (window, metric): (Window, Metric),
        row: Row,
        windows: &[StandingColumns; 4],
        lines: PersonLines,
    ) -> Self {
        let PersonLines { days, models, tools, sessions } = lines;
        Self {
            as_of: instant(minute_of(head.as_of)),
            window: window.name(),
            by: metric.name(),
            people: head.people,
            row,
            windows: Window::ALL.into_iter().zip(windows).map(|(of, it)| in_window(of, metric, it)).collect(),
            days: days
                .into_iter()
                .map(|it| OnDay { day: Day(it.day).to_string(), used: used!(it) })
                .collect(),
            models: models.into_iter().map(|it| WithModel { used: used!(it), model: it.model }).collect(),
            tools: tools.into_iter().map(|it| WithTool { used: used!(it), tool: it.tool }).collect(),
            sessions: sessions.into_iter().map(in_session).collect(),
        }
    }
}

fn in_window(window: Window, metric: Metric, standing: &StandingColumns) -> InWindow {
    let (rank, movement) = place(metric, standing);
    InWindow { window: window.name(), rank, movement, used: used!(standing) }
}

/// Rank and places climbed by a metric.
pub(crate) fn place(metric: Metric, standing: &StandingColumns) -> (u32, Option<i32>) {
    match metric {
        Metric::Tokens => (standing.rank_tokens, standing.climbed_tokens),
        Metric::Cost => (standing.rank_cost, standing.climbed_cost),
    }
}

fn in_session(line: SessionLine) -> InSession {
    let time = |ms| EventTime::from_ms(ms).map_or_else(String::new, |time| time.to_string());
    InSession {
        session: format!("{:016x}", line.session),
        first: time(line.first),
        last: time(line.last),
        used: used!(line),
        source: line.source,
    }
}
