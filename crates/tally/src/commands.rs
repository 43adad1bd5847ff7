//! One file per command.

mod config;
mod engine;
mod up;
mod version;

use anyhow::Result;
use clap::Subcommand;

use crate::cli::Global;
use crate::exit::ExitStatus;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(up::Up),
    Config(config::Config),
    Engine(engine::Engine),
    Version(version::Version),
}

impl Command {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        match self {
            Command::Up(command) => command.run(global),
            Command::Engine(command) => command.run(global),
            Command::Config(command) => command.run(global),
            Command::Version(command) => command.run(global),
        }
    }
}
