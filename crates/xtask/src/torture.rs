//! `cargo xtask torture`: the long run of the test that kills.

use std::path::Path;

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{engine, kafka};

/// How long and which.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Torture {
    /// End after so many kills: three quarters of an installation in one process, the others of one in its parts
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    kills: u64,
    /// Which blows fall when; a run is repeated by its seed, as far as the machine's timing lets it
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

/// # Errors
/// When something cannot be built, or what is published differs from what was acknowledged.
pub(crate) fn run(root: &Path, torture: Torture) -> Result<()> {
    engine::fetch()?;
    kafka::install(root)?;
    let shell = Shell::new()?;
    shell.change_dir(root);
    // As `cargo xtask test` builds it: optimized, and with checks of arithmetic that no release has.
    let test = cmd!(shell, "cargo test --workspace --locked --test torture -- --nocapture");
    let test = test.env("TALLY_TORTURE_KILLS", torture.kills.to_string());
    Ok(test.env("TALLY_TORTURE_SEED", torture.seed.to_string()).run()?)
}
