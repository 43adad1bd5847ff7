//! Parts that are hashed as one text.

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

/// Gathers parts in `N` bytes, so that a short text is hashed in one go; a hasher that takes parts costs several
/// times as much. Longer texts go through one, and have the same hash.
pub(crate) struct Gathered<const N: usize> {
    bytes: [u8; N],
    filled: usize,
    long: Option<Box<Xxh3>>,
}

impl<const N: usize> Default for Gathered<N> {
    fn default() -> Self {
        Self { bytes: [0; N], filled: 0, long: None }
    }
}

impl<const N: usize> Gathered<N> {
    #[inline]
    pub(crate) fn put(&mut self, part: &[u8]) {
        let end = self.filled.saturating_add(part.len());
        match (&mut self.long, self.bytes.get_mut(self.filled..end)) {
            (None, Some(room)) => {
                room.copy_from_slice(part);
                self.filled = end;
            }
            _ => self.put_long(part),
        }
    }

    #[cold]
    fn put_long(&mut self, part: &[u8]) {
        let short = self.bytes.get(..self.filled).unwrap_or_default();
        let hasher = self.long.get_or_insert_with(|| {
            let mut hasher = Box::new(Xxh3::new());
            hasher.update(short);
            hasher
        });
        hasher.update(part);
    }

    pub(crate) fn hash_64(&self) -> u64 {
        self.long.as_ref().map_or_else(|| xxh3_64(self.short()), |hasher| hasher.digest())
    }

    pub(crate) fn hash_128(&self) -> u128 {
        self.long.as_ref().map_or_else(|| xxh3_128(self.short()), |hasher| hasher.digest128())
    }

    fn short(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_hash_is_that_of_the_parts_together(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..12)) {
            let mut gathered = Gathered::<100>::default();
            for part in &parts {
                gathered.put(part);
            }
            let whole = parts.concat();
            prop_assert_eq!(gathered.hash_64(), xxh3_64(&whole));
            prop_assert_eq!(gathered.hash_128(), xxh3_128(&whole));
        }
    }
}
