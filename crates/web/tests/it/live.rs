//! The live board: what a ranker says is shown, and without a ranker what ClickHouse says.

use crate::rig::{get, run, serve_beside};
use crate::written::{AS_OF_MS, Written, row};
use axum::extract::{RawQuery, State};
use axum::routing::get as route;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a real ranker answers: its own tests hold it against this file.
const BOARD: &str = include_str!("../../../ranker/tests/it/board.json");
const STATUS: &str = include_str!("../../../ranker/tests/it/status.json");

/// A ranker that says what the test says.
#[derive(Clone)]
struct Ranker {
    board: Arc<Mutex<Option<Value>>>,
    status: Arc<Mutex<Option<Value>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Ranker {
    fn new() -> Self {
        let value = |text: &str| Arc::new(Mutex::new(Some(serde_json::from_str(text).unwrap())));
        Self { board: value(BOARD), status: value(STATUS), asked: Arc::default() }
    }

    async fn serve(&self) -> String {
        let board = |State(ranker): State<Self>, RawQuery(query): RawQuery| async move {
            ranker.asked.lock().unwrap().push(query.unwrap_or_default());
            told(&ranker.board)
        };
        let router = axum::Router::new()
            .route("/v1/board", route(board))
            .route("/v1/status", route(|State(ranker): State<Self>| async move { told(&ranker.status) }))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        url
    }

    /// It has ranked anew.
    fn rank(&self, change: impl FnOnce(&mut Value)) {
        let (mut board, mut status) = (self.board.lock().unwrap(), self.status.lock().unwrap());
        let status = status.as_mut().unwrap();
        status["revision"] = json!(status["revision"].as_u64().unwrap() + 1);
        change(board.as_mut().unwrap());
    }
}

fn told(what: &Mutex<Option<Value>>) -> Result<axum::Json<Value>, axum::http::StatusCode> {
    what.lock().unwrap().clone().map(axum::Json).ok_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR)
}

fn written() -> Written {
    Written::of(vec![row(1, "Stored Ann", 90), row(2, "Stored Bo", 7), row(3, "Stored Cy", 3)])
}

/// Asks until the page says `what`.
async fn until_it_says(address: &str, what: &str) -> String {
    let begun = Instant::now();
    loop {
        let (status, text) = get(address).await;
        assert_eq!(status, 200, "{text}");
        if text.contains(what) {
            return text;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{address} never says {what}: {text}");
    }
}

#[test]
fn the_board_is_the_rankers_as_long_as_it_answers() {
    run(async {
        let (source, ranker) = (written(), Ranker::new());
        let base = serve_beside(source.clone(), AS_OF_MS, Some(ranker.serve().await)).await;
        let (status, html) = get(&format!("{base}/?limit=1&page=2&by=cost&window=7d&q=%C3%B6")).await;
        assert_eq!(status, 200);
        assert!(html.contains("Ann Öz") && !html.contains("Stored Ann"), "{html}");
        assert!(html.contains("data-refresh=\"0.5\"") && html.contains("2026-02-10T00:01:00Z"), "{html}");
        assert_eq!(
            *ranker.asked.lock().unwrap(),
            ["window=7d&by=cost&offset=1&limit=1&search=%C3%B6"],
            "what the reader asks for is what the ranker is asked for"
        );
        assert_eq!(source.asked.load(Ordering::SeqCst), 0, "ClickHouse was not asked for the board");

        let board: Value = serde_json::from_str(&get(&format!("{base}/api/board.json")).await.1).unwrap();
        let (person, company, others) = (&board["rows"][0], &board["company"], &board["others"]);
        assert_eq!(
            (&person["name"], &person["rank"], &person["tokens"]),
            (&json!("Ann Öz"), &json!(2), &json!(50))
        );
        assert_eq!((&person["list_cost_usd"], &person["days"][29]), (&json!("0.000000050"), &json!(7)));
        assert_eq!((&company["tokens"], &company["people"]), (&json!(120), &json!(2)));
        assert_eq!((&others["tokens"], &others["people"]), (&json!(70), &json!(1)));
        assert_eq!((&board["skipped"], &board["found"]), (&json!(1), &json!(2)));
    });
}

#[test]
fn what_the_ranker_ranks_anew_is_shown_within_a_second_and_the_days_are_not_read_again() {
    run(async {
        let (source, ranker) = (written(), Ranker::new());
        let base = serve_beside(source.clone(), AS_OF_MS, Some(ranker.serve().await)).await;
        until_it_says(&base, "Ann Öz").await;
        ranker.rank(|board| board["rows"][0]["tokens"] = json!("170141183460469231731687303715884105727"));
        let begun = Instant::now();
        until_it_says(&base, "170141183460469231731687303715884105727").await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert_eq!(source.days_asked.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn without_the_ranker_the_newest_snapshot_is_shown_and_with_it_again_the_live_board() {
    run(async {
        let (source, ranker) = (written(), Ranker::new());
        let base = serve_beside(source.clone(), AS_OF_MS, Some(ranker.serve().await)).await;
        until_it_says(&base, "Ann Öz").await;
        let board = ranker.board.lock().unwrap().take();
        let status = ranker.status.lock().unwrap().take();
        let html = until_it_says(&base, "Stored Ann").await;
        assert!(html.contains("2026-02-13T12:00:00Z"), "the snapshot's own time");
        assert!(html.contains("data-refresh=\"5\""));
        *ranker.board.lock().unwrap() = board;
        *ranker.status.lock().unwrap() = status;
        until_it_says(&base, "Ann Öz").await;
    });
}

#[test]
fn nobody_listens_where_the_ranker_should_be() {
    run(async {
        let base = serve_beside(written(), AS_OF_MS, Some("http://127.0.0.1:9".to_owned())).await;
        assert!(get(&base).await.1.contains("Stored Ann"));
    });
}

#[test]
fn a_ranker_that_is_behind_the_newest_snapshot_is_not_believed() {
    run(async {
        let (source, ranker) = (written(), Ranker::new());
        source.newest.lock().unwrap().as_mut().unwrap().snapshot = u64::MAX;
        let base = serve_beside(source, AS_OF_MS, Some(ranker.serve().await)).await;
        assert!(get(&base).await.1.contains("Stored Ann"));
    });
}

#[test]
fn turning_the_page_stays_with_a_snapshot_that_is_kept() {
    run(async {
        let (source, ranker) = (written(), Ranker::new());
        let base = serve_beside(source, AS_OF_MS, Some(ranker.serve().await)).await;
        let (_, html) = get(&format!("{base}/?limit=1&page=2")).await;
        assert!(html.contains("href=\"/?limit=1&#38;at=7\""), "{html}");
        let (_, html) = get(&format!("{base}/?at=7")).await;
        assert!(html.contains("Stored Ann"), "who stays with a snapshot is not shown the live board");
    });
}

#[test]
fn an_installation_without_people_says_how_numbers_come_in() {
    run(async {
        let source = written();
        source.newest.lock().unwrap().as_mut().unwrap().people = 0;
        let base = serve_beside(source, AS_OF_MS, None).await;
        assert!(get(&base).await.1.contains("No numbers yet"));
    });
}
