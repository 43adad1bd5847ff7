//! `tally version`.

use anyhow::Result;
use clap::Args;

use crate::cli::Global;
use crate::exit::ExitStatus;
use crate::{render, report};

/// Print the version
#[derive(Debug, Args)]
pub(crate) struct Version {}

impl Version {
    #[expect(clippy::unused_self, reason = "every command runs alike")]
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        let report = report::Version { name: "tally", version: env!("CARGO_PKG_VERSION") };
        render::answer(global.json, &report, |it| format!("{} {}\n", it.name, it.version))?;
        Ok(ExitStatus::Done)
    }
}
