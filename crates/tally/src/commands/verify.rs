//! `tally verify`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use tally_audit::{Findings, Recounted, Verification, Verified};
use tally_domain::AccountKey;
use tally_node::attach::Attached;
use tally_node::clock::Clock;
use tally_node::config::Config;
use tally_node::control::Settled;
use tally_node::shared::{Behind, Positions};

use crate::cli::Global;
use crate::exit::ExitStatus;
use crate::progress::{Progress, warn};
use crate::render::{self, number};
use crate::report;
use crate::settling::{self, Settling};

/// Recount every published number from the archived events, and compare
///
/// Appends a heartbeat to every partition, waits until everything before it is published and archived, and recounts
/// by a way of its own, while usage goes on. A difference is told with the reports behind it; requests that are counted
/// under several accounts or views are told as a note. Exit code 0: no difference. 1: differences. 3: not yet.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tally verify\n  \
    tally verify --wait 300                    give a large import time to be archived\n  \
    tally verify --every 5m                    keep verifying, with the answer at /metrics\n  \
    tally verify --json | jq .differences")]
pub(crate) struct Verify {
    /// How long to wait until everything is published and archived [default: audit.verify_wait_max_s]
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    /// Verify again and again, one answer each, until interrupted; such as 30s, 5m, 1h
    ///
    /// The running installation shows the newest answer at /metrics: tally_verify_differences,
    /// tally_verify_checked_totals, tally_verify_finished_timestamp_seconds.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    every: Option<Duration>,
}

/// A number with a unit.
fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3_600)];
    let parsed = units.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*seconds)
    });
    let positive = parsed.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    positive.ok_or_else(|| "write a number with its unit, such as 30s, 5m or 1h".to_owned())
}

/// What a verification came to.
enum Answer {
    Done(report::Verify),
    NotYet(Settled),
}

impl Verify {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        let config = global.speak_little()?;
        loop {
            let begun = Instant::now();
            let status = self.once(global, &config)?;
            let Some(every) = self.every else { return Ok(status) };
            std::thread::sleep(every.saturating_sub(begun.elapsed()));
        }
    }

    /// Attaches for this time only: an owner that is asked to stop waits for those who are attached.
    fn once(&self, global: &Global, config: &Config) -> Result<ExitStatus> {
        let attached = global.attach_to(config)?;
        let wait = Duration::from_secs(self.wait.unwrap_or(config.audit.verify_wait_max_s));
        let mut progress = Progress::start();
        let answer = verify(&attached, wait, &mut progress)?;
        drop(progress);
        match answer {
            Answer::NotYet(settled) => {
                warn(&settling::not_yet(&settled));
                Ok(ExitStatus::NotYet)
            }
            Answer::Done(report) => {
                render::answer(global.json, &report, render::verify)?;
                Ok(if report.differences_total == 0 { ExitStatus::Done } else { ExitStatus::Found })
            }
        }
    }
}

/// Recounts at "now". What is published is held on to, and the archive waited for, so that usage may go on.
fn verify(attached: &Attached, wait: Duration, progress: &mut Progress) -> Result<Answer> {
    let begun = Instant::now();
    let left = || wait.saturating_sub(begun.elapsed());
    if let Settling::NotYet(settled) = settling::within(attached, &attached.now()?, left(), progress)? {
        return Ok(Answer::NotYet(settled));
    }
    let mut verification = attached.runtime().block_on(Verification::begin(attached.database()?))?;
    verification.bound_by(attached.now()?);
    let needs = verification.needs().iter();
    let needs: Positions = needs.map(|(partition, version)| (*partition, version.next())).collect();
    if let Settling::NotYet(settled) = settling::within(attached, &needs, left(), progress)? {
        return Ok(Answer::NotYet(settled));
    }
    let seen = |accounts| {
        progress.wait(|| format!("recounted {} accounts", number::grouped(i128::from(accounts))));
    };
    match attached.runtime().block_on(verification.finish(seen))? {
        Verified::Done(findings) => {
            let finished = attached.owner().clock.map_or(Clock::System, Clock::Fixed).now();
            let finished_s = u64::try_from(finished.ms().div_euclid(1_000)).unwrap_or_default();
            attached.tell_recounted(&Recounted::of(&findings, finished_s))?;
            let names = names(attached, &findings)?;
            Ok(Answer::Done(report::Verify::of(&findings, &names)))
        }
        Verified::NotYet { waiting } => {
            let behind = waiting.iter().map(|(partition, archived, needed)| Behind {
                partition: *partition,
                position: needed.next(),
                published: needed.next(),
                archived: archived.next(),
            });
            Ok(Answer::NotYet(Settled { behind: behind.collect(), failures: Vec::new() }))
        }
    }
}

/// Who the accounts are of which something is told.
fn names(attached: &Attached, findings: &Findings) -> Result<BTreeMap<AccountKey, String>> {
    let shared = findings.shared_requests.listed.iter().flat_map(|request| &request.counted);
    let differing = findings.differences.iter().map(|it| it.account);
    let mut accounts: Vec<AccountKey> = differing.chain(shared.map(|it| it.account)).collect();
    accounts.sort_unstable();
    accounts.dedup();
    if accounts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let lines = attached.runtime().block_on(attached.database()?.account_names(&accounts))?;
    let name = |line: tally_clickhouse::query::AccountName| {
        (AccountKey(tally_domain::Hash128(line.account)), format!("{}: {}", line.source, line.subject))
    };
    Ok(lines.into_iter().map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        assert_eq!(["30s", "5m", "1h"].map(duration), [30, 300, 3_600].map(|s| Ok(Duration::from_secs(s))));
        assert!(
            ["", "30", "0s", "-1s", "1d", "18446744073709551615h"].map(duration).iter().all(Result::is_err)
        );
    }
}
