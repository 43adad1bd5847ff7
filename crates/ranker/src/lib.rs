//! Keeps everyone's live totals, ranks them, and writes snapshots to ClickHouse.
//!
//! ```text
//! identities ─┐                                    ┌─► live: board, person, status (HTTP, loopback)
//! totals ─────┴► follow ─► ledger ─► standings ────┤
//! ClickHouse ─── boot ──────┘                      └─► store: people, user_totals, rankings, then the marker
//! ```
//!
//! [`Ranker`] is one struct with one bounded `turn`; what takes time happens behind [`store::Store`], which is
//! polled. [`live::Live`] is what others read while it works, and [`http::router`] serves that.
#![forbid(unsafe_code)]

pub mod http;
pub mod keep;
pub mod ledger;
pub mod live;
pub mod ranker;
pub mod rows;
pub mod store;
pub mod tables;

mod directory;
mod follow;
mod occurrences;
mod writer;

pub use live::Live;
pub use ranker::{Pace, Ranker, Turn};
pub use writer::{SnapshotWriter, answer};
