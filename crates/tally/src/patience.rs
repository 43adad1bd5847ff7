//! A command that goes on for long, and an installation whose owner may die and come back meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tally_clickhouse::{ClickHouseError, Retry};
use tally_node::attach::{AttachError, Attached};
use tally_node::config::Config;

use crate::progress::Progress;

/// How often to look for an owner that does not answer.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// An installation that is looked for again when it does not answer.
#[derive(Debug)]
pub(crate) struct Patient<'a> {
    pub(crate) attached: &'a mut Attached,
    pub(crate) config: &'a Config,
    /// How long to wait for somebody who answers.
    pub(crate) patience: Duration,
}

impl Patient<'_> {
    /// Asks until there is an answer, or another error than that nobody answers.
    pub(crate) fn ask<T>(
        &mut self,
        progress: &mut Progress,
        ask: impl Fn(&Attached) -> Result<T>,
    ) -> Result<T> {
        let begun = Instant::now();
        loop {
            let error = match ask(self.attached) {
                Err(error) if is_away(&error) => error,
                answer => return answer,
            };
            if begun.elapsed() >= self.patience {
                let waited = self.patience.as_secs();
                let said = format!(
                    "the installation has not answered for {waited} seconds (--wait). What it acknowledged is kept: \
                     start it, and run this again"
                );
                return Err(error).context(said);
            }
            let _found = self.look(progress)?;
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Looks once for an owner that answers; true when there is one, perhaps at another address.
    pub(crate) fn look(&mut self, progress: &mut Progress) -> Result<bool, AttachError> {
        let pid = self.attached.owner().pid;
        progress.wait(|| format!("waiting for the installation to come back: process {pid} does not answer"));
        self.attached.again(self.config)
    }
}

fn is_away(error: &anyhow::Error) -> bool {
    let unasked = matches!(error.downcast_ref::<AttachError>(), Some(AttachError::Asking { .. }));
    unasked || error.downcast_ref::<ClickHouseError>().is_some_and(|error| error.retry == Retry::Later)
}
