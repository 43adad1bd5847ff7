//! A partition's state follows its owner: from its directory, from a copy, or from the log.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::{Offset, TopicPartitionList};
use tally_tests::broker::Kafka;
use tally_tests::http;
use tally_tests::installation::Installation;
use tally_tests::ledger::Ledger;
use tally_tests::metrics::{by_partition, whence};
use tally_tests::owner::{Owner, settle};
use tally_tests::process::Up;

use super::apart::{Cluster, sent, until_folded};
use super::whole::assert_counted;
use super::{SETTINGS, Usage, brokers};

/// 2026-02-13T00:00:00Z: the clock of whoever lends its ClickHouse.
const CLOCK_MS: i64 = 1_770_940_800_000;
const PARTITIONS: usize = 4;
/// Whence the states came, where each came from its copy.
const COPIED: [u64; 3] = [0, 4, 0];

/// The log forgets the first records of partitions.
fn forget(kafka: &Kafka, starts: &BTreeMap<i32, u64>) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", kafka.brokers()).create()?;
    let mut gone = TopicPartitionList::new();
    for (partition, start) in starts {
        gone.add_partition_offset("tally.usage", *partition, Offset::Offset(i64::try_from(*start)?))?;
    }
    block_on(admin.delete_records(&gone, &AdminOptions::new()))?;
    Ok(())
}

/// Waits until each partition is copied; says where the copies go on.
fn until_copied(owner: &Owner) -> Result<BTreeMap<i32, u64>> {
    loop {
        let copied = by_partition(owner, "tally_copied_offset")?;
        if copied.len() == PARTITIONS {
            return Ok(copied);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the process says that it cannot do its work, and why.
fn until_stuck(owner: &Owner, why: &str) -> Result<String> {
    loop {
        let answer = http::send(&owner.control, "GET", "/readyz", "")?;
        if answer.status == 503 && answer.body.contains(why) {
            return Ok(answer.body);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A process that has not become ready, and says why.
fn stuck(up: &Up, dir: &Installation, why: &str) -> Result<String> {
    loop {
        if let Some(owner) = Owner::read(&dir.data()).filter(|owner| owner.pid == u64::from(up.id())) {
            return until_stuck(&owner, why);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_state_follows_its_owner_by_copies_and_without_one_a_truncated_log_is_refused() -> Result<()> {
    let kafka = brokers();
    let lender = Installation::new()?;
    let mut lending = lender.spawn(CLOCK_MS)?;
    let server = lending.ready()?;
    let copies = lender.beside("copies");
    fs::create_dir(&copies)?;
    let own = [
        ("TALLY__KAFKA__BROKERS", kafka.brokers()),
        ("TALLY__KAFKA__SESSION_TIMEOUT_MS", "6000".to_owned()),
        ("TALLY__CLICKHOUSE__URL", server.clickhouse.clone()),
        ("TALLY__CLICKHOUSE__DATABASE", "follows".to_owned()),
        ("TALLY__SECRET_FILE", lender.beside("shared-secret").display().to_string()),
        ("TALLY__CHECKPOINTS__URL", format!("file://{}", copies.display())),
        ("TALLY__CHECKPOINTS__INTERVAL_S", "1".to_owned()),
    ];
    let of_every_process = SETTINGS.map(|(name, value)| (name, value.to_owned()));
    let settings =
        of_every_process.into_iter().chain(own).map(|(name, value)| (name.to_owned(), value)).collect();
    let cluster = Cluster { settings };
    let dirs: Vec<Installation> = (0..5).map(|_| Installation::new()).collect::<Result<_>>()?;
    let [audit, collect, left, right, third] = dirs.as_slice() else { unreachable!("five were made") };

    let mut auditing = cluster.spawn(audit, "audit", &[])?;
    auditing.ready()?;
    let mut collecting = cluster.spawn(collect, "collect", &[])?;
    let owner = collecting.ready()?;
    let mut first = cluster.spawn(left, "aggregate", &[])?;
    let lost = first.ready().context("the first")?;
    let (mut usage, mut ledger) = (Usage::new(21), Ledger::default());
    sent(&owner, &mut usage, &mut ledger)?;
    settle(&owner)?;
    until_copied(&lost)?;

    // Another one joins. What it is given was let go of with a copy.
    let mut second = cluster.spawn(right, "aggregate", &[])?;
    let heir = second.ready().context("the second")?;
    until_folded(&heir, &[1, 2, 3])?;
    sent(&owner, &mut usage, &mut ledger)?;
    settle(&owner)?;

    // A host is lost, with its disk.
    first.kill_alone()?;
    fs::remove_dir_all(left.data())?;
    sent(&owner, &mut usage, &mut ledger)?;
    until_folded(&heir, &[PARTITIONS])?;
    assert_eq!(whence(&heir)?, COPIED, "each partition came from its copy, and none from the log");
    settle(&owner)?;
    assert_counted(&owner, &ledger)?;

    // The log forgets its beginning; whoever comes has nothing but the copies.
    let copied = until_copied(&heir)?;
    forget(&kafka, &copied)?;
    let mut first = cluster.spawn(left, "aggregate", &[])?;
    let back = first.ready().context("the one whose host was lost")?;
    until_folded(&back, &[1, 2, 3])?;
    let [_, fetched, refolded] = whence(&back)?;
    assert!(fetched > 0 && refolded == 0, "{fetched} fetched, {refolded} refolded");
    sent(&owner, &mut usage, &mut ledger)?;
    settle(&owner)?;
    assert_counted(&owner, &ledger)?;
    first.interrupt()?;
    until_folded(&heir, &[PARTITIONS])?;
    second.interrupt()?;

    // Without them it is refused, with what to do; with a store that is away it is waited for.
    let nothing = third.beside("nothing").display().to_string();
    let elsewhere = format!("file://{nothing}");
    for (url, why) in [
        ("", "copy a state into"),
        (elsewhere.as_str(), "has no whole copy that does (set checkpoints.url"),
        ("s3://copies/tally", "whether there is a copy that does is asked again and again"),
    ] {
        let settings = [
            ("TALLY__CHECKPOINTS__URL", url),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
        ];
        let up = cluster.spawn(third, "aggregate", &settings)?;
        let said = stuck(&up, third, why)?;
        assert!(said.contains("there is no state, and the log starts at offset"), "{said}");
        up.interrupt()?;
    }
    let mut up = cluster.spawn(third, "aggregate", &[])?;
    let owner_of_all = up.ready().context("the one with all the copies")?;
    until_folded(&owner_of_all, &[PARTITIONS])?;
    assert_eq!(whence(&owner_of_all)?, COPIED);
    sent(&owner, &mut usage, &mut ledger)?;
    settle(&owner)?;
    assert_counted(&owner, &ledger)?;
    for process in [up, collecting, auditing] {
        process.interrupt()?;
    }
    lending.interrupt().context("the lender ends last")
}
