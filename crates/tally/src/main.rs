//! The command `tally`: one file per command, each with its clap struct and its `run`.

#![forbid(unsafe_code)]

mod background;
mod cli;
mod commands;
mod company;
mod exit;
mod first_start;
mod progress;
mod render;
mod report;
mod settling;
mod standing;
mod status;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli.command.run(&cli.global) {
        Ok(status) => status.into(),
        Err(error) => {
            render::error(&error);
            exit::ExitStatus::of(&error).into()
        }
    }
}
