//! A data directory of a test's own, and the real binary on it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Everything a test writes, gone with it.
pub(crate) struct Installation {
    root: tempfile::TempDir,
    clock: &'static str,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Installation {
    /// Its clock stands still.
    pub(crate) fn at(clock: &'static str) -> Self {
        Self { root: tempfile::tempdir().unwrap(), clock }
    }

    /// A file beside the data directory.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(&self.command(arguments).output().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tally"));
        command.args(arguments).args(["--clock", self.clock]).arg("--data-dir").arg(self.path("data"));
        for section in ["COLLECTOR", "WEB"] {
            command.env(format!("TALLY__{section}__LISTEN"), "127.0.0.1:0");
        }
        command.env("USER", "ann");
        command
    }

    /// `tally up`, once it says where it can be reached.
    pub(crate) fn up(&self) -> Up {
        let quiet = [Stdio::null(), Stdio::null(), Stdio::null()];
        let [stdin, stdout, stderr] = quiet;
        let child = self.command(&["up"]).stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap();
        let up = Up(child);
        let begun = Instant::now();
        while !self.path("data/owner.json").exists() {
            assert!(begun.elapsed() < Duration::from_mins(1), "tally up announced nothing within a minute");
            std::thread::sleep(Duration::from_millis(20));
        }
        up
    }

    /// The JSON of a command that must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let answer = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(answer.code, Some(0), "{arguments:?}: {answer:?}");
        serde_json::from_str(&answer.stdout).unwrap()
    }
}

/// A running `tally up`, stopped as Ctrl-C does when it is dropped.
pub(crate) struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let stopped = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        if stopped.is_ok_and(|status| status.success()) {
            drop(self.0.wait());
        }
    }
}

impl Answer {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// A path of the real inputs, which lie beside the checkout; none where they are absent.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("TALLY_SHARED_DATA").map_or(beside, PathBuf::from);
    Some(root.join(path)).filter(|path| path.exists())
}
