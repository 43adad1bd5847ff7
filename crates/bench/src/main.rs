//! One measurement of the whole way: a simulated company's log, caught up from by the shipped parts into the totals
//! topic and the real ClickHouse engine.
#![forbid(unsafe_code)]

mod catch_up;
mod report;
mod run;

use anyhow::Result;
use clap::{Parser, Subcommand};
use clickhouse_embedded::EngineOptions;

/// Measures catching up from a log, everything included, beside floors of the same run.
#[derive(Debug, Parser)]
#[command(name = "tally-bench", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    run: run::Run,
    #[command(subcommand)]
    child: Option<Child>,
}

/// What this program starts itself for, so that memory and processor time can be told apart.
#[derive(Debug, Subcommand)]
enum Child {
    /// The ClickHouse engine.
    #[command(hide = true)]
    Engine {
        #[command(flatten)]
        options: EngineOptions,
    },
    /// Fills a log.
    #[command(hide = true)]
    Fill {
        /// The data directory.
        dir: std::path::PathBuf,
        /// What with, as JSON.
        plan: String,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.child {
        None => cli.run.run(),
        Some(Child::Engine { options }) => clickhouse_embedded::serve(&options),
        Some(Child::Fill { dir, plan }) => run::fill_here(&dir, &plan),
    }
}
