//! Who and which: keyed hashes of what producers claim, and the key of an event.

use crate::gathered::Gathered;
use crate::planted::{self, Bug};
use std::fmt;
use std::str::FromStr;

/// 128 bits that name something; shown as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash128(pub [u8; 16]);

/// What keeps [`Hash128`] from being read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading a 128-bit hash: expected 32 hexadecimal digits, found {found:?}")]
pub struct NotAHash {
    /// The text that was given.
    pub found: String,
}

impl fmt::Display for Hash128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash128 {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match u128::from_str_radix(text, 16) {
            Ok(value) if digits => Ok(Self(value.to_be_bytes())),
            _ => Err(NotAHash { found: text.to_owned() }),
        }
    }
}

impl serde::Serialize for Hash128 {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Hash128 {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Declares a named 128-bit identity; the kinds never mix.
macro_rules! identities {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Hash128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(&self.0, f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, concat!(stringify!($name), "({})"), self.0) }
        }
        impl FromStr for $name {
            type Err = NotAHash;
            fn from_str(text: &str) -> Result<Self, NotAHash> { text.parse().map(Self) }
        }
        impl $name {
            /// The sixteen bytes, as they stand in the log.
            #[must_use]
            pub const fn bytes(&self) -> &[u8; 16] { &self.0.0 }
        }
    )*};
}

identities! {
    /// Who the producer says used it: the keyed hash of (source, subject). The key of the log.
    AccountKey;
    /// One event of one account: what is counted once.
    EventKey;
    /// A human or a service account, as the standings know them.
    PersonId;
    /// Who sent a copy: one SDK instance, one importer, one collector.
    ProducerId;
    /// One life of a topic: a recreated topic has another.
    TopicId;
}

/// The installation's secret: what makes account hashes useless to whoever finds them.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(masked)")
    }
}

impl Secret {
    /// Takes 32 random bytes, made once per installation.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A hash by which two installations can see that they share a secret, and nothing else.
    #[must_use]
    pub fn check(&self) -> Hash128 {
        self.hash(b"check", &[])
    }

    fn hash(&self, purpose: &[u8], parts: &[&[u8]]) -> Hash128 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(purpose);
        for part in parts {
            hasher.update(&[0x1f]);
            hasher.update(part);
        }
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Hash128(bytes)
    }
}

impl AccountKey {
    /// The account of a claimed (source, subject), both verbatim.
    #[must_use]
    pub fn of(secret: &Secret, source: &str, subject: &str) -> Self {
        if planted::is(Bug::KeyByPerson) {
            return Self(PersonId::of(secret, subject).0);
        }
        Self(secret.hash(b"account", &[source.as_bytes(), subject.as_bytes()]))
    }
}

impl PersonId {
    /// The person a subject stands for until an org is loaded: subjects that differ only in case are one.
    #[must_use]
    pub fn of(secret: &Secret, subject: &str) -> Self {
        Self(secret.hash(b"person", &[subject.to_lowercase().as_bytes()]))
    }
}

impl EventKey {
    /// The key of `event_id` within `account`; the account's own hash carries the secret.
    #[must_use]
    pub fn of(account: &AccountKey, event_id: &str) -> Self {
        let mut gathered = Gathered::<272>::default();
        gathered.put(account.bytes());
        gathered.put(event_id.as_bytes());
        Self(Hash128(gathered.hash_128().to_be_bytes()))
    }
}

/// A session within an account; 0 means that the event named none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

impl SessionKey {
    /// The event named no session.
    pub const NONE: Self = Self(0);

    /// The key of a session's name; never [`Self::NONE`].
    #[must_use]
    pub fn of(session: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_64(session.as_bytes()).max(1))
    }
}

/// 64 bits over all that a report says, cost excepted: equal means the same copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub u64);

/// One start of a producer, random.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub i64);

/// Place of a record among those of its account and epoch, dense from 1; 0 means unnumbered.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_back_as_it_was_shown() {
        let hash = Hash128([0xab; 16]);
        assert_eq!(hash.to_string().parse::<Hash128>(), Ok(hash));
        assert!("+f".parse::<Hash128>().is_err());
        assert!("+0000000000000000000000000000001".parse::<Hash128>().is_err());
    }

    #[test]
    fn accounts_are_verbatim_and_persons_fold_case() {
        let secret = Secret::new([7; 32]);
        assert_ne!(AccountKey::of(&secret, "codex", "Ann"), AccountKey::of(&secret, "codex", "ann"));
        assert_ne!(AccountKey::of(&secret, "a", "bc"), AccountKey::of(&secret, "ab", "c"));
        assert_eq!(PersonId::of(&secret, "Ann"), PersonId::of(&secret, "ann"));
        assert_ne!(AccountKey::of(&Secret::new([8; 32]), "a", "b"), AccountKey::of(&secret, "a", "b"));
    }
}
