//! Fetches the ClickHouse engine, pinned and checksummed, by npm's ordinary client.
//!
//! The file appears in the cache whole and verified or not at all: it is unpacked beside its place and renamed.

#[cfg(test)]
mod tests;

use std::env;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

const PACKAGE: &str = "@chdb/lib-linux-x64-gnu";
const VERSION: &str = "26.7.3-stable.1";
const SHA256: &str = "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5";
const LIBRARY: &str = "libchdb.so";
/// Unpacked size, for the progress line only.
const LIBRARY_MB: u64 = 566;

/// The verified engine library; fetches it when the cache does not hold it.
///
/// # Errors
/// When npm is missing or fails, the disk is full, or the checksum differs.
pub(crate) fn fetch() -> Result<PathBuf> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "the ClickHouse engine is packaged for x86-64 Linux only; elsewhere point Tally at a ClickHouse server: \
         TALLY__CLICKHOUSE__URL=http://host:8123"
    );
    let home = cache_home()?.join("engine").join(VERSION);
    let library = home.join(LIBRARY);
    if library.exists() {
        match verify(&library, SHA256) {
            Ok(()) => return Ok(library),
            Err(error) => eprintln!("fetching again: {error:#}"),
        }
    }
    fetch_into(&home, &library)?;
    Ok(library)
}

/// Where what is fetched lies: a directory per thing and version under it, so that old checkouts keep theirs.
///
/// # Errors
/// When the environment names no cache directory.
pub(crate) fn cache_home() -> Result<PathBuf> {
    cache_of(env::var_os("XDG_CACHE_HOME").map(PathBuf::from), env::var_os("HOME").map(PathBuf::from))
}

fn cache_of(cache: Option<PathBuf>, home: Option<PathBuf>) -> Result<PathBuf> {
    let cache = cache
        .filter(|path| path.is_absolute())
        .or_else(|| home.map(|home| home.join(".cache")))
        .context("no cache directory: set HOME, or XDG_CACHE_HOME to an absolute path")?;
    Ok(cache.join("tally"))
}

/// Downloads and unpacks in a directory of its own beside `library`, so that the last step is a rename.
fn fetch_into(home: &Path, library: &Path) -> Result<()> {
    let staging = Staging::create(home)?;
    let archive = download(staging.path())?;
    let unpacked = unpack(&archive, staging.path())?;
    verify(&unpacked, SHA256)?;
    fs::rename(&unpacked, library).with_context(|| format!("moving the engine to {}", library.display()))
}

/// `npm pack`, with a cache inside `staging`: its growth is the progress, and nothing of it stays.
fn download(staging: &Path) -> Result<PathBuf> {
    let npm = Command::new("npm")
        .arg("pack")
        .arg(format!("{PACKAGE}@{VERSION}"))
        .args(["--loglevel=error", "--pack-destination"])
        .arg(staging)
        .arg("--cache")
        .arg(staging.join("npm"))
        .current_dir(staging)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let npm = match npm {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!(
                "npm is not installed: the ClickHouse engine comes as an npm package; install Node.js with npm (Debian: apt-get install npm)"
            )
        }
        npm => npm.context("starting npm")?,
    };
    let failure = watch(npm, "downloading the ClickHouse engine", || size_of_tree(staging), None)?;
    if let Some(said) = failure {
        bail!(
            "npm could not fetch {PACKAGE}@{VERSION}: {}\n  if the network is down, try again later; if it needs a proxy or a mirror, \
             configure npm for it; if the disk is full, free 1.5 GB under {}",
            first_lines(&said, 5),
            staging.display()
        );
    }
    archive_in(staging)
}

fn archive_in(staging: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(staging).with_context(|| format!("reading {}", staging.display()))?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .with_context(|| format!("npm pack left no .tgz in {}", staging.display()))
}

fn unpack(archive: &Path, staging: &Path) -> Result<PathBuf> {
    let unpacked = staging.join("package").join(LIBRARY);
    let tar = Command::new("tar")
        .arg("-xzf")
        .arg(archive)
        .arg("-C")
        .arg(staging)
        .arg(format!("package/{LIBRARY}"))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting tar")?;
    let size = || fs::metadata(&unpacked).map_or(0, |file| file.len());
    if let Some(said) = watch(tar, "unpacking the ClickHouse engine", size, Some(LIBRARY_MB))? {
        bail!(
            "unpacking {} failed: {}\n  if the disk is full, free 1 GB under {}",
            archive.display(),
            first_lines(&said, 3),
            staging.display()
        );
    }
    Ok(unpacked)
}

/// Waits for `child` and shows how far it is; what it said on stderr when it failed.
fn watch(
    mut child: Child,
    doing: &str,
    bytes: impl Fn() -> u64,
    of_mb: Option<u64>,
) -> Result<Option<String>> {
    let started = Instant::now();
    let on_terminal = io::stderr().is_terminal();
    eprintln!("{doing} {VERSION} …");
    let status = loop {
        if let Some(status) = child.try_wait().with_context(|| doing.to_owned())? {
            break status;
        }
        if on_terminal {
            let of = of_mb.map_or(String::new(), |of| format!(" of {of}"));
            eprint!("\r  {}{of} MB, {} s ", bytes() / 1_000_000, started.elapsed().as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    eprintln!(
        "{}  {} MB in {} s",
        if on_terminal { "\r" } else { "" },
        bytes() / 1_000_000,
        started.elapsed().as_secs()
    );
    if status.success() {
        return Ok(None);
    }
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said).with_context(|| format!("reading why {doing} failed"))?;
    }
    Ok(Some(if said.trim().is_empty() { status.to_string() } else { said }))
}

/// The first lines that say something; npm prefixes each, and names a log that staging takes with it.
fn first_lines(text: &str, count: usize) -> String {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("npm error").trim());
    let telling = lines.filter(|line| !line.is_empty() && !line.starts_with("A complete log"));
    telling.take(count).collect::<Vec<_>>().join("\n  ")
}

/// Bytes of all files under `directory`; what vanishes meanwhile counts nothing.
fn size_of_tree(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let sizes = entries.filter_map(Result::ok).map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => size_of_tree(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Fails unless the file's SHA-256 is `expected`, in hexadecimal.
pub(crate) fn verify(file: &Path, expected: &str) -> Result<()> {
    let mut hash = Sha256::new();
    let mut source = File::open(file).with_context(|| format!("opening {}", file.display()))?;
    let mut chunk = vec![0; 1 << 20];
    loop {
        let read = source.read(&mut chunk).with_context(|| format!("reading {}", file.display()))?;
        if read == 0 {
            break;
        }
        hash.update(&chunk[..read]);
    }
    let found = hash.finalize().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    ensure!(
        found == expected,
        "{} is not what was published: its SHA-256 is {found}, expected {expected}",
        file.display()
    );
    Ok(())
}

/// A directory of this process alone, gone when the fetch ends either way.
#[derive(Debug)]
pub(crate) struct Staging(PathBuf);

impl Staging {
    pub(crate) fn create(home: &Path) -> Result<Staging> {
        let path = home.join(format!(".fetch-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| {
            format!("creating {}: is its parent writable, and the disk not full?", path.display())
        })?;
        Ok(Staging(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("left behind {}: {error}", self.0.display());
        }
    }
}
