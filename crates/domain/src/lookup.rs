//! A map for looking up, which nobody can iterate unsorted.

#![expect(clippy::disallowed_types, reason = "the one place that may hold a HashMap: its order never leaves")]

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Multiplies and folds: a few instructions for the small keys of dense indices and hashes, where a hasher for
/// long texts costs more than the probe. Not meant against keys that an enemy chooses freely.
#[derive(Clone, Debug, Default)]
struct Folded(u64);

impl Folded {
    fn mix(&mut self, word: u64) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(self.0 ^ word ^ 0x2545_f491_4f6c_dd1d).wrapping_mul(u128::from(ODD));
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = product.to_le_bytes();
        let (low, high) = ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]);
        self.0 = u64::from_le_bytes(low) ^ u64::from_le_bytes(high).rotate_left(23);
    }
}

impl Hasher for Folded {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last.iter_mut().zip(rest).for_each(|(to, &byte)| *to = byte);
            self.mix(u64::from_le_bytes(last));
        }
    }
    #[inline]
    fn write_u8(&mut self, word: u8) {
        self.mix(u64::from(word));
    }
    #[inline]
    fn write_u32(&mut self, word: u32) {
        self.mix(u64::from(word));
    }
    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }
    #[inline]
    fn write_i32(&mut self, word: i32) {
        self.mix(u64::from(word.cast_unsigned()));
    }
    #[inline]
    fn write_i64(&mut self, word: i64) {
        self.mix(word.cast_unsigned());
    }
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// A hash map whose only walk is a sorted one, so that no answer depends on a hash.
#[derive(Clone, Debug)]
pub struct Lookup<K, V> {
    map: HashMap<K, V, BuildHasherDefault<Folded>>,
}

impl<K, V> Default for Lookup<K, V> {
    fn default() -> Self {
        Self { map: HashMap::default() }
    }
}

impl<K: Eq + Hash, V> Lookup<K, V> {
    /// The value of `key`.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.map.get(key)
    }
    /// The value of `key`, to change.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.map.get_mut(key)
    }
    /// Sets the value of `key`; gives back the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.map.insert(key, value)
    }
    /// Forgets `key`; gives back its value.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.map.remove(key)
    }
    /// The value of `key`, made when there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.map.entry(key).or_insert_with(make)
    }
    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }
    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
    /// Forgets every key; keeps the room.
    pub fn clear(&mut self) {
        self.map.clear();
    }
    /// Keeps the keys that `keep` says; it is asked in no order, so it must not depend on one.
    pub fn retain(&mut self, keep: impl FnMut(&K, &mut V) -> bool) {
        self.map.retain(keep);
    }
}

impl<K: Ord, V> Lookup<K, V> {
    /// Every pair, by key. Costs a sort.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&K, &V)> {
        let mut pairs: Vec<_> = self.map.iter().collect();
        pairs.sort_unstable_by(|a, b| a.0.cmp(b.0));
        pairs
    }
}
