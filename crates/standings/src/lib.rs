//! Account totals become people, boards, ranks and snapshots.
//!
//! Reading order: [`people()`] sums accounts into people, [`rank`] orders them on a board, [`movement`] compares
//! with an earlier snapshot, [`snapshot()`] puts it together, [`award`] reads tiers off a board.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::indexing_slicing))]

pub mod award;
pub mod movement;
pub mod people;
pub mod rank;
pub mod snapshot;

#[cfg(test)]
mod tests;

pub use award::Tier;
pub use movement::{Earlier, earlier};
pub use people::{PersonTotals, Sum, people};
pub use rank::Standing;
pub use snapshot::{Age, Snapshot, compare, number, snapshot};
