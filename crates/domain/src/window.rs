//! The four spans over which totals are kept.

use crate::time::Minute;

/// A window. At clock T it holds the slices in (T − W, T]; lifetime holds every slice at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Window {
    /// 24 hours.
    Hours24,
    /// 7 days.
    Days7,
    /// 30 days: what people are ranked by.
    Days30,
    /// All that was ever accepted.
    Lifetime,
}

impl Window {
    /// All windows, shortest first.
    pub const ALL: [Self; 4] = [Self::Hours24, Self::Days7, Self::Days30, Self::Lifetime];
    /// The windows that slices leave, shortest first.
    pub const SLIDING: [Self; 3] = [Self::Hours24, Self::Days7, Self::Days30];
    /// Length in minutes of the longest window that slices leave.
    pub const LONGEST_MINUTES: i32 = 43_200;

    /// Its length in minutes; `None` for lifetime.
    #[must_use]
    pub const fn minutes(self) -> Option<i32> {
        match self {
            Self::Hours24 => Some(1_440),
            Self::Days7 => Some(10_080),
            Self::Days30 => Some(Self::LONGEST_MINUTES),
            Self::Lifetime => None,
        }
    }

    /// True when the slice `minute` is in this window at clock `clock`.
    #[must_use]
    pub fn holds(self, clock: Minute, minute: Minute) -> bool {
        self.minutes().is_none_or(|length| minute <= clock && minute > clock.plus(length.saturating_neg()))
    }

    /// Its name in commands, tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hours24 => "24h",
            Self::Days7 => "7d",
            Self::Days30 => "30d",
            Self::Lifetime => "lifetime",
        }
    }

    /// The window of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == name)
    }

    /// Its place among [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Hours24 => 0,
            Self::Days7 => 1,
            Self::Days30 => 2,
            Self::Lifetime => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_enters_at_its_start_and_leaves_a_window_later() {
        let slice = Minute(10_000);
        let held = |window: Window, clock| window.holds(Minute(clock), slice);
        assert_eq!(
            [9_999, 10_000, 11_439, 11_440].map(|t| held(Window::Hours24, t)),
            [false, true, true, false]
        );
        assert_eq!([9_999, 53_199, 53_200].map(|t| held(Window::Days30, t)), [false, true, false]);
        assert!(held(Window::Lifetime, 0));
    }
}
