//! What is known of every account, and what that makes of each person: the newest version of each total, and whose
//! account it is. Order of arrival never shows.

use std::collections::BTreeSet;
use std::sync::Arc;
use tally_domain::lookup::Lookup;
use tally_domain::planted::{self, Bug};
use tally_domain::published::TotalRow;
use tally_domain::{AccountKey, Dims, PersonId, Usage, Version};
use tally_standings::{PersonTotals, Sum};

/// Totals by account, accounts by person, and who changed since [`Ledger::settle`].
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: Lookup<AccountKey, Account>,
    owned: Lookup<PersonId, BTreeSet<AccountKey>>,
    dims: Lookup<Arc<Dims>, Arc<Dims>>,
    changed: BTreeSet<PersonId>,
}

#[derive(Debug)]
struct Account {
    owner: PersonId,
    totals: Vec<Total>,
}

#[derive(Debug)]
struct Total {
    dims: Arc<Dims>,
    version: Version,
    windows: [Usage; 4],
}

impl Ledger {
    /// Takes a published total; the highest version of a key stands. False when it changes nothing.
    pub fn publish(&mut self, row: &TotalRow, version: Version) -> bool {
        let dims = match self.dims.get(&*row.dims) {
            Some(known) => Arc::clone(known),
            None => Arc::clone(self.dims.get_or_insert_with(Arc::clone(&row.dims), || Arc::clone(&row.dims))),
        };
        let owned = &mut self.owned;
        let account = self.accounts.get_or_insert_with(row.account, || unowned(row.account, owned));
        match account.totals.iter_mut().find(|total| total.dims == dims) {
            Some(total) if total.version >= version && !planted::is(Bug::LastWritten) => return false,
            Some(total) => (total.version, total.windows) = (version, row.windows),
            None => account.totals.push(Total { dims, version, windows: row.windows }),
        }
        self.changed.insert(account.owner);
        true
    }

    /// Says whose an account is; what it holds moves along. False when it changes nothing.
    pub fn own(&mut self, key: AccountKey, person: PersonId) -> bool {
        let owned = &mut self.owned;
        let account = self.accounts.get_or_insert_with(key, || unowned(key, owned));
        if account.owner == person {
            return false;
        }
        let before = std::mem::replace(&mut account.owner, person);
        if let Some(accounts) = self.owned.get_mut(&before) {
            accounts.remove(&key);
        }
        self.owned.get_or_insert_with(person, BTreeSet::new).insert(key);
        self.changed.extend([before, person]);
        true
    }

    /// Gives everyone whose usage or accounts changed since the last call, summed anew; `None` for who owns no
    /// account any more.
    pub fn settle(&mut self, mut tell: impl FnMut(PersonId, Option<PersonTotals>)) {
        for person in std::mem::take(&mut self.changed) {
            tell(person, self.sum(person));
        }
    }

    /// The accounts of a person, by hash.
    pub fn accounts(&self, person: PersonId) -> impl Iterator<Item = &AccountKey> {
        self.owned.get(&person).into_iter().flatten()
    }

    /// True when somebody changed since the last [`Self::settle`].
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        !self.changed.is_empty()
    }

    /// A person's totals; `None` without an account.
    #[must_use]
    pub fn sum(&self, person: PersonId) -> Option<PersonTotals> {
        let accounts = self.owned.get(&person).filter(|accounts| !accounts.is_empty())?;
        let mut totals = PersonTotals { person, windows: [Sum::default(); 4] };
        let held =
            accounts.iter().filter_map(|key| self.accounts.get(key)).flat_map(|account| &account.totals);
        for total in held {
            totals.windows.iter_mut().zip(&total.windows).for_each(|(sum, usage)| sum.add(usage));
        }
        Some(totals)
    }
}

/// An account that nobody owns stands under its own hash.
fn unowned(key: AccountKey, owned: &mut Lookup<PersonId, BTreeSet<AccountKey>>) -> Account {
    let owner = PersonId(key.0);
    owned.get_or_insert_with(owner, BTreeSet::new).insert(key);
    Account { owner, totals: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tally_domain::{Hash128, Partition};

    fn total(account: u8, model: &str, input: i64) -> TotalRow {
        let usage = Usage { tokens: [input, 0, 0, 0, 0, 0], ..Usage::ZERO };
        TotalRow {
            partition: Partition(0),
            account: AccountKey(Hash128([account; 16])),
            dims: Arc::new(Dims { model: model.to_owned(), ..Dims::default() }),
            windows: [usage; 4],
        }
    }

    fn person(n: u8) -> PersonId {
        PersonId(Hash128([n; 16]))
    }

    fn settled(ledger: &mut Ledger) -> BTreeMap<PersonId, Option<i128>> {
        let mut told = BTreeMap::new();
        ledger.settle(|person, totals| {
            let _before = told.insert(person, totals.map(|totals| totals.windows[0].tokens()));
        });
        told
    }

    #[test]
    fn the_highest_version_stands_and_accounts_move_with_what_they_hold() {
        let mut ledger = Ledger::default();
        assert!(ledger.publish(&total(1, "opus", 50), Version::from_u64(9)));
        assert!(!ledger.publish(&total(1, "opus", 70), Version::from_u64(8)), "late");
        assert!(!ledger.publish(&total(1, "opus", 50), Version::from_u64(9)), "repeated");
        assert!(ledger.publish(&total(1, "gpt", 5), Version::from_u64(1)));
        assert!(ledger.publish(&total(2, "gpt", 100), Version::from_u64(1)));
        assert_eq!(settled(&mut ledger), BTreeMap::from([(person(1), Some(55)), (person(2), Some(100))]));

        let account = |n| AccountKey(Hash128([n; 16]));
        assert!(ledger.own(account(1), person(7)) && ledger.own(account(2), person(7)));
        assert!(!ledger.own(account(2), person(7)));
        let expected = BTreeMap::from([(person(1), None), (person(2), None), (person(7), Some(155))]);
        assert_eq!(settled(&mut ledger), expected);
        assert!(ledger.own(account(3), person(7)), "an account may be owned before its first total");
        assert!(ledger.publish(&total(3, "gpt", 1), Version::from_u64(1)));
        assert_eq!(settled(&mut ledger), BTreeMap::from([(person(3), None), (person(7), Some(156))]));
    }
}
