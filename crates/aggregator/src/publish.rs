//! publish: outbox → ClickHouse and the totals topic; acknowledged, then forgotten.

use crate::aggregator::Aggregator;
use crate::error::PartError;
use crate::occurrences::{PublishFailed, Published, Republishing};
use crate::sink::{Answer, Observed, Sink, Ticket};
use tally_disk::Disk;
use tally_domain::planted::{self, Bug};
use tally_domain::published::Rows;
use tally_domain::{Topic, Version, WallTime};
use tally_fold::{Destination, Due, Fold};
use tally_log::{AppendLog, ReadLog};
use tally_telemetry::emit;

/// How long to leave a destination alone after a failure.
const PAUSE_MS: i64 = 1_000;
/// An answer that did not come by then is no longer waited for.
const ANSWER_MS: i64 = 120_000;
/// The same in turns: a clock that stands still must not hold up publishing.
const PAUSE_TURNS: u32 = 64;
const ANSWER_TURNS: u32 = 100_000;

/// A span that is over by the clock or by turns, whichever comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    until: WallTime,
    turns: u32,
}

impl Wait {
    pub(crate) fn after_failure(now: WallTime) -> Self {
        Self { until: now.plus_ms(PAUSE_MS), turns: PAUSE_TURNS }
    }
    pub(crate) fn for_answer(now: WallTime) -> Self {
        Self { until: now.plus_ms(ANSWER_MS), turns: ANSWER_TURNS }
    }
    /// Asked once a turn.
    pub(crate) fn is_over(&mut self, now: WallTime) -> bool {
        self.turns = self.turns.saturating_sub(1);
        now >= self.until || self.turns == 0
    }
}

/// Rows that ClickHouse has and has not answered for.
#[derive(Debug)]
struct Flight {
    ticket: Ticket,
    due: Due,
    progress: Option<Version>,
    answer: Wait,
}

/// What is on its way to ClickHouse: one publication at a time, so that a key's newer value waits for the
/// answer to its older one.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    flight: Option<Flight>,
    pause: Option<Wait>,
    /// The server has shown itself since this part was opened.
    looked: bool,
    answers: Vec<Answer>,
}

impl Publisher {
    /// True when the outbox has changed.
    pub(crate) fn answers<K: Sink>(&mut self, sink: &mut K, fold: &mut Fold, now: WallTime) -> bool {
        let mut changed = false;
        // What it showed of itself is about the life before any answer of it: a publication is for one life alone.
        if let Some(observed) = sink.observed() {
            changed |= self.look(observed, fold);
        }
        let mut answers = std::mem::take(&mut self.answers);
        sink.acknowledged(&mut answers);
        for answer in answers.drain(..) {
            changed |= self.answered(&answer, fold, now);
        }
        self.answers = answers;
        if self.flight.as_mut().is_some_and(|flight| flight.answer.is_over(now)) {
            self.flight = None;
        }
        changed
    }

    fn look(&mut self, observed: Observed, fold: &mut Fold) -> bool {
        let destination = Destination::ClickHouse;
        let before = fold.set_life(destination, observed.life);
        let restarted = before != 0 && before != observed.life;
        let shows = observed.progress.unwrap_or(Version::ZERO);
        let claimed = fold.claimed(destination);
        // Both were away: rows after its last progress may be lost, those before it are not.
        let unsure = restarted && shows < fold.acknowledged(destination);
        let lost = unsure || (restarted && self.looked) || shows < claimed;
        self.looked = true;
        let lost = lost && !planted::is(Bug::SetBackUnnoticed);
        if lost {
            fold.republish(&[destination]);
            self.flight = None;
            let partition = fold.settings().acceptance.partition.0;
            emit(&Republishing { partition, restarted, shows, claimed });
        }
        lost
    }

    fn answered(&mut self, answer: &Answer, fold: &mut Fold, now: WallTime) -> bool {
        let Some(flight) = self.flight.take_if(|flight| flight.ticket == answer.ticket) else { return false };
        let partition = fold.settings().acceptance.partition.0;
        let destination = Destination::ClickHouse.name();
        if let Err(error) = &answer.result
            && !planted::is(Bug::RefusalTaken)
        {
            self.pause = Some(Wait::after_failure(now));
            emit(&PublishFailed { partition, destination, why: &error.0 });
            return false;
        }
        fold.acknowledge(&flight.due);
        if let Some(version) = flight.progress {
            fold.claim(Destination::ClickHouse, version);
        }
        let pending = fold.pending(Destination::ClickHouse);
        emit(&Published { partition, destination, rows: flight.due.keys.len(), pending });
        true
    }

    fn is_ready(&mut self, now: WallTime) -> bool {
        if self.pause.as_mut().is_some_and(|pause| pause.is_over(now)) {
            self.pause = None;
        }
        self.flight.is_none() && self.pause.is_none()
    }
}

impl<L: ReadLog, A: AppendLog, K: Sink, D: Disk> Aggregator<L, A, K, D> {
    /// Hands on what is due. True when anything was.
    pub(crate) fn publish(&mut self, now: WallTime) -> Result<bool, PartError> {
        let _step = tracing::trace_span!("publish").entered();
        let clickhouse = self.publisher.is_ready(now) && self.publish_to_clickhouse(now)?;
        let lane = self.lane(Topic::Totals);
        let rows_max = self.settings.cadence.publish_rows_max;
        let totals = self.totals.publish(&mut self.fold, &mut self.appender, lane, rows_max, now);
        Ok(clickhouse || totals)
    }

    fn publish_to_clickhouse(&mut self, now: WallTime) -> Result<bool, PartError> {
        let destination = Destination::ClickHouse;
        let mut due = self.fold.due(destination, self.settings.cadence.publish_rows_max);
        self.store.walk(&mut due).map_err(|source| self.stopped_by_store(source))?;
        let claimed = self.fold.claimed(destination);
        let progress = self.fold.progress(destination).filter(|progress| progress.version > claimed);
        if due.is_empty() && progress.is_none() {
            return Ok(false);
        }
        let mut rows = Rows::default();
        self.fold.fill(&due, &mut rows);
        self.store.fill(&self.fold, &due, &mut rows).map_err(|source| self.stopped_by_store(source))?;
        rows.progress.extend(progress);
        if rows.is_empty() {
            // A page of a sweep over a keyspace that holds nothing there.
            self.fold.acknowledge(&due);
            self.commits.changed();
            return Ok(true);
        }
        let life = self.fold.life(destination);
        let Ok(ticket) = self.sink.submit(rows, life) else { return Ok(false) };
        let progress = progress.map(|progress| progress.version);
        self.publisher.flight = Some(Flight { ticket, due, progress, answer: Wait::for_answer(now) });
        self.commits.changed();
        Ok(true)
    }

    /// Publishes every key anew, everywhere: what `tally republish` asks for.
    pub fn republish(&mut self) {
        self.fold.republish(&Destination::ALL);
        self.publisher.flight = None;
        self.totals.forget();
        self.commits.changed();
    }
}
