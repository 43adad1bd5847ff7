//! The collector: usage over HTTP becomes records of the log.
//!
//! [`accept()`] decides in values what a request body holds; [`Ingest`] brings it to a log and says when all of it is
//! durable; [`http`] is the edge. Nothing is answered before the log has acknowledged it, and nothing that was
//! sent is dropped: what cannot become an event is kept in `tally.rejects` with its bytes.
#![forbid(unsafe_code)]

pub mod accept;
pub mod http;
mod identities;
pub mod ingest;
mod occurrence;

pub use accept::{Accepted, Format, Kept, Limits, Refused, TooMuch, Verdict, accept};
pub use http::{CollectorConfig, Desk, Requests, desk, drive, router};
pub use identities::Identities;
pub use ingest::{Busy, Ingest, Receipt, Run, Settled, SubmissionId};
