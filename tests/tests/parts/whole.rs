//! `tally up --kafka`: everything in one process but the log.

use std::time::{Duration, Instant};

use anyhow::Result;
use tally_tests::http;
use tally_tests::installation::Installation;
use tally_tests::ledger::Ledger;
use tally_tests::owner::{Owner, people, post, published, published_hours, settle, verify};

use super::{SETTINGS, Usage, brokers, now_ms};

/// How long the archive may stay behind what is published, once nobody sends any more.
const BEHIND_MAX: Duration = Duration::from_mins(1);

/// Everything that is published is what the ledger says.
pub(crate) fn assert_counted(owner: &Owner, ledger: &Ledger) -> Result<()> {
    assert_eq!(published(owner)?, ledger.totals(now_ms()));
    assert_eq!(published_hours(owner)?, ledger.hours());
    let begun = Instant::now();
    let findings = loop {
        match verify(owner) {
            // The clock goes on: a heartbeat was published a moment before it was archived.
            Err(error)
                if error.to_string().contains("the archive is behind") && begun.elapsed() < BEHIND_MAX => {}
            findings => break findings?,
        }
    };
    assert_eq!(findings.differences, vec![]);
    assert_eq!(findings.checked.events, u64::try_from(ledger.events())?);
    Ok(())
}

#[test]
fn what_was_acknowledged_is_counted_once_through_every_death() -> Result<()> {
    let kafka = brokers();
    let brokers = kafka.brokers();
    let installation = Installation::new()?;
    let (mut usage, mut ledger) = (Usage::new(1), Ledger::default());
    for life in 0..4 {
        let mut up = installation.spawn_command(&["up", "--kafka", &brokers], &SETTINGS)?;
        let owner = up.ready()?;
        for _ in 0..4 {
            let batch = usage.batch();
            post(&owner, &batch)?;
            ledger.acknowledged(&batch);
        }
        if life == 1 {
            // Before any of it is known to be settled.
            up.kill_group()?;
            continue;
        }
        settle(&owner)?;
        assert_counted(&owner, &ledger)?;
        match life {
            0 => up.kill_alone()?,
            2 => up.interrupt()?,
            _ => {
                let top = installation.run(&["top", "--limit", "1000", "--json"])?;
                assert_eq!(people(&top)?, ledger.tokens_30d(now_ms()));
                assert!(!installation.data().join("log").exists(), "there is no log on this disk");
                up.interrupt()?;
            }
        }
    }
    // Nobody runs it: the command does, for as long as it takes.
    let mut verify = installation.command_for_people(&["verify", "--json"])?;
    verify.envs(SETTINGS).env("TALLY__KAFKA__BROKERS", &brokers);
    let verified = tally_tests::installation::Answer::of(&mut verify)?;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    Ok(())
}

/// Waits until the process says that it can, or cannot, do its work.
fn until_ready(owner: &Owner, status: u16) -> Result<String> {
    loop {
        let answer = http::send(&owner.control, "GET", "/readyz", "")?;
        if answer.status == status {
            return Ok(answer.body);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn parts_wait_for_brokers_that_are_away_and_go_on() -> Result<()> {
    let mut kafka = brokers();
    let brokers = kafka.brokers();
    let installation = Installation::new()?;
    let settings = [SETTINGS.as_slice(), &[("TALLY__KAFKA__ANSWER_TIMEOUT_MS", "2000")]].concat();
    let mut up = installation.spawn_command(&["up", "--kafka", &brokers], &settings)?;
    let owner = up.ready()?;
    let (mut usage, mut ledger) = (Usage::new(3), Ledger::default());
    for away in [false, true] {
        if away {
            kafka.stop(1)?;
            let said = until_ready(&owner, 503)?;
            assert!(said.contains("kafka.brokers"), "{said}");
            kafka.start_again(1)?;
            until_ready(&owner, 200)?;
        }
        let batch = usage.batch();
        post(&owner, &batch)?;
        ledger.acknowledged(&batch);
        settle(&owner)?;
        assert_counted(&owner, &ledger)?;
    }
    up.interrupt()
}
