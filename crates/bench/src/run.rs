//! The order of a measurement: fill, floors, catch up, by step, start again.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use clap::Args;
use tally_bench::ceilings::Ceilings;
use tally_bench::fill::{Arrival, Filled, Ids, Plan, fill};
use tally_bench::measure::bytes_below;
use tally_bench::place::{Place, now};
use tally_bench::{spans, steps};
use tally_node::clock::Clock;
use tally_node::config::{self, Config, Flag, Sources};
use tally_node::installation::DataDir;

use crate::catch_up::{self, CaughtUp};
use crate::report::{Measured, Report};

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// About how many events
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// People of the simulated company
    #[arg(long, default_value_t = 85_000)]
    people: u32,
    /// Days of its history
    #[arg(long, default_value_t = 30)]
    days: u16,
    /// How events are named; both when it is not given
    #[arg(long, value_enum)]
    ids: Option<Ids>,
    /// When the log took them
    #[arg(long, value_enum, default_value = "as-sent")]
    arrival: Arrival,
    /// Let the audit's archive copy every record into `events` at the same time
    #[arg(long)]
    archive: bool,
    /// Leave out the second pass on one thread, which tells what each step costs
    #[arg(long)]
    no_steps: bool,
    /// Print one JSON object on stdout instead of text
    #[arg(long)]
    json: bool,
    /// Work below this directory, and leave what was made
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

impl Run {
    pub(crate) fn run(&self) -> Result<()> {
        spans::install().context("counting what each step costs")?;
        let wanted = self.ids.map_or_else(|| vec![Ids::Minted, Ids::LookedUp], |ids| vec![ids]);
        let mut report = Report::default();
        for ids in wanted {
            let root = self.root(ids)?;
            let measured = self.measure(ids, &root);
            if self.keep.is_none() {
                std::fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))?;
            }
            report.runs.push(measured?);
        }
        let text = if self.json { serde_json::to_string_pretty(&report)? } else { report.to_string() };
        writeln!(std::io::stdout(), "{text}")?;
        Ok(())
    }

    fn root(&self, ids: Ids) -> Result<PathBuf> {
        let name = match ids {
            Ids::Minted => "minted",
            Ids::LookedUp => "looked-up",
        };
        let above = match &self.keep {
            Some(dir) => dir.clone(),
            None => std::env::temp_dir().join(format!("tally-bench-{}", std::process::id())),
        };
        let root = above.join(name);
        anyhow::ensure!(
            !root.exists(),
            "{} is there already; remove it or name another --keep",
            root.display()
        );
        std::fs::create_dir_all(&root)?;
        Ok(root)
    }

    fn measure(&self, ids: Ids, root: &Path) -> Result<Measured> {
        let until_ms = now().ms().div_euclid(60_000) * 60_000;
        let Self { events, people, days, arrival, .. } = *self;
        let plan = Plan { events, people, days, ids, arrival, until_ms };
        say(&format!("filling a log of about {events} events, {people} people, {days} days"));
        let filled = fill_in_a_child(root, &plan)?;
        let place = Place::new(root, DataDir::new(root).secret()?);
        say("reading it back: floors");
        let ceilings = Ceilings::measure(&place.log(), &place.open_log()?)?;
        say("catching up: the shipped aggregators, the totals topic, the ClickHouse engine");
        let config = configured(root)?;
        let caught_up: CaughtUp =
            catch_up::catch_up(&config, root, self.archive, &mut |text| progress(text))?;
        let steps = if self.no_steps { None } else { Some(by_step(&place)?) };
        say("starting again from what it left");
        let again = catch_up::start_again(&config, root)?;
        let state_bytes = bytes_below(&root.join("state"));
        Ok(Measured::of(&plan, &filled, &ceilings, &caught_up, steps.as_ref(), &again, state_bytes))
    }
}

fn by_step(place: &Place) -> Result<steps::Folded> {
    say("folding once more on one thread: what each step costs");
    let mut log = place.open_log()?;
    let folded = steps::fold_all(place, &mut log, "state-of-steps", steps::cadence());
    std::fs::remove_dir_all(place.dir.join("state-of-steps"))?;
    folded
}

/// The shipped defaults, for a data directory, with every address left to the system.
fn configured(root: &Path) -> Result<Config> {
    let flag = |key, value: String| Flag { key, flag: "tally-bench", value };
    let flags = vec![
        flag("data_dir", root.display().to_string()),
        flag("collector.listen", "127.0.0.1:0".to_owned()),
        flag("web.listen", "127.0.0.1:0".to_owned()),
    ];
    Ok(config::load(&Sources { flags, ..Sources::default() })?.0)
}

/// Filling takes memory of its own, which is not to count.
fn fill_in_a_child(root: &Path, plan: &Plan) -> Result<Filled> {
    // The secret is made here, so that both have the same.
    let _secret = DataDir::new(root).secret()?;
    let program = std::env::current_exe()?;
    let child = Command::new(program)
        .arg("fill")
        .arg(root)
        .arg(serde_json::to_string(plan)?)
        .stdout(Stdio::piped())
        .output()
        .context("starting this program to fill a log")?;
    anyhow::ensure!(child.status.success(), "filling: {}", String::from_utf8_lossy(&child.stderr));
    Ok(serde_json::from_slice(&child.stdout)?)
}

/// The child of [`fill_in_a_child`].
pub(crate) fn fill_here(dir: &Path, plan: &str) -> Result<()> {
    let plan: Plan = serde_json::from_str(plan)?;
    let place = Place::new(dir, DataDir::new(dir).secret()?);
    let filled = fill(&place, plan, |_| {})?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&filled)?)?;
    Ok(())
}

/// One line of what is being done.
fn say(text: &str) {
    // Nobody may be reading; a measurement goes on.
    drop(writeln!(std::io::stderr(), "{} {text}", Clock::System.now()));
}

/// A line that replaces itself, where there is a terminal.
fn progress(text: &str) {
    let mut stderr = std::io::stderr();
    let end = if stderr.is_terminal() { '\r' } else { '\n' };
    drop(write!(stderr, "  {text}   {end}"));
}
