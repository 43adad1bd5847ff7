//! Instants and the intervals that are named by their start. All UTC, all integers.

use std::fmt;

const MS_PER_MINUTE: i64 = 60_000;
const MINUTES_PER_HOUR: i32 = 60;
const MINUTES_PER_DAY: i32 = 1_440;

/// Declares an instant in milliseconds since the Unix epoch; the kinds never mix.
macro_rules! instants {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Earliest instant that can be shown: year 1.
            pub const MIN: Self = Self(-62_135_596_800_000);
            /// Last instant that can be shown in every zone: 9999-12-29T23:59:59.999Z.
            pub const MAX: Self = Self(253_402_127_999_999);

            /// Milliseconds since the Unix epoch, signed; `None` outside years 1 to 9999.
            #[must_use]
            pub const fn from_ms(ms: i64) -> Option<Self> {
                if ms < Self::MIN.0 || ms > Self::MAX.0 { None } else { Some(Self(ms)) }
            }
            /// Milliseconds since the Unix epoch, signed.
            #[must_use]
            pub const fn ms(self) -> i64 { self.0 }
            /// The minute this instant lies in.
            #[must_use]
            pub fn minute(self) -> Minute {
                Minute(i32::try_from(self.0.div_euclid(MS_PER_MINUTE)).expect("years 1 to 9999 are within i32 minutes"))
            }
            /// This instant moved by `ms`, kept within years 1 to 9999.
            #[must_use]
            pub fn plus_ms(self, ms: i64) -> Self {
                Self(self.0.saturating_add(ms).clamp(Self::MIN.0, Self::MAX.0))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let instant = jiff::Timestamp::from_millisecond(self.0).expect("years 1 to 9999 are a timestamp");
                fmt::Display::fmt(&instant, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }
    )*};
}

instants! {
    /// When it happened, by the producer's clock.
    EventTime;
    /// When the log took it, in its monotone form: the greatest appended-at of the partition so far.
    LogTime;
    /// What a clock on a wall says; a fact about the world, never part of the fold.
    WallTime;
}

impl WallTime {
    /// Reads `2026-02-13T00:00:00Z` or any offset; `None` when it is no instant of years 1 to 9999.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().and_then(|instant| Self::from_ms(instant.as_millisecond()))
    }
}

impl EventTime {
    /// Reads an RFC 3339 instant with any number of fractional digits; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        WallTime::parse(text).map(|instant| Self(instant.ms()))
    }
}

impl LogTime {
    /// The monotone form: `max(previous, appended_at)`.
    #[must_use]
    pub fn after(self, appended_at_ms: i64) -> Self {
        Self(self.0.max(appended_at_ms.clamp(Self::MIN.0, Self::MAX.0)))
    }
}

/// A minute of event time, half-open, named by its start: minutes since the Unix epoch. A slice.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Minute(pub i32);

/// An hour of event time: hours since the Unix epoch.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Hour(pub i32);

/// A UTC day: days since the Unix epoch.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Day(pub i32);

impl Minute {
    /// Before every minute that an event can have.
    pub const BEFORE_ALL: Self = Self(i32::MIN);

    /// The hour this minute lies in.
    #[must_use]
    pub const fn hour(self) -> Hour {
        Hour(self.0.div_euclid(MINUTES_PER_HOUR))
    }
    /// The UTC day this minute lies in.
    #[must_use]
    pub const fn day(self) -> Day {
        Day(self.0.div_euclid(MINUTES_PER_DAY))
    }
    /// Milliseconds since the Unix epoch at which it starts.
    #[must_use]
    pub fn start_ms(self) -> i64 {
        i64::from(self.0).saturating_mul(MS_PER_MINUTE)
    }
    /// The minute `minutes` later (earlier when negative); stays at the ends of the range.
    #[must_use]
    pub const fn plus(self, minutes: i32) -> Self {
        Self(self.0.saturating_add(minutes))
    }
}

impl Hour {
    /// The UTC day this hour lies in.
    #[must_use]
    pub const fn day(self) -> Day {
        Day(self.0.div_euclid(24))
    }
    /// Its first minute.
    #[must_use]
    pub const fn start(self) -> Minute {
        Minute(self.0.saturating_mul(MINUTES_PER_HOUR))
    }
}

impl Day {
    /// Its first minute.
    #[must_use]
    pub const fn start(self) -> Minute {
        Minute(self.0.saturating_mul(MINUTES_PER_DAY))
    }
}

impl fmt::Debug for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match EventTime::from_ms(self.start_ms()) {
            Some(start) => write!(f, "Minute({start})"),
            None => write!(f, "Minute({})", self.0),
        }
    }
}
impl fmt::Debug for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hour({})", self.0)
    }
}
impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
impl fmt::Display for Day {
    /// `2026-02-13`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match EventTime::from_ms(self.start().start_ms()) {
            Some(start) => f.write_str(start.to_string().get(..10).unwrap_or_default()),
            None => write!(f, "day {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_floor_before_the_epoch_too() {
        let minute = |ms| EventTime::from_ms(ms).unwrap().minute().0;
        assert_eq!(
            [minute(-60_001), minute(-1), minute(0), minute(59_999), minute(60_000)],
            [-2, -1, 0, 0, 1]
        );
        assert_eq!(Minute(-1).hour(), Hour(-1));
        assert_eq!(Minute(-1).day(), Day(-1));
    }

    #[test]
    fn the_ends_of_the_calendar_are_shown_and_nothing_beyond_them_is_taken() {
        assert_eq!(EventTime::MAX.to_string(), "9999-12-29T23:59:59.999Z");
        assert_eq!(EventTime::from_ms(EventTime::MAX.ms() + 1), None);
        assert_eq!(EventTime::MIN.ms(), EventTime::parse("0001-01-01T00:00:00Z").unwrap().ms());
        assert_eq!(EventTime::MIN.minute().start_ms(), EventTime::MIN.ms());
    }

    #[test]
    fn times_are_read_with_any_fraction_and_offset() {
        let ms = |text| EventTime::parse(text).map(EventTime::ms);
        assert_eq!(ms("1970-01-01T00:00:01.5Z"), Some(1_500));
        assert_eq!(ms("1970-01-01T01:00:00.0000001+01:00"), Some(0));
        assert_eq!(ms("yesterday"), None);
        assert_eq!(
            EventTime::parse("2026-02-13T12:00:00Z").unwrap().minute().day().to_string(),
            "2026-02-13"
        );
    }
}
