//! The price book: what a million tokens of a model cost at list price, and since when.
//!
//! A book is JSON text in the log. Amounts are decimal strings of US dollars per million tokens, read
//! exactly; a class without an amount is unpriced, which is not free.

use std::collections::BTreeMap;

use crate::event::DimsRef;
use crate::time::{Day, EventTime};
use crate::usage::{Class, Usage};

/// What a million tokens of each class cost, in nano-USD; `None` = the book does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// In the order of [`Class::ALL`].
    pub nano_usd_per_million: [Option<i64>; 6],
}

/// A numbered book of dated rates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceBook {
    number: u32,
    models: BTreeMap<String, ModelIx>,
    /// By [`ModelIx`].
    rates: Vec<Vec<DatedRate>>,
    aliases: BTreeMap<String, String>,
}

/// A model of one book; it means nothing in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelIx(usize);

#[derive(Clone, Debug, PartialEq, Eq)]
struct DatedRate {
    from: Day,
    service_tier: String,
    context_tokens_min: i64,
    rate: Rate,
}

/// Why a text is no price book.
#[derive(Debug, thiserror::Error)]
pub enum PriceBookError {
    /// Not JSON of the book's shape.
    #[error("reading a price book: {0}")]
    Shape(#[from] serde_json::Error),
    /// A value that cannot be used.
    #[error("reading a price book: model {model:?} has {field} {value:?}; write {expected}")]
    Value {
        /// The model's name.
        model: String,
        /// Which field.
        field: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// Two models claim one name.
    #[error("reading a price book: the name {0:?} stands for two models; remove one")]
    TwoModels(String),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct BookText {
    number: u32,
    /// Where the figures are from and when they were read; kept for people.
    #[serde(rename = "source")]
    _source: String,
    models: Vec<ModelText>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelText {
    model: String,
    #[serde(default)]
    aliases: Vec<String>,
    prices: Vec<PriceText>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceText {
    /// UTC day from whose start it is valid, `2026-02-05`.
    from: String,
    /// For this service tier only; empty = whenever no other entry names the tier.
    #[serde(default)]
    service_tier: String,
    /// For calls with at least so many input tokens, cached ones included.
    #[serde(default)]
    context_tokens_min: i64,
    usd_per_million: BTreeMap<String, String>,
}

impl PriceBook {
    /// Reads a book.
    ///
    /// # Errors
    /// When it is not JSON of the book's shape, or a value cannot be used: the model, field and value are named.
    pub fn parse(text: &[u8]) -> Result<Self, PriceBookError> {
        let text: BookText = serde_json::from_slice(text)?;
        let mut book = Self { number: text.number, ..Self::default() };
        for model in text.models {
            book.add(model)?;
        }
        Ok(book)
    }

    fn add(&mut self, text: ModelText) -> Result<(), PriceBookError> {
        let dated =
            text.prices.iter().map(|price| dated(&text.model, price)).collect::<Result<Vec<_>, _>>()?;
        for alias in text.aliases {
            if self.aliases.insert(alias.clone(), text.model.clone()).is_some() {
                return Err(PriceBookError::TwoModels(alias));
            }
        }
        match self.models.insert(text.model.clone(), ModelIx(self.rates.len())) {
            None => {
                self.rates.push(dated);
                Ok(())
            }
            Some(_) => Err(PriceBookError::TwoModels(text.model)),
        }
    }

    /// Its number; a book with a lower number than the one in force is ignored.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Models that have a price, by name.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// The rate of a call: of its model, at the day it occurred, for its service tier and context.
    ///
    /// An entry that names the tier is preferred to one that names none; among those the highest
    /// `context_tokens_min` reached, and of these the latest. `None` = unpriced.
    #[must_use]
    pub fn rate(&self, dims: DimsRef<'_>, occurred_at: EventTime, usage: &Usage) -> Option<&Rate> {
        self.rate_of(self.model(dims.model)?, dims.service_tier, occurred_at, usage)
    }

    /// The model that a name or an alias stands for, for those who price many calls of it.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<ModelIx> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.models.get(name).copied()
    }

    /// [`Self::rate`] of a model that [`Self::model`] of this book gave.
    #[must_use]
    pub fn rate_of(
        &self,
        ModelIx(model): ModelIx,
        service_tier: &str,
        occurred_at: EventTime,
        usage: &Usage,
    ) -> Option<&Rate> {
        let day = occurred_at.minute().day();
        let context = context_tokens(usage);
        self.rates
            .get(model)?
            .iter()
            .filter(|entry| entry.from <= day && entry.context_tokens_min <= context)
            .filter(|entry| entry.service_tier.is_empty() || entry.service_tier == service_tier)
            .max_by_key(|entry| (!entry.service_tier.is_empty(), entry.context_tokens_min, entry.from))
            .map(|entry| &entry.rate)
    }
}

/// Input tokens of a call, cached ones included.
fn context_tokens(usage: &Usage) -> i64 {
    [Class::Input, Class::CacheRead, Class::CacheWrite5m, Class::CacheWrite1h]
        .into_iter()
        .fold(0_i64, |sum, class| sum.saturating_add(usage.of(class)))
}

fn dated(model: &str, text: &PriceText) -> Result<DatedRate, PriceBookError> {
    let wrong = |field, value: &str, expected| PriceBookError::Value {
        model: model.to_owned(),
        field,
        value: value.to_owned(),
        expected,
    };
    let from = EventTime::parse(&format!("{}T00:00:00Z", text.from))
        .ok_or_else(|| wrong("from", &text.from, "a day such as 2026-02-05"))?;
    let mut rate = Rate::default();
    for (name, amount) in &text.usd_per_million {
        let class = Class::ALL.into_iter().position(|class| class.name() == name);
        let slot = class.and_then(|index| rate.nano_usd_per_million.get_mut(index));
        let slot = slot.ok_or_else(|| wrong("usd_per_million", name, "a token class such as cache_read"))?;
        let nano =
            nano_usd(amount).ok_or_else(|| wrong("usd_per_million", amount, "dollars such as \"6.25\""))?;
        *slot = Some(nano);
    }
    Ok(DatedRate {
        from: from.minute().day(),
        service_tier: text.service_tier.clone(),
        context_tokens_min: text.context_tokens_min,
        rate,
    })
}

/// Reads a decimal amount of dollars exactly, to the nano; at most a million dollars.
fn nano_usd(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 6 || fraction.len() > 9 {
        return None;
    }
    format!("{whole}{fraction:0<9}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: &str = r#"{"number":3,"source":"test","models":[{"model":"opus","aliases":["anthropic.opus-v1:0"],"prices":[
        {"from":"2026-01-01","usd_per_million":{"input":"15","output":"75"}},
        {"from":"2026-02-05","usd_per_million":{"input":"5","output":"25","cache_read":"0.0125"}},
        {"from":"2026-02-05","context_tokens_min":200001,"usd_per_million":{"input":"10","output":"37.5"}},
        {"from":"2026-02-05","service_tier":"batch","usd_per_million":{"input":"2.5"}}]}]}"#;

    fn input_rate(model: &str, tier: &str, at: &str, input: i64) -> Option<i64> {
        let book = PriceBook::parse(BOOK.as_bytes()).unwrap();
        let dims = crate::Dims { model: model.into(), service_tier: tier.into(), ..Default::default() };
        let usage = Usage { tokens: [input, 0, 0, 0, 0, 0], ..Usage::ZERO };
        let rate = book.rate(dims.as_ref(), EventTime::parse(at).unwrap(), &usage)?;
        rate.nano_usd_per_million[0]
    }

    #[test]
    fn the_rate_is_that_of_the_day_tier_and_context() {
        assert_eq!(input_rate("opus", "", "2025-12-31T23:59:59Z", 1), None);
        assert_eq!(input_rate("opus", "", "2026-02-04T23:59:59Z", 1), Some(15_000_000_000));
        assert_eq!(input_rate("opus", "standard", "2026-02-05T00:00:00Z", 1), Some(5_000_000_000));
        assert_eq!(input_rate("opus", "", "2026-02-05T00:00:00Z", 200_001), Some(10_000_000_000));
        assert_eq!(input_rate("opus", "batch", "2026-02-05T00:00:00Z", 1), Some(2_500_000_000));
        assert_eq!(input_rate("anthropic.opus-v1:0", "", "2026-02-05T00:00:00Z", 1), Some(5_000_000_000));
        assert_eq!(input_rate("gpt", "", "2026-02-05T00:00:00Z", 1), None);
    }

    #[test]
    fn amounts_are_read_exactly_or_refused() {
        assert_eq!(
            ["0.0125", "6.25", "0", "1."].map(nano_usd),
            [Some(12_500_000), Some(6_250_000_000), Some(0), None]
        );
        assert_eq!(["-1", "1e3", "", "0.0000000001", "+1"].map(nano_usd), [None; 5]);
    }

    #[test]
    fn a_wrong_value_is_named() {
        let text = BOOK.replace("37.5", "cheap");
        let error = PriceBook::parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            error,
            r#"reading a price book: model "opus" has usd_per_million "cheap"; write dollars such as "6.25""#
        );
    }
}
