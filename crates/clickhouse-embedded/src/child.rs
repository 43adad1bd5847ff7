//! The child's side: lock, library, address, ready, and an orderly end.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::ffi::{self, Connection, Library};
use crate::library;
use crate::options::EngineOptions;
use crate::server::Server;
use crate::sweep::sweep;

/// The engine writes logs, parts and merges; with less than this it would fail in the middle of one.
const DISK_NEEDED: u64 = 256 * 1024 * 1024;

/// Held for as long as the process lives.
const LOCK: &str = "engine.lock";
/// What the engine itself holds so.
const ENGINES_LOCK: &str = "status";

/// The child's first line on standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ready {
    Url(String),
    Error(String),
}

/// Serves the engine until it is told to stop, then ends the process.
///
/// Writes one line to standard output: `{"url":"http://…"}` when the engine answers, or `{"error":"…"}` when it
/// could not start, and then ends with code 1.
///
/// It stops at SIGTERM, at SIGINT, and, with `stop_with_stdin`, when standard input closes.
pub fn serve(options: &EngineOptions) -> ! {
    match run(options) {
        Ok(()) => ffi::exit_now(0),
        Err(error) => {
            announce(&Ready::Error(error.to_string()));
            // A parent reads it from there and says it itself.
            if !options.stop_with_stdin {
                // Nobody may be reading standard error either; there is no third place.
                drop(writeln!(io::stderr(), "error: {error}"));
            }
            ffi::exit_now(1)
        }
    }
}

fn run(options: &EngineOptions) -> Result<(), EngineError> {
    library::verify(&options.library)?;
    let _lock = lock(&options.data_dir, options.lock_wait())?;
    check_disk(&options.data_dir)?;
    sweep(&options.data_dir)
        .map_err(|source| EngineError::DataDir { path: options.data_dir.clone(), source })?;
    let listener = TcpListener::bind(options.listen)
        .map_err(|source| EngineError::Listen { address: options.listen, source })?;
    let library = Library::open(&options.library)
        .map_err(|source| EngineError::LibraryUnusable { path: options.library.clone(), source })?;
    let refused = |reason: String| EngineError::Refused { path: options.data_dir.clone(), reason };
    let mut arguments = base_arguments(&options.data_dir);
    arguments.extend(options.settings.iter().map(|setting| format!("--{setting}")));
    // Held for the life of the process: closing the last connection would shut the engine down.
    let mut root = library.connect(&arguments).map_err(|e| refused(e.text))?;
    let server = Server::new(library, arguments, &mut root, options).map_err(|e| refused(e.text))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| refused(format!("cannot start its threads: {e}")))?;
    let listen_failed = |source| EngineError::Listen { address: options.listen, source };
    runtime.block_on(answer(server, listener, options)).map_err(listen_failed)?;
    // Dropping the runtime would wait for a statement that outlived the drain.
    runtime.shutdown_background();
    close(root, options.drain());
    Ok(())
}

async fn answer(server: Server, listener: TcpListener, options: &EngineOptions) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let url = format!("http://{}", listener.local_addr()?);
    let stop = stop_signal(options.stop_with_stdin)?;
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    // From the signal on, idle connections are closed and the others after the statement they are in.
    let serving = axum::serve(listener, server.router()).with_graceful_shutdown(async move {
        stop.await;
        drop(stopping);
    });
    let too_long = async {
        // Its sender is only ever dropped: an error is the signal.
        drop(stopped.await);
        tokio::time::sleep(options.drain()).await;
    };
    announce(&Ready::Url(url));
    tokio::select! {
        ended = serving => ended?,
        () = too_long => {}
    }
    server.close_sessions();
    Ok(())
}

/// Closes the last connection, which stops the engine's threads; not for longer than `limit`.
fn close(root: Connection, limit: Duration) {
    let (done, closed) = channel::<()>();
    std::thread::spawn(move || {
        drop(root);
        drop(done);
    });
    // Either way the process ends next, and ending it by force loses nothing acknowledged.
    let _ended = closed.recv_timeout(limit);
}

/// Engine arguments of every connection.
fn base_arguments(data_dir: &Path) -> Vec<String> {
    let path = data_dir.display();
    // A bare word is not a query; an insert is acknowledged when it is in a part, not when it is in a queue.
    vec![format!("--path={path}"), "--implicit_select=0".to_owned(), "--async_insert=0".to_owned()]
}

fn announce(ready: &Ready) {
    let line = serde_json::to_string(ready).expect("two strings always serialize");
    let mut out = io::stdout();
    // A parent that has gone closes standard input as well, and that ends us.
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

/// Completes when the process is told to stop.
fn stop_signal(with_stdin: bool) -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let closed = with_stdin.then(stdin_closed);
    Ok(async move {
        let orphaned = async move {
            match closed {
                Some(closed) => drop(closed.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
            () = orphaned => {}
        }
    })
}

/// Completes when the parent's end of standard input closes, by its will or by its death.
fn stdin_closed() -> tokio::sync::oneshot::Receiver<()> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut ignored = [0_u8; 256];
        while io::stdin().lock().read(&mut ignored).is_ok_and(|read| read > 0) {}
        drop(sender);
    });
    receiver
}

fn check_disk(data_dir: &Path) -> Result<(), EngineError> {
    let stat = rustix::fs::statvfs(data_dir)
        .map_err(|e| EngineError::DataDir { path: data_dir.to_owned(), source: e.into() })?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < DISK_NEEDED {
        return Err(EngineError::DiskFull { path: data_dir.to_owned(), free, needed: DISK_NEEDED });
    }
    Ok(())
}

/// Makes the data directory and takes its lock, waiting for a predecessor that is about to end.
fn lock(data_dir: &Path, wait: Duration) -> Result<File, EngineError> {
    fs::create_dir_all(data_dir)
        .map_err(|source| EngineError::DataDir { path: data_dir.to_owned(), source })?;
    let path = data_dir.join(LOCK);
    let mut file = take(&path, data_dir, wait)?;
    // A process that was killed lets go of its files one after another: the engine's own may be the last.
    let engines = data_dir.join(ENGINES_LOCK);
    if engines.exists() {
        drop(take(&engines, data_dir, wait)?);
    }
    let failed = |source| EngineError::DataDir { path: path.clone(), source };
    file.set_len(0).map_err(failed)?;
    write!(file, "process {}", std::process::id()).map_err(failed)?;
    Ok(file)
}

fn take(path: &Path, data_dir: &Path, wait: Duration) -> Result<File, EngineError> {
    let failed = |source| EngineError::DataDir { path: path.to_owned(), source };
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => wait_for_lock(file, data_dir, wait),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Waits in the system call rather than by asking again and again.
fn wait_for_lock(file: File, data_dir: &Path, wait: Duration) -> Result<File, EngineError> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        // A receiver that gave up ends the process, and this thread with it.
        drop(sender.send(file.lock().map(|()| file)));
    });
    match receiver.recv_timeout(wait) {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(source)) => Err(EngineError::DataDir { path: data_dir.to_owned(), source }),
        Err(_) => {
            let holder = fs::read_to_string(data_dir.join(LOCK)).unwrap_or_default();
            let holder = if holder.is_empty() { "a process that left no name".to_owned() } else { holder };
            Err(EngineError::DataDirLocked { path: data_dir.to_owned(), holder, waited: wait })
        }
    }
}
