//! Numbers that reports share.

use serde::{Serialize, Serializer};
use tally_clickhouse::rows::ReceiptRecord;
use tally_domain::usage::NanoUsd;
use tally_domain::{EventTime, Minute};

/// List cost: a string of US dollars with nine digits, so that nobody rounds it on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Usd(pub(crate) i128);

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&NanoUsd(self.0))
    }
}

/// Tokens by class, and requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tokens {
    pub(crate) requests: i128,
    pub(crate) input: i128,
    pub(crate) cache_read: i128,
    pub(crate) cache_write_5m: i128,
    pub(crate) cache_write_1h: i128,
    pub(crate) output: i128,
    pub(crate) reasoning: i128,
    pub(crate) total: i128,
}

/// Tokens and what they cost; may be negative where revisions took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) tokens: Tokens,
    pub(crate) unpriced: i128,
    pub(crate) cost: Usd,
}

impl Sum {
    /// What a row of a receipt adds.
    pub(crate) fn add(&mut self, row: &ReceiptRecord) {
        let classes =
            [row.input, row.cache_read, row.cache_write_5m, row.cache_write_1h, row.output, row.reasoning];
        let tokens = &mut self.tokens;
        tokens.requests += i128::from(row.requests);
        tokens.input += i128::from(row.input);
        tokens.cache_read += i128::from(row.cache_read);
        tokens.cache_write_5m += i128::from(row.cache_write_5m);
        tokens.cache_write_1h += i128::from(row.cache_write_1h);
        tokens.output += i128::from(row.output);
        tokens.reasoning += i128::from(row.reasoning);
        tokens.total += classes.map(i128::from).iter().sum::<i128>();
        self.unpriced += i128::from(row.unpriced);
        self.cost.0 += i128::from(row.cost);
    }

    /// The nine lanes of a usage vector: six classes, requests, unpriced, cost.
    pub(crate) fn of_lanes(lanes: [i128; 9]) -> Self {
        let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, unpriced, cost] =
            lanes;
        let total = input + cache_read + cache_write_5m + cache_write_1h + output + reasoning;
        let tokens =
            Tokens { requests, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, total };
        Self { tokens, unpriced, cost: Usd(cost) }
    }

    /// True when nothing was added or taken away.
    pub(crate) fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// A minute as `2026-02-13T00:00:00Z`.
pub(crate) fn instant(minute: Minute) -> String {
    EventTime::from_ms(minute.start_ms()).map_or_else(|| "never".to_owned(), |time| time.to_string())
}

/// Cache reads among all tokens, from 0 to 1 in steps of a hundredth of a percent; 0 where there are none.
pub(crate) fn share(part: i128, whole: i128) -> f64 {
    if whole <= 0 {
        return 0.0;
    }
    let steps = (part * 10_000 + whole / 2) / whole;
    f64::from(i32::try_from(steps.clamp(0, 10_000)).expect("clamped to 10,000")) / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_keeps_its_nine_digits() {
        assert_eq!(serde_json::to_string(&Usd(51_742_581_100)).unwrap(), r#""51.742581100""#);
    }

    #[test]
    fn a_share_lies_between_none_and_all() {
        let shown = [share(0, 0), share(1, 3), share(92, 100), share(5, 5)].map(|share| share.to_string());
        assert_eq!(shown, ["0", "0.3333", "0.92", "1"]);
    }
}
