//! Which identities the log already knows, so that each is appended once.

use std::collections::HashMap;

use tally_domain::{AccountKey, ClaimedIdentity, Hash128, Lane, Offset, PartitionCount, Topic, WallTime};
use tally_log::{LogError, ReadLog, Records};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// The claimed identities of all accounts, as the compacted topic has them.
#[derive(Debug, Default)]
pub struct Identities {
    known: HashMap<AccountKey, ClaimedIdentity>,
    /// Read up to here, by partition.
    next: Vec<Offset>,
}

impl Identities {
    /// Takes in what was appended to the topic since the last call, the first time all of it. A tombstone
    /// forgets: the next event of that account identifies it anew.
    ///
    /// # Errors
    /// What the log cannot read.
    pub fn follow<R: ReadLog>(&mut self, log: &mut R, partitions: PartitionCount) -> Result<(), LogError> {
        self.next.resize(usize::from(partitions.get()), Offset::ZERO);
        let mut records = Records::default();
        for partition in partitions.all() {
            let lane = Lane { topic: Topic::Identities, partition };
            let mut next = self.next[usize::from(partition.0)].max(log.bounds(lane)?.start);
            loop {
                log.read(lane, next, READ_BYTES, &mut records)?;
                let Some(last) = records.last() else { break };
                next = last.offset.next();
                records.iter().for_each(|record| self.learn(record.key, record.value));
            }
            self.next[usize::from(partition.0)] = next;
        }
        Ok(())
    }

    fn learn(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Ok(key) = key.try_into() else { return };
        let account = AccountKey(Hash128(key));
        // What cannot be read is as good as not there: the next event of the account writes it anew.
        let _before = match value.and_then(|value| tally_schema::decode_identity(value).ok()) {
            Some(identity) => self.known.insert(account, identity),
            None => self.known.remove(&account),
        };
    }

    /// What is to be appended so that the log knows what is claimed; `None` if it does already. A claim without
    /// a name does not erase one.
    pub(crate) fn news(
        &mut self,
        account: AccountKey,
        claimed: &ClaimedIdentity,
        now: WallTime,
    ) -> Option<ClaimedIdentity> {
        let new = match self.known.get(&account) {
            None => ClaimedIdentity { first_seen_ms: now.ms(), ..claimed.clone() },
            Some(known) => {
                let says_more = |claimed: &Option<String>, known| claimed.is_some() && claimed != known;
                if !says_more(&claimed.email, &known.email) && !says_more(&claimed.name, &known.name) {
                    return None;
                }
                ClaimedIdentity {
                    email: claimed.email.clone().or_else(|| known.email.clone()),
                    name: claimed.name.clone().or_else(|| known.name.clone()),
                    ..known.clone()
                }
            }
        };
        let _before = self.known.insert(account, new.clone());
        Some(new)
    }

    /// The log may not have taken what it was given of this account.
    pub(crate) fn unlearn(&mut self, account: &AccountKey) {
        let _doubtful = self.known.remove(account);
    }
}
