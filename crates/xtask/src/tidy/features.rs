//! What the suite has compiled serves a build of the program alone, as long as its libraries have the same features.
//!
//! Otherwise each library that differs is compiled twice, and so is everything that stands on it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::Violation;

/// What a library of the tests turns on in one that the program has too; only its settings stand on these.
const TWICE: &[&str] = &["serde_spanned", "toml_datetime", "toml_parser"];

/// One line for each library: name, version and features.
#[derive(Debug)]
pub(crate) struct Libraries(BTreeSet<String>);

impl Libraries {
    /// Of `cargo build --package tally`.
    ///
    /// # Errors
    /// When cargo does not tell.
    pub(crate) fn of_program(root: &Path) -> Result<Libraries> {
        Libraries::of(root, &["--package", "tally", "--edges", "normal,build"])
    }

    /// Of `cargo test --workspace`.
    ///
    /// # Errors
    /// When cargo does not tell.
    pub(crate) fn of_suite(root: &Path) -> Result<Libraries> {
        Libraries::of(root, &["--workspace", "--edges", "normal,build,dev"])
    }

    fn of(root: &Path, which: &[&str]) -> Result<Libraries> {
        let shell = Shell::new()?;
        shell.change_dir(root);
        let form = ["--prefix", "none", "--no-dedupe", "--format", "{p} with features [{f}]"];
        let tree = cmd!(shell, "cargo tree --locked --offline {which...} {form...}").quiet();
        Ok(Libraries::read(&tree.read().context("asking cargo for the features of libraries")?))
    }

    fn read(listing: &str) -> Libraries {
        Libraries(listing.lines().map(ToOwned::to_owned).collect())
    }
}

/// What is compiled for the program although the suite has compiled it.
pub(crate) fn violations(program: &Libraries, suite: &Libraries) -> Vec<Violation> {
    let twice = program.0.difference(&suite.0);
    let known = |line: &&String| TWICE.iter().any(|name| line.split(' ').next() == Some(name));
    let what =
        "is compiled once more for the tests: give it the same features in the workspace's dependencies";
    twice.filter(|line| !known(line)).map(|line| Violation::new(line, what)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_with_other_features_by_itself_is_told() {
        let suite =
            Libraries::read("rustix v1.1.6 with features [fs,process]\ntally v0.1.0 with features []");
        let program = Libraries::read("rustix v1.1.6 with features [fs]\ntally v0.1.0 with features []");
        let said: Vec<String> = violations(&program, &suite).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "rustix v1.1.6 with features [fs]: is compiled once more for the tests: give it the same features in the \
              workspace's dependencies"
            ]
        );
        assert_eq!(violations(&suite, &suite), []);
    }
}
