//! Holds what one account has published against what its archived events add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tally_domain::{AccountKey, Dims, Hour, Minute, Partition, Version, Window};

use crate::difference::{Difference, Findings, What};
use crate::explain::{EXPLAINED_MAX, explain};
use crate::overflow::Order;
use crate::recount::{Moment, Recounted, Reports, Sum, recount};
use crate::rules::Books;

/// A published value with the version of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published<T> {
    /// The value.
    pub value: T,
    /// The row's version.
    pub version: Version,
}

/// Everything about one account: what was archived and what is published.
#[derive(Debug, Default)]
pub struct Account {
    /// Accepted reports by event.
    pub reports: Reports,
    /// `account_totals`, in the order of [`Window::ALL`].
    pub totals: BTreeMap<Arc<Dims>, Published<[Sum; 4]>>,
    /// `usage_hourly`.
    pub hours: BTreeMap<(Hour, Arc<Dims>), Published<Sum>>,
}

/// One partition's bounds for the recount.
#[derive(Debug, Default)]
pub struct Bounds {
    /// Every change up to here is acknowledged.
    pub progress: Version,
    /// Every record before here is archived.
    pub archived: Version,
    /// (version from which on, clock), ascending: the clock of every version.
    pub clocks: Vec<(Version, Minute)>,
    /// Price books in log order.
    pub books: Books,
}

impl Bounds {
    /// The moment of a version: its clock is that of the last record before it.
    #[must_use]
    pub fn moment(&self, version: Version) -> Moment {
        let after = self.clocks.partition_point(|(from, _)| *from <= version);
        let clock = after.checked_sub(1).and_then(|last| self.clocks.get(last));
        Moment { version, clock: clock.map_or(Minute::BEFORE_ALL, |(_, clock)| *clock) }
    }
}

/// Compares every value of an account, also those without a row, at max(row version, progress). A row that claims to
/// be newer than the archive, which reaches the log's end, is compared there.
pub fn compare(
    key: AccountKey,
    partition: Partition,
    account: &Account,
    bounds: &Bounds,
    into: &mut Findings,
) {
    let by = Order::of(&account.reports, &bounds.books);
    let mut recounts = Recounts { account, bounds, by, made: BTreeMap::new() };
    let present = recounts.at(bounds.progress).clone();
    into.checked.accounts += 1;
    into.checked.events += present.events;
    let row = Row { key, partition, account, bounds };
    let total_keys: BTreeSet<_> = account.totals.keys().chain(present.totals.keys()).cloned().collect();
    for dims in total_keys {
        let published = account.totals.get(&dims);
        let at = recounts.version_for(published.map(|row| row.version));
        let counted = recounts.at(at).totals.get(&dims).copied().unwrap_or_default();
        let shown = published.map_or_else(Default::default, |row| row.value);
        for ((window, shown), counted) in Window::ALL.into_iter().zip(shown).zip(counted) {
            let versions = (at, published.map(|row| row.version));
            row.judge(What::Total(window), &dims, versions, (shown, counted), into);
        }
    }
    let hour_keys: BTreeSet<_> = account.hours.keys().chain(present.hours.keys()).cloned().collect();
    for key in hour_keys {
        let published = account.hours.get(&key);
        let at = recounts.version_for(published.map(|row| row.version));
        let counted = recounts.at(at).hours.get(&key).copied().unwrap_or_default();
        let shown = published.map_or_else(Sum::default, |row| row.value);
        let versions = (at, published.map(|row| row.version));
        row.judge(What::Hour(key.0), &key.1, versions, (shown, counted), into);
    }
}

struct Row<'a> {
    key: AccountKey,
    partition: Partition,
    account: &'a Account,
    bounds: &'a Bounds,
}

impl Row<'_> {
    fn judge(
        &self,
        what: What,
        dims: &Arc<Dims>,
        (at, published_version): (Version, Option<Version>),
        (published, recounted): (Sum, Sum),
        into: &mut Findings,
    ) {
        into.checked.totals += 1;
        if published == recounted {
            return;
        }
        let mut difference = Difference {
            account: self.key,
            partition: self.partition,
            what,
            dims: Arc::clone(dims),
            at,
            published_version,
            published,
            recounted,
            reports: Vec::new(),
            reports_total: 0,
        };
        if into.differences.len() < EXPLAINED_MAX {
            explain(&mut difference, &self.account.reports, &self.bounds.books, self.bounds.moment(at));
        }
        into.add(difference);
    }
}

/// The recounts of one account, one for each version that its rows ask for.
struct Recounts<'a> {
    account: &'a Account,
    bounds: &'a Bounds,
    by: Order,
    made: BTreeMap<Version, Recounted>,
}

impl Recounts<'_> {
    fn at(&mut self, version: Version) -> &Recounted {
        self.made.entry(version).or_insert_with(|| {
            recount(&self.account.reports, &self.bounds.books, self.by, self.bounds.moment(version))
        })
    }

    /// max(row version, progress), but no further than the archive.
    fn version_for(&self, row: Option<Version>) -> Version {
        row.unwrap_or_default().max(self.bounds.progress).min(self.bounds.archived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Counted;
    use tally_domain::{ContentHash, EventKey, EventTime, Kind, Revision, Usage};

    fn account(published: i128, version: u64) -> Account {
        let report = |place, output| Counted {
            place: Version::from_u64(place),
            run: Default::default(),
            revision: Revision(0),
            kind: Kind::Report,
            occurred_at: EventTime::default(),
            dims: Arc::default(),
            usage: Usage { tokens: [0, 0, 0, 0, output, 0], ..Usage::ZERO },
            content: ContentHash(0),
        };
        let mut sum = Sum::default();
        sum.0[4] = published;
        sum.0[7] = published;
        let version = Version::from_u64(version);
        let reports = [(EventKey::default(), vec![report(0, 5), report(1, 7)])].into();
        Account {
            reports,
            totals: [(Arc::default(), Published { value: [sum; 4], version })].into(),
            hours: [((Hour(0), Arc::default()), Published { value: sum, version })].into(),
        }
    }

    fn findings(account: &Account) -> Vec<(What, i128, i128)> {
        let bounds = Bounds {
            progress: Version::from_u64(1),
            archived: Version::from_u64(2),
            clocks: vec![(Version::from_u64(0), Minute(0))],
            books: Books::default(),
        };
        let mut found = Findings::default();
        compare(AccountKey::default(), Partition(0), account, &bounds, &mut found);
        found.differences.iter().map(|d| (d.what, d.published.0[4], d.recounted.0[4])).collect()
    }

    #[test]
    fn a_row_is_recounted_at_its_own_version_when_that_is_beyond_progress() {
        assert_eq!(findings(&account(5, 1)), []);
        assert_eq!(findings(&account(7, 2)), []);
        assert_eq!(findings(&account(5, 2)).len(), 5);
    }

    #[test]
    fn a_stale_a_missing_and_a_doubled_row_are_differences() {
        assert_eq!(findings(&account(0, 0)).len(), 5);
        let missing = Account { totals: BTreeMap::new(), ..account(5, 1) };
        assert_eq!(findings(&missing)[0], (What::Total(Window::Hours24), 0, 5));
        assert_eq!(findings(&account(10, 1))[4], (What::Hour(Hour(0)), 10, 5));
    }

    #[test]
    fn a_row_beyond_the_log_is_compared_at_its_end() {
        assert_eq!(findings(&account(7, 3)), []);
        assert_eq!(findings(&account(999, 3)).len(), 5);
    }

    #[test]
    fn a_version_has_the_clock_of_the_last_record_before_it() {
        let clocks = [(1, 10), (4, 11)].map(|(from, clock)| (Version::from_u64(from), Minute(clock)));
        let bounds = Bounds { clocks: clocks.to_vec(), ..Bounds::default() };
        let at = |version| bounds.moment(Version::from_u64(version)).clock;
        assert_eq!(
            [0, 1, 3, 4, 9].map(at),
            [Minute::BEFORE_ALL, Minute(10), Minute(10), Minute(11), Minute(11)]
        );
    }
}
