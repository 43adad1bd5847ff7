//! A blocked Bloom filter: one cache line per key, one bit in each of its eight words.

use crate::keyspace::{Keyspace, to_u64, to_usize};

/// Words of a block: 64 bytes, a cache line.
const WORDS: usize = 8;

/// Answers "certainly not" or "perhaps".
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    words: Vec<u64>,
    blocks: u64,
}

/// A key as the filter sees it. Of uniform keys the first half is the place, so that a sorted sweep of keys is a
/// forward sweep of the filter.
pub(crate) fn fingerprint(keyspace: &Keyspace, key: &[u8]) -> (u64, u64) {
    if let (true, Some(first), Some(last)) = (keyspace.uniform, key.first_chunk(), key.last_chunk()) {
        return (u64::from_be_bytes(*first), u64::from_be_bytes(*last));
    }
    let hash = xxhash_rust::xxh3::xxh3_128(key).to_le_bytes();
    let half = |at: usize| u64::from_le_bytes(*hash[at..].first_chunk().expect("half of 16 bytes"));
    (half(0), half(8))
}

impl Filter {
    /// An empty filter with room for `rows` keys at `bits` each; no bits, no filter.
    pub(crate) fn for_rows(rows: u64, bits: u32) -> Self {
        let blocks = rows.saturating_mul(u64::from(bits)).div_ceil(to_u64(WORDS) * 64);
        Self { words: vec![0; to_usize(blocks) * WORDS], blocks }
    }

    pub(crate) fn insert(&mut self, (place, bits): (u64, u64)) {
        if self.blocks > 0 {
            let start = self.start(place);
            for (n, word) in self.words[start..start + WORDS].iter_mut().enumerate() {
                *word |= bit(bits, n);
            }
        }
    }

    /// False only if the key was never inserted.
    pub(crate) fn may_have(&self, (place, bits): (u64, u64)) -> bool {
        if self.blocks == 0 {
            return true;
        }
        let start = self.start(place);
        self.words[start..start + WORDS].iter().enumerate().all(|(n, word)| word & bit(bits, n) != 0)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(crate) fn bytes_len(&self) -> usize {
        self.words.len() * 8
    }

    /// The inverse of `bytes`; `None` if they are not whole blocks.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let whole = rest.is_empty() && words.len().is_multiple_of(WORDS);
        whole.then(|| Self {
            words: words.iter().map(|word| u64::from_le_bytes(*word)).collect(),
            blocks: to_u64(words.len() / WORDS),
        })
    }

    fn start(&self, place: u64) -> usize {
        let block = (u128::from(place) * u128::from(self.blocks)) >> 64;
        usize::try_from(block).expect("below the number of blocks") * WORDS
    }
}

/// The bit of word `n`, from six bits of the key's other half.
fn bit(bits: u64, n: usize) -> u64 {
    1 << (bits >> (n * 6) & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_in_are_found_and_few_others_are() {
        let keyspace = Keyspace {
            name: "k",
            key_bytes: 8,
            value_bytes: None,
            merge: crate::Merge::Newest,
            expiry: crate::Expiry::Never,
            filter_bits: 12,
            uniform: false,
        };
        let mut filter = Filter::for_rows(20_000, 12);
        let print = |n: u64| fingerprint(&keyspace, &n.to_be_bytes());
        (0..20_000).for_each(|n| filter.insert(print(n)));
        let filter = Filter::from_bytes(&filter.bytes()).unwrap();
        assert!((0..20_000).all(|n| filter.may_have(print(n))));
        let wrong = (20_000..120_000).filter(|&n| filter.may_have(print(n))).count();
        assert!(wrong < 1_000, "{wrong} of 100,000 absent keys pass");
    }
}
