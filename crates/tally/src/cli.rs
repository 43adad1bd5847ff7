//! The command line: what all commands share.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Parser};
use tally_node::attach::Attached;
use tally_node::clock::Clock;
use tally_node::config::{self, Config, ConfigError, DiagnosticsFormat, Flag, Origin, Origins, Sources};
use tally_telemetry::{DiagnosticsError, Format, init_diagnostics};

use crate::commands::Command;
use crate::exit::ExitStatus;

/// Counts AI tokens for a whole company, exactly once, and ranks people by them.
#[derive(Debug, Parser)]
#[command(name = "tally", version, propagate_version = true, after_help = ExitStatus::HELP, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Where the installation keeps everything [default: ~/.local/share/tally]
    // The variable is read with all others, so that the origin of the value is known.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help = "Where the installation keeps everything [env: TALLY_DATA_DIR] [default: ~/.local/share/tally]"
    )]
    data_dir: Option<PathBuf>,
    /// Read settings from this file instead of tally.toml in the data directory
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object on stdout instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Stand still at this instant, such as 2026-02-13T00:00:00Z: for tests, demos and old traces
    #[arg(long, global = true, value_name = "TIME")]
    pub(crate) clock: Option<Clock>,
    /// Say more on stderr: -v debug, -vv trace
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

impl Global {
    /// The configuration in force: defaults, file, environment, and the flags every command has.
    pub(crate) fn load(&self) -> Result<(Config, Origins), ConfigError> {
        self.load_with(Vec::new())
    }

    fn load_with(&self, flags: Vec<Flag>) -> Result<(Config, Origins), ConfigError> {
        config::load(&Sources {
            environment: config::environment_of_process(),
            file: self.config.clone(),
            flags: self.flags().into_iter().chain(flags).collect(),
        })
    }

    /// The configuration in force, `flags` of the command included, with diagnostics begun as it says.
    pub(crate) fn begin(&self, flags: Vec<Flag>) -> Result<Config> {
        let (config, _) = self.load_with(flags)?;
        diagnose(&config, &config.diagnostics.filter)?;
        Ok(config)
    }

    /// The installation, through its owner or as its owner until dropped.
    pub(crate) fn attach(&self) -> Result<(Config, Attached)> {
        let config = self.speak_little()?;
        let attached = self.attach_to(&config)?;
        Ok((config, attached))
    }

    /// The same for a command that has usage to send.
    pub(crate) fn attach_to_send(&self) -> Result<(Config, Attached)> {
        let config = self.speak_little()?;
        let attached = self.attached(&config, true)?;
        Ok((config, attached))
    }

    /// The settings; diagnostics are written from now on, which can be begun once.
    pub(crate) fn speak_little(&self) -> Result<Config> {
        let (config, origins) = self.load()?;
        // A command of a few seconds says what is wrong, and more only when asked.
        let asked = origins.of_key("diagnostics.filter").is_some_and(|origin| *origin != Origin::Default);
        diagnose(&config, if asked { &config.diagnostics.filter } else { "warn" })?;
        Ok(config)
    }

    /// The installation of these settings: a command that goes on for long attaches again and again.
    pub(crate) fn attach_to(&self, config: &Config) -> Result<Attached> {
        self.attached(config, false)
    }

    fn attached(&self, config: &Config, collects: bool) -> Result<Attached> {
        let executable = std::env::current_exe().context("finding the path of this program")?;
        Ok(Attached::to(config, self.clock.unwrap_or(Clock::System), &executable, collects)?)
    }

    /// True when `--data-dir` was given.
    pub(crate) const fn names_data_dir(&self) -> bool {
        self.data_dir.is_some()
    }

    fn flags(&self) -> Vec<Flag> {
        let data_dir =
            self.data_dir.as_ref().map(|dir| ("data_dir", "--data-dir", dir.display().to_string()));
        let filter = match self.verbose {
            0 => None,
            1 => Some("debug"),
            _ => Some("trace"),
        };
        let filter = filter.map(|level| ("diagnostics.filter", "--verbose", level.to_owned()));
        data_dir.into_iter().chain(filter).map(|(key, flag, value)| Flag { key, flag, value }).collect()
    }
}

fn diagnose(config: &Config, filter: &str) -> Result<(), DiagnosticsError> {
    let format = match config.diagnostics.format {
        DiagnosticsFormat::Auto => Format::Auto,
        DiagnosticsFormat::Human => Format::Human,
        DiagnosticsFormat::Json => Format::Json,
    };
    init_diagnostics(format, filter)
}
