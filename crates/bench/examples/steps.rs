//! Folds a log on one thread and prints what each step cost: the thing to run under a profiler.
//!
//! `cargo run --release -p tally-bench --example steps -- DIRECTORY [events] [people] [minted|looked-up]
//! [as-sent|at-once]` fills the directory if it is new.
#![expect(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use tally_bench::ceilings::Ceilings;
use tally_bench::fill::{Arrival, Ids, Plan, fill};
use tally_bench::measure::{bytes_below, ns_per, peak_rss};
use tally_bench::place::{Place, now};
use tally_bench::{spans, steps};
use tally_domain::Secret;

/// Folds a log on one thread and prints what each step cost.
#[derive(Debug, Parser)]
struct Steps {
    /// Where the log lies, or is to lie.
    dir: PathBuf,
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
    #[arg(long, default_value_t = 85_000)]
    people: u32,
    #[arg(long, value_enum, default_value = "minted")]
    ids: Ids,
    #[arg(long, value_enum, default_value = "as-sent")]
    arrival: Arrival,
}

fn main() -> Result<()> {
    let asked = Steps::parse();
    let place = Place::new(&asked.dir, Secret::new([9; 32]));
    if !place.log().exists() {
        let until_ms = now().ms().div_euclid(60_000) * 60_000;
        let Steps { events, people, ids, arrival, .. } = asked;
        let plan = Plan { events, people, days: 30, ids, arrival, until_ms };
        println!("{:?}", fill(&place, plan, |_| {})?);
        return Ok(());
    }
    spans::install().context("counting spans")?;
    let mut log = place.open_log()?;
    let ceilings = Ceilings::measure(&place.log(), &log)?;
    let state = asked.dir.join("state");
    if state.exists() {
        std::fs::remove_dir_all(&state)?;
    }
    let folded = steps::fold_all(&place, &mut log, "state", steps::cadence())?;
    let events = folded.events;
    let ns = |what: &str, time| println!("{what:>12} {:8.0} ns/event", ns_per(time, events));
    ns("plain read", ceilings.plain_read.cpu);
    ns("hash", ceilings.hash.cpu);
    ns("copy", ceilings.copy.cpu);
    ns("log read", ceilings.log_read.cpu);
    ns("log + decode", ceilings.log_decode.cpu);
    for (name, step) in &folded.steps {
        println!(
            "{name:>12} {:8.0} ns/event, {} times, longest {:?}",
            ns_per(step.cpu, events),
            step.times,
            step.longest
        );
    }
    ns("all", folded.took.cpu);
    println!(
        "{events} events, {} rows, wall {:?}, peak {} MiB",
        folded.rows,
        folded.took.wall,
        peak_rss(std::process::id()) >> 20
    );
    let sum =
        |of: fn(&tally_aggregator::Status) -> usize| folded.partitions.iter().map(of).sum::<usize>() >> 20;
    println!(
        "MiB: totals {} producers {} outbox {} names {} store {}; state {} on disk",
        sum(|s| s.memory.totals),
        sum(|s| s.memory.producers),
        sum(|s| s.memory.outbox),
        sum(|s| s.memory.names),
        sum(|s| s.store_bytes),
        bytes_below(&state) >> 20
    );
    println!(
        "verdicts {:?}",
        folded
            .partitions
            .iter()
            .fold(tally_domain::published::Counts::default(), |sum, s| sum.plus(&s.counts))
    );
    println!("restart {:?}", steps::reopen(&place, &log, &state, now())?);
    Ok(())
}
