//! Walking several runs of one keyspace as if they were one.

use std::sync::Arc;

use tally_disk::DiskFile;

use crate::{
    error::StoreError,
    keyspace::{Keyspace, Merge},
    run::{Cursor, Run},
};

/// The rows of several runs in key order, each key once: the newest value, or the sum.
#[derive(Debug)]
pub(crate) struct Walk<F> {
    keyspace: Keyspace,
    horizon: i32,
    /// Oldest run first.
    cursors: Vec<Cursor<F>>,
    key: Vec<u8>,
    value: Value,
    addend: Vec<u8>,
}

/// The value at hand. A value that only one run has stays packed.
#[derive(Debug)]
enum Value {
    Packed(Vec<u8>),
    Stored(Vec<u8>),
}

/// One row of a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row<'w> {
    Packed(&'w [u8], &'w [u8]),
    Stored(&'w [u8], &'w [u8]),
}

impl<F: DiskFile> Walk<F> {
    /// Begins at the first key that is not before `from`.
    pub(crate) fn new(
        keyspace: Keyspace,
        horizon: i32,
        runs: impl Iterator<Item = Arc<Run<F>>>,
        from: &[u8],
    ) -> Result<Self, StoreError> {
        let cursors = runs.map(|run| Cursor::seek(run, from)).collect::<Result<_, _>>()?;
        let value = Value::Packed(Vec::new());
        Ok(Self { keyspace, horizon, cursors, key: Vec::new(), value, addend: Vec::new() })
    }

    /// The next row above the horizon.
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>, StoreError> {
        loop {
            let Some(least) = self.cursors.iter().filter_map(Cursor::key).min() else { return Ok(None) };
            self.key.clear();
            self.key.extend_from_slice(least);
            self.take()?;
            let (Value::Packed(tail) | Value::Stored(tail)) = &self.value;
            if self.keyspace.is_live(&self.key, tail, self.horizon) {
                break;
            }
        }
        Ok(Some(match &self.value {
            Value::Packed(packed) => Row::Packed(&self.key, packed),
            Value::Stored(stored) => Row::Stored(&self.key, stored),
        }))
    }

    /// Makes one value of all that the cursors have under the key, and steps over it.
    fn take(&mut self) -> Result<(), StoreError> {
        let mut found = 0;
        // Newest first, so that the newest value is the one that is copied.
        for cursor in self.cursors.iter_mut().rev() {
            if cursor.key() != Some(&self.key) {
                continue;
            }
            match (found, self.keyspace.merge) {
                (0, _) => {
                    let (Value::Packed(mut buffer) | Value::Stored(mut buffer)) = take_value(&mut self.value);
                    buffer.clear();
                    buffer.extend_from_slice(cursor.packed());
                    self.value = Value::Packed(buffer);
                }
                (_, Merge::Newest) => {}
                (_, Merge::Sum) => {
                    let mut sum = match take_value(&mut self.value) {
                        Value::Stored(stored) => stored,
                        Value::Packed(packed) => {
                            let mut stored = Vec::new();
                            cursor.unpack(&packed, &mut stored)?;
                            stored
                        }
                    };
                    cursor.stored(&mut self.addend)?;
                    self.keyspace.add(&self.key, &mut sum, &self.addend)?;
                    self.value = Value::Stored(sum);
                }
            }
            found += 1;
            cursor.step()?;
        }
        Ok(())
    }

    /// The stored form of the row at hand.
    pub(crate) fn stored(&self, into: &mut Vec<u8>) -> Result<(), StoreError> {
        match &self.value {
            Value::Stored(stored) => {
                into.clear();
                into.extend_from_slice(stored);
                Ok(())
            }
            Value::Packed(packed) => match self.cursors.first() {
                Some(cursor) => cursor.unpack(packed, into),
                None => Ok(()),
            },
        }
    }
}

fn take_value(value: &mut Value) -> Value {
    std::mem::replace(value, Value::Packed(Vec::new()))
}
