//! Which of two values of one key is the newer.

use std::fmt;

/// Place of a record in its partition, from 0; at most 2⁴⁸ − 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Offset(u64);

impl Offset {
    /// The first.
    pub const ZERO: Self = Self(0);
    /// The greatest that a version can hold.
    pub const MAX: Self = Self((1 << 48) - 1);

    /// `None` beyond 2⁴⁸ − 1.
    #[must_use]
    pub const fn new(offset: u64) -> Option<Self> {
        if offset > Self::MAX.0 { None } else { Some(Self(offset)) }
    }
    /// As a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
    /// The offset after this one.
    ///
    /// # Panics
    /// At 2⁴⁸ − 1 records in one partition, which a million records a second reach after nine years.
    #[must_use]
    pub fn next(self) -> Self {
        self.0.checked_add(1).and_then(Self::new).expect("a partition holds fewer than 2^48 records")
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One lineage of a partition's numbers: the number of its newest barrier. It rises with the topic id, the
/// partition layout and the fold's logic.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Incarnation(pub u16);

/// The number of the fold's logic: another number may compute other values from the same log.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct FoldVersion(pub u32);

/// Orders two values of one key; equal versions carry equal values. Incarnation ‖ next offset.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Version(u64);

impl Version {
    /// Before every version.
    pub const ZERO: Self = Self(0);

    /// The version of a state that has folded everything before `next`.
    #[must_use]
    pub const fn new(incarnation: Incarnation, next: Offset) -> Self {
        let [high, low] = incarnation.0.to_be_bytes();
        let [_, _, a, b, c, d, e, f] = next.0.to_be_bytes();
        Self(u64::from_be_bytes([high, low, a, b, c, d, e, f]))
    }
    /// As it stands in ClickHouse.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
    /// The inverse of [`Self::get`].
    #[must_use]
    pub const fn from_u64(version: u64) -> Self {
        Self(version)
    }
    /// Its high 16 bits.
    #[must_use]
    pub const fn incarnation(self) -> Incarnation {
        let [high, low, ..] = self.0.to_be_bytes();
        Incarnation(u16::from_be_bytes([high, low]))
    }
    /// Its low 48 bits.
    #[must_use]
    pub const fn next(self) -> Offset {
        Offset(self.0 & Offset::MAX.0)
    }
    /// The version just before this one within its incarnation; `ZERO` has none before it.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Version {
    /// `1:42`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.incarnation().0, self.next())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incarnation_outranks_every_offset() {
        let old = Version::new(Incarnation(1), Offset::MAX);
        let new = Version::new(Incarnation(2), Offset::ZERO);
        assert!(old < new);
        assert_eq!((old.incarnation(), old.next()), (Incarnation(1), Offset::MAX));
        assert_eq!(Version::from_u64(new.get()), new);
        assert_eq!(new.to_string(), "2:0");
    }
}
