//! What no compiler checks, as tests: rings, names, lengths, links, SQL.
//!
//! A check is a pure function from the [`Tree`] to its [`Violation`]s, so that each has a test that plants one.

mod clippy;
mod code;
mod docs;
mod features;
mod names;
mod paths;
mod pure;
mod rings;
mod settings;
mod size;
mod sql;
mod tree;
mod unsafe_code;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};

use features::Libraries;
use tree::{File, Tree};

/// One thing that is not as the project wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Violation {
    /// File, `file:line` or crate.
    at: String,
    /// What is wrong and what to do.
    what: String,
}

impl Violation {
    fn new(at: impl Into<String>, what: impl Into<String>) -> Violation {
        Violation { at: at.into(), what: what.into() }
    }

    /// In line `index` (from 0) of `file`.
    fn in_line(file: &File, index: usize, what: impl Into<String>) -> Violation {
        Violation::new(format!("{}:{}", file.path, index + 1), what)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// Every check over the files; the rings are checked over cargo's own view of the packages.
const CHECKS: &[fn(&Tree) -> Vec<Violation>] = &[
    clippy::lints_are_inherited,
    clippy::configurations_include_the_root,
    pure::crates_forbid_unsafe,
    pure::crates_use_no_floats,
    unsafe_code::stays_in_its_files,
    size::files_are_short,
    names::say_what_they_mean,
    names::nothing_is_left_undone,
    paths::no_machine_is_named,
    settings::every_key_is_explained,
    docs::links_lead_somewhere,
    sql::ranking_is_not_sqls,
    sql::nothing_sums_inserted_rows,
];

/// # Errors
/// When anything is untidy; stderr lists it.
pub(crate) fn run(root: &Path) -> Result<()> {
    let tree = Tree::of_checkout(root)?;
    for long in size::long_files(&tree) {
        println!("note: {long}");
    }
    let mut found = rings::violations(&rings::Graph::of_workspace(root)?);
    found.extend(features::violations(&Libraries::of_program(root)?, &Libraries::of_suite(root)?));
    found.extend(CHECKS.iter().flat_map(|check| check(&tree)));
    for violation in &found {
        eprintln!("{violation}");
    }
    if !found.is_empty() {
        bail!("{} things are untidy", found.len());
    }
    println!("tidy: {} files", tree.files().len());
    Ok(())
}
