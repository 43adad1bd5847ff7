//! What can keep the engine from starting, each with what to do about it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Why the engine could not be found, started or reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No `libchdb.so` in any of the places.
    #[error("no engine library: looked at {}; fetch it with `{fetch}`", list(.looked))]
    LibraryMissing {
        /// Every path that was tried.
        looked: Vec<PathBuf>,
        /// The command that fetches it.
        fetch: String,
    },
    /// The file is there and cannot be read.
    #[error("cannot read the engine library {}: {source}; check its permissions or fetch it again", .path.display())]
    LibraryUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not the pinned one.
    #[error(
        "the engine library {} is not the pinned one: sha256 {found}, expected {expected}; delete it and fetch it again",
        .path.display()
    )]
    LibraryChecksum {
        /// The file.
        path: PathBuf,
        /// Its sha256, in hexadecimal.
        found: String,
        /// The pinned sha256.
        expected: &'static str,
    },
    /// The file is no library of this interface.
    #[error("cannot open the engine library {}: {source}; fetch it again", .path.display())]
    LibraryUnusable {
        /// The file.
        path: PathBuf,
        /// What the loader said.
        source: libloading::Error,
    },
    /// Another engine holds the data directory and did not end in time.
    #[error(
        "the data directory {} is in use by {holder} and was not freed within {waited:?}; stop that process or choose another directory",
        .path.display()
    )]
    DataDirLocked {
        /// The directory.
        path: PathBuf,
        /// Who holds it, as that process wrote it down.
        holder: String,
        /// How long the start waited.
        waited: Duration,
    },
    /// The data directory cannot be made or written.
    #[error("cannot use the data directory {}: {source}; check that it exists and is writable", .path.display())]
    DataDir {
        /// The directory or the file in it.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The disk is nearly full: an engine that cannot merge fails later and worse.
    #[error(
        "not enough disk at {}: {free} bytes are free and the engine needs {needed} to start; free some or choose another directory",
        .path.display()
    )]
    DiskFull {
        /// The directory.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes wanted.
        needed: u64,
    },
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another port, or port 0 for a free one")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The engine itself refused to start.
    #[error("the engine did not start on {}: {reason}", .path.display())]
    Refused {
        /// The data directory.
        path: PathBuf,
        /// The engine's own words.
        reason: String,
    },
    /// The child process could not be made.
    #[error("cannot run the engine process {}: {source}", .exe.display())]
    Spawn {
        /// The program.
        exe: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The child said why it ended before it was ready.
    #[error("{0}")]
    Start(String),
    /// The child ended without a word.
    #[error("the engine process {pid} ended before it was ready ({status}); its standard error says more")]
    Ended {
        /// Process id.
        pid: u32,
        /// Exit code or signal.
        status: String,
    },
    /// The child lives and says nothing.
    #[error(
        "the engine process {pid} was not ready within {waited:?}; it was stopped. A large data directory may need a longer limit"
    )]
    NotReady {
        /// Process id.
        pid: u32,
        /// How long the parent waited.
        waited: Duration,
    },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
