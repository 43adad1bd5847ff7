//! Publishing to the totals topic: a record for each total, then the partition's progress.

use crate::occurrences::{PublishFailed, Published};
use crate::publish::Wait;
use std::collections::BTreeSet;
use tally_domain::published::{Progress, Rows, TotalRow};
use tally_domain::{Lane, Offset, WallTime};
use tally_fold::{Destination, Due, Fold};
use tally_log::{AppendLog, LogError, Ticket};
use tally_telemetry::emit;

/// What is on its way into the totals topic: one publication at a time.
#[derive(Debug, Default)]
pub(crate) struct TotalsTopic {
    flight: Option<Flight>,
    pause: Option<Wait>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Flight {
    due: Due,
    rows: Rows,
    /// How many of `rows.totals` were appended.
    appended: usize,
    progress: Option<Progress>,
    progress_appended: bool,
    unanswered: BTreeSet<Ticket>,
    failed: bool,
}

impl Flight {
    fn is_appended(&self) -> bool {
        self.appended == self.rows.totals.len() && self.progress_appended
    }
}

/// An account's dims are one row each, and compaction keeps the last record of a key: the key is the account,
/// then a hash of the dims.
fn key_of(row: &TotalRow) -> [u8; 24] {
    let dims = row.dims.as_ref();
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&[dims.view.code(), dims.unsplit.0]);
    for text in [&dims.model, &dims.tool, &dims.service_tier, &dims.region] {
        hasher.update(&u64::try_from(text.len()).expect("lengths in memory fit a u64").to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let mut key = [0; 24];
    key[..16].copy_from_slice(row.account.bytes());
    key[16..].copy_from_slice(&hasher.digest().to_be_bytes());
    key
}

impl TotalsTopic {
    pub(crate) fn forget(&mut self) {
        self.flight = None;
    }

    /// Appends what is due, as far as the log takes it. True when anything was appended.
    pub(crate) fn publish<A: AppendLog>(
        &mut self,
        fold: &mut Fold,
        to: &mut A,
        lane: Lane,
        rows_max: usize,
        now: WallTime,
    ) -> bool {
        if self.pause.as_mut().is_some_and(|pause| pause.is_over(now)) {
            self.pause = None;
        }
        if self.flight.is_none() && self.pause.is_none() {
            self.flight = prepare(fold, rows_max);
        }
        let Some(flight) = &mut self.flight else { return false };
        let mut any = false;
        while let Some(row) = flight.rows.totals.get(flight.appended) {
            self.bytes.clear();
            tally_schema::encode_total(row, flight.rows.version, &mut self.bytes);
            let Ok(ticket) = to.append(lane, &key_of(row), Some(&self.bytes)) else { return any };
            flight.unanswered.insert(ticket);
            flight.appended += 1;
            any = true;
        }
        if flight.progress_appended {
            return any;
        }
        if let Some(progress) = &flight.progress {
            let bytes = tally_schema::encode_progress(progress);
            let Ok(ticket) = to.append(lane, &[], Some(&bytes)) else { return any };
            flight.unanswered.insert(ticket);
            any = true;
        }
        flight.progress_appended = true;
        any | self.land(fold, now)
    }

    /// True when the outbox has changed.
    pub(crate) fn answered(
        &mut self,
        ticket: Ticket,
        result: &Result<Offset, LogError>,
        fold: &mut Fold,
        now: WallTime,
    ) -> bool {
        let Some(flight) = &mut self.flight else { return false };
        if !flight.unanswered.remove(&ticket) {
            return false;
        }
        if let Err(error) = result {
            flight.failed = true;
            let partition = fold.settings().acceptance.partition.0;
            let destination = Destination::Totals.name();
            emit(&PublishFailed { partition, destination, why: &error.to_string() });
        }
        self.land(fold, now)
    }

    /// Once everything is appended and answered, the keys are acknowledged, or wait for another try.
    fn land(&mut self, fold: &mut Fold, now: WallTime) -> bool {
        let landed = |flight: &mut Flight| flight.is_appended() && flight.unanswered.is_empty();
        let Some(flight) = self.flight.take_if(landed) else { return false };
        if flight.failed {
            self.pause = Some(Wait::after_failure(now));
            return false;
        }
        fold.acknowledge(&flight.due);
        if let Some(progress) = flight.progress {
            fold.claim(Destination::Totals, progress.version);
        }
        let partition = fold.settings().acceptance.partition.0;
        let pending = fold.pending(Destination::Totals);
        let destination = Destination::Totals.name();
        emit(&Published { partition, destination, rows: flight.due.keys.len(), pending });
        true
    }
}

fn prepare(fold: &mut Fold, rows_max: usize) -> Option<Flight> {
    let due = fold.due(Destination::Totals, rows_max);
    let claimed = fold.claimed(Destination::Totals);
    let progress = fold.progress(Destination::Totals).filter(|progress| progress.version > claimed);
    if due.is_empty() && progress.is_none() {
        return None;
    }
    let mut rows = Rows::default();
    fold.fill(&due, &mut rows);
    Some(Flight {
        due,
        rows,
        appended: 0,
        progress,
        progress_appended: false,
        unanswered: BTreeSet::new(),
        failed: false,
    })
}
