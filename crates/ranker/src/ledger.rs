//! The live totals: the newest value of every account and dims, whoever reads them and whenever.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use tally_domain::published::{Progress, TotalRow};
use tally_domain::{AccountKey, ClaimedIdentity, Dims, Minute, Partition, PersonId, Secret, Usage, Version};

/// Shared by the part that writes it and the endpoints that read it.
#[derive(Debug)]
pub struct Ledger {
    secret: Secret,
    accounts: DashMap<AccountKey, BTreeMap<std::sync::Arc<Dims>, Newest>>,
    people: Mutex<People>,
    progress: Mutex<BTreeMap<Partition, Progress>>,
}

#[derive(Debug)]
struct Newest {
    version: Version,
    windows: [Usage; 4],
}

/// Who owns which account, and since which record of the identities topic.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// By account.
    pub identities: BTreeMap<AccountKey, Known>,
    /// Sum of the offsets read: rises with every change.
    pub version: u64,
}

/// A claimed identity with the person it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// See [`PersonId`].
    pub person: PersonId,
    /// As claimed.
    pub identity: ClaimedIdentity,
    /// Next offset of the identities topic at which it was read.
    pub version: u64,
}

impl Ledger {
    /// Empty.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self { secret, accounts: DashMap::new(), people: Mutex::default(), progress: Mutex::default() }
    }

    /// Takes a total if it is newer than what is known: a compacted topic keeps the last written, not the highest.
    pub fn take(&self, row: &TotalRow, version: Version) {
        let mut account = self.accounts.entry(row.account).or_default();
        let newer = account.get(&row.dims).is_none_or(|known| known.version < version);
        if newer {
            account.insert(std::sync::Arc::clone(&row.dims), Newest { version, windows: row.windows });
        }
    }

    /// Takes how far a partition is published.
    pub fn reach(&self, progress: Progress) {
        let mut reached = lock(&self.progress);
        let known = reached.entry(progress.partition).or_insert(progress);
        if known.version < progress.version {
            *known = progress;
        }
    }

    /// Takes a claimed identity; `None` forgets it.
    pub fn identify(&self, account: AccountKey, claimed: Option<ClaimedIdentity>, version: u64) {
        let mut people = lock(&self.people);
        people.version = people.version.saturating_add(1);
        match claimed {
            None => drop(people.identities.remove(&account)),
            Some(identity) => {
                let person = PersonId::of(&self.secret, &identity.subject);
                people.identities.insert(account, Known { person, identity, version });
            }
        }
    }

    /// Everyone who claimed an account.
    #[must_use]
    pub fn people(&self) -> People {
        lock(&self.people).clone()
    }

    /// How far every partition is published, by partition.
    #[must_use]
    pub fn reached(&self) -> BTreeMap<Partition, Progress> {
        lock(&self.progress).clone()
    }

    /// The least clock of the partitions: the minute that the totals are true for.
    #[must_use]
    pub fn as_of(&self) -> Option<Minute> {
        lock(&self.progress).values().map(|progress| progress.clock).min()
    }

    /// Totals of every account and dims, by account.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<AccountKey, Vec<[Usage; 4]>> {
        self.accounts
            .iter()
            .map(|account| (*account.key(), account.value().values().map(|newest| newest.windows).collect()))
            .collect()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one insert or one replacement: nobody sees half of it.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(output: i64) -> TotalRow {
        let usage = Usage { tokens: [0, 0, 0, 0, output, 0], ..Usage::ZERO };
        TotalRow {
            partition: Partition(0),
            account: AccountKey::default(),
            dims: std::sync::Arc::default(),
            windows: [usage; 4],
        }
    }

    #[test]
    fn the_highest_version_stands_whichever_is_read_last() {
        let ledger = Ledger::new(Secret::new([0; 32]));
        ledger.take(&row(7), Version::from_u64(9));
        ledger.take(&row(5), Version::from_u64(8));
        assert_eq!(ledger.totals()[&AccountKey::default()][0][0].total(), 7);
    }
}
