//! What time it is, for everything that is not the fold.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use tally_domain::WallTime;

/// The wall clock of an installation: the system's, or one that stands still for tests, demos and old traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The system's clock.
    System,
    /// Stands still at this instant.
    Fixed(WallTime),
}

impl Clock {
    /// What the clock shows. A system clock outside the years 1 to 9999 shows their nearest end.
    #[must_use]
    pub fn now(self) -> WallTime {
        match self {
            Clock::Fixed(at) => at,
            Clock::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let ms = i64::try_from(since_epoch.as_millis()).ok();
                ms.and_then(WallTime::from_ms).unwrap_or(WallTime::MAX)
            }
        }
    }
}

/// What was given is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no instant of the years 1 to 9999: write it with its zone, such as 2026-02-13T00:00:00Z")]
pub struct ClockError(String);

impl FromStr for Clock {
    type Err = ClockError;

    fn from_str(text: &str) -> Result<Clock, ClockError> {
        WallTime::parse(text).map(Clock::Fixed).ok_or_else(|| ClockError(text.to_owned()))
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clock::System => f.write_str("system"),
            Clock::Fixed(at) => write!(f, "{at}"),
        }
    }
}

#[cfg(test)]
mod tests;
