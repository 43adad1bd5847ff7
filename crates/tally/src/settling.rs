//! Waiting until what was appended is published and archived.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tally_node::attach::Attached;
use tally_node::control::Settled;
use tally_node::shared::{Behind, Failure, Positions};

use crate::patience::Patient;
use crate::progress::Progress;

/// How long one look waits, so that progress is shown meanwhile.
const LOOK: Duration = Duration::from_millis(500);

/// What the wait came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Settling {
    /// Everything is published and archived.
    Settled,
    /// Some partitions are not there yet, and perhaps a part is being mended.
    NotYet(Settled),
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
        let settled = look(attached, positions, left.min(LOOK))?;
        if settled.behind.is_empty() {
            return Ok(Settling::Settled);
        }
        if left.is_zero() {
            return Ok(Settling::NotYet(settled));
        }
        progress.wait(|| waiting(&settled));
    }
}

/// Waits for `positions` for as long as something moves at least every [`Patient::patience`].
pub(crate) fn while_it_moves(
    installation: &mut Patient<'_>,
    positions: &Positions,
    progress: &mut Progress,
) -> Result<Settling> {
    let patience = installation.patience;
    let mut moved = Instant::now();
    let mut before = Vec::new();
    loop {
        let settled = installation.ask(progress, |attached| look(attached, positions, LOOK.min(patience)))?;
        if settled.behind.is_empty() {
            return Ok(Settling::Settled);
        }
        if settled.behind != before {
            moved = Instant::now();
        }
        if moved.elapsed() >= patience {
            return Ok(Settling::NotYet(settled));
        }
        progress.wait(|| waiting(&settled));
        before = settled.behind;
    }
}

/// What heals by itself is waited for.
fn look(attached: &Attached, positions: &Positions, wait: Duration) -> Result<Settled> {
    let settled = attached.settle(positions, wait)?;
    match Failure::stopped(&settled.failures) {
        Some(failure) if !settled.behind.is_empty() => bail!("{} stopped: {}", failure.part, failure.message),
        _ => Ok(settled),
    }
}

fn waiting(settled: &Settled) -> String {
    let counting = format!("counting: {} records to go", to_go(&settled.behind));
    settled
        .failures
        .iter()
        .fold(counting, |said, failure| format!("{said}; {}: {}", failure.part, failure.message))
}

/// Records that are not yet both published and archived.
fn to_go(behind: &[Behind]) -> u64 {
    let left = |it: &Behind| it.position.get().saturating_sub(it.published.min(it.archived).get());
    behind.iter().map(left).sum()
}

/// What to say when the wait was too short.
pub(crate) fn not_yet(settled: &Settled) -> String {
    let Settled { behind, failures } = settled;
    let one = |it: &Behind| {
        format!(
            "partition {} is published up to {} and archived up to {} of {}",
            it.partition, it.published, it.archived, it.position
        )
    };
    let shown: Vec<String> = behind.iter().take(3).map(one).collect();
    let more = if behind.len() > shown.len() { ", …" } else { "" };
    let because = failures.iter().map(|failure| format!("; {}: {}", failure.part, failure.message));
    format!(
        "not yet: {}{more}{}; ask again in a moment, or give more time with --wait SECONDS",
        shown.join(", "),
        because.collect::<String>()
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
        let mut settled = Settled { behind: behind.to_vec(), failures: Vec::new() };
        assert_eq!(
            not_yet(&settled),
            "not yet: partition 3 is published up to 7 and archived up to 4 of 10; \
             ask again in a moment, or give more time with --wait SECONDS"
        );
        let message = "no space left on /var".to_owned();
        settled.failures.push(Failure { part: "aggregator 3".to_owned(), message, heals: true });
        assert_eq!(
            not_yet(&settled),
            "not yet: partition 3 is published up to 7 and archived up to 4 of 10; aggregator 3: no space left on /var; \
             ask again in a moment, or give more time with --wait SECONDS"
        );
    }
}
