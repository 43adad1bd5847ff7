//! The archive on the shipped log, before a ClickHouse that refuses, forgets to answer and dies half-way.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

mod archive;
mod world;
