//! Recounts one account from its archived events, by nothing but addition.

use std::collections::BTreeMap;
use std::sync::Arc;

use tally_domain::usage::LANES;
use tally_domain::{Dims, EventKey, Hour, Minute, Usage, Version, Window};

use crate::overflow::{Order, Standing, in_log_order};
use crate::rules::{Books, Counted, priced, winner};

/// A sum that cannot overflow: what the published i64 must equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum(pub [i128; LANES]);

impl Sum {
    fn add(&mut self, usage: &Usage) {
        self.0.iter_mut().zip(usage.lanes()).for_each(|(sum, lane)| *sum += i128::from(lane));
    }

    /// True when every lane is zero: then a missing row is as good as a zero row.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Usage> for Sum {
    fn from(usage: Usage) -> Self {
        Self(usage.lanes().map(i128::from))
    }
}

/// All reports of one account, by event.
pub type Reports = BTreeMap<EventKey, Vec<Counted>>;

/// Where in its partition a recount stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Records before this version's next offset are counted.
    pub version: Version,
    /// The clock after the last of them.
    pub clock: Minute,
}

/// What one account should read at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recounted {
    /// Per dims, in the order of [`Window::ALL`].
    pub totals: BTreeMap<Arc<Dims>, [Sum; 4]>,
    /// Per hour and dims.
    pub hours: BTreeMap<(Hour, Arc<Dims>), Sum>,
    /// Events that stand.
    pub events: u64,
}

/// Counts every event of an account once, in every window it belongs to at `at`.
#[must_use]
pub fn recount(reports: &Reports, books: &Books, by: Order, at: Moment) -> Recounted {
    let mut counted = Recounted::default();
    for (winner, usage) in standing(reports, books, by, at.version).into_values() {
        counted.events += 1;
        counted.add(winner, &usage, at.clock);
    }
    counted
}

/// The report of each event that counts before `version`, with its list cost.
#[must_use]
pub fn standing<'a>(reports: &'a Reports, books: &Books, by: Order, version: Version) -> Standing<'a> {
    match by {
        Order::OfTheLog => in_log_order(reports, books, version),
        Order::Any => {
            let counts = |(event, of_event): (&EventKey, &'a Vec<Counted>)| {
                let winner = winner(of_event.iter().filter(|report| report.place < version))?;
                Some((*event, (winner, priced(winner, books)?)))
            };
            reports.iter().filter_map(counts).collect()
        }
    }
}

impl Recounted {
    fn add(&mut self, winner: &Counted, usage: &Usage, clock: Minute) {
        let minute = winner.occurred_at.minute();
        let windows = self.totals.entry(Arc::clone(&winner.dims)).or_default();
        for (window, sum) in Window::ALL.into_iter().zip(windows) {
            if in_window(window, clock, minute) {
                sum.add(usage);
            }
        }
        self.hours.entry((minute.hour(), Arc::clone(&winner.dims))).or_default().add(usage);
    }
}

/// (T − W, T], written out: the fold asks the domain, the recount asks the definition.
pub(crate) fn in_window(window: Window, clock: Minute, minute: Minute) -> bool {
    let age = i64::from(clock.0) - i64::from(minute.0);
    match window {
        Window::Hours24 => (0..24 * 60).contains(&age),
        Window::Days7 => (0..7 * 24 * 60).contains(&age),
        Window::Days30 => (0..30 * 24 * 60).contains(&age),
        Window::Lifetime => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally_domain::{ContentHash, EventTime, Hash128, Kind, Revision};

    fn report(offset: u64, minute: i64, output: i64) -> Counted {
        Counted {
            place: Version::from_u64(offset),
            run: Default::default(),
            revision: Revision(0),
            kind: Kind::Report,
            occurred_at: EventTime::from_ms(minute * 60_000).unwrap(),
            dims: Arc::default(),
            usage: Usage { tokens: [0, 0, 0, 0, output, 0], requests: 1, ..Usage::ZERO },
            content: ContentHash(0),
        }
    }

    #[test]
    fn a_copy_counts_once_and_a_later_record_not_yet() {
        let key = |n| EventKey(Hash128([n; 16]));
        let reports = Reports::from([
            (key(1), vec![report(0, 100, 5), report(1, 100, 5)]),
            (key(2), vec![report(2, 101, 7)]),
            (key(3), vec![report(9, 101, 1_000)]),
        ]);
        let at = Moment { version: Version::from_u64(9), clock: Minute(100) };
        let counted = recount(&reports, &Books::default(), Order::Any, at);
        let output = counted.totals[&Dims::default()].map(|sum| sum.0[4]);
        assert_eq!((output, counted.events), ([5, 5, 5, 12], 2));
    }

    #[test]
    fn a_window_holds_the_minutes_after_its_start_up_to_its_clock() {
        let holds = |window, age: i32| in_window(window, Minute(100_000), Minute(100_000 - age));
        for (window, length) in [(Window::Hours24, 1_440), (Window::Days7, 10_080), (Window::Days30, 43_200)]
        {
            let ages = [-1, 0, length - 1, length].map(|age| holds(window, age));
            assert_eq!(ages, [false, true, true, false], "{window:?}");
        }
        assert_eq!([-1, 0, 99_999].map(|age| holds(Window::Lifetime, age)), [true; 3]);
    }
}
