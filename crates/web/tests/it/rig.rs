//! Serving pages to a test: a free port, a client, an engine.

use clickhouse_embedded::{Engine, EngineOptions, LibraryPlaces, find_library};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tally_clickhouse::{Database, Layout, migrate};
use tally_domain::WallTime;
use tally_web::{Options, Source};

/// Runs a test's future to its end.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

/// Serves `source` until the runtime ends; the clock stands still at `now_ms`.
pub(crate) async fn serve<S: Source>(source: S, now_ms: i64) -> String {
    serve_beside(source, now_ms, None).await
}

/// The same beside a ranker.
pub(crate) async fn serve_beside<S: Source>(source: S, now_ms: i64, ranker: Option<String>) -> String {
    let options = Options {
        stale_after: Duration::from_mins(3),
        answer_within: Duration::from_mins(1),
        collector: "http://127.0.0.1:8081".to_owned(),
        ranker,
        clock: Arc::new(move || WallTime::from_ms(now_ms).unwrap()),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, tally_web::router(source, options)).into_future());
    base
}

/// A client that follows no redirect.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// Status and text of an address.
pub(crate) async fn get(address: &str) -> (u16, String) {
    let answer = client().get(address).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A migrated database of its own in the embedded engine, or in `TALLY_TEST_CLICKHOUSE_URL`.
pub(crate) async fn database() -> Database {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("web_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let database = Database::new(&engine_url(), None, Layout::new(&name, "t_", None, 3_600).unwrap());
    migrate(&database).await.unwrap();
    database
}

fn engine_url() -> String {
    static ENGINE: OnceLock<(Engine, tempfile::TempDir)> = OnceLock::new();
    std::env::var("TALLY_TEST_CLICKHOUSE_URL").unwrap_or_else(|_| {
        let (engine, _) = ENGINE.get_or_init(|| {
            let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let places = LibraryPlaces {
                variable: "TALLY_ENGINE_LIBRARY",
                cache_folder: "tally",
                fetch: "cargo xtask fetch",
            };
            let library = find_library(places).unwrap_or_else(|error| panic!("{error}"));
            let options = EngineOptions::new(library, directory.path().join("engine"));
            (Engine::spawn(&engine_program(), std::iter::empty::<&str>(), &options).unwrap(), directory)
        });
        engine.url().to_owned()
    })
}

/// `examples/engine.rs`, which cargo builds beside the tests.
fn engine_program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(Path::parent).unwrap().join("examples/engine")
}
