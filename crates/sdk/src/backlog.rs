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

    /// The next lines to be sent; `None`: nothing waits. The same ones until [`Self::done`].
    pub(crate) fn next(&self, events_max: usize, bytes_max: usize) -> Result<Option<Batch>, String> {
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
        let lines = self.memory.iter().take(events_max).take_while(fits).cloned().collect();
        Ok(Some(Batch { lines, damaged: 0, chunk: None }))
    }

    /// A batch is settled, whole.
    pub(crate) fn done(&mut self, batch: &Batch) -> Result<(), String> {
        if let (Some(chunk), Some(spool)) = (&batch.chunk, &mut self.spool) {
            return spool.done(chunk).map_err(|error| format!("clearing the spool: {error}"));
        }
        self.memory.drain(..batch.lines.len());
        Ok(())
    }

    /// Events in memory only.
    pub(crate) fn in_memory(&self) -> usize {
        self.memory.len()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.spool.as_ref().is_none_or(Spool::is_empty)
    }
}
