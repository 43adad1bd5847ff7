//! The pieces of a page: one number, one movement, one cost, one share, as the templates print them.

use crate::chart::{self, Spark};
use crate::rows::BoardRow;
use crate::show;
use tally_domain::PersonId;

/// A number in short form, with every digit beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// As a machine reads it.
    pub raw: String,
    /// Digits of the short form.
    pub digits: String,
    /// Unit of the short form.
    pub unit: &'static str,
    /// In full, with the noun.
    pub full: String,
}

impl Figure {
    /// A count of tokens.
    #[must_use]
    pub fn tokens(tokens: i128) -> Self {
        let short = show::short(tokens);
        let full = format!("{} tokens", show::full(tokens));
        Self { raw: tokens.to_string(), digits: short.digits, unit: short.unit, full }
    }

    fn dollars(cost_nano_usd: i128, digits: String) -> Self {
        let raw = show::dollars_full(cost_nano_usd);
        Self { full: format!("${raw} at list prices"), raw, digits, unit: "" }
    }
}

/// Places gained or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// This many places nearer the top.
    Up(u32),
    /// This many places further down.
    Down(u32),
    /// The same rank.
    Same,
    /// There was no rank before.
    New,
}

impl Movement {
    /// Of places gained, negative when lost.
    #[must_use]
    pub const fn of(gained: Option<i32>) -> Self {
        match gained {
            None => Self::New,
            Some(0) => Self::Same,
            Some(places) if places > 0 => Self::Up(places.unsigned_abs()),
            Some(places) => Self::Down(places.unsigned_abs()),
        }
    }
}

/// A list cost, and how much of it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Every token had a price.
    Known(Figure),
    /// Some tokens had none: it is at least this much, and why.
    Partly(Figure, String),
    /// No token had one, and why.
    Unknown(String),
}

impl Cost {
    /// For a table.
    #[must_use]
    pub fn of(cost_nano_usd: i128, unpriced: i128, tokens: i128) -> Self {
        Self::written(cost_nano_usd, unpriced, tokens, show::dollars(cost_nano_usd))
    }

    /// For a headline, where there is little room.
    #[must_use]
    pub fn short(cost_nano_usd: i128, unpriced: i128, tokens: i128) -> Self {
        Self::written(cost_nano_usd, unpriced, tokens, show::dollars_short(cost_nano_usd))
    }

    fn written(cost_nano_usd: i128, unpriced: i128, tokens: i128, digits: String) -> Self {
        let why = || format!("{} tokens had no price in the price book", show::full(unpriced));
        match unpriced {
            none if none <= 0 => Self::Known(Figure::dollars(cost_nano_usd, digits)),
            all if all >= tokens && cost_nano_usd == 0 => Self::Unknown(why()),
            _ => Self::Partly(Figure::dollars(cost_nano_usd, digits), why()),
        }
    }
}

/// A share of 0 to 1 as percent and as the width of a bar of 100.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Whole percent.
    pub percent: String,
    /// Of 100, one decimal.
    pub width: String,
}

impl Share {
    /// Of 0 to 1; what is no number is nothing.
    #[must_use]
    pub fn of(share: f64) -> Self {
        let width = if share.is_finite() { share.clamp(0.0, 1.0) * 100.0 } else { 0.0 };
        Self { percent: show::percent(share), width: format!("{width:.1}") }
    }
}

/// What a person is called: the display name, or the first digits of the id.
#[must_use]
pub fn called(name: &str, person: PersonId) -> String {
    let name = name.trim();
    if name.is_empty() {
        format!("Person {}", person.to_string().get(..8).unwrap_or_default())
    } else {
        name.to_owned()
    }
}

/// One of eight tints, always the same for one person.
#[must_use]
pub fn hue(person: PersonId) -> u8 {
    let [first, ..] = *person.bytes();
    first % 8
}

/// The days of a line as a sparkline, and in words.
#[must_use]
pub fn trend(row: &BoardRow) -> (Spark, String) {
    let drawn = chart::spark(&row.days);
    let words = match drawn.peak {
        None => "no use in the last 30 days".to_owned(),
        Some((index, tokens)) => format!(
            "highest day {}: {} tokens",
            show::day(row.day(index)),
            show::short(i128::from(tokens)).to_string().replace('\u{a0}', " ")
        ),
    };
    (drawn, words)
}
