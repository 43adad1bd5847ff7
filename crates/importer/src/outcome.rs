//! What an import found, as far as this side of the log can know.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tally_domain::{Epoch, ProducerId};

/// How many unreadable lines are shown in full.
pub(crate) const SAMPLES_MAX: usize = 20;

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files to read.
    pub files_total: u64,
    /// Files that are read.
    pub files_done: u64,
    /// Bytes to read, as far as known; of compressed files what is in them counts when it is read.
    pub bytes_total: u64,
    /// Bytes that are read.
    pub bytes_done: u64,
    /// Events that the log has.
    pub events: u64,
}

/// A line that could not become an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// In which file.
    pub path: PathBuf,
    /// At which byte of it, or of what is in it.
    pub position: u64,
    /// Why, in a word.
    pub reason: &'static str,
    /// Which field had which value and what it should be.
    pub detail: String,
}

/// Lines that could not become events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unreadable {
    /// How many, by reason.
    pub by_reason: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub samples: Vec<Sample>,
    /// Texts that were taken out of what is kept of them.
    pub redacted: u64,
}

impl Unreadable {
    pub(crate) fn add(&mut self, sample: Sample) {
        let count = self.by_reason.entry(sample.reason).or_default();
        *count = count.saturating_add(1);
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(sample);
        }
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason.values().sum()
    }
}

/// What a person should know, although the import went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// These files were imported before for somebody else: they count for both.
    AnothersFiles {
        /// How many.
        files: u64,
        /// One of them.
        example: PathBuf,
    },
    /// The positions could not be written: the next run reads everything again.
    PositionsNotKept {
        /// Where.
        path: PathBuf,
        /// Why.
        cause: String,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AnothersFiles { files, example } => write!(
                f,
                "{files} of these files were imported before for another person ({}): their usage now counts for both; \
                 name the same --person as before if that was not meant",
                example.display()
            ),
            Self::PositionsNotKept { path, cause } => {
                write!(
                    f,
                    "could not keep positions in {}: {cause}; the next import reads everything again",
                    path.display()
                )
            }
        }
    }
}

/// What an import did. What was new and what was a repeat stands in the receipt of (producer, epoch), which the fold
/// writes once it has read up to `appended`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Names the receipt.
    pub producer: ProducerId,
    /// Names the receipt.
    pub epoch: Epoch,
    /// Events that the log has, repeats included.
    pub events: u64,
    /// By partition, the offset up to which the log must be read to have seen them all.
    pub appended: BTreeMap<u16, u64>,
    /// Files found.
    pub files: u64,
    /// Files that had nothing new since the last import.
    pub files_unchanged: u64,
    /// Lines read, usage or not.
    pub lines: u64,
    /// Lines that could not become events.
    pub unreadable: Unreadable,
    /// Events that the collector did not take, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Files and directories that could not be read, and why.
    pub unreadable_paths: Vec<(PathBuf, String)>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// True when it was stopped before everything was read.
    pub stopped: bool,
}
