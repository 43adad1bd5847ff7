//! When a row says that its call occurred.

use tally_domain::EventTime;

use super::{Cells, Field};
use crate::event::{Wrong, malformed};

/// The instant of a row; the mapping has seen to it that exactly one field says so.
pub(super) fn of(cells: &Cells, origin: Option<EventTime>) -> Result<EventTime, Wrong> {
    let Some((&field, text)) = cells.iter().find(|(field, _)| Field::TIMES.contains(field)) else {
        return malformed("the row does not say when; its time column is missing");
    };
    let (time, expected) = match field {
        Field::OccurredAt => (instant(text), "an instant such as 2023-11-16 18:17:03.9799600"),
        Field::EpochMs => (after(0, decimal_ms(text, 1)), "milliseconds since 1970"),
        Field::EpochS => (after(0, decimal_ms(text, 1_000)), "seconds since 1970"),
        Field::OffsetS => (after(start(origin), decimal_ms(text, 1_000)), "seconds since the origin"),
        _ => (after(start(origin), decimal_ms(text, 1)), "milliseconds since the origin"),
    };
    match time {
        Some(time) => Ok(time),
        None => malformed(format!("{} is a text of {} bytes; expected {expected}", field.name(), text.len())),
    }
}

fn start(origin: Option<EventTime>) -> i64 {
    origin.expect("a table of relative times is not begun without an origin").ms()
}

fn after(start_ms: i64, ms: Option<i64>) -> Option<EventTime> {
    start_ms.checked_add(ms?).and_then(EventTime::from_ms)
}

/// RFC 3339, with `T` or a blank between, any number of digits, and UTC where no offset is said.
fn instant(text: &str) -> Option<EventTime> {
    EventTime::parse(text).or_else(|| EventTime::parse(&format!("{text}Z")))
}

/// A decimal number of units of `unit_ms` (1 or 1,000) milliseconds; what is below a millisecond is cut off.
fn decimal_ms(text: &str, unit_ms: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let ms = whole.parse::<i64>().ok()?.checked_mul(unit_ms)?;
    let thousandths: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let part = if unit_ms == 1 { 0 } else { thousandths };
    if whole.starts_with('-') { ms.checked_sub(part) } else { ms.checked_add(part) }
}
