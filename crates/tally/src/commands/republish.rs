//! `tally republish`.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;

use crate::cli::Global;
use crate::exit::ExitStatus;
use crate::progress::{Progress, warn};
use crate::settling::{self, Settling};
use crate::{render, report};

/// Write every published number to ClickHouse again, from the state
///
/// For rows that were deleted or changed by hand, or a table that was lost. A ClickHouse that restarts empty or comes
/// back from an older backup needs none: that is noticed. Nothing is counted twice, because every row is written as its
/// value at a version. Done when all of it is acknowledged. The archive (`events`, `rejects`) is not written again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tally republish && tally verify\n  \
    tally republish --wait 3600                a large installation")]
pub(crate) struct Republish {
    /// How long to wait until all of it is acknowledged; it goes on after that
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    wait: u64,
}

impl Republish {
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        let (_, attached) = global.attach()?;
        let mut progress = Progress::start();
        let begun = Instant::now();
        let positions = attached.republish()?;
        let settling =
            settling::within(&attached, &positions, Duration::from_secs(self.wait), &mut progress)?;
        drop(progress);
        if let Settling::NotYet(settled) = settling {
            warn(&format!(
                "every row is being published anew, and it goes on: {}",
                settling::not_yet(&settled)
            ));
            return Ok(ExitStatus::NotYet);
        }
        let report = report::Republish { partitions: positions.len(), took_ms: ms(begun.elapsed()) };
        render::answer(global.json, &report, render::republish)?;
        Ok(ExitStatus::Done)
    }
}

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
