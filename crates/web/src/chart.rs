//! Bars drawn on the server, in whole units of a view box. Geometry only: every number shown is a row's.

use std::fmt::Write;

/// Width of a day in a sparkline, gap included.
const SPARK_DAY: i128 = 4;
/// Height of a sparkline.
const SPARK_HEIGHT: i128 = 28;

/// A sparkline as two SVG paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spark {
    /// Width of the view box.
    pub width: i128,
    /// Height of the view box.
    pub height: i128,
    /// Whole days.
    pub days: String,
    /// The day that is still running.
    pub today: String,
    /// Place and value of the greatest day; `None` when every day is empty.
    pub peak: Option<(usize, i64)>,
}

/// Draws one bar per day, oldest first, against the greatest of them. A day with any use is at least visible.
#[must_use]
pub fn spark(days: &[i64]) -> Spark {
    let top = days.iter().copied().max().unwrap_or(0);
    let mut drawn = Spark { height: SPARK_HEIGHT, ..Spark::default() };
    for (index, &day) in days.iter().enumerate() {
        let height = if day <= 0 { 1 } else { scaled(i128::from(day), i128::from(top), SPARK_HEIGHT).max(2) };
        let path = if index + 1 == days.len() { &mut drawn.today } else { &mut drawn.days };
        write!(path, "M{} {}v-{height}h3v{height}z", drawn.width, SPARK_HEIGHT)
            .expect("a String takes every write");
        drawn.width += SPARK_DAY;
    }
    drawn.width = (drawn.width - 1).max(0);
    drawn.peak = days.iter().position(|&day| top > 0 && day == top).map(|index| (index, top));
    drawn
}

/// One segment of a stacked bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which series it is, from 0.
    pub series: usize,
    /// Distance of its upper edge from the top of the view box.
    pub y: i128,
    /// Its height.
    pub height: i128,
}

/// Height of the view box of stacked bars.
pub const STACK_HEIGHT: i128 = 1_000;

/// Stacks one day's values from the bottom, against `top`; nothing that was used vanishes.
#[must_use]
pub fn stack(values: &[i128], top: i128) -> Vec<Segment> {
    let mut floor = STACK_HEIGHT;
    let mut segments = Vec::with_capacity(values.len());
    for (series, &value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
        let height = scaled(value, top, STACK_HEIGHT).max(3).min(floor);
        floor -= height;
        segments.push(Segment { series, y: floor, height });
    }
    segments
}

/// The least round number that is not below `value`: the end of an axis whose half is a round number too.
#[must_use]
pub fn axis_top(value: i128) -> i128 {
    const STEPS: [i128; 10] = [10, 12, 16, 20, 24, 30, 40, 50, 60, 80];
    let mut power: i128 = 1;
    loop {
        for step in STEPS {
            match power.checked_mul(step) {
                Some(top) if top < value => {}
                Some(top) => return top,
                None => return value,
            }
        }
        let Some(next) = power.checked_mul(10) else { return value };
        power = next;
    }
}

fn scaled(value: i128, top: i128, height: i128) -> i128 {
    value.saturating_mul(height).checked_div(top.max(1)).unwrap_or(0).clamp(0, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_stands_on_its_floor_and_ends_with_today() {
        let drawn = spark(&[0, 5, 10]);
        assert_eq!((drawn.width, drawn.height), (11, 28));
        assert_eq!(drawn.days, "M0 28v-1h3v1zM4 28v-14h3v14z");
        assert_eq!(drawn.today, "M8 28v-28h3v28z");
        assert_eq!(drawn.peak, Some((2, 10)));
        assert_eq!(spark(&[0, 0]).peak, None);
        assert_eq!(spark(&[]).width, 0);
    }

    #[test]
    fn retractions_never_draw_below_the_floor() {
        assert_eq!(spark(&[-5, 1]).days, "M0 28v-1h3v1z");
    }

    #[test]
    fn bars_stack_from_the_bottom_and_stay_inside() {
        let segments = stack(&[900, 0, 100], 1_000);
        assert_eq!(
            segments,
            [Segment { series: 0, y: 100, height: 900 }, Segment { series: 2, y: 0, height: 100 }]
        );
        assert!(stack(&[1_000, 1, 1], 1_000).iter().all(|segment| segment.y >= 0));
    }

    #[test]
    fn an_axis_ends_on_a_round_number_with_a_round_half() {
        assert_eq!([0, 1, 11, 41, 79_708_804, 12_400].map(axis_top), [10, 10, 12, 50, 80_000_000, 16_000]);
        assert_eq!(axis_top(i128::MAX), i128::MAX);
    }
}
