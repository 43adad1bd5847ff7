//! Whose each account is and what it is called: what the identities say, over what ClickHouse held at the start.

use crate::live::Name;
use crate::rows;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tally_clickhouse::rows::PersonRecord;
use tally_domain::{AccountKey, Hash128, PersonId};

/// A row of `people` for each account.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    rows: BTreeMap<AccountKey, Arc<PersonRecord>>,
    /// What ClickHouse holds.
    held: BTreeMap<AccountKey, Arc<PersonRecord>>,
    /// Accounts of which the identities have spoken.
    told: BTreeSet<AccountKey>,
    /// Accounts whose row may differ from what ClickHouse holds.
    changed: BTreeSet<AccountKey>,
}

impl Directory {
    /// What ClickHouse holds, the last interval of an account last.
    pub(crate) fn found(&mut self, rows: Vec<PersonRecord>) {
        for row in rows {
            let (account, row) = (AccountKey(Hash128(row.account)), Arc::new(row));
            self.held.insert(account, Arc::clone(&row));
            self.rows.insert(account, row);
        }
    }

    /// The identities say who an account is, or with a row without names that it is forgotten.
    pub(crate) fn tell(&mut self, row: PersonRecord) {
        let account = AccountKey(Hash128(row.account));
        self.told.insert(account);
        self.changed.insert(account);
        self.rows.insert(account, Arc::new(row));
    }

    /// Forgets who is named in ClickHouse alone: the identities were read to their end and know no such account, so
    /// it was forgotten, and compaction has taken the tombstone too. Gives the people that this concerns.
    pub(crate) fn forget_the_untold(&mut self) -> BTreeSet<PersonId> {
        let mut concerned = BTreeSet::new();
        for (account, row) in &mut self.rows {
            if row.erased == 0 && !self.told.contains(account) {
                let person = PersonId(Hash128(row.person));
                *row = Arc::new(rows::forgotten(*account, person, row.version.saturating_add(1)));
                self.changed.insert(*account);
                concerned.insert(person);
            }
        }
        concerned
    }

    /// Whose an account is, if that was ever said.
    pub(crate) fn owner(&self, account: AccountKey) -> Option<PersonId> {
        self.rows.get(&account).map(|row| PersonId(Hash128(row.person)))
    }

    /// Every account and its person.
    pub(crate) fn owners(&self) -> impl Iterator<Item = (AccountKey, PersonId)> {
        self.rows.iter().map(|(account, row)| (*account, PersonId(Hash128(row.person))))
    }

    /// What a person is called who owns `accounts`: by a name if any account has one, else by e-mail or subject; the
    /// least account decides between two names. They are found by every word of every account.
    pub(crate) fn name<'a>(&self, accounts: impl Iterator<Item = &'a AccountKey>) -> Name {
        let rows: Vec<&PersonRecord> =
            accounts.filter_map(|account| self.rows.get(account)).map(Arc::as_ref).collect();
        let is_own = |row: &PersonRecord| row.name != row.subject && row.name != row.email;
        let named = rows.iter().filter(|row| !row.name.is_empty());
        // Of equals, min_by_key takes the first: the least account.
        let shown = named.min_by_key(|row| !is_own(row)).map(|row| row.name.clone()).unwrap_or_default();
        let words = rows.iter().flat_map(|row| [row.name.as_str(), &row.email, &row.subject]);
        let words = words.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("\n").to_lowercase();
        Name { shown, words }
    }

    /// The rows that ClickHouse does not hold, each at a version above what it holds.
    pub(crate) fn unsent(&self) -> Vec<PersonRecord> {
        let differing = self.changed.iter().filter_map(|account| {
            let (row, held) = (self.rows.get(account)?, self.held.get(account));
            let version = match held {
                // The same but for the version, which a recreated topic begins anew.
                Some(held) if PersonRecord { version: held.version, ..row.as_ref().clone() } == **held => {
                    return None;
                }
                Some(held) => row.version.max(held.version.saturating_add(1)),
                None => row.version,
            };
            Some(PersonRecord { version, ..row.as_ref().clone() })
        });
        differing.collect()
    }

    /// ClickHouse holds these rows.
    pub(crate) fn sent(&mut self, rows: &[PersonRecord]) {
        for row in rows {
            self.held.insert(AccountKey(Hash128(row.account)), Arc::new(row.clone()));
        }
        let (rows, held) = (&self.rows, &self.held);
        self.changed.retain(|account| {
            let (row, held) = (rows.get(account), held.get(account));
            row.zip(held).is_none_or(|(row, held)| {
                PersonRecord { version: held.version, ..row.as_ref().clone() } != **held
            })
        });
    }

    /// ClickHouse holds nothing any more.
    pub(crate) fn lost(&mut self) {
        self.held.clear();
        self.changed = self.rows.keys().copied().collect();
    }
}

#[cfg(test)]
mod tests;
