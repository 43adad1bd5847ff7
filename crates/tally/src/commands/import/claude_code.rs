//! `tally import claude-code`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tally_importer::{Origin, default_roots};

use super::{Reading, check, env, run};
use crate::cli::Global;
use crate::exit::{ExitStatus, UsageError};

/// Read the transcripts of Claude Code
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tally import claude-code                              your own, wherever Claude Code keeps them\n  \
    tally import claude-code --follow                     and what comes, until Ctrl-C\n  \
    tally import claude-code /srv/transcripts --person ann\n  \
    tally import claude-code old --clock 2026-02-13T00:00:00Z --data-dir /tmp/then")]
pub(crate) struct ClaudeCode {
    /// Directories of transcripts, or files [default: ~/.claude/projects, or where CLAUDE_CONFIG_DIR says]
    #[arg(value_name = "DIR")]
    paths: Vec<PathBuf>,
    /// Read every file from its start, also what an earlier import has read
    #[arg(long, visible_alias = "from-start")]
    all: bool,
    #[command(flatten)]
    reading: Reading,
}

impl ClaudeCode {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        let files = run::Files { origin: Origin::ClaudeCode, roots: self.roots()?, resume: !self.all };
        run::run(global, &self.reading, files)
    }

    fn roots(&self) -> Result<Vec<PathBuf>, UsageError> {
        if !self.paths.is_empty() {
            check(&self.paths)?;
            return Ok(self.paths.clone());
        }
        let found = default_roots(env);
        if found.is_empty() {
            let said = "there are no transcripts of Claude Code in ~/.claude/projects, ~/.config/claude/projects or \
                        below CLAUDE_CONFIG_DIR; name the directory that holds them: tally import claude-code DIR";
            return Err(UsageError(said.to_owned()));
        }
        Ok(found)
    }
}
