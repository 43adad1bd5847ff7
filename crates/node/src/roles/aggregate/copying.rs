//! Copying a partition's committed states away while it is folded.

use std::sync::PoisonError;
use std::thread::JoinHandle;
use std::time::Instant;

use tally_aggregator::AggregatorSettings;
use tally_checkpoints::{Copied, Copier};
use tally_disk::{Disk, OsDisk};
use tally_domain::Version;
use tally_store::Committed;
use tally_telemetry::emit;

use super::LogAggregator;
use super::copies::Copies;
use super::occurrences::{CopyFailed, StateCopied};

type State = Committed<<OsDisk as Disk>::File>;

/// Copies the states of one life of a partition's store: each on a thread that lives as long as the copying takes,
/// so that folding never waits for it.
#[derive(Debug)]
pub(super) struct Copying {
    copies: Copies,
    settings: AggregatorSettings,
    work: Work,
    /// When the next one is to be made.
    due: Instant,
    /// The newest state that is known to be copied.
    copied: Option<Version>,
    /// Of the last one.
    last: Option<Last>,
}

#[derive(Debug)]
enum Work {
    Rests(Copier),
    Runs(JoinHandle<Done>),
}

/// The copier, and what it has copied, given back.
type Done = (Copier, Option<Version>);

#[derive(Clone, Copy, Debug)]
struct Last {
    until: Instant,
    is_begun: bool,
}

impl Copying {
    pub(super) fn new(copies: &Copies, settings: AggregatorSettings) -> Self {
        Self {
            work: Work::Rests(copies.copier(&settings)),
            due: Instant::now() + copies.every,
            copies: copies.clone(),
            settings,
            copied: None,
            last: None,
        }
    }

    /// The same for another life of the store.
    pub(super) fn anew(&self) -> Self {
        Self::new(&self.copies, self.settings)
    }

    /// Begins a copy when one is due.
    pub(super) fn turn(&mut self, aggregator: &LogAggregator) {
        let now = Instant::now();
        if now < self.due {
            return;
        }
        self.take_back();
        if matches!(self.work, Work::Rests(_)) {
            self.due = now + self.copies.every;
            self.begin(aggregator);
        }
    }

    /// Copies what was committed last. True once that is over: it is there, was refused, or takes too long.
    pub(super) fn is_last_over(&mut self, aggregator: &LogAggregator) -> bool {
        let now = Instant::now();
        let mut last = self.last.unwrap_or(Last { until: now + self.copies.last_max, is_begun: false });
        self.take_back();
        if matches!(self.work, Work::Rests(_)) && !last.is_begun {
            last.is_begun = true;
            self.begin(aggregator);
        }
        self.last = Some(last);
        let is_done = last.is_begun && matches!(self.work, Work::Rests(_));
        if !is_done && now >= last.until {
            self.tell_failure(&format!("it takes longer than {} s", self.copies.last_max.as_secs()));
        }
        is_done || now >= last.until
    }

    fn begin(&mut self, aggregator: &LogAggregator) {
        match aggregator.committed() {
            Ok(Some(state)) if self.copied == Some(state.version) => {}
            Ok(Some(state)) => self.run(state),
            Ok(None) => {}
            // The partition goes on, or says itself what is wrong with its disk.
            Err(error) => self.tell_failure(&error.to_string()),
        }
    }

    fn run(&mut self, state: State) {
        let copier = self.copies.copier(&self.settings);
        let Work::Rests(mut copier) = std::mem::replace(&mut self.work, Work::Rests(copier)) else { return };
        let (copies, partition) = (self.copies.clone(), self.settings.fold.acceptance.partition);
        let named = std::thread::Builder::new().name(format!("copy {partition}"));
        let running = named.spawn(move || {
            let _alone = copies.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let begun = Instant::now();
            match copier.copy(&state) {
                Ok(copied) => {
                    let version = match copied {
                        Copied::Done { .. } => state.version,
                        Copied::Behind { there } => there,
                    };
                    emit(&StateCopied { partition, version, copied, took: begun.elapsed() });
                    (copier, Some(state.version))
                }
                Err(error) => {
                    emit(&CopyFailed { partition, why: &error.to_string() });
                    (copier, None)
                }
            }
        });
        match running {
            Ok(running) => self.work = Work::Runs(running),
            Err(error) => self.tell_failure(&error.to_string()),
        }
    }

    /// Takes the copier back from a thread that is done with it.
    fn take_back(&mut self) {
        let Work::Runs(running) = &self.work else { return };
        if !running.is_finished() {
            return;
        }
        let copier = self.copies.copier(&self.settings);
        let Work::Runs(running) = std::mem::replace(&mut self.work, Work::Rests(copier)) else { return };
        // One that panicked has said so; another copier hashes everything again.
        if let Ok((copier, copied)) = running.join() {
            self.work = Work::Rests(copier);
            self.copied = copied.or(self.copied);
        }
    }

    fn tell_failure(&self, why: &str) {
        emit(&CopyFailed { partition: self.settings.fold.acceptance.partition, why });
    }
}
