//! The program under test: as it is shipped, and as it is built to hold a bug on purpose.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};

/// The build of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// `TALLY_BINARY`, or what cargo builds.
    Shipped,
    /// With `--cfg tally_planted` in every crate of the workspace.
    Planted,
}

/// Built once per run.
pub(crate) fn path(build: Build) -> Result<&'static Path> {
    static SHIPPED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    static PLANTED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    /// One build at a time, until its result is put aside.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    if build == Build::Shipped
        && let Some(given) = std::env::var_os("TALLY_BINARY")
    {
        static GIVEN: OnceLock<PathBuf> = OnceLock::new();
        return Ok(GIVEN.get_or_init(|| given.into()));
    }
    let place = if build == Build::Shipped { &SHIPPED } else { &PLANTED };
    let built = place.get_or_init(|| {
        let _one = ONE.lock().map_err(|_| "another build failed".to_owned())?;
        make(build).map_err(|error| format!("{error:#}"))
    });
    built.as_deref().map_err(|error| anyhow!("{error}"))
}

/// Builds into the directory that this test was built into, so that all libraries are there already.
fn make(build: Build) -> Result<PathBuf> {
    let test = std::env::current_exe().context("finding the path of this test")?;
    let profile = test.parent().and_then(Path::parent).context("a test lies in <target>/<profile>/deps")?;
    let target = profile.parent().context("a profile lies in <target>")?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--package", "tally", "--target-dir"]).arg(target);
    if build == Build::Planted {
        // The wrapper is part of what names an artifact: neither build makes the other stale.
        // A compiler cache, if one is set, takes no such wrapper for a compiler.
        cargo.env("RUSTC_WORKSPACE_WRAPPER", here.join("planted-rustc")).env("RUSTC_WRAPPER", "");
    }
    let status = cargo.current_dir(here).status().context("starting cargo to build tally")?;
    ensure!(status.success(), "building tally: cargo ended with {status}");
    let kept = aside(target, build)?;
    if build == Build::Planted {
        // What lies in the usual place is what a user would start.
        make(Build::Shipped)?;
    }
    Ok(kept)
}

/// Puts the program aside, whole or not at all: the next build writes to the same place.
fn aside(target: &Path, build: Build) -> Result<PathBuf> {
    let (made, kept) = (target.join("debug").join("tally"), target.join(format!("tally-{build:?}")));
    let new = kept.with_extension(std::process::id().to_string());
    std::fs::copy(&made, &new).with_context(|| format!("copying {}", made.display()))?;
    std::fs::rename(&new, &kept).with_context(|| format!("renaming to {}", kept.display()))?;
    Ok(kept)
}
