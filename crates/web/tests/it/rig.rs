//! Serving pages to a test: a free port, a client.

use std::sync::Arc;
use std::time::Duration;
use tally_domain::WallTime;
use tally_web::{Options, Source};

/// Runs a test's future to its end.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

/// Serves `source` until the runtime ends; the clock stands still at `now_ms`.
pub(crate) async fn serve<S: Source>(source: S, now_ms: i64) -> String {
    let options = Options {
        stale_after: Duration::from_mins(3),
        answer_within: Duration::from_mins(1),
        collector: "http://127.0.0.1:8081".to_owned(),
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
