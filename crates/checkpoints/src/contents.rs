//! What a copy says: which files it consists of.

use std::fmt;
use std::str::FromStr;

use tally_domain::Hash128;
use tally_domain::identity::NotAHash;

/// Of the bytes of an object: half a BLAKE3, which is more than accidents need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Hash(Hash128);

impl Hash {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::from(&blake3::hash(bytes))
    }
}

impl From<&blake3::Hash> for Hash {
    fn from(whole: &blake3::Hash) -> Self {
        let (half, _) = whole.as_bytes().split_first_chunk().expect("a BLAKE3 has 32 bytes");
        Self(Hash128(*half))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        text.parse().map(Self)
    }
}

/// The files of one state.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contents {
    /// In the order in which they are to be brought in.
    pub(crate) files: Vec<Part>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// In the directory of the state.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) hash: Hash,
}
