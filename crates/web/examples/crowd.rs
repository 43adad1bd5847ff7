//! Fills a ClickHouse with people who do not exist and serves the pages from it: to measure queries and pages.
//!
//! `cargo run -p tally-web --example crowd -- CLICKHOUSE_URL ADDRESS PEOPLE`

#![expect(clippy::print_stdout, reason = "an example that says where it listens")]

use std::sync::Arc;
use std::time::Duration;
use tally_clickhouse::rows::{
    KeepCode, OPEN_END, PersonRecord, RankingRecord, SnapshotRecord, StandingColumns,
};
use tally_clickhouse::{Database, Layout, migrate};
use tally_domain::WallTime;
use tally_web::Options;

const SNAPSHOT: u64 = 281_474_977_131_009;
const AS_OF: &str = "2026-11-22T17:40:00Z";

fn as_of() -> WallTime {
    WallTime::parse(AS_OF).expect("the constant is an instant")
}

/// A number that looks random and is always the same.
fn mixed(seed: u64) -> u64 {
    let x = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 32)
}

fn person(place: u64) -> [u8; 16] {
    (u128::from(mixed(place)) << 64 | u128::from(place)).to_be_bytes()
}

fn standing(place: u64, part: i128) -> StandingColumns {
    let tokens = 281_034_112_009_i128 / i128::from(place + 1) * part / 32;
    let rank = u32::try_from(place + 1).expect("fewer than 2^32 people");
    let climbed = i32::try_from(mixed(place) % 9).ok().map(|n| n - 4).filter(|n| *n != 4);
    StandingColumns {
        tokens,
        cache_read: tokens * 92 / 100,
        requests: tokens / 98_000 + 1,
        unpriced: if place % 11 == 6 { tokens / 40 } else { 0 },
        cost: tokens * 540,
        rank_tokens: rank,
        place_tokens: rank,
        climbed_tokens: climbed,
        rank_cost: rank,
        place_cost: rank,
        climbed_cost: climbed,
    }
}

fn ranking(place: u64) -> RankingRecord {
    RankingRecord {
        snapshot: SNAPSHOT,
        people_version: 1,
        keep: KeepCode::All,
        as_of: seconds(),
        person: person(place),
        h24: standing(place, 1),
        d7: standing(place, 8),
        d30: standing(place, 32),
        lifetime: standing(place, 211),
        tier: String::new(),
        titles: Vec::new(),
    }
}

fn known(place: u64) -> PersonRecord {
    const FIRST: [&str; 8] = ["Amara", "Björn", "Chen", "Daniela", "Elif", "Farah", "Giulia", "Hiroshi"];
    const LAST: [&str; 8] = ["Okafor", "Lindqvist", "Wei", "Souza", "Yılmaz", "Haddad", "Romano", "Tanaka"];
    let pick = |names: [&'static str; 8], n: u64| names[usize::try_from(n % 8).expect("below 8")];
    let subject = format!("person{place}@example.org");
    PersonRecord {
        account: person(place),
        valid_from: 0,
        valid_to: OPEN_END,
        person: person(place),
        source: "claude-code".to_owned(),
        name: format!("{} {} {place}", pick(FIRST, mixed(place)), pick(LAST, mixed(place) / 8)),
        email: subject.clone(),
        subject,
        team: String::new(),
        erased: 0,
        version: 1,
    }
}

fn seconds() -> u32 {
    u32::try_from(as_of().ms() / 1_000).expect("before 2106")
}

async fn fill(database: &Database, people: u64) -> Result<(), Box<dyn std::error::Error>> {
    database.insert((0..people).map(|place| Ok(known(place)))).await?;
    database.insert((0..people).map(|place| Ok(ranking(place)))).await?;
    database
        .execute(
            "filling hours",
            &format!(
                "INSERT INTO ${{t}}usage_hourly (partition, account, hour, model, tool, view, input, cache_read, \
                 cache_write_5m, output, requests, cost, version) \
                 SELECT 0, p.account, toDateTime({now} - n * 4219, 'UTC'), ['claude-opus-4-6', 'claude-sonnet-4-5'][n % 2 + 1], \
                 'claude-code', 'transcript', x, x * 92, x * 3, x * 4, 20, x * 54000 / 1000000000, 1 \
                 FROM (SELECT account, cityHash64(account) % 900000 + 1000 AS w FROM ${{t}}people) AS p \
                 ARRAY JOIN range(0, 600, 4) AS n, arrayMap(i -> cityHash64(p.account, i) % p.w, range(0, 600, 4)) AS x",
                now = seconds()
            ),
        )
        .await?;
    database.execute("refreshing", "SYSTEM REFRESH VIEW ${t}model_daily").await?;
    let snapshot = SnapshotRecord {
        snapshot: SNAPSHOT,
        people_version: 1,
        policy_version: 0,
        keep: KeepCode::All,
        as_of: seconds(),
        people,
        earlier: 0,
        vector: vec![(0, SNAPSHOT)],
    };
    database.insert([Ok(snapshot)]).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let mut next =
        |what: &str| words.next().ok_or_else(|| format!("say {what}: CLICKHOUSE_URL ADDRESS PEOPLE"));
    let (url, address, people) = (next("the URL")?, next("the address")?, next("how many people")?);
    let database = Database::new(&url, None, Layout::new("crowd", "", None, 3_600)?);
    let ran = migrate(&database).await?;
    if ran.ran > 0 {
        fill(&database, people.parse()?).await?;
    }
    let options = Options {
        stale_after: Duration::from_mins(3),
        answer_within: Duration::from_secs(10),
        collector: "http://127.0.0.1:8081".to_owned(),
        ranker: None,
        clock: Arc::new(|| as_of().plus_ms(20_000)),
    };
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, tally_web::router(database, options)).await?;
    Ok(())
}
