//! The records of the log as bytes: Avro in Confluent's wire format, by schemas that stand in `schemas/`.
//!
//! Known writer schemas are decoded by hand, borrowed and without allocating ([`decode()`]); any other writer
//! schema is first rewritten to ours by `apache-avro` ([`Writer`]). What a record's fields may hold
//! is said once, in [`check()`].
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::indexing_slicing))]

mod check;
mod decode;
mod encode;
mod error;
mod registry;
mod resolve;
mod wire;

pub use check::check;
pub use decode::{RejectRef, Totals, decode, decode_identity, decode_reject, decode_totals};
pub use encode::{
    encode_barrier, encode_heartbeat, encode_identity, encode_policy, encode_prices, encode_progress,
    encode_reject, encode_total, encode_usage,
};
pub use error::DecodeError;
pub use registry::{Record, SHIPPED_PRICE_BOOK, SchemaId, schema_id_of};
pub use resolve::{ResolveError, Writer};

#[cfg(test)]
mod tests;
