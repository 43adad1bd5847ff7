//! Reports what a tool used to Tally.
//!
//! ```no_run
//! use tally_sdk::{Client, Usage};
//!
//! let client = Client::builder()
//!     .endpoint("http://127.0.0.1:8081")
//!     .source("my-tool")
//!     .subject("ann@example.com")
//!     .spool_dir("/var/lib/my-tool/tally")
//!     .build()?;
//! client.record(Usage { model: "claude-opus-4-6".into(), input: 1_200, output: 340, ..Usage::default() })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! [`Client::record`] only numbers the event and puts it into a bounded queue. One thread writes what is queued to the
//! spool; another sends what is there in batches, and removes it when Tally says that it is durable. So a server
//! that hangs keeps nothing from the disk. Every event has its number, and with it its id, before it is first written or sent; whatever is sent
//! twice is counted once. What a process leaves in the spool is sent by the next one, under its own numbers.
#![forbid(unsafe_code)]

mod backlog;
mod builder;
mod client;
mod courier;
mod event;
mod keeper;
mod send;
mod spool;

pub use builder::{BuildError, Builder};
pub use client::{Client, Counts, Flushed, RecordError};
pub use event::Usage;
