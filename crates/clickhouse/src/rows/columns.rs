//! Column types that rows share.

use serde::{Deserialize, Serialize};
use tally_domain::Usage;

/// `FixedString(16)`.
pub type Hash = [u8; 16];

/// A usage vector as the columns `h24`, `d7`, `d30` and `lifetime` hold it: a tuple of nine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "UsageParts", into = "UsageParts")]
#[expect(missing_docs, reason = "lane by lane as documented on Usage; cost in nano-USD")]
pub struct UsageTuple {
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

type UsageParts = (i64, i64, i64, i64, i64, i64, i64, i64, i64);

/// The type of a [`UsageTuple`] column.
pub(crate) const USAGE: &str = "Tuple(input Int64, cache_read Int64, cache_write_5m Int64, cache_write_1h Int64, \
     output Int64, reasoning Int64, requests Int64, unpriced Int64, cost Decimal(18, 9))";

impl From<UsageParts> for UsageTuple {
    fn from((a, b, c, d, e, f, g, h, i): UsageParts) -> Self {
        Usage::from_lanes([a, b, c, d, e, f, g, h, i]).into()
    }
}

impl From<UsageTuple> for UsageParts {
    fn from(usage: UsageTuple) -> Self {
        let [a, b, c, d, e, f, g, h, i] = Usage::from(usage).lanes();
        (a, b, c, d, e, f, g, h, i)
    }
}

impl From<Usage> for UsageTuple {
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

impl From<UsageTuple> for Usage {
    fn from(tuple: UsageTuple) -> Self {
        let UsageTuple {
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

/// A person's standing in one window: totals, and where they stand by tokens and by list cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StandingParts", into = "StandingParts")]
pub struct StandingTuple {
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

type StandingParts = (i128, i128, i128, i128, i128, u32, u32, Option<i32>, u32, u32, Option<i32>);

/// The type of a [`StandingTuple`] column.
pub(crate) const STANDING: &str = "Tuple(tokens Int128, cache_read Int128, requests Int128, unpriced Int128, \
     cost Decimal(38, 9), rank_tokens UInt32, place_tokens UInt32, climbed_tokens Nullable(Int32), \
     rank_cost UInt32, place_cost UInt32, climbed_cost Nullable(Int32))";

impl From<StandingParts> for StandingTuple {
    fn from(parts: StandingParts) -> Self {
        let (tokens, cache_read, requests, unpriced, cost, ..) = parts;
        let (.., rank_tokens, place_tokens, climbed_tokens, rank_cost, place_cost, climbed_cost) = parts;
        Self {
            tokens,
            cache_read,
            requests,
            unpriced,
            cost,
            rank_tokens,
            place_tokens,
            climbed_tokens,
            rank_cost,
            place_cost,
            climbed_cost,
        }
    }
}

impl From<StandingTuple> for StandingParts {
    fn from(s: StandingTuple) -> Self {
        let StandingTuple { tokens, cache_read, requests, unpriced, cost, .. } = s;
        let StandingTuple {
            rank_tokens,
            place_tokens,
            climbed_tokens,
            rank_cost,
            place_cost,
            climbed_cost,
            ..
        } = s;
        (
            tokens,
            cache_read,
            requests,
            unpriced,
            cost,
            rank_tokens,
            place_tokens,
            climbed_tokens,
            rank_cost,
            place_cost,
            climbed_cost,
        )
    }
}
