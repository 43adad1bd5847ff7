//! Fetches the Kafka broker of the tests: jars that `ops/kafka/pom.xml` names, by Maven's ordinary client.
//!
//! Maven holds each jar against the checksum that its repository publishes; `ops/kafka/jars.sha256` holds it against
//! what was published when the version was chosen. The directory appears in the cache whole or not at all.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::browser::is_root;
use crate::engine::{Staging, cache_home, verify};

/// As in `ops/kafka/pom.xml`; a test holds the two together.
const VERSION: &str = "4.4.0";
const PACKAGES: &str = "openjdk-17-jre-headless maven";

/// The broker's jars, and Java and Maven if this user may install them.
///
/// # Errors
/// As [`fetch`], or when Java or Maven is missing and cannot be installed: the Kafka tier is never skipped.
pub(crate) fn install(root: &Path) -> Result<PathBuf> {
    let missing: Vec<&str> = ["java", "mvn"].into_iter().filter(|tool| !on_path(tool)).collect();
    if !missing.is_empty() {
        ensure!(
            is_root()?,
            "the Kafka tests need {} and this user cannot install it: run `apt-get install -y {PACKAGES}` as root, \
             or put a Java of at least 17 and Maven on PATH",
            missing.join(" and ")
        );
        let shell = Shell::new()?;
        let packages = PACKAGES.split(' ');
        cmd!(shell, "apt-get install -y --no-install-recommends {packages...}")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .run()
            .with_context(|| {
                format!("installing {PACKAGES}; if a package is not found, run `apt-get update` first")
            })?;
    }
    fetch(root)
}

/// The directory of the verified jars; fetches them when the cache does not hold them.
///
/// # Errors
/// When Maven is missing or fails, the disk is full, or a jar is not what was published.
pub(crate) fn fetch(root: &Path) -> Result<PathBuf> {
    let sums = root.join("ops/kafka/jars.sha256");
    let text = fs::read_to_string(&sums).with_context(|| format!("reading {}", sums.display()))?;
    let jars = parse(&text)?;
    let home = cache_home()?.join("kafka");
    let library = home.join(VERSION);
    if library.exists() {
        match check(&library, &jars) {
            Ok(()) => return Ok(library),
            Err(error) => eprintln!("fetching again: {error:#}"),
        }
    }
    let staging = Staging::create(&home)?;
    let fetched = staging.path().join("lib");
    resolve(&root.join("ops/kafka/pom.xml"), &fetched)?;
    check(&fetched, &jars)?;
    if library.exists() {
        fs::remove_dir_all(&library).with_context(|| format!("removing {}", library.display()))?;
    }
    fs::rename(&fetched, &library).with_context(|| format!("moving the jars to {}", library.display()))?;
    Ok(library)
}

/// `mvn dependency:copy-dependencies`; Maven refuses a jar that its repository's checksum does not fit.
fn resolve(pom: &Path, into: &Path) -> Result<()> {
    ensure!(
        on_path("mvn"),
        "Maven is not installed: the Kafka broker of the tests comes by it; run `apt-get install -y {PACKAGES}` \
         or put `mvn` on PATH"
    );
    eprintln!("downloading Apache Kafka {VERSION} for the tests …");
    let done = Command::new("mvn")
        .args(["--batch-mode", "--quiet", "--strict-checksums", "--file"])
        .arg(pom)
        .arg("dependency:copy-dependencies")
        .arg(format!("-DoutputDirectory={}", into.display()))
        .stdin(Stdio::null())
        .output()
        .context("starting mvn")?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stdout);
        let errors: Vec<&str> = said.lines().filter(|line| line.contains("ERROR")).take(5).collect();
        bail!(
            "mvn could not fetch Apache Kafka {VERSION}: {}\n  if the network is down, try again later; if it needs a \
             proxy or a mirror, configure Maven for it; if the disk is full, free 200 MB",
            errors.join("\n  ")
        );
    }
    Ok(())
}

/// The lines of a `sha256sum` file.
fn parse(text: &str) -> Result<Vec<(String, String)>> {
    let line = |line: &str| {
        let (sum, name) = line.split_once("  ").with_context(|| format!("no checksum and file: {line}"))?;
        Ok((name.to_owned(), sum.to_owned()))
    };
    text.lines().map(line).collect()
}

/// Exactly these jars, with exactly these contents.
fn check(library: &Path, jars: &[(String, String)]) -> Result<()> {
    let entries = fs::read_dir(library).with_context(|| format!("reading {}", library.display()))?;
    let mut found = BTreeSet::new();
    for entry in entries {
        found.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let wanted: BTreeSet<String> = jars.iter().map(|(name, _)| name.clone()).collect();
    let differ: Vec<&str> = found.symmetric_difference(&wanted).map(String::as_str).collect();
    ensure!(
        differ.is_empty(),
        "{} and ops/kafka/jars.sha256 differ in {}",
        library.display(),
        differ.join(", ")
    );
    jars.iter().try_for_each(|(name, sum)| verify(&library.join(name), sum))
}

fn on_path(tool: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(tool).is_file()))
}
