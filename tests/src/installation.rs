//! A data directory of a test's own, and commands on it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;
use tally_domain::WallTime;
use tally_domain::planted::Bug;

use crate::binary::{self, Build};
use crate::process::Up;
use crate::volume::Volume;

/// Everything a test writes, gone with it.
#[derive(Debug)]
pub struct Installation {
    /// First, so that it is gone before the directory that it is mounted on.
    volume: Option<Volume>,
    root: tempfile::TempDir,
}

impl Installation {
    /// Empty.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn new() -> Result<Self> {
        Ok(Self { volume: None, root: tempfile::tempdir().context("making a directory")? })
    }

    /// Empty, with a data directory that is a volume of `mib` MiB.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn on_volume(mib: u32) -> Result<Self> {
        let installation = Self::new()?;
        let volume = Volume::on(&installation.data(), mib)?;
        Ok(Self { volume: Some(volume), ..installation })
    }

    /// The volume that its data directory is.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub const fn volume(&self) -> &Volume {
        self.volume.as_ref().expect("it was made on a volume")
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// Starts `tally up` with a clock that stands still at `clock_ms`; it is not waited for.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn spawn(&self, clock_ms: i64) -> Result<Up> {
        self.spawn_with(clock_ms, &[])
    }

    /// The same with settings, as variables of the environment.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn spawn_with(&self, clock_ms: i64, settings: &[(&str, &str)]) -> Result<Up> {
        self.start(self.command(clock_ms, &["up"])?, settings)
    }

    /// Starts a command that stays, by the system's clock, with settings as variables of the environment.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn spawn_command(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Result<Up> {
        self.start(self.command_for_people(arguments)?, settings)
    }

    /// The same of a program with a bug on purpose, one of those of `tally_domain::planted`.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn spawn_planted(&self, clock_ms: i64, bug: Bug) -> Result<Up> {
        let mut command = self.command_of(Build::Planted, &["up"])?;
        command.args(["--clock", &wall(clock_ms)?.to_string()]);
        self.start(command, &[("TALLY_PLANTED", bug.name())])
    }

    /// Runs a command on it to its end, by the system's clock.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn run(&self, arguments: &[&str]) -> Result<Answer> {
        Answer::of(&mut self.command_for_people(arguments)?)
    }

    /// The first lines of a command that does not end by itself; then it is ended.
    ///
    /// # Errors
    /// When the binary cannot be started, or writes no line any more.
    pub fn first_lines(&self, arguments: &[&str], count: usize) -> Result<Vec<String>> {
        let mut child = self.command_for_people(arguments)?.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("its stdout is piped")?;
        let lines = BufReader::new(out).lines().take(count).collect::<std::io::Result<Vec<_>>>();
        child.kill()?;
        child.wait()?;
        Ok(lines?)
    }

    fn start(&self, mut command: Command, settings: &[(&str, &str)]) -> Result<Up> {
        let said = self.root.path().join("up.log");
        let file = File::options().create(true).append(true).open(&said)?;
        let child = command
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .context("starting tally up")?;
        let data = self.volume.as_ref().map_or_else(|| self.data(), |volume| volume.seen().to_owned());
        Ok(Up { child, data, said })
    }

    /// A command on this data directory; it takes any free ports and says warnings only.
    ///
    /// # Errors
    /// When the binary cannot be built.
    pub fn command(&self, clock_ms: i64, arguments: &[&str]) -> Result<Command> {
        let mut command = self.command_for_people(arguments)?;
        command.args(["--clock", &wall(clock_ms)?.to_string()]);
        Ok(command)
    }

    /// The same by the system's clock.
    ///
    /// # Errors
    /// When the binary cannot be built.
    pub fn command_for_people(&self, arguments: &[&str]) -> Result<Command> {
        self.command_of(Build::Shipped, arguments)
    }

    fn command_of(&self, build: Build, arguments: &[&str]) -> Result<Command> {
        let program = binary::path(build)?;
        let mut command =
            self.volume.as_ref().map_or_else(|| Command::new(program), |volume| volume.within(program));
        without_settings(&mut command);
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.data())
            .env("TALLY__WEB__LISTEN", "127.0.0.1:0")
            .env("TALLY__COLLECTOR__LISTEN", "127.0.0.1:0")
            .env("TALLY__DIAGNOSTICS__FILTER", "warn")
            .env("USER", "ann");
        Ok(command)
    }

    /// The same with a clock that stands still.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn run_at(&self, clock_ms: i64, arguments: &[&str]) -> Result<Answer> {
        Answer::of(&mut self.command(clock_ms, arguments)?)
    }

    /// A file or directory beside the data directory.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

/// Settings of the tests are none of Tally's, which refuses what it does not know; where the engine lies is.
fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TALLY_") && name != "TALLY_ENGINE_LIBRARY" {
            command.env_remove(name);
        }
    }
}

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Answer {
    /// None when a signal ended it.
    pub code: Option<i32>,
    /// With `--json`, one object.
    pub stdout: String,
    /// Progress and diagnostics.
    pub stderr: String,
}

impl Answer {
    /// Runs `command` to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn of(command: &mut Command) -> Result<Self> {
        let output = command.stdin(Stdio::null()).output().context("starting tally")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// The object on stdout.
    ///
    /// # Errors
    /// When there is none; with what there is.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("{self:?}"))
    }
}

fn wall(ms: i64) -> Result<WallTime> {
    WallTime::from_ms(ms).with_context(|| format!("{ms} ms is no time of the years 1 to 9999"))
}

/// A path of the real inputs, which lie beside the checkout; none where they are absent.
#[must_use]
pub fn shared(path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("TALLY_SHARED_DATA").map_or(beside, PathBuf::from);
    Some(root.join(path)).filter(|path| path.exists())
}
