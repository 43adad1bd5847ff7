//! SIGKILL at any moment loses nothing that was acknowledged, as long as a block is at most a million rows.

use std::process::Command;
use std::sync::mpsc::channel;

use clickhouse_embedded::Engine;

use crate::rig::{Db, options, spawn};

const BLOCK: u32 = 2_000;

fn sigkill(engine: &Engine) {
    let status = Command::new("kill").args(["-9", &engine.pid().to_string()]).status().expect("kill runs");
    assert!(status.success());
}

/// Inserts blocks `from..` until the engine is gone; sends each number once it is acknowledged.
fn insert_blocks(db: &Db, from: u32, acknowledged: &std::sync::mpsc::Sender<u32>) {
    let client = reqwest::blocking::Client::new();
    for block in from.. {
        let data: Vec<u8> =
            (0..BLOCK).flat_map(|row| [block.to_le_bytes(), row.to_le_bytes()].concat()).collect();
        let sent =
            client.post(&db.url).query(&[("query", "INSERT INTO t FORMAT RowBinary")]).body(data).send();
        if !sent.is_ok_and(|response| response.status().is_success()) {
            return;
        }
        acknowledged.send(block).expect("the test waits for blocks");
    }
}

#[test]
fn kill_minus_nine_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut next = 0;
    let mut acked: Vec<u32> = Vec::new();
    // Odd counts, so that the kill meets inserts, merges and the quiet between them.
    for survive in [1, 7, 20, 43] {
        let engine = spawn(&options(dir.path()));
        let db = Db::at(engine.url(), "default");
        db.ok("CREATE TABLE IF NOT EXISTS t (block UInt32, row UInt32) ENGINE = MergeTree ORDER BY (block, row)");
        check(&db, &acked);
        let (sender, receiver) = channel();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| insert_blocks(&db, next, &sender));
            acked.extend(receiver.iter().take(survive));
            sigkill(&engine);
            writer.join().expect("no panic");
        });
        drop(sender);
        acked.extend(receiver.iter());
        next = acked.last().map_or(0, |last| last + 2);
    }
    let engine = spawn(&options(dir.path()));
    check(&Db::at(engine.url(), "default"), &acked);
}

/// Every acknowledged block is there whole, and no block is there in part.
fn check(db: &Db, acked: &[u32]) {
    let broken = db.ok(&format!("SELECT count() FROM (SELECT block FROM t GROUP BY block HAVING count() != {BLOCK} OR uniqExact(row) != {BLOCK})"));
    assert_eq!(broken, "0", "blocks that are there in part or twice");
    let present = db.ok("SELECT DISTINCT block FROM t ORDER BY block");
    let present: std::collections::HashSet<u32> =
        present.lines().map(|line| line.parse().expect("a number")).collect();
    let lost: Vec<&u32> = acked.iter().filter(|block| !present.contains(block)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?} of {}", acked.len());
}
