//! `cargo xtask up`: build, fetch, then become `tally up`.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::engine;

/// Replaces this process by `tally up`, so that Ctrl-C and the exit code are Tally's own.
///
/// # Errors
/// When the engine cannot be fetched, the build fails, or the binary cannot be started.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let library = engine::fetch()?;
    let shell = Shell::new()?;
    shell.change_dir(root);
    cmd!(shell, "cargo build --release --package tally").quiet().run()?;
    let binary = target_dir(root)?.join("release").join("tally");
    let error = Command::new(&binary).arg("up").args(args).env("TALLY_ENGINE_LIBRARY", library).exec();
    Err(error).with_context(|| format!("starting {}", binary.display()))
}

/// Where cargo builds, whatever the environment or a config file says.
pub(crate) fn target_dir(root: &Path) -> Result<std::path::PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root).no_deps().exec()?;
    Ok(metadata.target_directory.into_std_path_buf())
}
