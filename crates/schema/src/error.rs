//! What keeps bytes from being a record.

use tally_domain::Reason;

use crate::registry::{Record, SchemaId};

/// Why bytes are no record, naming the field where reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than a frame, or not begun by the magic byte.
    #[error("reading a record: no frame in {bytes} bytes; expected 0x00 and a four-byte schema id")]
    NoFrame {
        /// Length of what was given.
        bytes: usize,
    },
    /// The writer's schema is not in the embedded registry: fetch it and rewrite with [`crate::Writer`].
    #[error("reading a record: schema id {} is unknown here; name the registry that has it", .0.0)]
    UnknownSchema(SchemaId),
    /// A record of ours that does not belong in this topic.
    #[error("reading a record: a {} does not belong in this topic", .0.full_name())]
    Misplaced(Record),
    /// The bytes end within a field.
    #[error("reading a record: the bytes end in {field}")]
    Ends {
        /// Where.
        field: &'static str,
    },
    /// A number of more than ten bytes, or outside the type's range.
    #[error("reading a record: the number of {field} is out of its type's range")]
    Number {
        /// Where.
        field: &'static str,
    },
    /// An index that names no symbol or branch of the writer's schema.
    #[error("reading a record: {field} has index {index}; the schema has no such symbol or branch")]
    Index {
        /// Where.
        field: &'static str,
        /// What was read.
        index: i64,
    },
    /// A text that is not UTF-8.
    #[error("reading a record: {field} is not UTF-8")]
    Utf8 {
        /// Where.
        field: &'static str,
    },
    /// Bytes are left after the last field.
    #[error("reading a record: {bytes} bytes are left after the last field")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// Avro as it should be, holding a value that the field cannot have.
    #[error("reading a record: {field} is {value}; expected {expected}")]
    Value {
        /// Where.
        field: &'static str,
        /// What was read.
        value: i64,
        /// What it may be.
        expected: &'static str,
    },
}

impl DecodeError {
    /// The reason under which the record is rejected.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Value { .. } => Reason::Malformed,
            _ => Reason::Undecodable,
        }
    }
}
