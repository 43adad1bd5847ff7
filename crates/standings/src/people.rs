//! Totals of accounts, summed into totals of people.

use tally_domain::lookup::Lookup;
use tally_domain::usage::LANES;
use tally_domain::{AccountKey, Metric, PersonId, Usage, Window};

/// A sum over accounts, lane by lane as [`Usage::lanes`]; cannot overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(pub [i128; LANES]);

impl Sum {
    /// Adds one account's usage.
    ///
    /// # Panics
    /// After 2⁶⁴ additions, which no memory holds the accounts for.
    pub fn add(&mut self, usage: &Usage) {
        for (sum, lane) in self.0.iter_mut().zip(usage.lanes()) {
            *sum = sum.checked_add(i128::from(lane)).expect("2^64 lanes of 64 bits fit in 128");
        }
    }

    /// All tokens together.
    #[must_use]
    pub fn tokens(&self) -> i128 {
        let [input, cache_read, write_5m, write_1h, output, reasoning, ..] = self.0;
        [input, cache_read, write_5m, write_1h, output, reasoning].into_iter().sum()
    }

    /// Calls of a model.
    #[must_use]
    pub const fn requests(&self) -> i128 {
        let [_, _, _, _, _, _, requests, _, _] = self.0;
        requests
    }

    /// List cost in billionths of a US dollar.
    #[must_use]
    pub const fn cost_nano_usd(&self) -> i128 {
        let [.., cost] = self.0;
        cost
    }

    /// What a board of `metric` compares.
    #[must_use]
    pub fn of(&self, metric: Metric) -> i128 {
        match metric {
            Metric::Tokens => self.tokens(),
            Metric::Cost => self.cost_nano_usd(),
        }
    }

    /// True when every lane is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|&lane| lane == 0)
    }
}

/// One person's totals in all windows, in the order of [`Window::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersonTotals {
    /// Who.
    pub person: PersonId,
    /// See [`Window::ALL`].
    pub windows: [Sum; 4],
}

impl PersonTotals {
    /// The totals of one window.
    #[must_use]
    pub const fn window(&self, window: Window) -> &Sum {
        let [hours24, days7, days30, lifetime] = &self.windows;
        match window {
            Window::Hours24 => hours24,
            Window::Days7 => days7,
            Window::Days30 => days30,
            Window::Lifetime => lifetime,
        }
    }

    /// True for whoever belongs on the boards: everyone with any usage in their life that still stands.
    #[must_use]
    pub fn is_ranked(&self) -> bool {
        !self.window(Window::Lifetime).is_zero()
    }
}

/// Sums accounts into people, by person. `owner` says whose an account is.
///
/// An account may come in several rows (one per dims, say): they add up. People whose usage is zero are listed too,
/// because a total that became zero is published as zero; [`crate::snapshot()`] leaves them off the boards.
pub fn people<'a>(
    totals: impl Iterator<Item = (AccountKey, &'a [Usage; 4])>,
    owner: impl Fn(&AccountKey) -> PersonId,
) -> Vec<PersonTotals> {
    let mut places: Lookup<PersonId, usize> = Lookup::default();
    let mut people: Vec<PersonTotals> = Vec::new();
    for (account, windows) in totals {
        let person = owner(&account);
        let place = *places.get_or_insert_with(person, || people.len());
        if place == people.len() {
            people.push(PersonTotals { person, windows: [Sum::default(); 4] });
        }
        let entry = people.get_mut(place).expect("a place is given when its person is pushed");
        for (sum, usage) in entry.windows.iter_mut().zip(windows) {
            sum.add(usage);
        }
    }
    people.sort_unstable_by_key(|entry| entry.person);
    people
}
