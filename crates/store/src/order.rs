//! The order of many keys, found by counting.
//!
//! The first eight bytes of a key are made a number, and of its bits only as many are kept as tell the keys apart:
//! minutes of a month and the accounts of a partition are some thirty. Those are sorted in a few counting passes, and
//! only keys that agree in them are compared.

/// Bits that one pass sorts by, and how many passes there are at most.
const DIGIT_BITS: u32 = 11;
const PASSES_MAX: u32 = 3;
/// Fewer keys are compared at once.
const FEW: usize = 256;

/// A key's first eight bytes, as a number that sorts like them.
pub(crate) fn head(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let len = key.len().min(8);
    bytes[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(bytes)
}

/// Rows in the order of their keys; each comes with its key's [`head`].
pub(crate) fn sorted<'k>(heads: impl Iterator<Item = (u64, u32)>, key: impl Fn(u32) -> &'k [u8]) -> Vec<u32> {
    let mut rows: Vec<(u64, u32)> = heads.collect();
    let whole = |a: &(u64, u32), b: &(u64, u32)| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1)));
    if rows.len() < FEW {
        rows.sort_unstable_by(whole);
    } else {
        let digest = Digest::of(&rows);
        sort_by_digest(&mut rows, digest);
        for run in rows.chunk_by_mut(|a, b| digest.number(a.0) == digest.number(b.0)) {
            if run.len() > 1 {
                run.sort_unstable_by(whole);
            }
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

/// What is sorted by: a number that never falls when the head rises.
#[derive(Clone, Copy)]
struct Digest {
    /// Least values of both halves of a head.
    least: (u64, u64),
    /// Bits of the lower half that can differ.
    low_bits: u32,
    /// Low bits that are left out.
    dropped: u32,
    passes: u32,
}

impl Digest {
    fn of(rows: &[(u64, u32)]) -> Self {
        let halves = || rows.iter().map(|(head, _)| (head >> 32, head & 0xffff_ffff));
        let (mut least, mut greatest) = ((u64::MAX, u64::MAX), (0, 0));
        for (high, low) in halves() {
            least = (least.0.min(high), least.1.min(low));
            greatest = (greatest.0.max(high), greatest.1.max(low));
        }
        let bits = |range: u64| u64::BITS - range.leading_zeros();
        let low_bits = bits(greatest.1 - least.1);
        let all = bits(greatest.0 - least.0) + low_bits;
        let passes = all.div_ceil(DIGIT_BITS).min(PASSES_MAX);
        Self { least, low_bits, dropped: all.saturating_sub(passes * DIGIT_BITS), passes }
    }

    fn number(self, head: u64) -> u64 {
        let (high, low) = ((head >> 32) - self.least.0, (head & 0xffff_ffff) - self.least.1);
        ((high << self.low_bits) | low) >> self.dropped
    }
}

/// Keeps the order of equal digests.
fn sort_by_digest(rows: &mut Vec<(u64, u32)>, digest: Digest) {
    let mut spare = vec![(0, 0); rows.len()];
    for pass in 0..digest.passes {
        let shift = pass * DIGIT_BITS;
        let digit = |head: u64| {
            let digit = digest.number(head) >> shift & ((1 << DIGIT_BITS) - 1);
            usize::try_from(digit).expect("a few bits fit the address space")
        };
        let mut starts = [0_usize; 1 << DIGIT_BITS];
        for (head, _) in rows.iter() {
            starts[digit(*head)] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += std::mem::replace(start, sum);
        }
        for row in rows.iter() {
            let start = &mut starts[digit(row.0)];
            spare[*start] = *row;
            *start += 1;
        }
        std::mem::swap(rows, &mut spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(keys: &[Vec<u8>]) {
        let numbered = keys.iter().map(|key| head(key)).zip(0..);
        let sorted = sorted(numbered, |row| &keys[usize::try_from(row).unwrap()]);
        let mut expected: Vec<u32> = (0..u32::try_from(keys.len()).unwrap()).collect();
        expected.sort_by_key(|&row| &keys[usize::try_from(row).unwrap()]);
        let shown = |rows: &[u32]| -> Vec<_> {
            rows.iter().map(|&row| keys[usize::try_from(row).unwrap()].clone()).collect()
        };
        assert_eq!(shown(&sorted), shown(&expected));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_the_order_of_the_bytes(
            keys in proptest::collection::vec((0_u32..9, 0_u32..40, any::<u32>()), 0..600),
            shift in 0_u32..32,
        ) {
            let bytes = |n: u32| n.rotate_right(shift).to_be_bytes();
            let keys: Vec<Vec<u8>> = keys.into_iter().map(|(a, b, c)| [bytes(a), bytes(b), c.to_be_bytes()].concat()).collect();
            check(&keys);
        }

        #[test]
        fn short_keys_and_extremes_too(numbers in proptest::collection::vec(any::<u32>(), 0..600)) {
            check(&numbers.iter().map(|n| n.to_be_bytes().to_vec()).collect::<Vec<_>>());
            let ends = [u32::MAX; 3].map(u32::to_be_bytes).concat();
            let wide = numbers.iter().map(|n| [n.to_be_bytes(); 3].concat()).chain([ends, vec![0; 12]]);
            check(&wide.collect::<Vec<_>>());
        }
    }
}
