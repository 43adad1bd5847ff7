//! What waits to be sent: the spool first, then what it would not take, in memory.

use std::collections::VecDeque;

use crate::spool::{Chunk, Spool};

/// Events as lines, each own or left by another process.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    spool: Option<Spool>,
    memory: VecDeque<String>,
}

/// Lines to be sent together.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) lines: Vec<String>,
    pub(crate) damaged: u64,
    /// From the spool; else from memory.
    chunk: Option<Chunk>,
}

impl Batch {
    /// How many of its lines were in memory only.
    pub(crate) fn in_memory(&self) -> usize {
        if self.chunk.is_none() { self.lines.len() } else { 0 }
    }
}

impl Backlog {
    pub(crate) fn new(spool: Option<Spool>) -> Self {
        Self { spool, memory: VecDeque::new() }
    }

    /// Takes lines: durably if it can, and with them those that it could not before; else into memory. Says how
    /// many became durable, or why none did.
    pub(crate) fn push(&mut self, lines: Vec<String>) -> Result<usize, String> {
        self.memory.extend(lines);
        let Some(spool) = &mut self.spool else { return Ok(0) };
        spool
            .push(self.memory.make_contiguous())
            .map_err(|error| format!("writing to the spool: {error}"))?;
        let durable = self.memory.len();
        self.memory.clear();
        Ok(durable)
    }

    /// The next lines to be sent; `None`: nothing waits. Afterwards [`Self::done`], or [`Self::back`].
    pub(crate) fn next(&mut self, events_max: usize, bytes_max: usize) -> Result<Option<Batch>, String> {
        if let Some(spool) = &self.spool {
            let mut chunk =
                spool.next(events_max, bytes_max).map_err(|error| format!("reading the spool: {error}"))?;
            if !chunk.is_nothing() {
                let (lines, damaged) = (std::mem::take(&mut chunk.lines), chunk.damaged);
                return Ok(Some(Batch { lines, damaged, chunk: Some(chunk) }));
            }
        }
        if self.memory.is_empty() {
            return Ok(None);
        }
        let mut bytes = 0;
        let fits = |line: &&String| {
            let fits = bytes < bytes_max;
            bytes += line.len();
            fits
        };
        // Taken out: meanwhile the others may become durable.
        let count = self.memory.iter().take(events_max).take_while(fits).count();
        Ok(Some(Batch { lines: self.memory.drain(..count).collect(), damaged: 0, chunk: None }))
    }

    /// A batch was not settled: it is to be sent again. What is in the spool still is.
    pub(crate) fn back(&mut self, batch: Batch) {
        if batch.chunk.is_none() {
            batch.lines.into_iter().rev().for_each(|line| self.memory.push_front(line));
        }
    }

    /// A batch is settled, whole.
    pub(crate) fn done(&mut self, batch: &Batch) -> Result<(), String> {
        match (&batch.chunk, &mut self.spool) {
            (Some(chunk), Some(spool)) => {
                spool.done(chunk).map_err(|error| format!("clearing the spool: {error}"))
            }
            _ => Ok(()),
        }
    }

    /// Takes over what processes left that have died.
    pub(crate) fn adopt(&mut self) -> Result<(), String> {
        let adopted = self.spool.as_mut().map_or(Ok(()), Spool::adopt);
        adopted.map_err(|error| format!("looking through the spool: {error}"))
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.spool.as_ref().is_none_or(Spool::is_empty)
    }
}
