//! ClickHouse: the engine in a child process, or a server by URL; migrated before anyone reads or writes.

use std::error::Error;
use std::iter::successors;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clickhouse_embedded::{Engine, EngineError, EngineOptions, LibraryPlaces, find_library};
use tally_clickhouse::{Credentials, Database, Layout};

use crate::config::Config;
use crate::drive::{Next, Stop, drive};
use crate::shared::Shared;
use crate::supervise::StartError;

/// Seconds between two refreshes of a refreshable view.
const REFRESH_SECONDS: u32 = 60;
/// How the child is called where parts are told of.
const PART: &str = "ClickHouse engine";
/// How often to see whether the child lives.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Between a child's death and the next one.
const PAUSE: Duration = Duration::from_secs(1);

/// A ClickHouse that answers, and the child process if it is ours.
#[derive(Debug)]
pub struct ClickHouse {
    /// The tables.
    pub database: Database,
    /// For any ClickHouse client.
    pub url: String,
    /// Our own child, when the configuration names no server.
    pub child: Option<Child>,
}

/// Starts the engine or takes the server, and brings its tables up to date.
///
/// # Errors
/// When the engine does not start, the server does not answer, or a migration fails.
pub async fn start(config: &Config, executable: &Path) -> Result<ClickHouse, StartError> {
    let settings = &config.clickhouse;
    let clickhouse = match named(config)? {
        Some(named) => named,
        None => of_child(config, Child::start(config, executable)?)?,
    };
    let migrated = tally_clickhouse::migrate(&clickhouse.database).await;
    migrated.map_err(|cause| match clickhouse.child {
        Some(_) => StartError::ClickHouse(cause),
        None => StartError::Server { url: settings.url.clone(), cause: told(&cause) },
    })?;
    Ok(clickhouse)
}

fn of_child(config: &Config, child: Child) -> Result<ClickHouse, StartError> {
    let settings = &config.clickhouse;
    let layout = Layout::new(&settings.database, &settings.prefix, None, REFRESH_SECONDS)?;
    let url = child.engine.as_ref().map(|engine| engine.url().to_owned());
    let url = url.expect("it was started a moment ago");
    let database = Database::new(&url, None, layout).with_insert_rows_max(settings.insert_max_rows);
    Ok(ClickHouse { database, url, child: Some(child) })
}

/// The server by URL, which need not answer; none where the configuration names none.
///
/// # Errors
/// When a name in the configuration is none.
pub fn named(config: &Config) -> Result<Option<ClickHouse>, StartError> {
    let settings = &config.clickhouse;
    if settings.url.is_empty() {
        return Ok(None);
    }
    let layout = Layout::new(&settings.database, &settings.prefix, None, REFRESH_SECONDS)?;
    let credentials =
        Credentials { user: settings.user.clone(), password: settings.password.expose().to_owned() };
    let database = Database::new(&settings.url, Some(&credentials), layout);
    let database = database.with_insert_rows_max(settings.insert_max_rows);
    Ok(Some(ClickHouse { database, url: settings.url.clone(), child: None }))
}

/// An error with all that caused it: what to do follows in the message that holds it.
fn told(error: &(dyn Error + 'static)) -> String {
    let causes = successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |told, cause| told + ": " + &cause.to_string())
}

/// What it takes to start the child again where it was.
#[derive(Clone, Debug)]
struct Recipe {
    executable: PathBuf,
    options: EngineOptions,
}

impl Recipe {
    fn of(config: &Config, executable: &Path) -> Result<Self, StartError> {
        let library = library(config)?;
        let data_dir = crate::installation::DataDir::new(&config.data_dir).clickhouse();
        let options = EngineOptions {
            listen: config.engine.listen,
            start_max_secs: config.engine.start_max_s,
            ..EngineOptions::new(library, data_dir)
        };
        Ok(Self { executable: executable.to_owned(), options })
    }

    fn start(&self) -> Result<Engine, EngineError> {
        Engine::spawn(&self.executable, ["engine"], &self.options)
    }
}

/// Our own child, and how to have another.
#[derive(Debug)]
pub struct Child {
    recipe: Recipe,
    /// None after it died; then the next is due.
    engine: Result<Engine, Instant>,
    looked: Instant,
}

impl Child {
    /// Process id, while the child is there.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.engine.as_ref().ok().map(Engine::pid)
    }

    fn start(config: &Config, executable: &Path) -> Result<Self, StartError> {
        let mut recipe = Recipe::of(config, executable)?;
        let engine = recipe.start().map_err(StartError::Engine)?;
        // Everybody knows this address: the next one takes it too.
        if let Some(address) = engine.url().strip_prefix("http://").and_then(|it| it.parse().ok()) {
            recipe.options.listen = address;
        }
        Ok(Self { recipe, engine: Ok(engine), looked: Instant::now() })
    }

    fn turn(&mut self, shared: &Shared) {
        if self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        match &mut self.engine {
            Ok(engine) => {
                let pid = engine.pid();
                if let Some(status) = engine.ended() {
                    self.failed(shared, format!("process {pid} ended ({status}); another one is started"));
                }
            }
            Err(due) if Instant::now() < *due => {}
            Err(_) => match self.recipe.start() {
                Ok(engine) => {
                    self.engine = Ok(engine);
                    shared.tell_recovered(PART);
                }
                Err(error) => self.failed(shared, format!("{error}; it is tried again")),
            },
        }
    }

    fn failed(&mut self, shared: &Shared, why: String) {
        shared.tell_trouble(PART, why);
        self.engine = Err(Instant::now() + PAUSE);
    }
}

/// Starts another child whenever one ends, at the same address and on the same tables. What was not acknowledged is
/// published again; that its server is another one is seen by its start.
///
/// # Errors
/// When the operating system gives no thread.
pub fn keep(child: Child, shared: &Arc<Shared>, stop: Stop) -> std::io::Result<JoinHandle<()>> {
    let telling = Arc::clone(shared);
    let mut child = Some(child);
    drive(PART, shared, move || {
        if stop.is_asked() {
            if let Some(Child { engine: Ok(engine), .. }) = child.take() {
                engine.stop();
            }
            return Ok(Next::End);
        }
        if let Some(child) = &mut child {
            child.turn(&telling);
        }
        Ok::<_, std::convert::Infallible>(Next::Rest)
    })
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
