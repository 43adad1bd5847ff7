//! `tally config`.

use anyhow::Result;
use clap::Args;
use tally_node::config::{DEFAULTS, Origin};

use crate::cli::Global;
use crate::exit::ExitStatus;
use crate::{render, report};

/// Print the settings in force and where each comes from
///
/// Layers, later ones winning: the built-in defaults, a file (--config, or tally.toml in the data directory), the
/// environment (TALLY__SECTION__KEY), flags. Secrets are masked.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tally config                               what is in force\n  \
    tally config --changed                     only what differs from the defaults\n  \
    tally config --defaults > tally.toml       every key with its explanation, to edit\n  \
    TALLY__WEB__LISTEN=127.0.0.1:9000 tally config --json")]
pub(crate) struct Config {
    /// Only settings that do not come from the defaults
    #[arg(long)]
    changed: bool,
    /// Print the commented defaults as a file instead
    #[arg(long, conflicts_with_all = ["changed", "json"])]
    defaults: bool,
}

impl Config {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        if self.defaults {
            render::text(DEFAULTS)?;
            return Ok(ExitStatus::Done);
        }
        let (_, origins) = global.load()?;
        let settings =
            origins.settings().filter(|setting| !self.changed || setting.origin != Origin::Default);
        let report = report::Config::of(settings);
        render::answer(global.json, &report, render::settings)?;
        Ok(ExitStatus::Done)
    }
}
