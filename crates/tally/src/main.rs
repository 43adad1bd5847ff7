//! The command `tally`: one file per command, each with its clap struct and its `run`.

#![forbid(unsafe_code)]

mod background;
mod cli;
mod commands;
mod company;
mod exit;
mod first_start;
mod patience;
mod progress;
mod render;
mod report;
mod serving;
mod settling;
mod standing;
mod status;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    #[cfg(tally_planted)]
    plant();
    let cli = cli::Cli::parse();
    match cli.command.run(&cli.global) {
        Ok(status) => status.into(),
        Err(error) => {
            render::error(&error);
            exit::ExitStatus::of(&error).into()
        }
    }
}

/// Only in a build for the tests of the tests: has the bug that `TALLY_PLANTED` names.
#[cfg(tally_planted)]
fn plant() {
    use tally_domain::planted::{Bug, plant};

    if let Ok(name) = std::env::var("TALLY_PLANTED") {
        plant(Some(Bug::named(&name).expect("TALLY_PLANTED names a bug of tally_domain::planted")));
    }
}
