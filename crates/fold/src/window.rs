//! Totals of each window, and what moves them: a posting, and the rising clock.

use crate::changes::Posting;
use crate::report::{AccountIx, DimsIx};
use tally_domain::lookup::Lookup;
use tally_domain::planted::{self, Bug};
use tally_domain::{Minute, Usage, Window};

/// Usage of one account and dims in all windows.
#[derive(Clone, Debug)]
pub(crate) struct Total {
    pub(crate) account: AccountIx,
    pub(crate) dims: DimsIx,
    pub(crate) windows: [Usage; 4],
    dirty: bool,
}

/// Every total of the partition, by dense place, and each account's lifetime sum over all dims.
///
/// A row whose 30 days are empty is read and written here alone, through [`Totals::post`] and
/// [`Totals::shift`]: that is where a row may be given to the store, and fetched before a batch needs it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    rows: Vec<Total>,
    place_of: Lookup<(AccountIx, DimsIx), u32>,
    lives: Vec<Life>,
    dirty: Vec<u32>,
}

/// An account over all its dims.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    usage: Usage,
    /// The dims that were last posted to, and the row's place: nearly always the next ones too.
    latest: Option<(DimsIx, u32)>,
}

const SUMS_FIT: &str = "every sum of an account is at most its lifetime sum, which was checked";

impl Totals {
    pub(crate) fn len(&self) -> u32 {
        crate::names::length(self.rows.len())
    }
    pub(crate) fn get(&self, account: AccountIx, dims: DimsIx) -> Option<&Total> {
        self.row(self.find(account, dims)?)
    }
    pub(crate) fn find(&self, account: AccountIx, dims: DimsIx) -> Option<u32> {
        self.place_of.get(&(account, dims)).copied()
    }
    pub(crate) fn row(&self, place: u32) -> Option<&Total> {
        self.rows.get(usize::try_from(place).expect("a u32 fits a usize"))
    }

    /// The account's lifetime sum over all dims once `minus` is replaced by `plus`; `None` when it would
    /// leave the range of an i64. Nothing is changed.
    pub(crate) fn lifetime_after(&self, account: AccountIx, minus: &Usage, plus: &Usage) -> Option<Usage> {
        let now = self.lives.get(account.index()).map_or(Usage::ZERO, |life| life.usage);
        now.checked_sub(minus)?.checked_add(plus)
    }

    /// Sets what [`Self::lifetime_after`] allowed.
    pub(crate) fn set_lifetime(&mut self, account: AccountIx, usage: Usage) {
        self.life(account).usage = usage;
    }

    fn life(&mut self, account: AccountIx) -> &mut Life {
        if self.lives.len() <= account.index() {
            self.lives.resize(account.index().saturating_add(1), Life::default());
        }
        self.lives.get_mut(account.index()).expect("resized above")
    }

    /// A signed movement of one slice: lifetime at once, the other windows when they hold the slice. Gives the
    /// row's place.
    pub(crate) fn post(&mut self, clock: Minute, posting: &Posting) -> u32 {
        let early = planted::is(Bug::EarlyAtOnce) && posting.minute > clock;
        self.change(posting, |window| early || window.holds(clock, posting.minute))
    }

    /// The clock rises: the slice enters `windows` that hold it only afterwards and leaves those that held
    /// it only before. Gives the row's place when a window changed.
    pub(crate) fn shift(
        &mut self,
        [from, to]: [Minute; 2],
        windows: &[Window],
        posting: &Posting,
    ) -> Option<u32> {
        let enters =
            |window: &Window| !window.holds(from, posting.minute) && window.holds(to, posting.minute);
        let leaves =
            |window: &Window| window.holds(from, posting.minute) && !window.holds(to, posting.minute);
        if posting.usage.is_zero() {
            return None;
        }
        let mut moved = None;
        if windows.iter().any(enters) {
            moved = Some(self.change(posting, |window| windows.contains(&window) && enters(&window)));
        }
        if windows.iter().any(leaves) && !planted::is(Bug::MinuteStays) {
            let usage = posting.usage.checked_neg().expect("a slice's sum is not negative");
            let back = Posting { usage, ..*posting };
            moved = Some(self.change(&back, |window| windows.contains(&window) && leaves(&window)));
        }
        moved
    }

    fn change(&mut self, posting: &Posting, mut into: impl FnMut(Window) -> bool) -> u32 {
        let place = self.place(posting.account, posting.dims);
        let row = self.rows.get_mut(place_index(place)).expect("places are given by this map");
        for (window, sum) in Window::ALL.into_iter().zip(&mut row.windows) {
            if into(window) {
                *sum = sum.checked_add(&posting.usage).expect(SUMS_FIT);
            }
        }
        if !row.dirty {
            row.dirty = true;
            self.dirty.push(place);
        }
        place
    }

    /// The place of an account's dims; an empty row is made where there is none.
    pub(crate) fn place(&mut self, account: AccountIx, dims: DimsIx) -> u32 {
        let latest = self.life(account).latest;
        if let Some((_, place)) = latest.filter(|(of, _)| *of == dims) {
            return place;
        }
        let next = self.len();
        let place = *self.place_of.get_or_insert_with((account, dims), || next);
        if place == next {
            self.rows.push(Total { account, dims, windows: [Usage::ZERO; 4], dirty: false });
        }
        self.life(account).latest = Some((dims, place));
        place
    }

    /// Rows changed since the last call.
    pub(crate) fn drain_dirty(&mut self, mut each: impl FnMut(&Total)) {
        for place in self.dirty.drain(..) {
            let row = self.rows.get_mut(place_index(place)).expect("places are given by this map");
            row.dirty = false;
            each(row);
        }
    }

    /// A row of a checkpoint. `None` when its lifetime sums leave the range of an i64.
    pub(crate) fn restore(&mut self, account: AccountIx, dims: DimsIx, windows: &[Usage; 4]) -> Option<()> {
        let [.., lifetime] = windows;
        let sum = self.lifetime_after(account, &Usage::ZERO, lifetime)?;
        self.set_lifetime(account, sum);
        let place = self.place(account, dims);
        self.rows.get_mut(place_index(place))?.windows = *windows;
        Some(())
    }

    /// Bytes held, roughly.
    pub(crate) fn memory(&self) -> usize {
        let row = size_of::<Total>().saturating_add(size_of::<[(AccountIx, DimsIx, u32); 2]>());
        let lifetimes = self.lives.len().saturating_mul(size_of::<Life>());
        self.rows.len().saturating_mul(row).saturating_add(lifetimes)
    }
}

fn place_index(place: u32) -> usize {
    usize::try_from(place).expect("a u32 fits a usize")
}
