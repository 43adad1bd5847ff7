//! A ranking that is true for now.

use std::time::{Duration, Instant};

use anyhow::Result;
use tally_clickhouse::query::SnapshotHead;
use tally_node::attach::Attached;

use crate::progress::Progress;
use crate::settling::{self, Settling};

/// The newest ranking, and whether it holds all that was sent until now.
#[derive(Debug)]
pub(crate) struct Newest {
    pub(crate) head: Option<SnapshotHead>,
    pub(crate) is_now: bool,
}

/// Waits at most `wait` for a ranking of everything that was sent until now.
pub(crate) fn newest(attached: &Attached, wait: Duration, progress: &mut Progress) -> Result<Newest> {
    let begun = Instant::now();
    let positions = attached.now()?;
    let settled = settling::within(attached, &positions, wait, progress)? == Settling::Settled;
    progress.wait(|| "waiting for the next ranking".to_owned());
    let left = wait.saturating_sub(begun.elapsed());
    let is_now = settled && attached.snapshot(&positions, left)?;
    let head = attached.runtime().block_on(attached.database()?.newest_snapshot())?;
    Ok(Newest { is_now: is_now && head.is_some(), head })
}
