//! Bytes of any other writer schema → bytes of ours, by `apache-avro`'s schema resolution. What a registry
//! serves is a text; the hand decoder then reads the result like every other record.

use std::io;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

use crate::registry::Record;
use crate::wire::{put_frame, unframe};

/// Why bytes of another writer could not be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The writer's schema is no Avro schema.
    #[error("reading a writer's schema: {0}")]
    Schema(#[source] Box<apache_avro::Error>),
    /// The writer's record is none of ours.
    #[error("reading a writer's schema: its name is {0:?}; expected a record of tally.v1")]
    Foreign(String),
    /// The bytes carry no frame.
    #[error("rewriting a record: no frame in {0} bytes; expected 0x00 and a four-byte schema id")]
    NoFrame(usize),
    /// The bytes are not what the writer's schema says, or cannot be what ours says.
    #[error("rewriting a record: {0}")]
    Value(#[source] Box<apache_avro::Error>),
    /// The bytes end early, or go on after the last field.
    #[error("rewriting a record: its body of {bytes} bytes {problem}")]
    Length {
        /// Length of the body.
        bytes: usize,
        /// `ends within a field`, or how many bytes are left.
        problem: String,
    },
}

/// A writer's schema that is not ours letter by letter, and the record type it evolves.
#[derive(Debug)]
pub struct Writer {
    record: Record,
    schema: Schema,
    ours: Schema,
}

impl Writer {
    /// Reads a writer's schema text.
    ///
    /// # Errors
    /// When it is no Avro schema, or names none of our records.
    pub fn parse(text: &str) -> Result<Self, ResolveError> {
        let schema = Schema::parse_str(text).map_err(|error| ResolveError::Schema(Box::new(error)))?;
        let name = schema.name().map(ToString::to_string).unwrap_or_default();
        let record = Record::from_full_name(&name).ok_or(ResolveError::Foreign(name))?;
        let ours = Schema::parse_str(record.text()).expect("the embedded schemas are Avro, a test says");
        Ok(Self { record, schema, ours })
    }

    /// The record type it writes.
    #[must_use]
    pub const fn record(&self) -> Record {
        self.record
    }

    /// Appends the framed record `bytes` to `into`, rewritten by our schema of its record type.
    ///
    /// # Errors
    /// When the bytes are not what the writer's schema says, or cannot be what ours says.
    pub fn rewrite(&self, bytes: &[u8], into: &mut Vec<u8>) -> Result<(), ResolveError> {
        let (_, body) = unframe(bytes).ok_or(ResolveError::NoFrame(bytes.len()))?;
        let value = self.read(body)?;
        let value_error = |error| ResolveError::Value(Box::new(error));
        let writer = GenericDatumWriter::builder(&self.ours).build().map_err(value_error)?;
        let rewritten = writer.write_value_to_vec(value).map_err(value_error)?;
        put_frame(self.record, into);
        into.extend_from_slice(&rewritten);
        Ok(())
    }

    /// The body as a value of our schema, strictly: `apache-avro` itself takes a text or a union that the bytes
    /// end in for null, and ignores what is left over.
    pub(crate) fn read(&self, body: &[u8]) -> Result<Value, ResolveError> {
        let value_error = |error| ResolveError::Value(Box::new(error));
        let reader = GenericDatumReader::builder(&self.schema)
            .reader_schema(&self.ours)
            .build()
            .map_err(value_error)?;
        let mut strict = Strict { rest: body, ended_early: false };
        let value = reader.read_value(&mut strict).map_err(value_error);
        let length = |problem| ResolveError::Length { bytes: body.len(), problem };
        match (strict.ended_early, strict.rest.len()) {
            (true, _) => Err(length("ends within a field".to_owned())),
            (false, 0) => value,
            (false, left) => value.and(Err(length(format!("has {left} bytes left after the last field")))),
        }
    }
}

/// A reader that remembers whether more was asked of it than there was.
struct Strict<'a> {
    rest: &'a [u8],
    ended_early: bool,
}

impl io::Read for Strict<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.ended_early |= into.len() > self.rest.len();
        self.rest.read(into)
    }
}
