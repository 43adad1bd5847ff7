//! A bug in the fold's own code turns verify red, through the real program.

use anyhow::Result;
use tally_audit::What;
use tally_domain::Window;
use tally_domain::planted::Bug;
use tally_tests::installation::Installation;
use tally_tests::ledger::Event;
use tally_tests::owner::{Owner, post, settle, verify};
use tally_tests::process::Up;

/// 2026-02-13T00:00:00Z.
const CLOCK_MS: i64 = 1_770_940_800_000;
const HOUR_MS: i64 = 3_600_000;

fn event(id: &str, revision: i64, at_ms: i64) -> Event {
    Event { who: 1, id: id.to_owned(), revision, at_ms, tokens: [3, 100, 0, 20, 7, 0] }
}

/// One life of the program, which takes these events; the process that is still there at its end.
fn live(installation: &Installation, bug: Bug, clock_ms: i64, events: &[Event]) -> Result<(Up, Owner)> {
    let mut up = installation.spawn_planted(clock_ms, bug)?;
    let owner = up.ready()?;
    post(&owner, events)?;
    settle(&owner)?;
    Ok((up, owner))
}

/// In the second life an event is repeated, one is revised, and one has left the shortest window.
fn totals_that_differ(bug: Bug) -> Result<Vec<What>> {
    let installation = Installation::new()?;
    let (once, grown) = (event("once", 0, CLOCK_MS), event("grown", 0, CLOCK_MS));
    let leaving = event("leaving", 0, CLOCK_MS - 24 * HOUR_MS + 60_000);
    let (first, _) = live(&installation, bug, CLOCK_MS, &[leaving, once.clone(), grown])?;
    first.kill_group()?;
    let (_second, owner) =
        live(&installation, bug, CLOCK_MS + HOUR_MS, &[once, event("grown", 1, CLOCK_MS)])?;
    let found = verify(&owner)?.differences.into_iter().map(|it| it.what);
    Ok(found.filter(|what| matches!(what, What::Total(_))).collect())
}

#[test]
fn verify_is_red_for_a_bug_in_the_fold() -> Result<()> {
    let all: Vec<What> = Window::ALL.into_iter().map(What::Total).collect();
    assert_eq!(totals_that_differ(Bug::DuplicateCounted)?, all);
    assert_eq!(totals_that_differ(Bug::RevisionNotReversed)?, all);
    assert_eq!(totals_that_differ(Bug::MinuteStays)?, [What::Total(Window::Hours24)]);
    Ok(())
}
