//! Tokens at list price: the book in force, the rate of the day, one rounding per event.

use crate::names::Names;
use crate::report::Report;
use tally_domain::Usage;
use tally_domain::planted::{self, Bug};
use tally_domain::price::{ModelIx, PriceBook, Rate};

const MILLION: i128 = 1_000_000;

/// The book in force, and which of its models each of the interned dims names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prices {
    pub(crate) book: PriceBook,
    models: Vec<Option<ModelIx>>,
}

impl Prices {
    pub(crate) fn new(book: PriceBook) -> Self {
        Self { book, models: Vec::new() }
    }

    /// The rate of a report; `None` = unpriced.
    pub(crate) fn rate(&mut self, names: &Names, report: &Report) -> Option<&Rate> {
        let new = names.all_dims().get(self.models.len()..).unwrap_or_default();
        self.models.extend(new.iter().map(|dims| self.book.model(&dims.model)));
        let model = (*self.models.get(report.dims.index())?)?;
        let tier = &names.dims(report.dims).service_tier;
        self.book.rate_of(model, tier, report.occurred, &report.usage)
    }
}

/// The report's usage with its list cost, and with the tokens that have no price counted as unpriced.
/// `None` when the cost leaves the range of an i64.
pub(crate) fn price(rate: Option<&Rate>, usage: &Usage) -> Option<Usage> {
    let nothing = Rate::default();
    let rate = rate.unwrap_or(&nothing);
    let mut nano_usd_millionths = 0_i128;
    let mut unpriced = 0_i64;
    for (&tokens, per_million) in usage.tokens.iter().zip(rate.nano_usd_per_million) {
        match per_million {
            Some(nano_usd) => {
                let cost = i128::from(tokens).checked_mul(i128::from(nano_usd))?;
                nano_usd_millionths = nano_usd_millionths.checked_add(cost)?;
            }
            None => unpriced = unpriced.checked_add(tokens)?,
        }
    }
    let cost_nano_usd = i64::try_from(half_to_even(nano_usd_millionths)?).ok()?;
    Some(Usage { unpriced, cost_nano_usd, ..*usage })
}

/// Millionths to the nearest whole; a half goes to the even neighbour.
fn half_to_even(millionths: i128) -> Option<i128> {
    let whole = millionths.checked_div_euclid(MILLION)?;
    let twice_rest = millionths.checked_rem_euclid(MILLION)?.checked_mul(2)?;
    let up =
        twice_rest > MILLION || (twice_rest == MILLION && (whole & 1 == 1 || planted::is(Bug::CostRounding)));
    whole.checked_add(i128::from(up))
}
