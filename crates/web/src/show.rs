//! How numbers and times are written for people: short with a unit, and in full beside it.

use std::fmt;
use tally_domain::usage::NanoUsd;
use tally_domain::{Day, WallTime};

const UNITS: [(i128, &str); 6] = [
    (1_000, "k"),
    (1_000_000, "M"),
    (1_000_000_000, "B"),
    (1_000_000_000_000, "T"),
    (1_000_000_000_000_000, "P"),
    (1_000_000_000_000_000_000, "E"),
];

/// A count with three significant digits and a unit: `79.7` and `M`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// Digits with at most two decimals.
    pub digits: String,
    /// Empty below a thousand.
    pub unit: &'static str,
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            "" => f.write_str(&self.digits),
            unit => write!(f, "{}\u{a0}{unit}", self.digits),
        }
    }
}

/// Rounds half up to three significant digits.
#[must_use]
pub fn short(count: i128) -> Short {
    let sign = if count < 0 { "\u{2212}" } else { "" };
    let size = count.saturating_abs();
    if size < 1_000 {
        return Short { digits: format!("{sign}{size}"), unit: "" };
    }
    for (unit_size, unit) in UNITS {
        for (scale, decimals) in [(100, 2), (10, 1), (1, 0)] {
            let step = unit_size / scale;
            let scaled = size.saturating_add(step / 2) / step;
            if scaled < 1_000 {
                return Short { digits: format!("{sign}{}", with_point(scaled, decimals)), unit };
            }
        }
    }
    Short { digits: full(count), unit: "" }
}

fn with_point(scaled: i128, decimals: usize) -> String {
    match decimals {
        0 => scaled.to_string(),
        1 => format!("{}.{}", scaled / 10, scaled % 10),
        _ => format!("{}.{:02}", scaled / 100, scaled % 100),
    }
}

/// Every digit, in groups of three: `79,708,804`.
#[must_use]
pub fn full(count: i128) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if count < 0 {
        grouped.push('\u{2212}');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Dollars for reading: cents below a thousand, whole dollars above, never a silent `$0.00`.
#[must_use]
pub fn dollars(cost_nano_usd: i128) -> String {
    const CENT: i128 = 10_000_000;
    let sign = if cost_nano_usd < 0 { "\u{2212}" } else { "" };
    let size = cost_nano_usd.saturating_abs();
    let cents = size.saturating_add(CENT / 2) / CENT;
    match cents {
        0 if size > 0 => format!("{sign}<$0.01"),
        0..100_000 => format!("{sign}${}.{:02}", cents / 100, cents % 100),
        _ => format!("{sign}${}", full((cents + 50) / 100)),
    }
}

/// Dollars where there is little room: `$31.2 M`.
#[must_use]
pub fn dollars_short(cost_nano_usd: i128) -> String {
    const DOLLAR: i128 = 1_000_000_000;
    if cost_nano_usd.saturating_abs() < 100_000 * DOLLAR {
        return dollars(cost_nano_usd);
    }
    format!("${}", short(cost_nano_usd.saturating_add(DOLLAR / 2) / DOLLAR))
}

/// Dollars with all nine digits, as the JSON carries them.
#[must_use]
pub fn dollars_full(cost_nano_usd: i128) -> String {
    NanoUsd(cost_nano_usd).to_string()
}

/// A share of 0 to 1 in whole percent; what is not all is never shown as 100.
#[must_use]
pub fn percent(share: f64) -> String {
    match share {
        share if !share.is_finite() || share <= 0.0 => "0".to_owned(),
        share if share < 0.005 => "<1".to_owned(),
        share if share < 1.0 && share > 0.99 => format!("{:.1}", (share * 1_000.0).floor() / 10.0),
        share => format!("{:.0}", share * 100.0),
    }
}

/// `22 Nov 2026, 17:40 UTC`.
#[must_use]
pub fn instant(at: WallTime) -> String {
    let text = at.to_string();
    let (day, clock) = (text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default());
    format!("{}, {clock} UTC", calendar(day, true))
}

/// `22 Nov, 17:40`.
#[must_use]
pub fn instant_short(at: WallTime) -> String {
    let text = at.to_string();
    let (day, clock) = (text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default());
    format!("{}, {clock}", calendar(day, false))
}

/// `22 Nov`.
#[must_use]
pub fn day(day: Day) -> String {
    calendar(&day.to_string(), false)
}

/// `22 Nov 2026`.
#[must_use]
pub fn day_full(day: Day) -> String {
    calendar(&day.to_string(), true)
}

fn calendar(iso: &str, with_year: bool) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = iso.split('-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let month = month.and_then(|text| text.parse::<usize>().ok()).and_then(|n| MONTHS.get(n.wrapping_sub(1)));
    match (year, month, day.map(|text| text.trim_start_matches('0'))) {
        (Some(year), Some(month), Some(day)) if with_year => format!("{day} {month} {year}"),
        (Some(_), Some(month), Some(day)) => format!("{day} {month}"),
        _ => iso.to_owned(),
    }
}

/// How long ago, coarsely: `12 minutes`, `3 hours`, `2 days`.
#[must_use]
pub fn age(ms: i64) -> String {
    let plural = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match ms / 60_000 {
        minutes if minutes < 120 => plural(minutes.max(1), "minute"),
        minutes if minutes < 48 * 60 => plural(minutes / 60, "hour"),
        minutes => plural(minutes / 1_440, "day"),
    }
}

/// How long a session lasted: `2 h 05 min`, `41 min`, `<1 min`.
#[must_use]
pub fn span(ms: i64) -> String {
    match ms / 60_000 {
        0 => "<1\u{a0}min".to_owned(),
        minutes if minutes < 60 => format!("{minutes}\u{a0}min"),
        minutes => format!("{}\u{a0}h {:02}\u{a0}min", minutes / 60, minutes % 60),
    }
}

/// Up to two letters that stand for a name.
#[must_use]
pub fn initials(name: &str) -> String {
    let mut words = name
        .split('@')
        .next()
        .unwrap_or_default()
        .split(|c: char| !c.is_alphanumeric())
        .filter_map(|word| word.chars().next())
        .flat_map(char::to_uppercase);
    let first = words.next();
    first.into_iter().chain(words.next_back()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_keep_three_digits() {
        let shown = [0, 999, 1_000, 9_999, 79_708_804, 999_499, 999_500, 281_034_112_009, -1_500]
            .map(|count| short(count).to_string().replace('\u{a0}', " "));
        assert_eq!(shown, ["0", "999", "1.00 k", "10.0 k", "79.7 M", "999 k", "1.00 M", "281 B", "−1.50 k"]);
        assert_eq!(short(i128::MAX).unit, "");
    }

    #[test]
    fn every_digit_is_grouped_by_three() {
        assert_eq!(
            [0, 999, 1_000, 79_708_804, -12_345].map(full),
            ["0", "999", "1,000", "79,708,804", "−12,345"]
        );
    }

    #[test]
    fn a_cost_is_never_silently_nothing() {
        let shown = [0, 1, 4_999_999, 5_000_000, 51_742_581_100, 999_994_999_999, 999_995_000_000, -1];
        assert_eq!(
            shown.map(dollars),
            ["$0.00", "<$0.01", "<$0.01", "$0.01", "$51.74", "$999.99", "$1,000", "−<$0.01"]
        );
        assert_eq!(dollars_short(31_200_000_000_000_000).replace('\u{a0}', " "), "$31.2 M");
        assert_eq!(dollars_full(51_742_581_100), "51.742581100");
    }

    #[test]
    fn shares_never_round_to_all_or_nothing() {
        assert_eq!(
            [0.0, 0.001, 0.5, 0.924, 0.9999, 1.0, f64::NAN].map(percent),
            ["0", "<1", "50", "92", "99.9", "100", "0"]
        );
    }

    #[test]
    fn times_are_written_out() {
        let at = WallTime::parse("2026-02-03T07:05:59Z").unwrap();
        assert_eq!(instant(at), "3 Feb 2026, 07:05 UTC");
        assert_eq!(instant_short(at), "3 Feb, 07:05");
        assert_eq!(
            [59_000, 61_000, 7_200_000, 200_000_000].map(age),
            ["1 minute", "1 minute", "2 hours", "2 days"]
        );
        assert_eq!(
            [0, 3_599_000, 7_500_000].map(span).map(|text| text.replace('\u{a0}', " ")),
            ["<1 min", "59 min", "2 h 05 min"]
        );
    }

    #[test]
    fn initials_are_letters_of_the_first_and_last_word() {
        assert_eq!(
            ["Ann Bo Lee", "ann.lee@example.org", "李", "<script>", "", "…"].map(initials),
            ["AL", "AL", "李", "S", "", ""]
        );
    }
}
