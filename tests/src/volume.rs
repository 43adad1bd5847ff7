//! A small disk of a test's own, which can be full.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A volume in a name space of its own, which needs no privilege and is gone with this.
#[derive(Debug)]
pub struct Volume {
    /// Whose name space it is; it ends when its input does.
    keeper: Child,
    seen: PathBuf,
}

impl Volume {
    /// One of `mib` MiB of memory, on the directory `at`.
    ///
    /// # Errors
    /// Where name spaces of users are forbidden, or `unshare` and `mount` are not there.
    pub fn on(at: &Path, mib: u32) -> Result<Self> {
        fs::create_dir_all(at)?;
        let mount = "mount -t tmpfs -o size=$1m tmpfs \"$0\" && echo mounted && exec cat";
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", mount]).arg(at).arg(mib.to_string());
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("unshare")?;
        let mut said = [0; 8];
        let out = keeper.stdout.as_mut().context("its output is a pipe")?;
        out.read_exact(&mut said).with_context(|| format!("mounting a volume on {}", at.display()))?;
        let root = Path::new("/proc").join(keeper.id().to_string()).join("root");
        let seen = root.join(at.strip_prefix("/").context("the path is a whole one")?);
        Ok(Self { keeper, seen })
    }

    /// Where those who are not within see it.
    #[must_use]
    pub fn seen(&self) -> &Path {
        &self.seen
    }

    /// A program that is within.
    #[must_use]
    pub fn within(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.keeper.id().to_string());
        command.args(["--user", "--mount", "--preserve-credentials", "--"]).arg(program);
        command
    }

    /// Fills it but for `left` bytes.
    ///
    /// # Errors
    /// When nothing can be written at all.
    pub fn fill(&self, left: u64) -> Result<()> {
        let mut filler = File::create(self.filler())?;
        let block = vec![0; 1 << 16];
        while filler.write_all(&block).is_ok() {}
        let length = filler.metadata()?.len();
        ensure!(length >= left, "a volume with {length} bytes of room has no {left}");
        Ok(filler.set_len(length - left)?)
    }

    /// Takes back what [`Self::fill`] took.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.seen.join("filler")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        drop(self.keeper.kill());
        drop(self.keeper.wait());
    }
}
