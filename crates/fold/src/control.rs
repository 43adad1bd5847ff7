//! What records do that are not usage: price books, policies, and the barriers that begin an incarnation.

use crate::fold::{FOLD_VERSION, Fold, RecordAt};
use crate::outbox::Destination;
use crate::price::Prices;
use tally_domain::entry::{Barrier, Document};
use tally_domain::planted::{self, Bug};
use tally_domain::price::PriceBook;
use tally_domain::{FoldVersion, Hash128, Incarnation, Offset, Reason, Reject, TopicId};

/// A record that is not usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control<'a> {
    /// A price book.
    Prices(Document<'a>),
    /// A policy; none is defined yet.
    Policy(Document<'a>),
    /// Time goes on.
    Heartbeat,
    /// A new incarnation begins.
    Barrier(Barrier),
}

/// What became of a control record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Obeyed {
    /// It took effect at its offset.
    Done,
    /// Its number is not above the one in force.
    Ignored,
    /// It cannot be read; what was in force stays.
    Rejected(Reject),
}

/// A barrier that this state must not pass. The partition stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum Refusal {
    #[error(
        "folding barrier {number}: it names topic {found}, this state was folded from topic {known}; \
         move the state aside and fold the new topic anew, or give back the old topic"
    )]
    OtherTopic { number: u16, known: TopicId, found: TopicId },
    #[error(
        "folding barrier {number}: the topic has {found} partitions, this installation is set to {known}; \
         the count is fixed for life: set it back to {found}, or migrate to a new topic"
    )]
    OtherPartitionCount { number: u16, known: u16, found: u16 },
    #[error(
        "folding barrier {number}: the log was written under another secret ({found}, ours gives {known}); \
         restore the installation's own secret file"
    )]
    OtherSecret { number: u16, known: Hash128, found: Hash128 },
    #[error(
        "folding barrier {number}: it asks for fold logic {}, this program has {}; start the program that has it",
        found.0, known.0
    )]
    OtherFoldVersion { number: u16, known: FoldVersion, found: FoldVersion },
}

impl Fold {
    /// Folds a control record. The clock must already be at its minute.
    ///
    /// # Errors
    /// A barrier that contradicts what this state was told or has seen; nothing has changed then.
    pub fn control(
        &mut self,
        at: &RecordAt<'_>,
        last_record: u64,
        control: &Control<'_>,
    ) -> Result<Obeyed, Refusal> {
        let log_time = self.log_time.after(at.appended_at.ms());
        assert_eq!(self.clock, log_time.minute(), "the clock is raised before the record is folded");
        let obeyed = match control {
            Control::Heartbeat => Obeyed::Done,
            Control::Prices(document) => self.prices(at.offset, document),
            Control::Policy(document) => self.policy(document),
            Control::Barrier(barrier) => self.barrier(barrier)?,
        };
        self.reach(log_time, at.offset.next(), last_record);
        Ok(obeyed)
    }

    fn prices(&mut self, offset: Offset, document: &Document<'_>) -> Obeyed {
        if document.number <= self.prices.book.number() && !planted::is(Bug::LowerBookObeyed) {
            return Obeyed::Ignored;
        }
        let detail = match PriceBook::parse(document.body) {
            Ok(book) if book.number() == document.number => {
                self.prices = Prices::new(book);
                self.book_text = document.body.to_vec();
                return Obeyed::Done;
            }
            Ok(book) => format!(
                "the record says price book {}, its text number {}; make them one",
                document.number,
                book.number()
            ),
            Err(error) => error.to_string(),
        };
        let partition = self.settings.acceptance.partition;
        Obeyed::Rejected(Reject { partition, offset, reason: Reason::BadControl, detail })
    }

    fn policy(&mut self, document: &Document<'_>) -> Obeyed {
        if document.number <= self.policy {
            return Obeyed::Ignored;
        }
        self.policy = document.number;
        Obeyed::Done
    }

    fn barrier(&mut self, barrier: &Barrier) -> Result<Obeyed, Refusal> {
        if barrier.number <= self.incarnation.0 {
            return Ok(Obeyed::Ignored);
        }
        self.judge(barrier)?;
        self.topic = Some(barrier.topic);
        self.incarnation = Incarnation(if planted::is(Bug::NoIncarnation) { 1 } else { barrier.number });
        self.republish(&Destination::ALL);
        Ok(Obeyed::Done)
    }

    fn judge(&self, barrier: &Barrier) -> Result<(), Refusal> {
        let number = barrier.number;
        if let Some(known) = self.topic.filter(|&known| known != barrier.topic) {
            return Err(Refusal::OtherTopic { number, known, found: barrier.topic });
        }
        let (known, found) = (self.settings.acceptance.partitions.get(), barrier.partitions.get());
        if known != found && !planted::is(Bug::LayoutIgnored) {
            return Err(Refusal::OtherPartitionCount { number, known, found });
        }
        let (known, found) = (self.settings.secret_check, barrier.secret_check);
        if known != found {
            return Err(Refusal::OtherSecret { number, known, found });
        }
        let (known, found) = (FOLD_VERSION, barrier.fold_version);
        if known != found {
            return Err(Refusal::OtherFoldVersion { number, known, found });
        }
        Ok(())
    }
}
