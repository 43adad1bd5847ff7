//! The part that folds one partition: records of the log become state, and state becomes rows.
//!
//! [`Aggregator::turn`] is one bounded piece of work without waiting, threads or locks; whoever owns the
//! aggregator calls it again and again. The flow of a turn, a file each:
//!
//! ```text
//! decode ► recall ► admit (► price ► window, in the fold) ► commit ► publish
//! ```

mod admit;
mod aggregator;
mod commit;
mod control;
mod decode;
mod error;
mod heartbeat;
mod occurrences;
mod publish;
mod recall;
mod rejects;
mod settings;
mod sink;
mod start;
mod status;
mod totals;
mod window;

pub use aggregator::{Aggregator, Turn};
pub use error::PartError;
pub use settings::{AggregatorSettings, Cadence};
pub use sink::{Answer, Full, Observed, Sink, SinkError, Ticket};
pub use status::Status;
