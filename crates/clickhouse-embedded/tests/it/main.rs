//! The engine as its clients meet it. Needs the library: `cargo xtask fetch`.

#![expect(clippy::panic, reason = "a helper of a test fails the test")]

mod conformance;
mod http;
mod kill;
mod life;
mod python;
mod rig;
mod rust_client;
mod traps;
