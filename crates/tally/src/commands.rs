//! One file per command.

mod config;
mod engine;
mod import;
mod me;
mod rejects;
mod republish;
mod sql;
mod top;
mod up;
mod verify;
mod version;

use anyhow::Result;
use clap::Subcommand;

use crate::cli::Global;
use crate::exit::ExitStatus;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(up::Up),
    Import(import::Import),
    Top(top::Top),
    Me(me::Me),
    Verify(verify::Verify),
    Rejects(rejects::Rejects),
    Republish(republish::Republish),
    Sql(sql::Sql),
    Config(config::Config),
    Engine(engine::Engine),
    Version(version::Version),
}

impl Command {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        match self {
            Command::Up(command) => command.run(global),
            Command::Import(command) => command.run(global),
            Command::Top(command) => command.run(global),
            Command::Me(command) => command.run(global),
            Command::Verify(command) => command.run(global),
            Command::Rejects(command) => command.run(global),
            Command::Republish(command) => command.run(global),
            Command::Sql(command) => command.run(global),
            Command::Config(command) => command.run(global),
            Command::Engine(command) => command.run(global),
            Command::Version(command) => command.run(global),
        }
    }
}
