//! What is imported, for whom, and to where.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::PathBuf;
use std::time::Duration;

use tally_domain::{Epoch, ProducerId};
use tally_sources::table::Table;

/// Which source reads the files.
#[derive(Clone, Debug)]
pub enum Origin {
    /// Claude Code's transcripts.
    ClaudeCode,
    /// A table of calls.
    Table(Table),
}

impl Origin {
    /// The source half of the account. A table is a source of its own, so that the row ids of two tables never meet.
    #[must_use]
    pub fn source(&self) -> String {
        match self {
            Self::ClaudeCode => tally_sources::claude_code::TOOL.to_owned(),
            Self::Table(table) => format!("table:{}", table.dataset),
        }
    }
}

/// One import: every value is the caller's, none has a default here.
#[derive(Clone, Debug)]
pub struct Import {
    /// Which source reads the files.
    pub origin: Origin,
    /// Files, and directories that are walked.
    pub roots: Vec<PathBuf>,
    /// Whose usage it is, verbatim: the subject half of the account.
    pub person: String,
    /// Base URL of the collector.
    pub collector: String,
    /// Who sends: stable for an installation.
    pub producer: ProducerId,
    /// This run: see [`fresh_epoch`].
    pub epoch: Epoch,
    /// Directory of the positions; made when it is missing.
    pub state_dir: PathBuf,
    /// Names what the positions are true for: the installation and the life of its log. Under another name
    /// everything is read again.
    pub lineage: String,
    /// False reads every file from its start.
    pub resume: bool,
    /// True waits for more when everything is read.
    pub follow: bool,
    /// Events per request to the collector.
    pub batch_events: usize,
    /// How long a collector may refuse, or be away, until the import gives up.
    pub patience: Duration,
}

/// A number for this run that no other has.
#[must_use]
pub fn fresh_epoch() -> Epoch {
    // The keys of a RandomState come from the system's randomness; the process id alone would come again.
    Epoch(RandomState::new().hash_one(std::process::id()).cast_signed())
}

/// Whose transcripts these are: who is named, else who is signed in. `env` reads a variable.
#[must_use]
pub fn person_of(named: Option<&str>, env: impl Fn(&str) -> Option<String>) -> Option<String> {
    let signed_in =
        || ["USER", "LOGNAME", "USERNAME"].into_iter().filter_map(env).find(|name| !name.is_empty());
    named.map(str::to_owned).or_else(signed_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_who_is_named_else_who_is_signed_in() {
        let env = |name: &str| (name == "LOGNAME").then(|| "ann".to_owned());
        assert_eq!(person_of(Some("Bob"), env), Some("Bob".to_owned()));
        assert_eq!(person_of(None, env), Some("ann".to_owned()));
        assert_eq!(person_of(None, |_| Some(String::new())), None);
    }

    #[test]
    fn two_runs_have_two_epochs() {
        assert_ne!(fresh_epoch(), fresh_epoch());
    }
}
