//! How many ranks a person climbed since an earlier snapshot.

use std::collections::BTreeMap;

use tally_domain::PersonId;

use crate::people::PersonTotals;
use crate::rank::Standing;
use crate::snapshot::Snapshot;

/// An earlier snapshot's ranks, for movement: per board of [`tally_domain::Board::all`], rank by person.
pub type Earlier = Vec<BTreeMap<PersonId, u32>>;

/// The ranks of `snapshot`, to be kept for a later one.
#[must_use]
pub fn earlier(snapshot: &Snapshot) -> Earlier {
    let ranks = |board: &Vec<Standing>| {
        let people = snapshot.people.iter().map(|entry| entry.person);
        people.zip(board.iter().map(|standing| standing.rank)).collect()
    };
    snapshot.boards.iter().map(ranks).collect()
}

/// Marks how far everyone climbed on one board. `people` and `before` are both in order of person, so that one walk
/// through the two is enough.
pub(crate) fn climb(people: &[PersonTotals], board: &mut [Standing], before: &BTreeMap<PersonId, u32>) {
    let mut before = before.iter().peekable();
    for (entry, standing) in people.iter().zip(board) {
        while before.next_if(|(person, _)| **person < entry.person).is_some() {}
        let was = before.next_if(|(person, _)| **person == entry.person);
        standing.climbed = was.map(|(_, &rank)| difference(rank, standing.rank));
    }
}

/// Ranks climbed from `was` to `is`: positive = upwards, to a smaller rank.
fn difference(was: u32, is: u32) -> i32 {
    let climbed = i64::from(was).saturating_sub(i64::from(is));
    i32::try_from(climbed).unwrap_or(if climbed < 0 { i32::MIN } else { i32::MAX })
}
