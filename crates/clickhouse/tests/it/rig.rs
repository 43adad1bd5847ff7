//! A server for all tests, and a database of its own for each.

use clickhouse_embedded::{Engine, EngineOptions, LibraryPlaces, find_library};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tally_clickhouse::{Database, Layout, migrate};

const NO_ARGUMENTS: [&str; 0] = [];

/// Runs a test's future to its end.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

/// The server's address: `TALLY_TEST_CLICKHOUSE_URL`, or an embedded engine that ends with this process.
pub(crate) fn url() -> String {
    static ENGINE: OnceLock<(Engine, tempfile::TempDir)> = OnceLock::new();
    std::env::var("TALLY_TEST_CLICKHOUSE_URL").unwrap_or_else(|_| {
        let (engine, _) = ENGINE.get_or_init(|| {
            let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let library = find_library(LibraryPlaces {
                variable: "TALLY_ENGINE_LIBRARY",
                cache_folder: "tally",
                fetch: "cargo xtask fetch",
            });
            let library = library.unwrap_or_else(|error| panic!("{error}"));
            let options = EngineOptions::new(library, directory.path().join("engine"));
            (Engine::spawn(&engine_program(), NO_ARGUMENTS, &options).unwrap(), directory)
        });
        engine.url().to_owned()
    })
}

/// `examples/engine.rs`, which cargo builds beside the tests.
fn engine_program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(Path::parent).unwrap().join("examples/engine")
}

/// A handle on a database that does not exist yet.
pub(crate) fn nothing() -> Database {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    Database::new(&url(), None, Layout::new(&name, "t_", None, 3_600).unwrap())
}

/// A migrated database.
pub(crate) async fn fresh() -> Database {
    let database = nothing();
    migrate(&database).await.unwrap();
    database
}

/// The only value of a query.
pub(crate) async fn value<T>(database: &Database, text: &str) -> T
where
    T: clickhouse::RowOwned + clickhouse::RowRead,
{
    database.query(text).fetch_one().await.unwrap()
}

/// A generator of numbers that are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
