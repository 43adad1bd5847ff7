//! Every part in a process of its own, with a ClickHouse that all of them reach.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tally_tests::http;
use tally_tests::installation::{Answer, Installation};
use tally_tests::ledger::Ledger;
use tally_tests::owner::{Owner, people, post, settle};
use tally_tests::process::Up;

use super::whole::assert_counted;
use super::{MINUTE_MS, SETTINGS, Usage, brokers, now_ms};

/// 2026-02-13T00:00:00Z: the clock of whoever lends its ClickHouse.
const CLOCK_MS: i64 = 1_770_940_800_000;

/// What all processes are told.
pub(crate) struct Cluster {
    pub(crate) settings: Vec<(String, String)>,
}

impl Cluster {
    fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub(crate) fn spawn(&self, dir: &Installation, part: &str, more: &[(&str, &str)]) -> Result<Up> {
        dir.spawn_command(&[part], &[self.settings().as_slice(), more].concat())
    }

    /// A command on a data directory of its own.
    fn run(&self, dir: &Installation, arguments: &[&str]) -> Result<Answer> {
        let mut command: Command = dir.command_for_people(arguments)?;
        Answer::of(command.envs(self.settings()))
    }
}

/// Partitions that an aggregator folds.
fn folded(owner: &Owner) -> Result<usize> {
    let status: Value = serde_json::from_str(&http::send(&owner.control, "GET", "/v1/status", "")?.body)?;
    Ok(status["published"].as_object().context("it is by partition")?.len())
}

/// Waits until it folds one of these numbers of partitions.
pub(crate) fn until_folded(owner: &Owner, counts: &[usize]) -> Result<()> {
    while !counts.contains(&folded(owner)?) {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

pub(crate) fn sent(owner: &Owner, usage: &mut Usage, ledger: &mut Ledger) -> Result<()> {
    for _ in 0..3 {
        let batch = usage.batch();
        post(owner, &batch)?;
        ledger.acknowledged(&batch);
    }
    Ok(())
}

#[test]
fn all_parts_come_up_in_any_order_and_another_aggregator_takes_over() -> Result<()> {
    let kafka = brokers();
    let lender = Installation::new()?;
    let mut lending = lender.spawn(CLOCK_MS)?;
    let server = lending.ready()?;
    let secret = lender.beside("shared-secret").display().to_string();
    let own = [
        ("TALLY__KAFKA__BROKERS", kafka.brokers()),
        // As short as brokers allow.
        ("TALLY__KAFKA__SESSION_TIMEOUT_MS", "6000".to_owned()),
        ("TALLY__CLICKHOUSE__URL", server.clickhouse.clone()),
        ("TALLY__CLICKHOUSE__DATABASE", "parts".to_owned()),
        ("TALLY__SECRET_FILE", secret),
    ];
    let of_every_process = SETTINGS.map(|(name, value)| (name, value.to_owned()));
    let settings =
        of_every_process.into_iter().chain(own).map(|(name, value)| (name.to_owned(), value)).collect();
    let cluster = Cluster { settings };
    let dirs: Vec<Installation> = (0..6).map(|_| Installation::new()).collect::<Result<_>>()?;
    let [rank, audit, left, right, collect, command] = dirs.as_slice() else { unreachable!("six were made") };

    // All at once: topics, barriers, secret and tables are made by whoever is first.
    let mut ranking = cluster.spawn(rank, "rank", &[])?;
    let mut auditing = cluster.spawn(audit, "audit", &[])?;
    let mut folding = [cluster.spawn(left, "aggregate", &[])?, cluster.spawn(right, "aggregate", &[])?];
    let mut collecting = cluster.spawn(collect, "collect", &[])?;
    let ranker = ranking.ready()?;
    auditing.ready()?;
    for aggregator in &mut folding {
        aggregator.ready()?;
    }
    let owner = collecting.ready()?;
    let web = Installation::new()?;
    let mut serving = cluster.spawn(&web, "web", &[("TALLY__WEB__RANKER_URL", ranker.ranker.as_str())])?;
    let pages = serving.ready()?;

    let (mut usage, mut ledger) = (Usage::new(2), Ledger::default());
    sent(&owner, &mut usage, &mut ledger)?;
    settle(&owner)?;
    assert_counted(&owner, &ledger)?;

    let [first, second] = folding;
    let heir = Owner::read(&right.data()).context("it is ready")?;
    until_folded(&heir, &[1, 2, 3])?;
    first.kill_alone()?;
    sent(&owner, &mut usage, &mut ledger)?;
    settle(&owner)?;
    assert_counted(&owner, &ledger)?;
    until_folded(&heir, &[4])?;
    // And it gives back what it took, to one that is back: while usage goes on, on the state of before.
    let mut first = cluster.spawn(left, "aggregate", &[])?;
    let back = first.ready()?;
    while folded(&back)? == 0 {
        sent(&owner, &mut usage, &mut ledger)?;
    }
    settle(&owner)?;
    assert_counted(&owner, &ledger)?;
    let (has, had) = (folded(&back)?, folded(&heir)?);
    assert_eq!(has + had, 4, "no partition has two owners, or none");
    first.interrupt()?;
    until_folded(&heir, &[4])?;

    // Commands on a directory that nobody owns ask ClickHouse what the others have done.
    let top = cluster.run(command, &["top", "--limit", "1000", "--json"])?;
    assert_eq!(people(&top)?, ledger.tokens_30d(now_ms()));
    let verified = cluster.run(command, &["verify", "--json"])?;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let nothing = cluster.run(command, &["republish"])?;
    assert!(nothing.stderr.contains("folds no partition"), "{nothing:?}");
    // On an aggregator's own directory, and on that of a part that folds nothing.
    let again = cluster.run(right, &["republish", "--json"])?;
    assert_eq!((again.code, again.json()?["partitions"].as_i64()), (Some(0), Some(4)), "{again:?}");
    let me = cluster.run(rank, &["me", "person-1", "--json"])?;
    assert_eq!(me.code, Some(0), "{me:?}");
    let page = http::send(&pages.web, "GET", "/", "")?;
    assert!(page.status == 200 && page.body.contains("person-1"), "{page:?}");

    imports(&cluster, command, &owner)?;
    for process in [collecting, second, auditing, ranking, serving] {
        process.interrupt()?;
    }
    Ok(())
}

/// An import brings a collector along, or sends to one that is named.
fn imports(cluster: &Cluster, dir: &Installation, owner: &Owner) -> Result<()> {
    let table = dir.beside("calls.csv");
    let at = now_ms() - 3 * MINUTE_MS;
    std::fs::write(&table, format!("name,at,in\na,{at},5\nb,{at},7\n"))?;
    let table = table.display().to_string();
    let arguments = ["import", "csv", table.as_str(), "--map", "name=id,at=epoch_ms,in=input", "--json"];
    let first = cluster.run(dir, &arguments)?;
    assert_eq!((first.code, first.json()?["events"]["fresh"].as_i64()), (Some(0), Some(2)), "{first:?}");
    let mut command = dir.command_for_people(&arguments)?;
    command.envs(cluster.settings()).env("TALLY__COLLECTOR__URL", &owner.collector);
    let again = Answer::of(&mut command)?;
    assert_eq!((again.code, again.json()?["events"]["duplicate"].as_i64()), (Some(0), Some(2)), "{again:?}");
    Ok(())
}
