//! The slices that cross a window's edge while the clock rises.

use tally_disk::Disk;
use tally_domain::{Minute, Window};
use tally_fold::{Moving, Posting};

use super::{SLICES, Store, codec};
use crate::{engine::Engine, error::StoreError, keyspace::prefix};

/// Rows read ahead at an edge: the clock rises minute by minute, thousands of times between two commits.
const AHEAD_ROWS: usize = 8 << 10;

/// One edge, with the committed slices that lie just ahead of it.
#[derive(Debug, Default)]
pub(super) struct Edge {
    /// In order; all committed slices of the minutes `covers`.
    rows: Vec<Posting>,
    covers: Option<(i32, i32)>,
}

impl<D: Disk> Store<D> {
    /// The slices whose minute crosses an edge of a window while the clock rises from `from` to `to`, whole sums.
    ///
    /// # Errors
    /// When a run cannot be read or is damaged, or a sum leaves 64 bits.
    pub fn moving(&mut self, from: Minute, to: Minute, into: &mut Moving) -> Result<(), StoreError> {
        into.clear();
        let Self { engine, edges: [entering, leaving @ ..], .. } = self;
        entering.cross(engine, from, to, &mut into.entering)?;
        for ((edge, window), into) in leaving.iter_mut().zip(Window::SLIDING).zip(&mut into.leaving) {
            let length = window.minutes().unwrap_or(Window::LONGEST_MINUTES);
            edge.cross(engine, from.plus(-length), to.plus(-length), into)?;
        }
        Ok(())
    }
}

impl Edge {
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// All slices of minutes in (`from`, `to`].
    fn cross<D: Disk>(
        &mut self,
        engine: &Engine<D>,
        from: Minute,
        to: Minute,
        into: &mut Vec<Posting>,
    ) -> Result<(), StoreError> {
        let (first, last) = (from.plus(1).0, to.0);
        if first > last {
            return Ok(());
        }
        if !self.covers.is_some_and(|(low, high)| low <= first && last <= high) {
            self.read_ahead(engine, first, last)?;
        }
        let start = self.rows.partition_point(|row| row.minute.0 < first);
        let end = self.rows.partition_point(|row| row.minute.0 <= last);
        into.extend_from_slice(&self.rows[start..end]);
        let committed = into.len();
        into.extend(engine.fresh(SLICES, first, last).map(|(key, value)| codec::read_slice(key, value)));
        if into.len() > committed { sum_up(into) } else { Ok(()) }
    }

    /// Reads the committed slices from `first` to `last`, and on while they are few.
    fn read_ahead<D: Disk>(&mut self, engine: &Engine<D>, first: i32, last: i32) -> Result<(), StoreError> {
        self.forget();
        let rows = &mut self.rows;
        let mut stopped = None;
        engine.walk(SLICES, &prefix(first), |key, value| {
            let row = codec::read_slice(key, value);
            let enough = rows.len() >= AHEAD_ROWS && row.minute.0 > last;
            if enough && rows.last().is_some_and(|before| before.minute < row.minute) {
                stopped = Some(row.minute.0 - 1);
            } else {
                rows.push(row);
            }
            stopped.is_none()
        })?;
        self.covers = Some((first, stopped.unwrap_or(i32::MAX)));
        Ok(())
    }
}

/// Brings equal keys together: a slice may lie in runs and in memory.
fn sum_up(postings: &mut Vec<Posting>) -> Result<(), StoreError> {
    let key = |posting: &Posting| (posting.minute, posting.account, posting.dims);
    postings.sort_unstable_by_key(key);
    let mut overflow = None;
    postings.dedup_by(|next, sum| {
        if key(next) != key(sum) {
            return false;
        }
        match sum.usage.checked_add(&next.usage) {
            Some(usage) => sum.usage = usage,
            None => overflow = Some(codec::dated_key(sum.minute.0, sum.account, sum.dims)),
        }
        true
    });
    match overflow {
        None => Ok(()),
        Some(key) => Err(StoreError::Overflow { keyspace: "slices", key: key.to_vec() }),
    }
}
