//! Account totals become people, boards, ranks and snapshots.
//!
//! BUILDERS: since 18:32 this crate is written in worktree `standings` by a builder of its own; whoever was to write
//! it goes straight on to `crates/ranker`, against exactly the signatures below (bodies follow within minutes).
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::indexing_slicing))]

use std::collections::BTreeMap;
use tally_domain::usage::LANES;
use tally_domain::{AccountKey, Board, Metric, Minute, Partition, PersonId, Usage, Version, Window};

/// A sum over accounts, lane by lane as [`Usage::lanes`]; cannot overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(pub [i128; LANES]);

/// One person's totals in all windows, in the order of [`Window::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersonTotals {
    /// Who.
    pub person: PersonId,
    /// See [`Window::ALL`].
    pub windows: [Sum; 4],
}

/// Where a person stands on one board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// From 1; equal values share one.
    pub rank: u32,
    /// Place in the list, from 1, unique: equal values in order of [`PersonId`].
    pub place: u32,
    /// Ranks climbed since the earlier snapshot; `None` = was not on it.
    pub climbed: Option<i32>,
}

/// One consistent ranking of everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Orders snapshots: incarnation ‖ Σ next offsets.
    pub number: u64,
    /// Progress of every partition that it was made from.
    pub vector: BTreeMap<Partition, Version>,
    /// Least clock of the partitions.
    pub as_of: Minute,
    /// Everyone, by person.
    pub people: Vec<PersonTotals>,
    /// Per board of [`Board::all`], in that order: the standing of `people[i]` at index i.
    pub boards: Vec<Vec<Standing>>,
}

/// An earlier snapshot's ranks, for movement: per board of [`Board::all`], rank by person.
pub type Earlier = Vec<BTreeMap<PersonId, u32>>;

/// Sums accounts into people. `owner` says whose an account is.
pub fn people<'a>(
    totals: impl Iterator<Item = (AccountKey, &'a [Usage; 4])>,
    owner: impl Fn(&AccountKey) -> PersonId,
) -> Vec<PersonTotals> {
    let _ = (totals.count(), owner);
    Vec::new()
}

/// Ranks everyone on every board.
#[must_use]
pub fn snapshot(
    people: Vec<PersonTotals>,
    vector: BTreeMap<Partition, Version>,
    clocks: impl Iterator<Item = Minute>,
    earlier: Option<&Earlier>,
) -> Snapshot {
    let _ = (Metric::ALL, Window::ALL, earlier, Board::all());
    Snapshot { number: 0, vector, as_of: clocks.min().unwrap_or_default(), people, boards: Vec::new() }
}
