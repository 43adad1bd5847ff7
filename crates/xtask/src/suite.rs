//! `cargo xtask test`: every test there is, in order, each step named and timed, no output swallowed.
//!
//! Every step runs even after one failed, so that one run shows all that is wrong.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

use crate::{browser, compose, engine, kafka};

/// What one step of the suite is called and does.
struct Step<'a> {
    name: &'static str,
    run: &'a dyn Fn(&Shell) -> Result<()>,
}

/// How a step ended.
struct Ended {
    name: &'static str,
    took: Duration,
    failure: Option<String>,
}

/// # Errors
/// When any step failed; the summary on stdout names each.
pub(crate) fn run(root: &Path) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(root);
    // Clippy and documentation share the checked metadata of all dependencies; the tests compile once and then only run.
    let steps = [
        Step { name: "format", run: &|sh| Ok(cmd!(sh, "cargo fmt --all --check").run()?) },
        Step {
            name: "clippy",
            run: &|sh| Ok(cmd!(sh, "cargo clippy --workspace --all-targets --locked -- -D warnings").run()?),
        },
        Step { name: "engine", run: &|_| engine::fetch().map(|at| println!("{}", at.display())) },
        Step { name: "broker", run: &|_| kafka::install(root).map(|at| println!("{}", at.display())) },
        Step { name: "browser", run: &|_| browser::install(root) },
        Step { name: "compose", run: &|_| compose::check(root) },
        Step { name: "build", run: &|sh| Ok(cmd!(sh, "cargo test --workspace --locked --no-run").run()?) },
        Step {
            name: "test",
            run: &|sh| Ok(cmd!(sh, "cargo test --workspace --locked --no-fail-fast").run()?),
        },
        Step { name: "planted", run: &|sh| planted(sh, root) },
        Step { name: "pages", run: &|_| browser::test(root) },
        Step { name: "docs", run: &documentation },
    ];
    conclude(&perform(&shell, &steps))
}

/// The simulator with bugs on purpose in the parts that it drives: it must find each.
fn planted(shell: &Shell, root: &Path) -> Result<()> {
    let _bugs = shell.push_env("RUSTC_WORKSPACE_WRAPPER", root.join("tests/planted-rustc"));
    // A cache of compilations takes the one build for the other.
    let _no_cache = shell.push_env("RUSTC_WRAPPER", "");
    // Of the whole workspace, so that its libraries are those of the suite.
    Ok(cmd!(shell, "cargo test --workspace --bin tally-simulator --locked").run()?)
}

fn documentation(shell: &Shell) -> Result<()> {
    let _flags = shell.push_env("RUSTDOCFLAGS", "-D warnings");
    Ok(cmd!(shell, "cargo doc --workspace --no-deps --document-private-items --locked").run()?)
}

fn perform(shell: &Shell, steps: &[Step<'_>]) -> Vec<Ended> {
    let count = steps.len();
    let one = |(at, step): (usize, &Step<'_>)| {
        println!("\n== {}/{count} {}", at + 1, step.name);
        let started = Instant::now();
        let failure = (step.run)(shell).err().map(|error| format!("{error:#}"));
        let took = started.elapsed();
        match &failure {
            None => println!("== {} passed in {}", step.name, clock(took)),
            Some(why) => println!("== {} FAILED after {}: {why}", step.name, clock(took)),
        }
        Ended { name: step.name, took, failure }
    };
    steps.iter().enumerate().map(one).collect()
}

/// Prints the table of steps.
///
/// # Errors
/// When a step failed.
fn conclude(ended: &[Ended]) -> Result<()> {
    println!("\n{}", summary(ended));
    let failed: Vec<&str> =
        ended.iter().filter(|step| step.failure.is_some()).map(|step| step.name).collect();
    if !failed.is_empty() {
        bail!("{} of {} steps failed: {}", failed.len(), ended.len(), failed.join(", "));
    }
    Ok(())
}

fn summary(ended: &[Ended]) -> String {
    let mut table = String::new();
    for step in ended {
        let verdict = if step.failure.is_some() { "FAILED" } else { "passed" };
        writeln!(table, "{:<10} {verdict:<7} {:>9}", step.name, clock(step.took))
            .expect("a String takes all");
    }
    let total = ended.iter().map(|step| step.took).sum();
    write!(table, "{:<10} {:<7} {:>9}", "all", "", clock(total)).expect("a String takes all");
    table
}

/// `4.2 s`, `3 min 07 s`.
fn clock(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 60 {
        return format!("{seconds}.{} s", took.subsec_millis() / 100);
    }
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}
