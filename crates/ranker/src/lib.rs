//! Account totals become people and boards: live in memory, snapshot by snapshot in ClickHouse.
//!
//! ```text
//! identities, totals (log) ─► follow ─► ledger (live) ─► snapshot ─► writer ─► ClickHouse
//! ```
//! There is no way back into the aggregator: what is ranked is what was published.
#![forbid(unsafe_code)]

pub mod http;
pub mod ledger;
pub mod ranker;
pub mod rows;
pub mod writer;

mod occurrences;

pub use ledger::Ledger;
pub use ranker::{Ranker, RankerError, Settings, Turn};
pub use writer::{Complete, SnapshotSink, SnapshotWriter};
