//! A partition on its way to be folded.

use std::thread::JoinHandle;

use tally_domain::Partition;

use super::{Aggregators, Seat};
use crate::supervise::StartError;

/// A partition that is being opened by a thread of its own, which waits for a copy, for the disk and for brokers: many
/// of them wait together.
#[derive(Debug)]
pub(super) struct Opening(JoinHandle<Result<Seat, StartError>>);

impl Opening {
    /// Begins to open a partition.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) fn begin(making: &Aggregators, partition: Partition) -> std::io::Result<Self> {
        let making = making.clone();
        let named = std::thread::Builder::new().name(format!("open {partition}"));
        named.spawn(move || making.open(partition)).map(Self)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_finished()
    }

    /// What it came to; waits for that.
    pub(super) fn seat(self) -> Result<Seat, StartError> {
        self.0.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
