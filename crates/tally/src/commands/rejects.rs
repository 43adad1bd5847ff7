//! `tally rejects`.

use anyhow::Result;
use clap::Args;

use crate::cli::Global;
use crate::exit::ExitStatus;
use crate::progress::{Progress, warn};
use crate::settling::{self, Settling};
use crate::{render, report};

/// Show what could not be counted, and why
///
/// Nothing is dropped silently: a line that an import could not read, an event that the collector refused, a record
/// that the fold refused, each is kept with its reason and its place, and listed once, however often it is sent.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tally rejects\n  \
    tally rejects --limit 1000 --json | jq .by_reason")]
pub(crate) struct Rejects {
    /// How many to show, the newest first; all are counted
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u32,
    /// How long to wait until everything that was sent is looked at
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
}

impl Rejects {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        let (_, attached) = global.attach()?;
        let mut progress = Progress::start();
        let wait = std::time::Duration::from_secs(self.wait);
        let begun = std::time::Instant::now();
        let mut settling = settling::within(&attached, &attached.now()?, wait, &mut progress)?;
        if settling == Settling::Settled {
            // What only the fold can refuse is kept when it is folded, which was done by now.
            let left = wait.saturating_sub(begun.elapsed());
            settling = settling::within(&attached, &attached.now()?, left, &mut progress)?;
        }
        let database = attached.database()?;
        let (reasons, rows) = attached.runtime().block_on(async {
            Ok::<_, anyhow::Error>((database.rejects_by_reason().await?, database.rejects(self.limit).await?))
        })?;
        drop(progress);
        render::answer(global.json, &report::Rejects::of(reasons, rows), render::rejects)?;
        match settling {
            Settling::Settled => Ok(ExitStatus::Done),
            Settling::NotYet(settled) => {
                warn(&format!("this is not all of them: {}", settling::not_yet(&settled)));
                Ok(ExitStatus::NotYet)
            }
        }
    }
}
