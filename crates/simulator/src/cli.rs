//! What can be asked of the simulator.

use crate::act::life;
use crate::bugs::{hunt, line, plant};
use crate::life::{live, lived, seed, shrink};
use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Lives whole lives of an installation, each from one seed, and holds everything that is published against an
/// oracle.
///
/// A seed that breaks a promise is printed as the last word of the message; `run --seed` lives it again, step
/// for step.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Examples:
  tally-simulator run --seed 17             that life again, with all that happened in it
  tally-simulator search --from 0 --for 10m as many lives as fit into ten minutes, each broken one made short")]
pub(crate) struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lives one seed and draws what happened.
    Run {
        /// Which.
        #[arg(long)]
        seed: u64,
        /// So many acts instead of those that the seed says.
        #[arg(long)]
        steps: Option<usize>,
        /// With this bug built in; see `bugs`.
        #[arg(long)]
        bug: Option<String>,
    },
    /// Lives one seed after another, and makes short what breaks a promise.
    Search {
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// For how long: 90s, 10m, 8h.
        #[arg(long = "for", value_parser = duration, default_value = "60s")]
        span: Duration,
        /// Ends with the first broken promise.
        #[arg(long)]
        first: bool,
        /// With this bug built in; see `bugs`.
        #[arg(long)]
        bug: Option<String>,
    },
    /// Builds in one bug after another and says after how many lives each is found: the table of docs/simulator.md.
    Bugs,
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.what {
            What::Run { seed, steps, bug } => {
                bug.as_deref().map(plant).transpose()?;
                let (broken, drawing) = lived(seed, &life(seed, steps), true);
                for line in drawing {
                    writeln!(stdout(), "{line}")?;
                }
                tell(seed, broken.as_deref())
            }
            What::Search { from, span, first, bug } => {
                bug.as_deref().map(plant).transpose()?;
                search(from, span, first)
            }
            What::Bugs => bugs(),
        }
    }
}

fn bugs() -> anyhow::Result<ExitCode> {
    let mut lost = 0;
    let mut out = stdout().lock();
    writeln!(out, "| bug | the rule it breaks | found within | as |\n|---|---|---|---|")?;
    hunt(|bug, found| {
        lost += u32::from(found.is_none());
        let line = line(bug, found.as_ref());
        // Whoever closes the pipe has seen enough.
        let _seen = writeln!(out, "{line}");
    })?;
    Ok(if lost > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn tell(seed: u64, broken: Option<&str>) -> anyhow::Result<ExitCode> {
    match broken {
        None => writeln!(stdout(), "kept every promise under seed {seed}")?,
        Some(why) => writeln!(stdout(), "broken: {why}; seed {seed}")?,
    }
    Ok(if broken.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn search(from: u64, span: Duration, first: bool) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let (mut lived_seeds, mut broken) = (0_u64, 0_u64);
    for nth in from.. {
        if started.elapsed() >= span || (first && broken > 0) {
            break;
        }
        lived_seeds += 1;
        if seed(nth).is_some() {
            broken += 1;
            draw_short(nth)?;
        }
    }
    writeln!(stdout(), "{lived_seeds} lives from seed {from}, {broken} broke a promise")?;
    Ok(if broken > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn draw_short(seed: u64) -> anyhow::Result<()> {
    let acts = shrink(&life(seed, None), |acts| live(seed, acts).is_some());
    let (broken, drawing) = lived(seed, &acts, true);
    writeln!(stdout(), "made short, {} acts:", acts.len())?;
    for line in drawing {
        writeln!(stdout(), "{line}")?;
    }
    tell(seed, broken.as_deref()).map(drop)
}

fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let number: u64 =
        digits.parse().map_err(|_| format!("{text}: write a number and s, m or h, like 10m"))?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(format!("{text}: the unit is s, m or h, like 10m")),
    };
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}
