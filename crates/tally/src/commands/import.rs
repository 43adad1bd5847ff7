//! `tally import`.

mod claude_code;
mod run;
mod table;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::cli::Global;
use crate::exit::{ExitStatus, UsageError};

/// Read usage that tools left on disk, count it once, and say what was new
///
/// An import may be repeated, stopped and run in any order: nothing is counted twice. It ends with its receipt: what
/// it added to the totals by day and model, what was a repeat, and what could not be read and why.
#[derive(Debug, Args)]
#[command(subcommand_required = true)]
pub(crate) struct Import {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    ClaudeCode(claude_code::ClaudeCode),
    Csv(table::Csv),
    Jsonl(table::Jsonl),
}

/// Options of every import.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    /// Whose usage it is [default: who is signed in]
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
    /// Go on reading what is added, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Give up when nothing moves, or the installation does not come back, for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
}

impl Import {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        match &self.from {
            From::ClaudeCode(command) => command.run(global),
            From::Csv(command) => command.run(global),
            From::Jsonl(command) => command.run(global),
        }
    }
}

/// A variable of the environment, where it is text.
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Reading {
    fn person(&self) -> Result<String, UsageError> {
        let person = tally_importer::person_of(self.person.as_deref(), env);
        person.filter(|name| !name.trim().is_empty()).ok_or_else(|| {
            UsageError("nobody is signed in here; say whose usage it is with --person NAME".to_owned())
        })
    }
}

/// Says before anything is started which paths are not there.
fn check(paths: &[PathBuf]) -> Result<(), UsageError> {
    for path in paths {
        if let Err(error) = std::fs::metadata(path) {
            let path = path.display();
            return Err(UsageError(format!(
                "reading {path}: {error}; name a directory or a file that is there"
            )));
        }
    }
    Ok(())
}
