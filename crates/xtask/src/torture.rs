//! `cargo xtask torture`: the long run of the test that kills, on the program as it is shipped.

use std::path::Path;

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{engine, kafka, up};

/// How long and which.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Torture {
    /// Kills of an installation in one process with its engine
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    kills: u64,
    /// Kills of an installation in its parts, with the broker and ClickHouse among them
    #[arg(long, default_value_t = 200, value_name = "N")]
    part_kills: u64,
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
    cmd!(shell, "cargo build --release --locked --package tally").run()?;
    let tally = up::target_dir(root)?.join("release").join("tally");
    let test = cmd!(shell, "cargo test --workspace --locked --test torture -- --nocapture");
    let settings = [
        ("TALLY_TORTURE_KILLS", torture.kills),
        ("TALLY_TORTURE_PART_KILLS", torture.part_kills),
        ("TALLY_TORTURE_SEED", torture.seed),
    ];
    let test = test.envs(settings.map(|(name, value)| (name, value.to_string())));
    Ok(test.env("TALLY_BINARY", tally).run()?)
}
