//! Processes that are killed while they record.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use tally_disk::MemoryDisk;
use tally_sdk::{Client, Flushed, Usage};

use super::rig::{Collector, free_address, held};

const ENDPOINT: &str = "SDK_TEST_ENDPOINT";
const SPOOL: &str = "SDK_TEST_SPOOL";

fn client(endpoint: &str, spool: &str) -> Client {
    Client::builder()
        .endpoint(endpoint)
        .source("my-tool")
        .subject("ann")
        .spool_dir(spool)
        .linger(Duration::from_millis(2))
        .backoff(Duration::from_millis(5), Duration::from_millis(40))
        .build()
        .unwrap()
}

/// Not a test of its own: what the next test runs in another process, until it is killed.
#[test]
fn child_that_records_until_it_is_killed() {
    let (Ok(endpoint), Ok(spool)) = (env::var(ENDPOINT), env::var(SPOOL)) else { return };
    let client = client(&endpoint, &spool);
    for output in 1.. {
        let usage = Usage {
            model: "m".to_owned(),
            output,
            occurred_at_ms: Some(1_771_000_000_000),
            ..Usage::default()
        };
        client.record(usage).unwrap();
        // Far below the bound of the queue: a refusal would leave a gap.
        while client.counts().recorded > client.counts().safe + 1_000 {
            std::thread::yield_now();
        }
        println!("safe {}", client.counts().safe);
    }
}

#[test]
fn processes_killed_at_any_moment_lose_nothing_that_was_safe_and_count_nothing_twice() {
    let (address, disk) = (free_address(), MemoryDisk::new(1));
    let dir = tempfile::tempdir().unwrap();
    let endpoint = format!("http://{address}");
    let spool = dir.path().to_str().unwrap();
    let mut safe = 0;
    let mut collector = None;
    for round in 0..6_u64 {
        // Half of them meet a collector.
        if round == 3 {
            collector = Some(Collector::start(address, &disk));
        }
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "kill::child_that_records_until_it_is_killed", "--nocapture"])
            .env(ENDPOINT, &endpoint)
            .env(SPOOL, spool)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut last = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            last = line.strip_prefix("safe ").map_or(last, |count| count.parse().unwrap());
            if last > 100 + 77 * round {
                child.kill().unwrap();
                break;
            }
        }
        let _status = child.wait().unwrap();
        assert!(last > 0);
        safe += last;
    }
    let last_one = client(&endpoint, spool);
    let usage = Usage {
        model: "m".to_owned(),
        output: 1,
        occurred_at_ms: Some(1_771_000_000_000),
        ..Usage::default()
    };
    last_one.record(usage).unwrap();
    assert_eq!(
        last_one.flush(Duration::from_secs(30)),
        Flushed::Delivered,
        "the own one comes after all others"
    );
    drop(last_one);
    drop(collector);
    let held = held(&disk);
    let events = u64::try_from(held.events.len()).unwrap();
    assert!(events > safe, "{events} events in the log, {safe} were safe when their processes died");
    held.assert_dense();
}
