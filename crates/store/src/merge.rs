//! Making few runs of many, a bounded step at a time.
//!
//! A merge reads neighbouring runs and writes one that takes their place, in memory at once and on disk with the
//! next commit; until then the manifest names what was merged, so a crash costs work and nothing else.

use std::{ops::Range, sync::Arc};
use tally_domain::planted::{self, Bug};

use tally_disk::{Disk, DiskFile};

use crate::{
    engine::{Engine, Table, keyspace_number},
    error::StoreError,
    keyspace::Expiry,
    run::{Run, RunWriter},
    walk::{Row, Walk},
};

/// So many neighbours of like size are merged.
const FAN_IN: usize = 4;
/// Generations are gathered into spans of so many days as they age: few runs to probe, and not much that waits
/// for its span to expire.
const SPANS: [i32; 4] = [1, 4, 16, 64];

/// A merge on its way.
#[derive(Debug)]
pub(crate) struct Merging<F> {
    keyspace: usize,
    /// Numbers of the runs that go in, oldest first.
    inputs: Vec<u64>,
    walk: Walk<F>,
    writer: RunWriter<F>,
}

/// What a step of merging came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Merged {
    /// There is nothing to merge.
    Nothing,
    /// Some rows were merged; there may be more to do.
    Some,
}

impl<D: Disk> Engine<D> {
    /// Merges about `rows_max` rows, beginning a merge where one is due.
    ///
    /// # Errors
    /// When the disk refuses or a run is damaged; the merge is given up, and nothing is lost.
    pub fn merge(&mut self, rows_max: u64) -> Result<Merged, StoreError> {
        let merging = match self.merging.take() {
            Some(merging) => merging,
            None => match self.begin()? {
                Some(merging) => merging,
                None => return Ok(Merged::Nothing),
            },
        };
        let output = merging.writer.number();
        let done = self.advance(merging, rows_max);
        if done.is_err() {
            self.forget(output);
        }
        done.map(|()| Merged::Some)
    }

    fn begin(&mut self) -> Result<Option<Merging<D::File>>, StoreError> {
        let due = self.tables.iter().enumerate().find_map(|(n, table)| Some((n, table.due()?)));
        let Some((keyspace, range)) = due else { return Ok(None) };
        let table = &self.tables[keyspace];
        let runs = &table.runs[range];
        let lost = planted::is(Bug::GenerationLost) && table.keyspace.expiry == Expiry::Generation;
        let read = runs.iter().skip(usize::from(lost)).cloned();
        let walk = Walk::new(table.keyspace, table.horizon, read, &[])?;
        let inputs = runs.iter().map(|run| run.facts.number).collect();
        let rows_max = runs.iter().map(|run| run.facts.rows).sum();
        let number = self.next_number;
        self.next_number += 1;
        let of = (keyspace_number(keyspace), table.keyspace);
        let writer = RunWriter::create(&self.disk, number, of, rows_max)?;
        Ok(Some(Merging { keyspace, inputs, walk, writer }))
    }

    fn advance(&mut self, mut merging: Merging<D::File>, rows_max: u64) -> Result<(), StoreError> {
        for _ in 0..rows_max.max(1) {
            match merging.walk.next()? {
                Some(Row::Packed(key, packed)) => merging.writer.push_packed(key, packed)?,
                Some(Row::Stored(key, stored)) => merging.writer.push(key, stored)?,
                None => return self.finish(merging),
            }
        }
        self.merging = Some(merging);
        Ok(())
    }

    /// Puts the merged run where its inputs were; the inputs' files go after the next commit.
    fn finish(&mut self, merging: Merging<D::File>) -> Result<(), StoreError> {
        let Merging { keyspace, inputs, writer, .. } = merging;
        let table = &mut self.tables[keyspace];
        let facts = writer.finish()?;
        let run = Arc::new(Run::open(&self.disk, (keyspace_number(keyspace), table.keyspace), facts)?);
        // A commit may have dropped inputs that expired meanwhile; what is left of them is still together.
        let place = table.runs.iter().position(|run| inputs.contains(&run.facts.number));
        table.runs.retain(|run| !inputs.contains(&run.facts.number));
        self.debris.0.extend(&inputs);
        match place {
            Some(place) if facts.rows > 0 => table.runs.insert(place, run),
            _ => self.debris.0.push(facts.number),
        }
        Ok(())
    }
}

impl<F: DiskFile> Table<F> {
    /// Neighbouring runs that should be one.
    fn due(&self) -> Option<Range<usize>> {
        let spans = if self.keyspace.expiry == Expiry::Generation { &SPANS[..] } else { &[] };
        let newest = self.runs.last()?.facts.ages.1;
        spans.iter().find_map(|&days| self.due_in_span(days, newest)).or_else(|| self.due_by_size())
    }

    /// Runs that lie in one whole span of `days` that has passed.
    fn due_in_span(&self, days: i32, newest: i32) -> Option<Range<usize>> {
        let span = |run: &Run<F>| {
            let (first, last) = run.facts.ages;
            let of = first.div_euclid(days);
            (of == last.div_euclid(days) && of < newest.div_euclid(days)).then_some(of)
        };
        let spans: Vec<_> = self.runs.iter().map(|run| span(run)).collect();
        let start = spans.windows(2).position(|pair| pair[0].is_some() && pair[0] == pair[1])?;
        let len = spans[start..].iter().take_while(|&&of| of == spans[start]).count();
        Some(start..start + len)
    }

    /// Neighbours of like size: none outweighs the others together. The newest go first.
    fn due_by_size(&self) -> Option<Range<usize>> {
        let rows: Vec<u64> = self.runs.iter().map(|run| run.facts.rows.max(1)).collect();
        let alike = |start: usize| {
            let window = &rows[start..start + FAN_IN];
            let most = window.iter().copied().max().unwrap_or(0);
            most <= window.iter().sum::<u64>() - most
        };
        let last = rows.len().checked_sub(FAN_IN)?;
        let start = (0..=last).rev().find(|&start| alike(start) && self.may_join(start))?;
        Some(start..start + FAN_IN)
    }

    /// Rows that expire by generation are not mixed over days while these are young.
    fn may_join(&self, start: usize) -> bool {
        let window = &self.runs[start..start + FAN_IN];
        let day = |run: &Arc<Run<F>>| run.facts.ages;
        self.keyspace.expiry != Expiry::Generation
            || window.iter().all(|run| day(run).0 == day(&window[0]).0 && day(run).1 == day(&window[0]).1)
    }
}
