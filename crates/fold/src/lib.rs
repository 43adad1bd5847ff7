//! One partition's state machine: which reports stand, what they cost, and which window holds them.
//!
//! State is a function of the log and of nothing else. The fold asks nobody: what it needs is an argument,
//! what it did is a value ([`Changes`], [`Due`], [`DirtyRows`]) that its caller carries to the store and to
//! the sinks. Reading order: [`report`] and [`batch`] say what comes in, [`changes`] what goes out,
//! [`outbox`] what is still to be published.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::indexing_slicing))]

pub mod admit;
pub mod batch;
pub mod changes;
pub mod checkpoint;
mod codec;
pub mod control;
pub mod fold;
pub mod names;
pub mod outbox;
mod price;
mod producer;
mod publish;
pub mod report;
pub mod rows;
mod session;
mod step;
mod window;

pub use admit::{Acceptance, admit};
pub use batch::{Batch, Minting, Probe, Recalled, Refused, Sender};
pub use changes::{Changes, Moving, Posting, Seen, SessionChange};
pub use checkpoint::{Origin, Restore, RestoreError};
pub use codec::Damaged;
pub use control::{Control, Obeyed, Refusal};
pub use fold::{FOLD_VERSION, Fold, Memory, RecordAt, Settings};
pub use names::{Names, RunName};
pub use outbox::{Destination, Due, DueKey, HourKey, SessionId, Sweep, SweepPage};
pub use report::{AccountIx, DimsIx, Report, RunIx, Verdict};
pub use rows::{DirtyRows, Keyspace};
