//! An engine in a directory of its own, and plain HTTP to it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use clickhouse_embedded::{Engine, EngineOptions, LibraryPlaces, find_library};
use reqwest::blocking::{Client, RequestBuilder, Response};

pub(crate) const EXE: &str = env!("CARGO_BIN_EXE_clickhouse-embedded");
/// The engine of the tests is a program of its own, not a subcommand.
pub(crate) const NO_ARGS: [&str; 0] = [];
/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn library() -> PathBuf {
    let places =
        LibraryPlaces { variable: "TALLY_ENGINE_LIBRARY", cache_folder: "tally", fetch: "cargo xtask fetch" };
    find_library(places).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn options(data_dir: &Path) -> EngineOptions {
    EngineOptions::new(library(), data_dir.to_owned())
}

pub(crate) fn spawn(options: &EngineOptions) -> Engine {
    Engine::spawn(Path::new(EXE), NO_ARGS, options).unwrap_or_else(|error| panic!("{error}"))
}

/// The engine that most tests share, each in a database of its own. It ends with the test process, by its pipe.
static SHARED: LazyLock<(Engine, tempfile::TempDir)> = LazyLock::new(|| {
    // A static is never dropped: under the target directory, what is left is swept with it.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    (spawn(&options(dir.path())), dir)
});

/// One database of the shared engine, named after the test.
#[derive(Clone)]
pub(crate) struct Db {
    pub(crate) url: String,
    pub(crate) name: String,
    http: Client,
}

impl Db {
    pub(crate) fn new(name: &str) -> Self {
        let db = Self::at(SHARED.0.url(), "default");
        db.ok(&format!("CREATE DATABASE `{name}`"));
        Self { name: name.to_owned(), ..db }
    }

    pub(crate) fn at(url: &str, name: &str) -> Self {
        let http = Client::builder().timeout(PATIENCE).build().expect("an HTTP client");
        Self { url: url.to_owned(), name: name.to_owned(), http }
    }

    /// A POST with these parameters, in this database.
    pub(crate) fn post(&self, params: &[(&str, &str)], body: impl Into<reqwest::blocking::Body>) -> Response {
        self.request(params).body(body).send().expect("the engine answers")
    }

    pub(crate) fn request(&self, params: &[(&str, &str)]) -> RequestBuilder {
        self.http.post(&self.url).query(&[("database", self.name.as_str())]).query(params)
    }

    pub(crate) fn get(&self, params: &[(&str, &str)]) -> Response {
        let request = self.http.get(&self.url).query(&[("database", self.name.as_str())]).query(params);
        request.send().expect("the engine answers")
    }

    /// The bytes of an answer that must be good.
    pub(crate) fn bytes(&self, sql: &str) -> Vec<u8> {
        let response = self.post(&[], sql.to_owned());
        let status = response.status();
        let bytes = response.bytes().expect("a whole body").to_vec();
        assert!(status.is_success(), "{sql}: {}", String::from_utf8_lossy(&bytes));
        bytes
    }

    /// The text of an answer that must be good, without its last line end.
    pub(crate) fn ok(&self, sql: &str) -> String {
        String::from_utf8(self.bytes(sql)).expect("text").trim_end_matches('\n').to_owned()
    }

    /// Inserts and returns nothing, or the error's text.
    pub(crate) fn insert(&self, sql: &str, data: impl Into<reqwest::blocking::Body>) -> Result<(), String> {
        let response = self.post(&[("query", sql)], data);
        if response.status().is_success() { Ok(()) } else { Err(response.text().expect("text")) }
    }

    pub(crate) fn client(&self) -> clickhouse::Client {
        clickhouse::Client::default().with_url(&self.url).with_database(&self.name)
    }
}

pub(crate) fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().expect("ASCII").to_owned()).unwrap_or_default()
}

/// Asks until the answer is `true`, without a pause of its own: every question is a round trip.
pub(crate) fn until(what: &str, mut ask: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !ask() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

/// The folder of shared test data, if this machine has it.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = std::env::var_os("TALLY_SHARED_DATA").map_or(beside, PathBuf::from);
    path.is_dir().then_some(path)
}
