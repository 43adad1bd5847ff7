//! `tally up`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use tally_node::clock::Clock;
use tally_node::config::Config;
use tally_node::installation::{DataDir, InstallationError, Ownership};
use tally_node::supervise::{Node, Takes};

use crate::cli::Global;
use crate::exit::ExitStatus;
use crate::status;

/// How long to wait for a command that owns the data directory for a moment.
const SHORT_OWNER_WAIT: Duration = Duration::from_mins(2);

/// Run an installation: log, ClickHouse, fold, archive, rankings and pages
///
/// Everything runs on this machine, in one data directory. Ctrl-C stops it cleanly; starting again continues where it
/// was. Kill it if you like: nothing that was acknowledged is lost, and nothing is counted twice.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tally up                                   pages on http://127.0.0.1:8080\n  \
    tally up --data-dir /srv/tally             somewhere else\n  \
    TALLY__WEB__LISTEN=127.0.0.1:9000 tally up on another port")]
pub(crate) struct Up {}

impl Up {
    #[expect(clippy::unused_self, reason = "every command runs alike")]
    pub(crate) fn run(&self, global: &Global) -> Result<ExitStatus> {
        let config = global.begin()?;
        let clock = global.clock.unwrap_or(Clock::System);
        let executable = std::env::current_exe().context("finding the path of this program")?;
        let ownership = own(&config)?;
        let begun = Instant::now();
        let node = Node::start(ownership, &config, clock, &executable, Takes { pages: true })?;
        status::started(node.owner(), begun.elapsed())?;
        let interrupted = node.runtime().block_on(status::show_until_interrupted(&node));
        status::stopping()?;
        node.stop();
        interrupted.map(|()| ExitStatus::Done)
    }
}

/// Takes the data directory; a command that owns it for a moment is waited for.
fn own(config: &Config) -> Result<Ownership> {
    let dir = DataDir::new(&config.data_dir);
    let begun = Instant::now();
    let mut told = false;
    loop {
        match dir.own() {
            Ok(ownership) => return Ok(ownership),
            Err(InstallationError::InUse { owner, .. })
                if owner.as_ref().is_none_or(|owner| owner.web.is_none())
                    && begun.elapsed() < SHORT_OWNER_WAIT =>
            {
                if !std::mem::replace(&mut told, true) {
                    status::waiting_for(owner.map(|owner| owner.pid))?;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
