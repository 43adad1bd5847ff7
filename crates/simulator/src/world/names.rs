//! What people are called: on the live board, and in ClickHouse.

use crate::producers::{CLAIMED, SECRET};
use crate::world::installation::count;
use crate::world::{Kept, World, all_partitions, broken};
use std::collections::BTreeMap;
use tally_clickhouse::rows::PersonRecord;
use tally_domain::{AccountKey, ClaimedIdentity, Lane, PersonId, Topic, partition_of};
use tally_log::AppendLog;

impl World {
    /// An account says who it is, or asks to be forgotten.
    pub(super) fn identify(&mut self, whose: usize, name: Option<u8>) {
        let (source, subject) = CLAIMED[whose % CLAIMED.len()];
        let account = AccountKey::of(&SECRET, source, subject);
        let identity = name.map(|name| ClaimedIdentity {
            source: source.to_owned(),
            subject: subject.to_owned(),
            email: None,
            name: Some(format!("{subject} the {name}th")),
            first_seen_ms: 0,
        });
        let lane = Lane { topic: Topic::Identities, partition: partition_of(account.bytes(), count()) };
        let value = identity.as_ref().map(tally_schema::encode_identity);
        let _full = self.log.get().appender().append(lane, account.bytes(), value.as_deref());
    }

    /// Who said who they are is named so in ClickHouse, and who is forgotten is not.
    pub(super) fn names_are_right(&mut self) -> Kept {
        let mut said: BTreeMap<[u8; 16], Option<ClaimedIdentity>> = BTreeMap::new();
        for partition in all_partitions() {
            let lane = Lane { topic: Topic::Identities, partition };
            let start = self.log.bounds(lane)?.start;
            self.log.each(lane, start, |record| {
                let identity = record.value.map(tally_schema::decode_identity).transpose();
                let key = record.key.try_into().map_err(|_| "an identity without an account")?;
                said.insert(key, identity.map_err(|error| error.to_string())?);
                Ok(())
            })?;
        }
        let server = self.clickhouse.borrow();
        let people = &server.tables.standings.people;
        let is_named = |row: &PersonRecord, claimed: &ClaimedIdentity| {
            row.erased == 0 && Some(&row.name) == claimed.name.as_ref()
        };
        for (account, claimed) in &said {
            let row = people.get(account);
            let is_right = match claimed {
                Some(claimed) => row.is_some_and(|row| is_named(row, claimed)),
                None => row.is_none_or(|row| row.erased == 1 && row.name.is_empty()),
            };
            if !is_right {
                return broken(format!("people has {row:?}, and the account says {claimed:?}"));
            }
        }
        match people.values().find(|row| !said.contains_key(&row.account) && !row.name.is_empty()) {
            Some(row) => broken(format!("people has {row:?}, and nobody says so any more")),
            None => self.live_names_are_right(&said),
        }
    }

    fn live_names_are_right(&self, said: &BTreeMap<[u8; 16], Option<ClaimedIdentity>>) -> Kept {
        let Some(standing) = &self.standing else { return Ok(()) };
        let live = standing.ranker.live();
        for (source, subject) in CLAIMED {
            let person = PersonId::of(&SECRET, subject);
            let same = CLAIMED.iter().filter(|(_, other)| other.to_lowercase() == subject.to_lowercase());
            let accounts = same.map(|(source, subject)| AccountKey::of(&SECRET, source, subject));
            let is_named =
                accounts.into_iter().any(|account| said.get(account.bytes()).is_some_and(Option::is_some));
            let shown = live.name(person).shown;
            if shown.is_empty() == is_named {
                return broken(format!("{source} {subject} is called {shown:?} on the live board"));
            }
        }
        Ok(())
    }
}
