//! The ports: polled, never blocking, never async, so that a Kafka client fits and a simulation is a loop.

use tally_domain::{Lane, Offset};

use crate::error::{Full, LogError};
use crate::records::Records;

/// Names one append until it is acknowledged; unique within its appender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a lane holds: offsets in `[start, end)`, all durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that is kept; equals `end` in an empty lane.
    pub start: Offset,
    /// The offset that the next durable record will have.
    pub end: Offset,
}

/// Reads durable records. Any number of readers may read while one log is appended to.
pub trait ReadLog {
    /// Replaces `into` with the records of `lane` from `from` on, in offset order.
    ///
    /// Fewer than there are: it stops at about `bytes_max`, but gives at least one record if there is one at or
    /// after `from`. Empty means that `from` is the end of what is durable. In a compacted lane offsets have gaps.
    ///
    /// # Errors
    /// [`LogError::BelowStart`], [`LogError::BeyondEnd`] when `from` is outside the bounds (the end itself is
    /// inside), [`LogError::Corrupt`], [`LogError::NoSuchLane`], or what the device refuses. `into` is empty then.
    fn read(
        &mut self,
        lane: Lane,
        from: Offset,
        bytes_max: usize,
        into: &mut Records,
    ) -> Result<(), LogError>;

    /// What the lane holds now.
    ///
    /// # Errors
    /// [`LogError::NoSuchLane`], or what the device refuses.
    fn bounds(&mut self, lane: Lane) -> Result<Bounds, LogError>;

    /// The first offset whose record was appended at or after `at_ms` (ms UTC); the end if there is none.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn offset_for_time(&mut self, lane: Lane, at_ms: i64) -> Result<Offset, LogError>;
}

/// Appends records. What was appended by one appender to one lane keeps its order.
pub trait AppendLog {
    /// Takes a record to be written; `None` is a tombstone of its key.
    ///
    /// # Errors
    /// [`Full`] is back-pressure: nothing was taken. Everything else comes with the acknowledgement.
    fn append(&mut self, lane: Lane, key: &[u8], value: Option<&[u8]>) -> Result<Ticket, Full>;

    /// Adds what has been decided since the last call: `Ok` with its offset once a record is durable. After an
    /// `Err` the record may or may not be in the log; append it again.
    fn acknowledged(&mut self, into: &mut Vec<(Ticket, Result<Offset, LogError>)>);
}
