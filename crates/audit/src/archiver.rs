//! The part that keeps the archive going: one partition, one chunk in flight, one bounded turn.

use tally_domain::Partition;
use tally_log::{LogError, ReadLog, Records};

use crate::archive::{Archived, Rules, next_chunk};
use crate::occurrences::{ArchiveFailed, ChunkArchived};
use crate::writer::{Answer, ArchiveSink};

/// Bytes read from the log for one chunk; at about 200 bytes a record, some 40,000 rows.
const CHUNK_BYTES: usize = 8 << 20;
/// Turns to wait after ClickHouse refused a chunk; turns, because a wall clock may stand still.
const PAUSE_TURNS: u32 = 200;

/// Archives the usage topic, partition by partition.
#[derive(Debug)]
pub struct Archiver<L, S> {
    log: L,
    sink: S,
    rules: Rules,
    records: Records,
    lanes: Vec<LaneState>,
}

#[derive(Debug)]
struct LaneState {
    archived: Archived,
    in_flight: bool,
    pause_turns: u32,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// Something; come again.
    Worked,
    /// Nothing to do now.
    Idle,
}

impl<L: ReadLog, S: ArchiveSink> Archiver<L, S> {
    /// Resumes from what is contiguous: `archived` is what `archive_progress` says, partition by partition.
    pub fn new(log: L, sink: S, rules: Rules, archived: &[Archived]) -> Self {
        let lanes = rules
            .partitions
            .all()
            .map(|partition| LaneState {
                archived: resume(partition, archived),
                in_flight: false,
                pause_turns: 0,
            })
            .collect();
        Self { log, sink, rules, records: Records::default(), lanes }
    }

    /// How far every partition is archived and acknowledged.
    pub fn archived(&self) -> impl Iterator<Item = Archived> + '_ {
        self.lanes.iter().map(|lane| lane.archived)
    }

    /// Takes answers, then hands over one chunk of every partition that has none in flight.
    ///
    /// # Errors
    /// When the log cannot be read where the archive stands: its message says what to do.
    pub fn turn(&mut self) -> Result<Turn, LogError> {
        let mut turn = Turn::Idle;
        while let Some(answer) = self.sink.answered() {
            self.settle(answer);
            turn = Turn::Worked;
        }
        for index in 0..self.lanes.len() {
            if self.hand_over(index)? {
                turn = Turn::Worked;
            }
        }
        Ok(turn)
    }

    fn settle(&mut self, answer: Answer) {
        let then = match &answer {
            Answer::Archived(then) | Answer::Failed { then, .. } => *then,
        };
        let Some(lane) = self.lanes.get_mut(usize::from(then.partition.0)) else { return };
        lane.in_flight = false;
        match answer {
            Answer::Archived(then) => {
                let records = then.next.get().saturating_sub(lane.archived.next.get());
                tally_telemetry::emit(&ChunkArchived { partition: then.partition, records, next: then.next });
                lane.archived = then;
            }
            Answer::Failed { error, .. } => {
                lane.pause_turns = PAUSE_TURNS;
                tally_telemetry::emit(&ArchiveFailed { partition: then.partition, error: error.to_string() });
            }
        }
    }

    fn hand_over(&mut self, index: usize) -> Result<bool, LogError> {
        let Some(lane) = self.lanes.get_mut(index) else { return Ok(false) };
        lane.pause_turns = lane.pause_turns.saturating_sub(1);
        if lane.in_flight || lane.pause_turns > 0 {
            return Ok(false);
        }
        let chunk = next_chunk(&mut self.log, self.rules, &lane.archived, CHUNK_BYTES, &mut self.records)?;
        if chunk.events.is_empty() {
            return Ok(false);
        }
        lane.in_flight = self.sink.submit(chunk).is_ok();
        Ok(lane.in_flight)
    }
}

fn resume(partition: Partition, archived: &[Archived]) -> Archived {
    let known = archived.iter().find(|known| known.partition == partition);
    known.copied().unwrap_or_else(|| Archived::start(partition))
}
