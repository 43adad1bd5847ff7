//! Values without their leading zeros: most lanes of a usage vector are small or nought.
//!
//! A value is read as little-endian 64-bit words; a nibble per word says how many low bytes of it follow.
//! What is left over (a generation, say) follows as it is, so that it stands at the end of both forms.

/// Words that are packed at once, before they are handed on.
const TOGETHER: usize = 16;

/// Adds the packed form of `value` to `into`.
pub(crate) fn pack(value: &[u8], into: &mut Vec<u8>) {
    let (words, rest) = value.as_chunks::<8>();
    let header = into.len();
    into.resize(header + words.len().div_ceil(2), 0);
    for (group, words) in words.chunks(TOGETHER).enumerate() {
        let header = &mut into[header + group * TOGETHER / 2..];
        // Each word is written whole and the next one over what it has too much: so all copies are of eight bytes.
        let mut bytes = [0; TOGETHER * 8];
        let mut end = 0;
        for (n, word) in words.iter().enumerate() {
            let significant = significant_bytes(u64::from_le_bytes(*word));
            header[n / 2] |= significant << (n % 2 * 4);
            bytes[end..end + 8].copy_from_slice(word);
            end += usize::from(significant);
        }
        into.extend_from_slice(&bytes[..end]);
    }
    into.extend_from_slice(rest);
}

/// Fills `value`, whose length is known; false if `packed` is not a packed form of that length.
pub(crate) fn unpack(packed: &[u8], value: &mut [u8]) -> bool {
    let (words, rest) = value.as_chunks_mut::<8>();
    let Some((header, mut bytes)) = packed.split_at_checked(words.len().div_ceil(2)) else { return false };
    for (n, word) in words.iter_mut().enumerate() {
        let significant = usize::from(header[n / 2] >> (n % 2 * 4) & 0xf);
        let Some(after) = bytes.get(significant..).filter(|_| significant <= 8) else { return false };
        *word = if let Some(eight) = bytes.first_chunk() {
            // Eight bytes at once where there are so many, without those that are of the next word.
            (u64::from_le_bytes(*eight) & low_bytes(significant)).to_le_bytes()
        } else {
            let mut low = [0; 8];
            low[..significant].copy_from_slice(&bytes[..significant]);
            low
        };
        bytes = after;
    }
    let whole = bytes.len() == rest.len();
    if whole {
        rest.copy_from_slice(bytes);
    }
    whole
}

/// A mask of so many low bytes, at most 8.
fn low_bytes(count: usize) -> u64 {
    [0, 0xff, 0xffff, 0xff_ffff, 0xffff_ffff, 0xff_ffff_ffff, 0xffff_ffff_ffff, 0xff_ffff_ffff_ffff, u64::MAX]
        [count]
}

fn significant_bytes(word: u64) -> u8 {
    u8::try_from(8 - word.leading_zeros() / 8).expect("0 to 8")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_lanes_take_little() {
        let lanes = [7_i64, 0, 300, -1, 0];
        let value: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        let mut packed = Vec::new();
        pack(&value, &mut packed);
        assert_eq!(packed, [0x01, 0x82, 0x00, 7, 44, 1, 255, 255, 255, 255, 255, 255, 255, 255]);
    }

    proptest! {
        #[test]
        fn every_value_comes_back(lanes in proptest::collection::vec(any::<i64>().prop_map(|n| n >> (n & 63)), 0..40), rest in proptest::collection::vec(any::<u8>(), 0..8)) {
            let value: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).chain(rest).collect();
            let (mut packed, mut back) = (Vec::new(), vec![9; value.len()]);
            pack(&value, &mut packed);
            prop_assert!(unpack(&packed, &mut back));
            prop_assert_eq!(value, back);
        }

        #[test]
        fn any_bytes_are_refused_or_read(packed in proptest::collection::vec(any::<u8>(), 0..40), len in 0usize..40) {
            let _whole = unpack(&packed, &mut vec![0; len]);
        }
    }
}
