//! What the HTTP edge answers.

use crate::rig::{Log, account, fresh, person, ranker, run, stored, total, until};
use serde_json::{Value, json};
use std::time::Duration;
use tally_ranker::SnapshotWriter;

async fn get(base: &str, path: &str) -> (u16, Value) {
    let answer = reqwest::get(format!("{base}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[test]
fn the_live_board_a_person_and_the_status_are_served() {
    run(async {
        let (database, mut log) = (fresh().await, Log::new());
        log.identity(account(1), "ann", "Ann Öz");
        log.total(&total(1, 50), 1);
        log.total(&total(2, 70), 1);
        log.progress(0, 1, 1);
        log.progress(1, 1, 1);
        let mut ranker = ranker(&log, SnapshotWriter::start(database.clone()).unwrap());
        until(&mut ranker, Duration::ZERO, |live| stored(live) == 2);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let _server =
            tokio::spawn(axum::serve(listener, tally_ranker::http::router(ranker.live())).into_future());

        // The pages' tests show these very answers.
        let (code, mut board) = get(&base, "/v1/board?limit=1&offset=1").await;
        board["revision"] = json!(3);
        assert_eq!((code, board), (200, serde_json::from_str(include_str!("board.json")).unwrap()));
        let (_, mut status) = get(&base, "/v1/status").await;
        status["revision"] = json!(3);
        assert_eq!(status, serde_json::from_str::<Value>(include_str!("status.json")).unwrap());
        let (_, around) = get(&base, &format!("/v1/board?limit=1&around={}", person("ann"))).await;
        assert_eq!((&around["skipped"], &around["rows"][0]["name"]), (&json!(1), &json!("Ann Öz")));
        let (_, first) = get(&base, "/v1/board?limit=1").await;
        assert_eq!(first["rows"][0]["person"], json!(account(2).to_string()));
        assert_eq!((&first["others"]["tokens"], &first["company"]["tokens"]), (&json!(50), &json!(120)));
        let (_, beyond) = get(&base, "/v1/board?offset=9").await;
        assert_eq!(
            (beyond["rows"].as_array().map(Vec::len), &beyond["others"]["tokens"]),
            (Some(0), &json!(120))
        );
        let (_, board) = get(&base, "/v1/board?window=24h&by=cost&offset=1&limit=5").await;
        assert_eq!(board["rows"].as_array().map(Vec::len), Some(1));
        assert_eq!(board["rows"][0]["list_cost_usd"], json!("0.000000050"));
        let (_, board) = get(&base, "/v1/board?search=%C3%B6Z").await;
        assert_eq!((&board["rows"][0]["rank"], &board["rows"][0]["name"]), (&json!(2), &json!("Ann Öz")));
        let (code, error) = get(&base, "/v1/board?window=1y").await;
        assert_eq!(
            (code, error),
            (400, json!({"error": "window is \"1y\"; write 24h, 7d, 30d or lifetime"}))
        );

        let (_, one) = get(&base, &format!("/v1/person/{}", person("ann"))).await;
        assert_eq!(
            (&one["windows"]["30d"]["tokens"], &one["windows"]["30d"]["rank_tokens"]),
            (&json!(50), &json!(2))
        );
        assert_eq!(get(&base, &format!("/v1/person/{}", person("eve"))).await.0, 404);
        assert_eq!(get(&base, "/v1/person/ann").await.0, 400);
        let (_, status) = get(&base, "/v1/status").await;
        assert_eq!(status["stored"]["snapshot"], status["snapshot"]);

        // Somebody waits for a position while the ranker goes on.
        let wish = |next: u64, timeout_ms: u64| {
            let wish = json!({"positions": {"0": next}, "timeout_ms": timeout_ms});
            let sending = reqwest::Client::new().post(format!("{base}/v1/snapshot")).json(&wish).send();
            async { sending.await.unwrap().status().as_u16() }
        };
        assert_eq!(wish(1, 5_000).await, 200, "a position that is already in");
        assert_eq!(wish(2, 1).await, 504);
        log.progress(0, 2, 1);
        let waiting = tokio::spawn(wish(2, 30_000));
        while !waiting.is_finished() {
            let _worked = ranker.turn(Duration::ZERO).unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(waiting.await.unwrap(), 200);
    });
}
