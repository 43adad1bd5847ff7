//! The program under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};

/// `TALLY_BINARY`, or the binary that cargo builds, once per run, into the directory this test was built into.
pub(crate) fn path() -> Result<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    built.as_deref().map_err(|error| anyhow!("{error}"))
}

fn find() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("TALLY_BINARY") {
        return Ok(given.into());
    }
    let test = std::env::current_exe().context("finding the path of this test")?;
    let profile = test.parent().and_then(Path::parent).context("a test lies in <target>/<profile>/deps")?;
    let target = profile.parent().context("a profile lies in <target>")?;
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", "tally", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .context("starting cargo to build tally")?;
    ensure!(built.success(), "building tally: cargo ended with {built}");
    Ok(target.join("debug").join("tally"))
}
