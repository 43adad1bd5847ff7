//! What was used: six disjoint token classes that add up, requests and list cost.

use std::fmt;

/// A token class. Disjoint: a token is in one of them and in no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// Uncached input.
    Input,
    /// Input read from a cache.
    CacheRead,
    /// Input written to a cache for five minutes, or for an unknown life.
    CacheWrite5m,
    /// Input written to a cache for an hour.
    CacheWrite1h,
    /// Output, reasoning excepted where the source can split it.
    Output,
    /// Reasoning.
    Reasoning,
}

impl Class {
    /// All classes, in the order of [`Usage::tokens`].
    pub const ALL: [Self; 6] =
        [Self::Input, Self::CacheRead, Self::CacheWrite5m, Self::CacheWrite1h, Self::Output, Self::Reasoning];

    /// The field's name in schemas, tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheWrite5m => "cache_write_5m",
            Self::CacheWrite1h => "cache_write_1h",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
        }
    }
}

/// A usage vector. Of one report all fields are ≥ 0; a posting or a difference may be negative.
///
/// Every sum is checked: what does not fit in an i64 is an error of its caller, never a wrapped number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usage {
    /// Tokens of each [`Class`], in the order of [`Class::ALL`].
    pub tokens: [i64; 6],
    /// Calls of a model.
    pub requests: i64,
    /// Tokens among the above for which the price book in force had no price.
    pub unpriced: i64,
    /// List cost in billionths of a US dollar.
    pub cost_nano_usd: i64,
}

/// Number of 64-bit lanes of a usage vector.
pub const LANES: usize = 9;

impl Usage {
    /// Nothing used.
    pub const ZERO: Self = Self { tokens: [0; 6], requests: 0, unpriced: 0, cost_nano_usd: 0 };

    /// Tokens of one class.
    #[must_use]
    pub const fn of(&self, class: Class) -> i64 {
        let [input, cache_read, write_5m, write_1h, output, reasoning] = self.tokens;
        match class {
            Class::Input => input,
            Class::CacheRead => cache_read,
            Class::CacheWrite5m => write_5m,
            Class::CacheWrite1h => write_1h,
            Class::Output => output,
            Class::Reasoning => reasoning,
        }
    }

    /// All tokens together; cannot overflow.
    #[must_use]
    pub fn total(&self) -> i128 {
        self.tokens.iter().map(|&tokens| i128::from(tokens)).sum()
    }

    /// True when every lane is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The nine numbers: tokens by class, requests, unpriced, cost.
    #[must_use]
    pub const fn lanes(&self) -> [i64; LANES] {
        let [a, b, c, d, e, f] = self.tokens;
        [a, b, c, d, e, f, self.requests, self.unpriced, self.cost_nano_usd]
    }

    /// The inverse of [`Self::lanes`].
    #[must_use]
    pub const fn from_lanes([a, b, c, d, e, f, requests, unpriced, cost_nano_usd]: [i64; LANES]) -> Self {
        Self { tokens: [a, b, c, d, e, f], requests, unpriced, cost_nano_usd }
    }

    /// Lane by lane sum; `None` when a lane leaves the range of i64.
    #[must_use]
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        self.zip(other, i64::checked_add)
    }

    /// Lane by lane difference; `None` when a lane leaves the range of i64.
    #[must_use]
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        self.zip(other, i64::checked_sub)
    }

    /// The same movement backwards; `None` when a lane is `i64::MIN`.
    #[must_use]
    pub fn checked_neg(&self) -> Option<Self> {
        Self::ZERO.checked_sub(self)
    }

    fn zip(&self, other: &Self, with: fn(i64, i64) -> Option<i64>) -> Option<Self> {
        let mut lanes = self.lanes();
        for (lane, theirs) in lanes.iter_mut().zip(other.lanes()) {
            *lane = with(*lane, theirs)?;
        }
        Some(Self::from_lanes(lanes))
    }
}

/// Nano-USD shown as dollars with nine digits: `51.742581100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NanoUsd(pub i128);

impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NANO: u128 = 1_000_000_000;
        let sign = if self.0 < 0 { "-" } else { "" };
        let amount = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:09}", amount.div_euclid(NANO), amount.rem_euclid(NANO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_checked_lane_by_lane() {
        let one = Usage { tokens: [1, 2, 3, 4, 5, 6], requests: 1, unpriced: 0, cost_nano_usd: 7 };
        assert_eq!(one.checked_add(&one).map(|sum| sum.total()), Some(42));
        assert_eq!(one.checked_sub(&one), Some(Usage::ZERO));
        let full = Usage { cost_nano_usd: i64::MAX, ..Usage::ZERO };
        assert_eq!(full.checked_add(&one), None);
        assert_eq!(Usage::from_lanes(one.lanes()), one);
    }

    #[test]
    fn dollars_are_shown_to_the_nano() {
        assert_eq!(NanoUsd(51_742_581_100).to_string(), "51.742581100");
        assert_eq!(NanoUsd(-1).to_string(), "-0.000000001");
    }
}
