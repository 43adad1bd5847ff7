//! One consistent ranking, its number, and which of two is the newer.

use std::collections::{BTreeMap, BTreeSet};

use tally_domain::planted::{self, Bug};
use tally_domain::{Board, Incarnation, Minute, Offset, Partition, Version};

use crate::movement::{Earlier, climb};
use crate::people::PersonTotals;
use crate::rank::{Digest, Scratch, Standing, digest, rank};

/// One consistent ranking of everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Orders snapshots: incarnation ‖ Σ next offsets. See [`number`].
    pub number: u64,
    /// Progress of every partition that it was made from.
    pub vector: BTreeMap<Partition, Version>,
    /// Least clock of the partitions; 0 when there are none.
    pub as_of: Minute,
    /// Everyone with any lifetime usage, by person.
    pub people: Vec<PersonTotals>,
    /// Per board of [`Board::all`], in that order: the standing of `people[i]` at index i.
    pub boards: Vec<Vec<Standing>>,
}

/// How one snapshot's vector lies to another's. Only `Older` and `Newer` may replace each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Age {
    /// Made from the same progress of every partition.
    Same,
    /// No partition is further, at least one is less far.
    Older,
    /// No partition is less far, at least one is further.
    Newer,
    /// Some partitions are further, others less far: neither holds all that the other holds.
    Neither,
}

impl Snapshot {
    /// How this snapshot lies to `other`, by their vectors.
    pub fn age(&self, other: &Self) -> Age {
        compare(&self.vector, &other.vector)
    }

    /// Everyone's standings on `board`, in the order of `people`.
    #[must_use]
    pub fn board(&self, board: Board) -> &[Standing] {
        let place = Board::all().position(|candidate| candidate == board);
        place.and_then(|place| self.boards.get(place)).map_or(&[], Vec::as_slice)
    }
}

/// How far `vector` is beside `other`; a partition that one does not name is not begun there.
pub fn compare(vector: &BTreeMap<Partition, Version>, other: &BTreeMap<Partition, Version>) -> Age {
    let at =
        |vector: &BTreeMap<Partition, Version>, partition| vector.get(partition).copied().unwrap_or_default();
    let partitions: BTreeSet<&Partition> = vector.keys().chain(other.keys()).collect();
    let older = partitions.iter().any(|partition| at(vector, partition) < at(other, partition));
    let newer = partitions.iter().any(|partition| at(vector, partition) > at(other, partition));
    match (older, newer) {
        (false, false) => Age::Same,
        (true, false) => Age::Older,
        (false, true) => Age::Newer,
        (true, true) => Age::Neither,
    }
}

/// The number of a snapshot: the least incarnation ‖ the sum of all next offsets, held at 2⁴⁸ − 1.
///
/// A newer vector has a greater number, unless only some partitions have begun again at 0 (a recreated topic, half
/// taken over): then only [`compare`] decides. Once all have, its number is greater than all before.
#[must_use]
pub fn number(vector: &BTreeMap<Partition, Version>) -> u64 {
    let incarnation = vector.values().map(|version| version.incarnation()).min();
    let next = vector.values().fold(0_u64, |sum, version| sum.saturating_add(version.next().get()));
    let next = Offset::new(next).unwrap_or(Offset::MAX);
    Version::new(incarnation.unwrap_or(Incarnation(0)), next).get()
}

/// Ranks everyone on every board.
///
/// Who has no lifetime usage is left off; who has none in a shorter window is ranked after all who have. `people`
/// names nobody twice, as [`crate::people()`] makes it; its order does not matter.
#[must_use]
pub fn snapshot(
    mut people: Vec<PersonTotals>,
    vector: BTreeMap<Partition, Version>,
    clocks: impl Iterator<Item = Minute>,
    earlier: Option<&Earlier>,
) -> Snapshot {
    people.retain(|totals| totals.is_ranked() || planted::is(Bug::ZeroRanked));
    if !people.is_sorted_by_key(|entry| entry.person) {
        people.sort_unstable_by_key(|entry| entry.person);
    }
    let mut boards = rank_all(&people);
    for (board, before) in boards.iter_mut().zip(earlier.into_iter().flatten()) {
        climb(&people, board, before);
    }
    Snapshot { number: number(&vector), vector, as_of: clocks.min().unwrap_or_default(), people, boards }
}

/// Ranks `people`, who are in order of person, on each board of [`Board::all`].
#[must_use]
pub fn rank_all(people: &[PersonTotals]) -> Vec<Vec<Standing>> {
    // One walk through the totals, which are far larger than all that is made of them.
    let mut digests: [Vec<Digest>; 8] = std::array::from_fn(|_| Vec::with_capacity(people.len()));
    for totals in people {
        for (board, column) in Board::all().zip(&mut digests) {
            column.push(digest(totals.window(board.window).of(board.metric)));
        }
    }
    let mut scratch = Scratch::default();
    let value = |person: u32, board: Board| {
        let index = usize::try_from(person).expect("an index of a list fits in usize");
        let totals = people.get(index).expect("ranks are asked of the people alone");
        totals.window(board.window).of(board.metric)
    };
    let boards = Board::all().zip(&digests);
    boards.map(|(board, column)| rank(column, |person| value(person, board), &mut scratch)).collect()
}
