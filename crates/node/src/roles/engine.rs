//! ClickHouse: the engine in a child process, or a server by URL; migrated before anyone reads or writes.

use std::error::Error;
use std::iter::successors;
use std::path::{Path, PathBuf};

use clickhouse_embedded::{Engine, EngineOptions, LibraryPlaces, find_library};
use tally_clickhouse::{Credentials, Database, Layout};

use crate::config::Config;
use crate::supervise::StartError;

/// Seconds between two refreshes of a refreshable view.
const REFRESH_SECONDS: u32 = 60;

/// A ClickHouse that answers, and the child process if it is ours.
#[derive(Debug)]
pub struct ClickHouse {
    /// The tables.
    pub database: Database,
    /// For any ClickHouse client.
    pub url: String,
    /// Our own child, when the configuration names no server.
    pub engine: Option<Engine>,
}

/// Starts the engine or takes the server, and brings its tables up to date.
///
/// # Errors
/// When the engine does not start, the server does not answer, or a migration fails.
pub async fn start(config: &Config, executable: &Path) -> Result<ClickHouse, StartError> {
    let settings = &config.clickhouse;
    let layout = Layout::new(&settings.database, &settings.prefix, None, REFRESH_SECONDS)?;
    let (url, engine, credentials) = if settings.url.is_empty() {
        let engine = spawn(config, executable)?;
        (engine.url().to_owned(), Some(engine), None)
    } else {
        let password = settings.password.expose().to_owned();
        (settings.url.clone(), None, Some(Credentials { user: settings.user.clone(), password }))
    };
    let database = Database::new(&url, credentials.as_ref(), layout);
    let migrated = tally_clickhouse::migrate(&database).await;
    migrated.map_err(|cause| match engine {
        Some(_) => StartError::ClickHouse(cause),
        None => StartError::Server { url: url.clone(), cause: told(&cause) },
    })?;
    Ok(ClickHouse { database, url, engine })
}

/// An error with all that caused it: what to do follows in the message that holds it.
fn told(error: &(dyn Error + 'static)) -> String {
    let causes = successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |told, cause| told + ": " + &cause.to_string())
}

fn spawn(config: &Config, executable: &Path) -> Result<Engine, StartError> {
    let library = library(config)?;
    let data_dir = crate::installation::DataDir::new(&config.data_dir).clickhouse();
    let options = EngineOptions { listen: config.engine.listen, ..EngineOptions::new(library, data_dir) };
    Engine::spawn(executable, ["engine"], &options).map_err(StartError::Engine)
}

/// The engine's library: the configured one, or the one that was fetched.
fn library(config: &Config) -> Result<PathBuf, StartError> {
    if config.engine.library.as_os_str().is_empty() {
        let places = LibraryPlaces {
            variable: "TALLY_ENGINE_LIBRARY",
            cache_folder: "tally",
            fetch: "cargo xtask fetch",
        };
        return find_library(places).map_err(StartError::Engine);
    }
    Ok(config.engine.library.clone())
}
