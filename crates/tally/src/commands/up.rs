//! `tally up`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use tally_node::config::Config;
use tally_node::installation::DataDir;
use tally_node::parts::Takes;

use crate::background::Background;
use crate::cli::Global;
use crate::company::company;
use crate::exit::ExitStatus;
use crate::first_start::{self, Situation, Step};
use crate::serving::{self, OnKafka};
use crate::status;

/// Run an installation: log, ClickHouse, fold, archive, rankings and pages
///
/// Everything runs on this machine, in one data directory. Ctrl-C stops it cleanly; starting again continues where it
/// was. Kill it if you like: nothing that was acknowledged is lost, and nothing is counted twice.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tally up                                   pages on http://127.0.0.1:8080\n  \
    tally up --demo                            a simulated company, in a data directory of its own\n  \
    tally up --import-found                    begins with the transcripts of Claude Code on this machine\n  \
    tally up --data-dir /srv/tally             somewhere else\n  \
    tally up --kafka kafka:9092                the log on Kafka, everything else here\n  \
    TALLY__WEB__LISTEN=127.0.0.1:9000 tally up on another port")]
pub(crate) struct Up {
    /// Fill an installation of its own with a simulated company, and keep that company at work
    #[arg(long, conflicts_with = "import_found")]
    demo: bool,
    /// Import the transcripts of Claude Code found on this machine, without asking
    #[arg(long)]
    import_found: bool,
    #[command(flatten)]
    on: OnKafka,
}

impl Up {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        let mut config = global.begin(self.on.flags())?;
        let roots = first_start::transcripts();
        let step = self.step(&config, &roots)?;
        let demo = matches!(step, Step::Demo | Step::DemoInstead);
        if demo && !(self.demo && global.names_data_dir()) {
            config.data_dir = beside(&config.data_dir);
        }
        let takes = Takes { parts: Takes::UP, demo: demo.then_some(company), stays: true };
        let node = serving::start(global, &config, takes)?;
        let import = match step {
            Step::Demo | Step::DemoInstead => {
                status::demo(&config.data_dir, step == Step::DemoInstead)?;
                None
            }
            Step::Import => {
                Some(Background::start(&DataDir::new(&config.data_dir), node.owner(), roots.clone())?)
            }
            Step::Nothing | Step::NothingFound | Step::Ask if node.was_empty() => {
                status::say(&first_start::how(&roots))?;
                None
            }
            Step::Nothing | Step::NothingFound | Step::Ask => None,
        };
        let interrupted =
            node.runtime().block_on(status::show_until_interrupted(&node, Takes::UP, import.as_ref()));
        status::stopping()?;
        if let Some(import) = import {
            import.end();
        }
        node.stop();
        interrupted.map(|()| ExitStatus::Done)
    }

    /// What to begin with; a person at a terminal is asked.
    fn step(&self, config: &Config, roots: &[PathBuf]) -> Result<Step> {
        let situation = Situation {
            demo: self.demo,
            import_found: self.import_found,
            is_new: DataDir::new(&config.data_dir).is_new(),
            found: !roots.is_empty(),
            terminal: first_start::is_terminal(),
        };
        Ok(match situation.step() {
            Step::Ask if first_start::ask(roots)? => Step::Import,
            step => step,
        })
    }
}

/// The demo's own directory, beside the installation's.
fn beside(data_dir: &Path) -> PathBuf {
    let mut name = data_dir.file_name().unwrap_or_default().to_owned();
    name.push("-demo");
    data_dir.with_file_name(name)
}
