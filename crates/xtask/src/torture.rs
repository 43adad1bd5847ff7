//! `cargo xtask torture`: the long run of the test that kills, on the program as it is shipped.

use std::path::Path;

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::{engine, up};

/// # Errors
/// When something cannot be built, or what is published differs from what was acknowledged.
pub(crate) fn run(root: &Path, kills: u64, seed: u64) -> Result<()> {
    engine::fetch()?;
    let shell = Shell::new()?;
    shell.change_dir(root);
    cmd!(shell, "cargo build --release --locked --package tally").run()?;
    let tally = up::target_dir(root)?.join("release").join("tally");
    let test = cmd!(shell, "cargo test --locked --package tally-tests --test torture -- --nocapture");
    let test = test.env("TALLY_BINARY", tally).env("TALLY_TORTURE_KILLS", kills.to_string());
    Ok(test.env("TALLY_TORTURE_SEED", seed.to_string()).run()?)
}
