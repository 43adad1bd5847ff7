//! The part that keeps the archive going: one piece of each lane in flight, one bounded turn.
//!
//! "Archived up to X" promises that every reject kept before the record at X is listed too. So the archiver sees
//! first how far the usage log reaches, then how far the topic `rejects` does, and hands usage over up to the one only
//! once it has listed up to the other. Whoever had a reject acknowledged and then a record finds both or neither.
//!
//! A server that restarted, or shows less than it acknowledged, is believed: the archiver goes on from what it shows.

use tally_clickhouse::Life;
use tally_domain::planted::{self, Bug};
use tally_domain::{Lane, Offset, Partition, Topic};
use tally_log::{Bounds, LogError, ReadLog, Records};
use tally_telemetry::emit;

use crate::archive::{Archived, Rules, next_chunk};
use crate::occurrences::{ArchiveFailed, ArchiveSetBack, ChunkArchived};
use crate::rejects::{Listed, next_rejects};
use crate::writer::{Answer, ArchiveSink, Observed, Piece, Reach};

/// Bytes read from the log for one chunk; at about 200 bytes a record, some 40,000 rows.
const CHUNK_BYTES: usize = 8 << 20;
/// Turns to wait after ClickHouse refused a chunk; turns, because a wall clock may stand still.
const PAUSE_TURNS: u32 = 200;

/// Archives the usage log and the rejects, partition by partition.
#[derive(Debug)]
pub struct Archiver<L, S> {
    log: L,
    sink: S,
    rules: Rules,
    records: Records,
    usage: Vec<LaneState<Archived>>,
    rejects: Vec<LaneState<Listed>>,
    /// Of the server, when it was last looked at.
    life: Life,
    /// What it showed since: waits until nothing is in flight.
    observed: Option<Observed>,
    sight: Option<Sight>,
    /// Up to where usage may be archived: the rejects before that are listed.
    open_until: Vec<Offset>,
    /// The lane whose turn it is: the sink has fewer hands than there are lanes, and none may wait for ever.
    first: usize,
}

#[derive(Debug)]
struct LaneState<T> {
    reached: T,
    in_flight: bool,
    pause_turns: u32,
}

/// How far the log reached at one moment: the rejects, seen after the usage, hold all that came before it.
#[derive(Debug)]
struct Sight {
    usage: Vec<Offset>,
    rejects: Vec<Offset>,
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
    /// Resumes from what ClickHouse shows.
    pub fn new(log: L, sink: S, rules: Rules, shown: &Observed) -> Self {
        let usage = rules.partitions.all().map(|partition| LaneState::at(shown.archived(partition)));
        let rejects = rules.partitions.all().map(|partition| LaneState::at(shown.listed(partition)));
        let (usage, rejects) = (usage.collect(), rejects.collect());
        Self {
            log,
            sink,
            rules,
            records: Records::default(),
            usage,
            rejects,
            life: shown.life,
            observed: None,
            sight: None,
            open_until: Vec::new(),
            first: 0,
        }
    }

    /// How far every partition of the usage log is archived and acknowledged, and all rejects before that.
    pub fn archived(&self) -> impl Iterator<Item = Archived> + '_ {
        self.usage.iter().map(|lane| lane.reached)
    }

    /// Takes answers, then hands over one piece of every lane that has none in flight.
    ///
    /// # Errors
    /// When the log cannot be read where the archive stands: its message says what to do.
    pub fn turn(&mut self) -> Result<Turn, LogError> {
        let mut worked = false;
        while let Some(answer) = self.sink.answered() {
            self.settle(answer);
            worked = true;
        }
        self.observed = self.sink.observed().or_else(|| self.observed.take());
        if self.observed.is_some() && !self.believe() {
            return Ok(if worked { Turn::Worked } else { Turn::Idle });
        }
        self.look()?;
        worked |= self.hand_over_rejects()?;
        let lanes = self.open_until.len();
        for index in (self.first..lanes).chain(0..self.first.min(lanes)) {
            if self.hand_over_usage(index)? {
                worked = true;
                self.first = (index + 1) % lanes;
            }
        }
        Ok(if worked { Turn::Worked } else { Turn::Idle })
    }

    /// Goes on from what was shown, once nothing is in flight: an answer would speak of what was before. False while
    /// something is.
    fn believe(&mut self) -> bool {
        let in_flight = self.usage.iter().any(|lane| lane.in_flight);
        if in_flight || self.rejects.iter().any(|lane| lane.in_flight) {
            return false;
        }
        let Some(shown) = self.observed.take() else { return true };
        let restarted = shown.life != self.life;
        let was = self.present();
        if !restarted && !shown.is_behind(&was) {
            return true;
        }
        self.life = shown.life;
        if planted::is(Bug::ArchiveSetBackUnnoticed) {
            return true;
        }
        self.usage.iter_mut().for_each(|lane| *lane = LaneState::at(shown.archived(lane.reached.partition)));
        self.rejects.iter_mut().for_each(|lane| *lane = LaneState::at(shown.listed(lane.reached.partition)));
        // What lies before usage in the list may be gone too.
        (self.sight, self.open_until) = (None, Vec::new());
        let lost = was
            .archived
            .iter()
            .map(|had| had.next.get().saturating_sub(shown.archived(had.partition).next.get()));
        emit(&ArchiveSetBack { restarted, records: lost.sum() });
        true
    }

    fn present(&self) -> Observed {
        Observed {
            life: self.life,
            archived: self.archived().collect(),
            listed: self.rejects.iter().map(|lane| lane.reached).collect(),
        }
    }

    /// Opens usage up to what was last seen of it, once the rejects of that moment are listed; then looks again.
    fn look(&mut self) -> Result<(), LogError> {
        let sight = match self.sight.take() {
            Some(sight) => sight,
            None => self.sight()?,
        };
        let is_listed = |(lane, end): (&LaneState<Listed>, &Offset)| lane.reached.next >= *end;
        if self.rejects.iter().zip(&sight.rejects).all(is_listed) || planted::is(Bug::UsageBeforeRejects) {
            self.open_until = sight.usage;
        } else {
            self.sight = Some(sight);
        }
        Ok(())
    }

    fn sight(&mut self) -> Result<Sight, LogError> {
        let ends = |topic, log: &mut L| {
            let end = |partition| log.bounds(Lane { topic, partition });
            self.rules.partitions.all().map(end).collect::<Result<Vec<_>, LogError>>()
        };
        let usage = ends(Topic::Usage, &mut self.log)?;
        let rejects = ends(Topic::Rejects, &mut self.log)?;
        for (lane, bounds) in self.rejects.iter_mut().zip(&rejects) {
            // What retention took is gone. Of another log everything is listed: a row written again replaces itself.
            if !lane.in_flight && (lane.reached.next < bounds.start || lane.reached.next > bounds.end) {
                lane.reached.next = bounds.start;
            }
        }
        let end = |bounds: &Bounds| bounds.end;
        Ok(Sight { usage: usage.iter().map(end).collect(), rejects: rejects.iter().map(end).collect() })
    }

    fn settle(&mut self, answer: Answer) {
        match (answer.reach, answer.result) {
            (Reach::Events(then), result) => {
                let Some(lane) = self.usage.get_mut(usize::from(then.partition.0)) else { return };
                let records = then.next.get().saturating_sub(lane.reached.next.get());
                if lane.settle(then, then.partition, result) {
                    emit(&ChunkArchived { partition: then.partition, records, next: then.next });
                }
            }
            (Reach::Rejects(then), result) => {
                let Some(lane) = self.rejects.get_mut(usize::from(then.partition.0)) else { return };
                let _listed = lane.settle(then, then.partition, result);
            }
        }
    }

    fn hand_over_rejects(&mut self) -> Result<bool, LogError> {
        let mut worked = false;
        for lane in self.rejects.iter_mut().filter_map(LaneState::free) {
            let chunk = next_rejects(&mut self.log, lane.reached, CHUNK_BYTES, &mut self.records)?;
            let Some(chunk) = chunk else { continue };
            lane.in_flight = self.sink.submit(Piece::Rejects(chunk), self.life).is_ok();
            worked |= lane.in_flight;
        }
        Ok(worked)
    }

    fn hand_over_usage(&mut self, index: usize) -> Result<bool, LogError> {
        let lane = self.usage.get_mut(index).and_then(LaneState::free);
        let (Some(lane), Some(until)) = (lane, self.open_until.get(index)) else { return Ok(false) };
        let bounds = (CHUNK_BYTES, *until);
        let chunk = next_chunk(&mut self.log, self.rules, &lane.reached, bounds, &mut self.records)?;
        if chunk.events.is_empty() {
            return Ok(false);
        }
        lane.in_flight = self.sink.submit(Piece::Events(chunk), self.life).is_ok();
        Ok(lane.in_flight)
    }
}

impl<T> LaneState<T> {
    const fn at(reached: T) -> Self {
        Self { reached, in_flight: false, pause_turns: 0 }
    }

    /// Itself, when a piece of it may be handed over; a pause is one turn shorter then.
    fn free(&mut self) -> Option<&mut Self> {
        self.pause_turns = self.pause_turns.saturating_sub(1);
        (!self.in_flight && self.pause_turns == 0).then_some(self)
    }

    /// True when the piece is in.
    fn settle(
        &mut self,
        then: T,
        partition: Partition,
        result: Result<(), tally_clickhouse::ClickHouseError>,
    ) -> bool {
        self.in_flight = false;
        match result {
            Ok(()) => self.reached = then,
            Err(error) => {
                if planted::is(Bug::ArchiveFromMax) {
                    self.reached = then;
                }
                self.pause_turns = PAUSE_TURNS;
                emit(&ArchiveFailed { partition, error: error.to_string() });
                return false;
            }
        }
        true
    }
}
