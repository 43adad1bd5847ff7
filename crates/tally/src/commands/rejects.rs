//! `tally rejects`.

use anyhow::Result;
use clap::Args;

use crate::cli::Global;
use crate::exit::ExitStatus;
use crate::progress::{Progress, warn};
use crate::settling::{self, Settling};
use crate::{render, report};

/// Show the records that could not be counted, and why
///
/// Nothing is dropped silently: a record that cannot become an event is kept with its reason and its place. Lines of
/// a transcript that an import could not read never became records; the receipt of the import shows those.
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
        let settling = settling::within(&attached, &attached.now()?, wait, &mut progress)?;
        let database = attached.database();
        let (reasons, rows) = attached.runtime().block_on(async {
            Ok::<_, anyhow::Error>((database.rejects_by_reason().await?, database.rejects(self.limit).await?))
        })?;
        drop(progress);
        render::answer(global.json, &report::Rejects::of(reasons, rows), render::rejects)?;
        match settling {
            Settling::Settled => Ok(ExitStatus::Done),
            Settling::NotYet(behind) => {
                warn(&format!("this is not all of them: {}", settling::not_yet(&behind)));
                Ok(ExitStatus::NotYet)
            }
        }
    }
}
