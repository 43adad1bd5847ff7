//! What surrounds every page: assets, the time its numbers are true for, and a word when they are old.

use crate::assets::{ASSETS, Assets};
use crate::rows::NewestRow;
use crate::show;
use tally_domain::WallTime;

/// The frame of a page.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Addresses of style, script and icon.
    pub assets: &'static Assets,
    /// Which entry of the navigation this page is.
    pub here: &'static str,
    /// `None` when the page shows no number.
    pub truth: Option<Truth>,
    /// What the reader should know about the numbers.
    pub notice: Option<String>,
    /// Seconds after which the page refreshes itself.
    pub refresh: Option<&'static str>,
}

/// The time that numbers are true for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// RFC 3339.
    pub iso: String,
    /// For reading.
    pub text: String,
    /// Number of the snapshot.
    pub snapshot: u64,
}

impl Truth {
    /// Of a snapshot.
    #[must_use]
    pub fn of(newest: &NewestRow) -> Self {
        let as_of = newest.as_of();
        Self { iso: as_of.to_string(), text: show::instant(as_of), snapshot: newest.snapshot }
    }
}

impl Frame {
    /// Of a page without numbers.
    #[must_use]
    pub fn plain(here: &'static str) -> Self {
        Self { assets: &ASSETS, here, truth: None, notice: None, refresh: None }
    }

    /// Of a page that shows `snapshot`.
    #[must_use]
    pub fn of(here: &'static str, snapshot: &NewestRow, notice: Option<String>) -> Self {
        Self { assets: &ASSETS, here, truth: Some(Truth::of(snapshot)), notice, refresh: Some("5") }
    }

    /// The same for a page of live numbers: half of the second within which it must follow.
    #[must_use]
    pub fn live(self) -> Self {
        Self { refresh: self.refresh.and(Some("0.5")), ..self }
    }
}

/// What to say of numbers that are true for `as_of` when it is `now`; nothing while they are fresh.
#[must_use]
pub fn staleness(as_of: WallTime, now: WallTime, stale_after_ms: i64) -> Option<String> {
    let behind_ms = now.ms().saturating_sub(as_of.ms());
    (behind_ms > stale_after_ms).then(|| {
        format!(
            "These numbers are {} old. New ones come as soon as the ranker has made a snapshot; \
             “tally up” shows which part is behind.",
            show::age(behind_ms)
        )
    })
}

/// What to say when the engine does not answer and the last known numbers are shown.
#[must_use]
pub fn unreachable(as_of: WallTime) -> String {
    format!(
        "The database does not answer, so these are the last known numbers, true for {}. \
         The page goes on by itself when it is back.",
        show::instant(as_of)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_called_old_only_when_they_are() {
        let at = |ms| WallTime::from_ms(ms).unwrap();
        assert_eq!(staleness(at(0), at(180_000), 180_000), None);
        assert_eq!(staleness(at(500_000), at(0), 180_000), None);
        let told = staleness(at(0), at(12 * 60_000), 180_000).unwrap();
        assert!(told.starts_with("These numbers are 12 minutes old."), "{told}");
    }
}
