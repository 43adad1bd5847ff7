//! The compose file: held against the schema of compose files, and by Docker itself where that is installed.

use std::path::Path;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

const FILE: &str = "docker-compose.yml";

/// Checks the form of `docker-compose.yml`. That its variables are settings of Tally is a test of `tally-node`.
///
/// # Errors
/// When it is no compose file; the output says where. The packages of `tests/` must be installed.
pub(crate) fn check(root: &Path) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    cmd!(shell, "node tests/node_modules/dclint/bin/dclint.cjs --quiet {FILE}")
        .run()
        .with_context(|| format!("checking {FILE} against the schema of compose files"))?;
    if cmd!(shell, "docker compose version").quiet().ignore_stderr().read().is_ok() {
        cmd!(shell, "docker compose --file {FILE} config --quiet").run()?;
    }
    Ok(())
}
