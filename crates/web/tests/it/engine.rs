//! The pages' queries against the real engine.

use crate::rig::{database, get, run, serve};
use crate::written::{AS_OF_MS, person};
use tally_clickhouse::Database;
use tally_clickhouse::rows::{
    KeepCode, OPEN_END, PersonRecord, RankingRecord, SnapshotRecord, StandingColumns,
};
use tally_domain::WallTime;
use tally_web::Source;
use tally_web::rows::DaysRow;

const SNAPSHOT: u64 = 281_474_976_710_777;

fn seconds() -> u32 {
    u32::try_from(AS_OF_MS / 1_000).unwrap()
}

fn standing(place: u32, tokens: i128) -> StandingColumns {
    StandingColumns {
        tokens,
        cache_read: tokens / 2,
        requests: 3,
        unpriced: 0,
        cost: tokens * 1_000,
        rank_tokens: place,
        place_tokens: place,
        climbed_tokens: Some(1),
        rank_cost: place,
        place_cost: place,
        climbed_cost: None,
    }
}

fn ranking(number: u8, place: u32, tokens: i128) -> RankingRecord {
    let idle = StandingColumns::default();
    RankingRecord {
        snapshot: SNAPSHOT,
        people_version: 1,
        keep: KeepCode::All,
        as_of: seconds(),
        person: [number; 16],
        h24: idle,
        d7: idle,
        d30: standing(place, tokens),
        lifetime: standing(place, tokens * 2),
        tier: String::new(),
        titles: Vec::new(),
    }
}

fn known(account: u8, owner: u8, name: &str) -> PersonRecord {
    PersonRecord {
        account: [account; 16],
        valid_from: 0,
        valid_to: OPEN_END,
        person: [owner; 16],
        source: "claude-code".to_owned(),
        subject: format!("{account}@example.org"),
        name: name.to_owned(),
        email: String::new(),
        team: String::new(),
        erased: 0,
        version: 1,
    }
}

/// Three people: Ann (1) with two accounts (11, 12), Bo (2) with one (21), and one whom nobody names (3).
async fn company() -> Database {
    let database = database().await;
    let people = [known(11, 1, "Ann Lee"), known(12, 1, ""), known(21, 2, "Bo <b>")];
    database.insert(people.map(Ok)).await.unwrap();
    let ranks = [ranking(1, 1, 90), ranking(2, 2, 7), ranking(3, 3, 3)];
    // Written twice, as after a retry: nobody is counted twice.
    database.insert(ranks.clone().map(Ok)).await.unwrap();
    database.insert(ranks.map(Ok)).await.unwrap();
    for (account, days_ago, input, version) in
        [(11, 0, 40, 1), (12, 0, 20, 1), (11, 29, 30, 2), (11, 29, 9, 1), (11, 30, 500, 1), (3, 1, 3, 1)]
    {
        let at = seconds() - days_ago * 86_400;
        let hour = at - at % 3_600;
        let text = format!(
            "INSERT INTO ${{t}}usage_hourly (account, hour, model, tool, view, input, cache_read, requests, cost, version) VALUES \
             (toFixedString(unhex('{}'), 16), {hour}, 'opus', 'claude-code', 'sdk', {input}, 0, 1, 0.5, {version})",
            format!("{account:02x}").repeat(16)
        );
        database.execute("writing an hour", &text).await.unwrap();
    }
    let session = format!(
        "INSERT INTO ${{t}}sessions (account, session, first, last, input, requests, cost, version) VALUES \
         (toFixedString(unhex('{}'), 16), 255, toDateTime64({}, 3), toDateTime64({}, 3), 60, 2, 0.25, 1)",
        "0b".repeat(16),
        seconds() - 7_200,
        seconds()
    );
    database.execute("writing a session", &session).await.unwrap();
    let marker = SnapshotRecord {
        snapshot: SNAPSHOT,
        people_version: 1,
        policy_version: 0,
        keep: KeepCode::All,
        as_of: seconds(),
        people: 3,
        earlier: 0,
        vector: Vec::new(),
    };
    database.insert([Ok(marker)]).await.unwrap();
    database
}

async fn json(address: &str) -> serde_json::Value {
    let (status, text) = get(address).await;
    assert_eq!(status, 200, "{address}: {text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn before_the_first_snapshot_nothing_is_shown_and_nothing_fails() {
    run(async {
        let (status, html) = get(&serve(database().await, AS_OF_MS).await).await;
        assert_eq!((status, html.contains("No numbers yet")), (200, true));
    });
}

#[test]
fn the_lines_of_every_page_add_up_to_the_company() {
    run(async {
        let base = serve(company().await, AS_OF_MS).await;
        for path in ["", "?limit=1", "?limit=2&page=2", "?q=ann", "?q=nobody", "?by=cost&limit=1&page=3"] {
            let board = json(&format!("{base}/api/board.json{path}")).await;
            let rows: i64 =
                board["rows"].as_array().unwrap().iter().map(|row| row["tokens"].as_i64().unwrap()).sum();
            let others = board["others"]["tokens"].as_i64().unwrap_or(0);
            assert_eq!(
                (rows + others, board["company"]["tokens"].as_i64()),
                (100, Some(100)),
                "{path}: {board}"
            );
            assert_eq!(board["people"], 3, "{path}");
        }
    });
}

#[test]
fn the_board_shows_days_of_all_accounts_in_their_newest_version() {
    run(async {
        let board = json(&format!("{}/api/board.json", serve(company().await, AS_OF_MS).await)).await;
        let ann = &board["rows"][0];
        assert_eq!(
            (ann["name"].as_str(), ann["rank"].as_i64(), ann["movement"].as_i64()),
            (Some("Ann Lee"), Some(1), Some(1))
        );
        assert_eq!(
            (ann["list_cost_usd"].as_str(), ann["cache_read_share"].as_f64()),
            (Some("0.000090000"), Some(0.5))
        );
        let days: Vec<i64> =
            ann["days"].as_array().unwrap().iter().map(|day| day.as_i64().unwrap()).collect();
        assert_eq!((days.len(), days[0], days[29], days.iter().sum::<i64>()), (30, 30, 60, 90));
        assert_eq!(board["rows"][2]["days"][28], 3, "an account that nobody owns stands under its own hash");
    });
}

#[test]
fn the_days_of_a_live_page_are_those_of_the_board() {
    run(async {
        let database = company().await;
        let today = WallTime::from_ms(AS_OF_MS).unwrap().minute().day();
        let days = database.days(&[person(1), person(2), person(3)], today).await.unwrap();
        let of = |who: [u8; 16]| days.iter().find(|row| row.person == who).map(|row| row.days.clone());
        let ann = of([1; 16]).unwrap();
        assert_eq!((ann.len(), ann[0], ann[29], ann.iter().sum::<i64>()), (DaysRow::DAYS, 30, 60, 90));
        assert_eq!(of([2; 16]), None, "who used nothing has no line");
        assert_eq!(of([3; 16]).unwrap()[28], 3, "an account that nobody owns stands under its own hash");
    });
}

#[test]
fn a_person_is_found_by_name_subject_or_id_and_by_their_page() {
    run(async {
        let base = serve(company().await, AS_OF_MS).await;
        for (search, name) in
            [("LEE", "Ann Lee"), ("12%40example", "Ann Lee"), ("%3Cb%3E", "Bo <b>"), ("0202020", "Bo <b>")]
        {
            let board = json(&format!("{base}/api/board.json?q={search}")).await;
            assert_eq!(
                (board["found"].as_i64(), board["rows"][0]["name"].as_str()),
                (Some(1), Some(name)),
                "{search}"
            );
        }
        let board = json(&format!("{base}/api/board.json?limit=2&around={}", person(3))).await;
        assert_eq!((board["skipped"].as_i64(), board["rows"][0]["rank"].as_i64()), (Some(2), Some(3)));
    });
}

#[test]
fn a_window_in_which_nobody_did_anything_is_an_empty_board() {
    run(async {
        let (status, html) = get(&format!("{}/?window=24h", serve(company().await, AS_OF_MS).await)).await;
        assert_eq!(status, 200);
        assert!(html.contains("Nobody is on this page."), "{html}");
    });
}

#[test]
fn a_person_has_boards_days_classes_models_tools_and_sessions() {
    run(async {
        let base = serve(company().await, AS_OF_MS).await;
        let ann = json(&format!("{base}/api/people/{}.json", person(1))).await;
        assert_eq!(ann["name"], "Ann Lee");
        assert_eq!(
            (ann["boards"][2]["window"].as_str(), ann["boards"][2]["rank"].as_i64()),
            (Some("30d"), Some(1))
        );
        assert_eq!(ann["days"].as_array().unwrap().len(), 2);
        assert_eq!(
            (ann["days"][1]["day"].as_str(), ann["days"][1]["tokens"].as_i64()),
            (Some("2026-02-13"), Some(60))
        );
        assert_eq!(
            (ann["models"][0]["name"].as_str(), ann["models"][0]["list_cost_usd"].as_str()),
            (Some("opus"), Some("1.500000000"))
        );
        assert_eq!(
            (ann["tools"][0]["tokens"].as_i64(), ann["classes"][0]["name"].as_str()),
            (Some(90), Some("input"))
        );
        assert_eq!(
            (ann["sessions"][0]["tokens"].as_i64(), ann["sessions"][0]["last"].as_str()),
            (Some(60), Some("2026-02-13T12:00:00Z"))
        );
        for address in ["", "?split=model", "?days=365"] {
            let (status, html) = get(&format!("{base}/people/{}{address}", person(1))).await;
            assert_eq!((status, html.contains("Number 1 of 3")), (200, true), "{address}");
        }
        assert_eq!(get(&format!("{base}/people/{}", person(3))).await.0, 200, "ranked without a name");
        assert_eq!(get(&format!("{base}/people/{}", person(9))).await.0, 404);
    });
}
