//! The ranker on a local log: against a store that answers as the test says, and against the real engine.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its rig included")]

mod engine;
mod http;
mod keeping;
mod killed;
#[path = "../../../clickhouse/tests/it/proxy.rs"]
mod proxy;
mod rig;
mod scripted;
