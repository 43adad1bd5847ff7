//! The project's tasks: `cargo xtask up` starts everything, `cargo xtask test` tests everything.
//!
//! Knows no crate of the workspace: it must build before they do, and judge them from outside.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task speaks on the terminal")]

mod browser;
mod compose;
mod engine;
mod kafka;
mod suite;
mod tidy;
mod torture;
mod up;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of the Tally project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build Tally, fetch the ClickHouse engine and start everything on <http://127.0.0.1:8080>.
    Up {
        /// Passed to `tally up` as they stand, for example `-- --demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run every test there is; fails if any fails.
    Test,
    /// Kill, freeze and cut off installations at random, and hold what they publish against a ledger.
    Torture(torture::Torture),
    /// Fetch the ClickHouse engine and the Kafka broker of the tests into the cache and print where they lie.
    Fetch,
    /// Check what no compiler checks: rings, names, lengths, links, SQL; also a part of `test`.
    Tidy,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let root = workspace_root();
    let outcome = match cli.task {
        Task::Up { args } => up::run(&root, &args),
        Task::Test => suite::run(&root),
        Task::Torture(torture) => torture::run(&root, torture),
        Task::Fetch => fetch(&root),
        Task::Tidy => tidy::run(&root),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The engine first: it is all that Tally itself needs, and Maven is missed by the tests alone.
fn fetch(root: &Path) -> anyhow::Result<()> {
    println!("{}", engine::fetch()?.display());
    println!("{}", kafka::fetch(root)?.display());
    Ok(())
}

/// The checkout this binary was built from.
fn workspace_root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).expect("xtask lies in <root>/crates/xtask").to_owned()
}
