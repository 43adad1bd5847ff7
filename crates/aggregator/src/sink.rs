//! The port to where rows are published.

use tally_domain::Version;
use tally_domain::published::Rows;

/// Names a submission until it is answered; unique within its sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The sink has its hands full: nothing was taken, here are the rows back.
#[derive(Debug)]
pub struct Full(pub Box<Rows>);

/// Why rows were not taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// What became of a submission.
#[derive(Debug)]
pub struct Answer {
    /// Which one.
    pub ticket: Ticket,
    /// `Ok`: all its rows are safe. Otherwise some may be in, which harms nothing.
    pub result: Result<(), SinkError>,
}

/// What a sink shows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Differs from one start of the sink's server to the next, and is never 0: the second of its start, say.
    pub life: u64,
    /// The progress that it holds of this partition; `None` = none at all.
    pub progress: Option<Version>,
}

/// Takes rows, answers later; polled, never blocking. A row is kept by its key at its highest version, and
/// the progress of a submission becomes visible after all its other rows.
pub trait Sink {
    /// Hands over rows. They may be answered with `Ok`, and their progress may become visible, only if the sink's
    /// server is in `life` from now until all of them are safe: of any other life it is not known what it holds.
    ///
    /// # Errors
    /// [`Full`] is back-pressure.
    fn submit(&mut self, rows: Rows, life: u64) -> Result<Ticket, Full>;

    /// Adds what was answered since the last call. What is never answered is submitted again.
    fn acknowledged(&mut self, into: &mut Vec<Answer>);

    /// What the sink newly showed of itself since the last call: at its start, whenever it was away, and after it
    /// refused rows for another life than its present one.
    fn observed(&mut self) -> Option<Observed>;
}
