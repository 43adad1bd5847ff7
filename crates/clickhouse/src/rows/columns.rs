//! Columns that rows share.

use serde::{Deserialize, Serialize};
use tally_domain::Usage;

/// `FixedString(16)`.
pub type Hash = [u8; 16];

/// A usage vector in one window: nine columns, each named after its lane and window, as `input_24h`.
///
/// Within a row it stands as a struct, which the client writes and reads as its fields, one column each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "lane by lane as documented on Usage; cost in nano-USD")]
pub struct UsageColumns {
    pub input: i64,
    pub cache_read: i64,
    pub cache_write_5m: i64,
    pub cache_write_1h: i64,
    pub output: i64,
    pub reasoning: i64,
    pub requests: i64,
    pub unpriced: i64,
    pub cost: i64,
}

impl From<Usage> for UsageColumns {
    fn from(usage: Usage) -> Self {
        let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, unpriced, cost] =
            usage.lanes();
        Self {
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            requests,
            unpriced,
            cost,
        }
    }
}

impl From<UsageColumns> for Usage {
    fn from(tuple: UsageColumns) -> Self {
        let UsageColumns {
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            requests,
            unpriced,
            cost,
        } = tuple;
        Self::from_lanes([
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            requests,
            unpriced,
            cost,
        ])
    }
}

/// A person's standing in one window, totals and where they stand by tokens and by list cost: eleven columns,
/// each named after its field and window, as `rank_tokens_30d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingColumns {
    /// All tokens.
    pub tokens: i128,
    /// Tokens among them that were read from a cache.
    pub cache_read: i128,
    /// Calls of a model.
    pub requests: i128,
    /// Tokens without a price.
    pub unpriced: i128,
    /// List cost, nano-USD.
    pub cost: i128,
    /// Rank by tokens, from 1; equal totals share one. 0 = not ranked.
    pub rank_tokens: u32,
    /// Place in the list by tokens, from 1, unique: what pages are cut by.
    pub place_tokens: u32,
    /// Places climbed by tokens since the earlier snapshot.
    pub climbed_tokens: Option<i32>,
    /// Rank by list cost.
    pub rank_cost: u32,
    /// Place in the list by list cost.
    pub place_cost: u32,
    /// Places climbed by list cost.
    pub climbed_cost: Option<i32>,
}

/// Names of columns that repeat for each window, between those that do not.
macro_rules! per_window {
    ([$($before:literal)*] [$($each:literal)*] [$($after:literal)*]) => { &[
        $($before,)*
        $(concat!($each, "_24h"),)* $(concat!($each, "_7d"),)* $(concat!($each, "_30d"),)* $(concat!($each, "_lifetime"),)*
        $($after,)*
    ] };
}
pub(crate) use per_window;

/// Fields of [`UsageColumns`] with their types and what they hold.
pub(crate) const USAGE: [(&str, &str, &str); 9] = [
    ("input", "Int64", "uncached input tokens"),
    ("cache_read", "Int64", "input tokens read from a cache"),
    ("cache_write_5m", "Int64", "input tokens written to a cache for five minutes or an unknown life"),
    ("cache_write_1h", "Int64", "input tokens written to a cache for an hour"),
    ("output", "Int64", "output tokens, reasoning excepted where the source splits it"),
    ("reasoning", "Int64", "reasoning tokens"),
    ("requests", "Int64", "calls of a model"),
    ("unpriced", "Int64", "tokens without a price"),
    ("cost", "Decimal(18, 9)", "list cost in US dollars"),
];

/// Fields of [`StandingColumns`] with their types and what they hold.
pub(crate) const STANDING: [(&str, &str, &str); 11] = [
    ("tokens", "Int128", "all tokens"),
    ("cache_read", "Int128", "tokens read from a cache"),
    ("requests", "Int128", "calls of a model"),
    ("unpriced", "Int128", "tokens without a price"),
    ("cost", "Decimal(38, 9)", "list cost in US dollars"),
    ("rank_tokens", "UInt32", "rank by tokens, from 1; equal totals share one"),
    ("place_tokens", "UInt32", "place in the list by tokens, from 1, unique: what pages are cut by"),
    (
        "climbed_tokens",
        "Nullable(Int32)",
        "ranks climbed by tokens since the earlier snapshot; NULL = not on it",
    ),
    ("rank_cost", "UInt32", "rank by list cost, from 1; equal totals share one"),
    ("place_cost", "UInt32", "place in the list by list cost, from 1, unique"),
    (
        "climbed_cost",
        "Nullable(Int32)",
        "ranks climbed by list cost since the earlier snapshot; NULL = not on it",
    ),
];

/// The definitions of the columns of one window.
pub(crate) fn definitions(columns: &[(&str, &str, &str)], window: tally_domain::Window) -> String {
    let span = match window {
        tally_domain::Window::Hours24 => "in the last 24 hours",
        tally_domain::Window::Days7 => "in the last 7 days",
        tally_domain::Window::Days30 => "in the last 30 days",
        tally_domain::Window::Lifetime => "of all time",
    };
    let one = |(name, kind, holds): &(&str, &str, &str)| {
        format!("{name}_{} {kind} COMMENT '{holds}, {span}'", window.name())
    };
    columns.iter().map(one).collect::<Vec<_>>().join(",\n    ")
}
