//! The whole, from outside: what is acknowledged is counted once, through every death, and verify tells.
#![expect(clippy::unwrap_used, reason = "a test fails where something is not there")]

mod bad_input;
mod copies;
mod import_killed;
mod live;
mod planted;
mod server;
mod terminal;
mod upkeep;
mod verify;
