//! Answers over HTTP: caching, old numbers, an engine that is away, addresses that cannot be read.

use crate::rig::{client, get, run, serve};
use crate::written::{AS_OF_MS, Written, person, row, snapshot};
use std::io::Read;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn written() -> Written {
    Written::of(vec![row(1, "Ann Lee", 90), row(2, "Bo", 7), row(3, "Cy", 3)])
}

#[test]
fn a_page_is_rendered_once_per_snapshot_and_address() {
    run(async {
        let source = written();
        let base = serve(source.clone(), AS_OF_MS).await;
        let pages =
            ["/", "/?window=30d", "/?utm=x&by=tokens", "/?page=1"].map(|path| format!("{base}{path}"));
        for page in &pages {
            assert_eq!(get(page).await.0, 200);
        }
        assert_eq!(
            source.asked.load(Ordering::SeqCst),
            1,
            "one address written in four ways was rendered again"
        );
        get(&format!("{base}/?window=7d")).await;
        assert_eq!(source.asked.load(Ordering::SeqCst), 2);
        *source.newest.lock().unwrap() = Some(snapshot(8));
        let begun = Instant::now();
        while source.asked.load(Ordering::SeqCst) < 3 {
            assert!(begun.elapsed() < Duration::from_secs(20), "a new snapshot is never shown");
            get(&base).await;
        }
    });
}

#[test]
fn many_readers_at_once_wait_for_one_rendering() {
    run(async {
        let source = written();
        let base = serve(source.clone(), AS_OF_MS).await;
        let readers: Vec<_> = (0..50)
            .map(|_| {
                tokio::spawn({
                    let base = base.clone();
                    async move { get(&base).await.0 }
                })
            })
            .collect();
        for reader in readers {
            assert_eq!(reader.await.unwrap(), 200);
        }
        assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn what_the_reader_has_is_not_sent_again_and_what_is_sent_is_compressed() {
    run(async {
        let base = serve(written(), AS_OF_MS).await;
        let plain = client().get(&base).send().await.unwrap();
        let etag = plain.headers()["etag"].clone();
        let plain = plain.text().await.unwrap();
        let again = client().get(&base).header("if-none-match", etag).send().await.unwrap();
        assert_eq!((again.status().as_u16(), again.text().await.unwrap().len()), (304, 0));
        let packed = client().get(&base).header("accept-encoding", "gzip, br").send().await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], "gzip");
        let mut text = String::new();
        let bytes = packed.bytes().await.unwrap();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, plain);
    });
}

#[test]
fn every_answer_forbids_what_comes_from_elsewhere() {
    run(async {
        let base = serve(written(), AS_OF_MS).await;
        for path in ["/", "/nowhere", "/healthz", "/api/board.json", "/?page=x"] {
            let answer = client().get(format!("{base}{path}")).send().await.unwrap();
            let policy = answer.headers()["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'self';"), "{path}: {policy}");
            assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        }
    });
}

#[test]
fn assets_are_named_by_their_content_and_kept_for_ever() {
    run(async {
        let base = serve(written(), AS_OF_MS).await;
        let html = get(&base).await.1;
        let (_, rest) = html.split_once("href=\"/assets/tally.").unwrap();
        let (_, rest) = rest.split_once("href=\"").map_or(("", rest), |found| found);
        let css = rest.split('"').next().unwrap();
        let answer = client().get(format!("{base}{css}")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{css}");
        assert!(answer.headers()["cache-control"].to_str().unwrap().contains("immutable"));
        assert_eq!(get(&format!("{base}/assets/tally.0.css")).await.0, 404);
    });
}

#[test]
fn numbers_that_are_old_say_so() {
    run(async {
        let old = get(&serve(written(), AS_OF_MS + 12 * 60_000).await).await.1;
        assert!(old.contains("These numbers are 12 minutes old."));
        let fresh = get(&serve(written(), AS_OF_MS + 60_000).await).await.1;
        assert!(!fresh.contains("minutes old"));
    });
}

#[test]
fn without_numbers_the_page_says_how_they_come_in() {
    run(async {
        let base = serve(Written::default(), AS_OF_MS).await;
        let (status, html) = get(&base).await;
        assert_eq!(status, 200);
        assert!(html.contains("No numbers yet") && html.contains("tally import claude-code"));
        let (status, json) = get(&format!("{base}/api/board.json")).await;
        assert_eq!((status, json.contains("no snapshot yet")), (404, true));
        assert_eq!(get(&format!("{base}/healthz")).await, (200, "ok: no snapshot yet\n".to_owned()));
    });
}

#[test]
fn an_engine_that_never_answered_is_an_error_with_a_remedy() {
    run(async {
        let source = written();
        *source.down.lock().unwrap() = true;
        let base = serve(source, AS_OF_MS).await;
        let answer = client().get(&base).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "5"));
        let html = answer.text().await.unwrap();
        assert!(html.contains("The database does not answer") && html.contains("connection refused"));
        assert_eq!(get(&format!("{base}/healthz")).await.0, 503);
    });
}

#[test]
fn an_engine_that_goes_away_leaves_the_last_numbers_with_a_word() {
    run(async {
        let source = written();
        let base = serve(source.clone(), AS_OF_MS).await;
        assert_eq!(get(&base).await.0, 200);
        *source.down.lock().unwrap() = true;
        let begun = Instant::now();
        loop {
            let (status, html) = get(&base).await;
            if html.contains("last known numbers") {
                assert_eq!(status, 200);
                assert!(html.contains("Ann Lee"));
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "nobody says that the engine is away");
        }
    });
}

#[test]
fn an_address_that_cannot_be_read_names_field_value_and_fix() {
    run(async {
        let base = serve(written(), AS_OF_MS).await;
        let (status, html) = get(&format!("{base}/?window=1y")).await;
        assert_eq!(status, 400);
        assert!(html.contains("1y") && html.contains("one of 24h, 7d, 30d, lifetime"));
        let (status, json) = get(&format!("{base}/api/board.json?page=0")).await;
        assert_eq!((status, json.contains("a whole number from 1")), (400, true));
        assert_eq!(get(&format!("{base}/people/zz")).await.0, 404);
        assert_eq!(get(&format!("{base}/people/{}", person(9))).await.0, 404);
    });
}

#[test]
fn my_rank_is_remembered_by_this_browser_alone() {
    run(async {
        let base = serve(written(), AS_OF_MS).await;
        let (status, html) = get(&format!("{base}/me")).await;
        assert_eq!((status, html.contains("Which one are you?")), (200, true));
        let form = [("person", person(2).to_string())];
        let body = format!("{}={}", form[0].0, form[0].1);
        let told = client()
            .post(format!("{base}/me"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .unwrap();
        let cookie = told.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let mine = cookie.split(';').next().unwrap();
        let sent = client().get(format!("{base}/me")).header("cookie", mine).send().await.unwrap();
        assert_eq!(sent.headers()["location"], format!("/?around={}", person(2)));
    });
}
