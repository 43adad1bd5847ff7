//! The fold against a naive oracle, and every trace that the model of the promise found.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

mod memory;
mod oracle;
mod overflow;
mod properties;
mod rig;
mod traces;
