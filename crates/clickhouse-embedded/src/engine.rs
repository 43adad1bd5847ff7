//! The parent's side: start a child, know its address, stop it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use std::os::unix::process::CommandExt;

use crate::child::Ready;
use crate::error::EngineError;
use crate::options::EngineOptions;

/// A running engine. Dropping it stops it; a parent that is killed takes it along too.
#[derive(Debug)]
pub struct Engine {
    child: Child,
    /// Held open: its end of the pipe closing is how the child learns that the parent is gone.
    stdin: Option<ChildStdin>,
    closed: Mutex<Receiver<()>>,
    url: String,
    drain: Duration,
}

impl Engine {
    /// Runs `exe args… <flags of options>` and waits until the engine answers.
    ///
    /// `exe` with `args` must call [`crate::serve`] with the [`EngineOptions`] of its command line.
    ///
    /// # Errors
    /// What the child reported (library, data directory, port, disk), or that it ended or stayed silent.
    pub fn spawn<A: AsRef<OsStr>>(
        exe: &Path,
        args: impl IntoIterator<Item = A>,
        options: &EngineOptions,
    ) -> Result<Self, EngineError> {
        let options = EngineOptions { stop_with_stdin: true, ..options.clone() };
        let mut command = Command::new(exe);
        command.args(args).args(options.to_args()).stdin(Stdio::piped()).stdout(Stdio::piped());
        // On a terminal the library logs there, complaints about its own threads included; through a pipe it is silent.
        command.stderr(Stdio::piped());
        // A group of its own: Ctrl-C in a terminal reaches the parent alone, which then stops the child in order.
        command.process_group(0);
        if let Some(password) = &options.password {
            command.env("CLICKHOUSE_EMBEDDED_PASSWORD", password);
        }
        let mut child =
            command.spawn().map_err(|source| EngineError::Spawn { exe: exe.to_owned(), source })?;
        let stdin = child.stdin.take();
        pass_on(child.stderr.take());
        let (ready, closed) = listen(child.stdout.take());
        let mut engine =
            Self { child, stdin, closed: Mutex::new(closed), url: String::new(), drain: options.drain() };
        engine.url = engine.await_ready(&ready, options.start_max())?;
        Ok(engine)
    }

    fn await_ready(&mut self, ready: &Receiver<String>, limit: Duration) -> Result<String, EngineError> {
        match ready.recv_timeout(limit) {
            Ok(line) => match serde_json::from_str(&line) {
                Ok(Ready::Url(url)) => Ok(url),
                Ok(Ready::Error(error)) => Err(EngineError::Start(error)),
                Err(_) => {
                    Err(EngineError::Start(format!("unexpected first line of the engine process: {line:?}")))
                }
            },
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
                Err(EngineError::Ended { pid: self.pid(), status })
            }
            Err(RecvTimeoutError::Timeout) => Err(EngineError::NotReady { pid: self.pid(), waited: limit }),
        }
    }

    /// Where the HTTP interface is, e.g. `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Process id of the child.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The status of a child that has ended by itself; `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Stops the engine: running statements may finish, then its connections close, then the process ends.
    ///
    /// A child that does not end in time is killed, which loses nothing that was acknowledged. Returns how it ended.
    pub fn stop(mut self) -> Option<ExitStatus> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Option<ExitStatus> {
        drop(self.stdin.take());
        // The child's stdout closes when it ends. Twice the drain: once for statements, once for connections.
        let patience = self.drain * 2 + Duration::from_secs(2);
        let closed = self.closed.get_mut().unwrap_or_else(PoisonError::into_inner);
        if closed.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            // An error means that the child is gone already, which is what was wanted.
            drop(self.child.kill());
        }
        self.child.wait().ok()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// What the child says at its end, of a crash for example, reaches whoever reads our diagnostics.
fn pass_on(stderr: Option<ChildStderr>) {
    if let Some(mut stderr) = stderr {
        // Where our own stderr is closed there is nobody to tell.
        std::thread::spawn(move || drop(std::io::copy(&mut stderr, &mut std::io::stderr())));
    }
}

/// Reads the child's standard output: its first line, then nothing but its end.
fn listen(stdout: Option<ChildStdout>) -> (Receiver<String>, Receiver<()>) {
    let (ready_sender, ready) = channel();
    let (closed_sender, closed) = channel();
    std::thread::spawn(move || stdout.map(|stdout| relay(stdout, &ready_sender, closed_sender)));
    (ready, closed)
}

fn relay(stdout: ChildStdout, ready: &Sender<String>, closed: Sender<()>) {
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    if stdout.read_line(&mut line).is_ok_and(|read| read > 0) {
        // The parent may have given up waiting; then nobody needs the line.
        drop(ready.send(line));
    }
    let mut rest = [0_u8; 4096];
    while stdout.read(&mut rest).is_ok_and(|read| read > 0) {}
    drop(closed);
}
