//! One file per command.

mod config;
mod version;

use anyhow::Result;
use clap::Subcommand;

use crate::cli::Global;
use crate::exit::ExitStatus;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Config(config::Config),
    Version(version::Version),
}

impl Command {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        match self {
            Command::Config(command) => command.run(global),
            Command::Version(command) => command.run(global),
        }
    }
}
