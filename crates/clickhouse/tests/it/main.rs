//! Against the real engine: what is written, read, migrated and shown.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its rig included")]
#![expect(clippy::too_many_lines, reason = "a row is drawn column by column")]

mod migrate;
mod proxy;
mod reference;
mod rejects;
mod rig;
mod rows;
mod sink;
mod views;
