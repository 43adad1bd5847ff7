//! Waiting until what was appended is published and archived.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tally_node::attach::Attached;
use tally_node::control::Settled;
use tally_node::shared::{Behind, Positions};

use crate::progress::Progress;

/// How long one look waits, so that progress is shown meanwhile.
const LOOK: Duration = Duration::from_millis(500);

/// What the wait came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Settling {
    /// Everything is published and archived.
    Settled,
    /// These partitions are not there yet.
    NotYet(Vec<Behind>),
}

/// Waits at most `wait` for `positions`.
pub(crate) fn within(
    attached: &Attached,
    positions: &Positions,
    wait: Duration,
    progress: &mut Progress,
) -> Result<Settling> {
    let begun = Instant::now();
    loop {
        let left = wait.saturating_sub(begun.elapsed());
        let behind = look(attached, positions, left.min(LOOK))?;
        if behind.is_empty() {
            return Ok(Settling::Settled);
        }
        if left.is_zero() {
            return Ok(Settling::NotYet(behind));
        }
        progress.wait(|| waiting(&behind));
    }
}

/// Waits for `positions` for as long as something moves at least every `patience`.
pub(crate) fn while_it_moves(
    attached: &Attached,
    positions: &Positions,
    patience: Duration,
    progress: &mut Progress,
) -> Result<Settling> {
    let mut moved = Instant::now();
    let mut before = Vec::new();
    loop {
        let behind = look(attached, positions, LOOK.min(patience))?;
        if behind.is_empty() {
            return Ok(Settling::Settled);
        }
        if behind != before {
            moved = Instant::now();
        }
        if moved.elapsed() >= patience {
            return Ok(Settling::NotYet(behind));
        }
        progress.wait(|| waiting(&behind));
        before = behind;
    }
}

fn look(attached: &Attached, positions: &Positions, wait: Duration) -> Result<Vec<Behind>> {
    let Settled { behind, failures } = attached.settle(positions, wait)?;
    match failures.first() {
        Some(failure) if !behind.is_empty() => bail!("{} stopped: {}", failure.part, failure.message),
        _ => Ok(behind),
    }
}

fn waiting(behind: &[Behind]) -> String {
    format!("counting: {} records to go", to_go(behind))
}

/// Records that are not yet both published and archived.
pub(crate) fn to_go(behind: &[Behind]) -> u64 {
    let left = |it: &Behind| it.position.get().saturating_sub(it.published.min(it.archived).get());
    behind.iter().map(left).sum()
}

/// What to say when the wait was too short.
pub(crate) fn not_yet(behind: &[Behind]) -> String {
    let one = |it: &Behind| {
        format!(
            "partition {} is published up to {} and archived up to {} of {}",
            it.partition, it.published, it.archived, it.position
        )
    };
    let shown: Vec<String> = behind.iter().take(3).map(one).collect();
    let more = if behind.len() > shown.len() { ", …" } else { "" };
    format!(
        "not yet: {}{more}; ask again in a moment, or give more time with --wait SECONDS",
        shown.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use tally_domain::{Offset, Partition};

    use super::*;

    #[test]
    fn who_is_behind_is_said_with_numbers() {
        let offset = |at| Offset::new(at).unwrap();
        let behind = [Behind {
            partition: Partition(3),
            position: offset(10),
            published: offset(7),
            archived: offset(4),
        }];
        assert_eq!(to_go(&behind), 6);
        assert_eq!(
            not_yet(&behind),
            "not yet: partition 3 is published up to 7 and archived up to 4 of 10; \
             ask again in a moment, or give more time with --wait SECONDS"
        );
    }
}
