//! Where a record lies: topics, partitions and the partitioner that every client shares.

use std::fmt;

/// A topic of the log; the name on the wire takes a prefix (`tally.` by default).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Usage and control records; the one log that state is a fold of.
    Usage,
    /// Claimed identities, compacted.
    Identities,
    /// Outcomes of work.
    Outcomes,
    /// Published account totals and progress, compacted.
    Totals,
    /// Records that could not become events.
    Rejects,
    /// Alerts.
    Alerts,
}

impl Topic {
    /// All topics.
    pub const ALL: [Self; 6] =
        [Self::Usage, Self::Identities, Self::Outcomes, Self::Totals, Self::Rejects, Self::Alerts];

    /// Its name without prefix.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Identities => "identities",
            Self::Outcomes => "outcomes",
            Self::Totals => "totals",
            Self::Rejects => "rejects",
            Self::Alerts => "alerts",
        }
    }

    /// True when the topic keeps the last record of each key instead of a span of time.
    #[must_use]
    pub const fn is_compacted(self) -> bool {
        matches!(self, Self::Identities | Self::Totals)
    }
}

/// A partition of a topic.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Partition(pub u16);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How many partitions a topic has, for life; at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionCount(u16);

impl PartitionCount {
    /// Of a local log.
    pub const LOCAL: Self = Self(8);
    /// On Kafka.
    pub const KAFKA: Self = Self(64);

    /// `None` for zero.
    #[must_use]
    pub const fn new(count: u16) -> Option<Self> {
        if count == 0 { None } else { Some(Self(count)) }
    }
    /// As a number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
    /// Every partition, in order.
    pub fn all(self) -> impl Iterator<Item = Partition> {
        (0..self.0).map(Partition)
    }
}

/// A partition of a topic: where a record lies, offset excepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// See [`Topic`].
    pub topic: Topic,
    /// See [`Partition`].
    pub partition: Partition,
}

impl fmt::Display for Lane {
    /// `usage/3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic.name(), self.partition)
    }
}

/// The partition of a record key: Kafka's default, murmur2 made positive, pinned in every client.
#[must_use]
pub fn partition_of(key: &[u8], count: PartitionCount) -> Partition {
    let positive = murmur2(key) & 0x7fff_ffff;
    let index = positive.checked_rem(u32::from(count.0)).expect("a partition count is at least 1");
    Partition(u16::try_from(index).expect("a remainder of a u16 fits a u16"))
}

/// MurmurHash2 with Kafka's seed, as `org.apache.kafka.common.utils.Utils.murmur2` computes it.
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(data.len() & 0xffff_ffff).expect("masked to 32 bits");
    let mut hash = SEED ^ length;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(to, &byte)| *to = byte);
        hash = (hash ^ u32::from_le_bytes(last)).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_is_kafkas() {
        let signed = |text: &str| i32::from_le_bytes(murmur2(text.as_bytes()).to_le_bytes());
        assert_eq!(signed("21"), -973_932_308);
        assert_eq!(signed("foobar"), -790_332_482);
        assert_eq!(signed("a-little-bit-long-string"), -985_981_536);
        assert_eq!(signed("a-little-bit-longer-string"), -1_486_304_829);
        assert_eq!(signed("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58_897_971);
        assert_eq!(signed("abc"), 479_470_107);
    }

    #[test]
    fn every_key_has_a_partition_of_the_count() {
        let count = PartitionCount::new(3).unwrap();
        assert!(["", "a", "21", "foobar"].iter().all(|key| partition_of(key.as_bytes(), count).0 < 3));
    }
}
