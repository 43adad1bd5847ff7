//! Numbers, on demand: `cargo test -p clickhouse-embedded --test it -- --ignored --nocapture measure`.

use std::time::Instant;

use clickhouse::{Compression, Row};
use serde::Serialize;

use crate::rig::{Db, options, spawn};

#[derive(Row, Serialize)]
struct Usage {
    account: u128,
    hour: u32,
    model: &'static str,
    tool: &'static str,
    input: i64,
    cache_read: i64,
    cache_write: i64,
    output: i64,
    cost_nano_usd: i64,
    version: u64,
}

const ROWS: u32 = 250_000;
const MODELS: [&str; 4] = ["claude-opus-4-5", "claude-sonnet-4-5", "gpt-5.3-codex", "gemini-3-pro"];

fn usage(n: u32) -> Usage {
    let mixed = i64::from(n.wrapping_mul(2_654_435_761));
    Usage {
        account: u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
        hour: n % 720,
        model: MODELS[usize::try_from(n % 4).expect("below four")],
        tool: "claude-code",
        input: mixed % 5_000,
        cache_read: mixed % 90_000,
        cache_write: mixed % 7_000,
        output: mixed % 2_000,
        cost_nano_usd: mixed,
        version: u64::from(n),
    }
}

fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the child's status");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("KiB") / 1024
}

#[test]
#[ignore = "a measurement, not a check"]
fn measure_start_insert_and_memory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let started = Instant::now();
    let engine = spawn(&options(dir.path()));
    println!("start to ready: {:?}; resident {} MiB", started.elapsed(), resident_mib(engine.pid()));
    let db = Db::at(engine.url(), "default");
    db.ok("CREATE TABLE t (account UInt128, hour UInt32, model LowCardinality(String), tool LowCardinality(String), input Int64, \
           cache_read Int64, cache_write Int64, output Int64, cost_nano_usd Int64, version UInt64) \
           ENGINE = ReplacingMergeTree(version) ORDER BY (account, hour, model, tool)");
    let statement = Instant::now();
    (0..200).for_each(|_| assert_eq!(db.ok("SELECT 1"), "1"));
    println!("SELECT 1: {:?} each", statement.elapsed() / 200);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for compression in [Compression::Lz4, Compression::Lz4, Compression::Lz4, Compression::None] {
        let client = db.client().with_compression(compression);
        let begun = Instant::now();
        runtime.block_on(async {
            let mut insert = client.insert::<Usage>("t").await.expect("the columns");
            for n in 0..ROWS {
                insert.write(&usage(n)).await.expect("a row");
            }
            insert.end().await.expect("acknowledged");
        });
        let spent = begun.elapsed();
        let per_second = u128::from(ROWS) * 1000 / spent.as_millis().max(1);
        println!("insert of {ROWS} rows, {compression:?}: {spent:?}, {per_second} rows/s");
    }
    println!("after the inserts: resident {} MiB", resident_mib(engine.pid()));
    let begun = Instant::now();
    engine.stop();
    println!("stop: {:?}", begun.elapsed());
    let begun = Instant::now();
    let engine = spawn(&options(dir.path()));
    println!("start on those rows: {:?}; resident {} MiB", begun.elapsed(), resident_mib(engine.pid()));
}
