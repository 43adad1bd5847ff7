//! The browser tier: Debian's chromium driven by playwright-core, as `tests/package.json` declares it.

use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::up;

/// Chromium and the locked npm packages of `tests/`.
///
/// # Errors
/// When either is missing and cannot be installed.
pub(crate) fn install(root: &Path) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(root.join("tests"));
    if chromium().is_none() {
        ensure!(
            is_root()?,
            "the browser tests need chromium and this user cannot install it: run `apt-get install -y chromium` as root, \
             or put another Chromium on PATH as `chromium`"
        );
        cmd!(shell, "apt-get install -y --no-install-recommends chromium")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .run()
            .context(
                "installing Debian's chromium; if the package is not found, run `apt-get update` first",
            )?;
    }
    cmd!(shell, "npm ci --no-audit --no-fund")
        .run()
        .context("installing the packages of tests/package-lock.json")?;
    Ok(())
}

/// Runs every `tests/browser/*.test.mjs`.
///
/// # Errors
/// When chromium is missing or a test fails.
pub(crate) fn test(root: &Path) -> Result<()> {
    let chromium = chromium().context("no chromium on PATH: see the step `browser`")?;
    let shell = Shell::new()?;
    shell.change_dir(root.join("tests"));
    let mut files = shell.read_dir("browser")?;
    files.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    ensure!(!files.is_empty(), "tests/browser holds no *.test.mjs: a tier without tests would always pass");
    cmd!(shell, "cargo build --locked --package tally").run().context("building the program under test")?;
    let tally = up::target_dir(root)?.join("debug").join("tally");
    let run = cmd!(shell, "node --test --test-reporter=spec {files...}");
    Ok(run.env("CHROMIUM", chromium).env("TALLY_BINARY", tally).run()?)
}

fn chromium() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join("chromium")).find(|file| file.is_file())
}

/// The effective user owns its own `/proc/self`.
pub(crate) fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self").context("reading /proc/self")?.uid() == 0)
}
