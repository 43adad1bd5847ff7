//! The order of people on a board.
//!
//! People are sorted by a 32-bit digest of their value that keeps its order: two stable counting passes over its highest
//! bits that differ, then a comparison of the few who agree in those. Only people with equal digests are compared by
//! value. The result never depends on the digest: it decides the speed.

use std::cmp::Reverse;
use tally_domain::planted::{self, Bug};

/// Where a person stands on one board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// From 1; equal values share one.
    pub rank: u32,
    /// Place in the list, from 1, unique: equal values in order of [`tally_domain::PersonId`].
    pub place: u32,
    /// Ranks climbed since the earlier snapshot; `None` = was not on it.
    pub climbed: Option<i32>,
}

/// Bits of a digest that one counting pass sorts by.
const DIGIT_BITS: u32 = 11;
const PASSES: u32 = 2;
const DIGITS: usize = 1 << DIGIT_BITS;
/// Bits of a value that its digest keeps below the leading one.
const MANTISSA_BITS: u32 = 23;
/// The digest of zero; the digests of all magnitudes lie within 2³⁰ of it.
const ZERO: u32 = 1 << 31;

/// See [`digest`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(u32);

/// A value's digest and who has it, as an index into the people.
type Entry = (u32, u32);

/// Memory that ranking one board leaves to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    entries: Vec<Entry>,
    sorted: Vec<Entry>,
}

/// Ranks the people 0..`digests.len()`, who are in order of `PersonId`, by `value`, greatest first; `digests` are
/// those of their values. The standing of person i is at index i; nobody has climbed yet.
///
/// There are at most `u32::MAX` people, the greatest rank: more are left out.
pub fn rank(digests: &[Digest], value: impl Fn(u32) -> i128, scratch: &mut Scratch) -> Vec<Standing> {
    scratch.entries.clear();
    scratch.entries.extend(digests.iter().zip(0_u32..).map(|(digest, person)| (digest.0, person)));
    sort_by_digest(&mut scratch.entries, &mut scratch.sorted);
    sort_equal_digests(&mut scratch.entries, &value);
    if planted::is(Bug::TiesUnordered) {
        scratch.entries.sort_by_key(|&(digest, person)| (digest, Reverse(person)));
    }
    place(&scratch.entries, &value)
}

/// A number that is smaller the greater `value` is, or equal for neighbours: like a 32-bit float, sign, length and
/// leading bits. Values under 2²⁴ have digests of their own.
#[must_use]
pub fn digest(value: i128) -> Digest {
    let magnitude = value.unsigned_abs();
    let ascending = if let Ok(magnitude) = u64::try_from(magnitude) {
        ascending(magnitude, 0)
    } else {
        // Beyond 64 bits the 64 highest say all that a digest keeps.
        let dropped = u64::BITS.saturating_sub(magnitude.leading_zeros());
        let highest = u64::try_from(magnitude >> dropped);
        ascending(highest.expect("64 bits are left after the shift"), dropped)
    };
    Digest(if value < 0 { ZERO.saturating_add(ascending) } else { ZERO.saturating_sub(ascending) })
}

/// Length and leading bits of a magnitude that was cut by `dropped` bits.
#[inline]
fn ascending(magnitude: u64, dropped: u32) -> u32 {
    let length = u64::BITS.saturating_sub(magnitude.leading_zeros());
    let more = length.saturating_sub(MANTISSA_BITS.saturating_add(1));
    let leading = u32::try_from(magnitude >> more).expect("24 bits are left after the shift");
    (dropped.saturating_add(more) << MANTISSA_BITS).saturating_add(leading)
}

/// True when no other value has this digest.
const fn is_exact(digest: u32) -> bool {
    digest.abs_diff(ZERO) < 1 << (MANTISSA_BITS.saturating_add(1))
}

/// Sorts by digest and keeps the order of equal ones; `spare` is memory.
fn sort_by_digest(entries: &mut Vec<Entry>, spare: &mut Vec<Entry>) {
    spare.resize(entries.len(), Entry::default());
    spare.truncate(entries.len());
    let least = entries.iter().map(|entry| entry.0).min().unwrap_or(0);
    let greatest = entries.iter().map(|entry| entry.0).max().unwrap_or(0);
    let differing = u32::BITS.saturating_sub(greatest.saturating_sub(least).leading_zeros());
    let dropped = differing.saturating_sub(DIGIT_BITS.saturating_mul(PASSES));
    let highest = |entry: &Entry| entry.0.saturating_sub(least) >> dropped;
    for pass in 0..PASSES {
        let shift = DIGIT_BITS.saturating_mul(pass);
        let digit = |entry: &Entry| usize::try_from(highest(entry) >> shift).unwrap_or(0) % DIGITS;
        let mut starts = counts(entries, digit);
        let mut sum = 0_usize;
        for start in &mut starts {
            let count = *start;
            *start = sum;
            sum = sum.saturating_add(count);
        }
        for entry in entries.iter() {
            let start = starts.get_mut(digit(entry)).expect("a digit is under DIGITS");
            *spare.get_mut(*start).expect("the counts add up to the entries") = *entry;
            *start = start.saturating_add(1);
        }
        std::mem::swap(entries, spare);
    }
    if dropped > 0 {
        for run in entries.chunk_by_mut(|a, b| highest(a) == highest(b)) {
            if run.len() > 1 {
                run.sort_unstable();
            }
        }
    }
}

fn counts(entries: &[Entry], digit: impl Fn(&Entry) -> usize) -> [usize; DIGITS] {
    let mut counts = [0_usize; DIGITS];
    for entry in entries {
        let count = counts.get_mut(digit(entry)).expect("a digit is under DIGITS");
        *count = count.saturating_add(1);
    }
    counts
}

/// Puts people who share a digest, but perhaps no value, into order.
fn sort_equal_digests(entries: &mut [Entry], value: &impl Fn(u32) -> i128) {
    for run in entries.chunk_by_mut(|a, b| a.0 == b.0) {
        if run.len() > 1 && run.first().is_some_and(|entry| !is_exact(entry.0)) {
            run.sort_by_cached_key(|&(_, person)| (Reverse(value(person)), person));
        }
    }
}

/// Gives everyone their place and rank.
fn place(entries: &[Entry], value: &impl Fn(u32) -> i128) -> Vec<Standing> {
    let mut standings = vec![Standing::default(); entries.len()];
    let mut before: Option<(Entry, u32)> = None;
    for (&entry, place) in entries.iter().zip(1_u32..) {
        let shared = before.filter(|&(other, _)| {
            other.0 == entry.0 && (is_exact(entry.0) || value(other.1) == value(entry.1))
        });
        let rank = shared.map_or(place, |(_, rank)| rank);
        let index = usize::try_from(entry.1).expect("an index of a list fits in usize");
        *standings.get_mut(index).expect("everyone has one entry") = Standing { rank, place, climbed: None };
        before = Some((entry, rank));
    }
    standings
}
