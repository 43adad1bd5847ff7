//! ClickHouse by URL: an installation without an engine of its own.

use anyhow::Result;
use tally_tests::installation::{Installation, post, published, settle, sql, verify};
use tally_tests::ledger::{Event, Ledger};

/// 2026-02-13T00:00:00Z.
const CLOCK_MS: i64 = 1_770_940_800_000;

fn event(who: u64) -> Event {
    let (id, at_ms) = (format!("event-{who}"), CLOCK_MS - 60_000);
    Event { who, id, revision: 0, at_ms, tokens: [3, 100, 0, 20, 7, 0] }
}

#[test]
fn two_installations_share_a_server_and_nothing_else() -> Result<()> {
    let (host, guest) = (Installation::new()?, Installation::new()?);
    let mut host = host.spawn(CLOCK_MS)?;
    let server = host.ready()?;
    let settings =
        [("TALLY__CLICKHOUSE__URL", server.clickhouse.as_str()), ("TALLY__CLICKHOUSE__DATABASE", "other")];
    let mut ledger = Ledger::default();
    for life in [vec![event(1), event(2)], vec![event(2), event(3)]] {
        let mut up = guest.spawn_with(CLOCK_MS, &settings)?;
        let owner = up.ready()?;
        assert_eq!((&owner.clickhouse, owner.database.as_str()), (&server.clickhouse, "other"));
        post(&owner, &life)?;
        ledger.acknowledged(&life);
        settle(&owner)?;
        assert_eq!(published(&owner)?, ledger.totals(CLOCK_MS));
        let findings = verify(&owner)?;
        assert_eq!((findings.checked.events, findings.differences), (ledger.events().try_into()?, vec![]));
        up.kill_alone()?;
    }
    assert_eq!(sql(&server, "SELECT count() FROM account_totals")?, "0\n", "the host has counted nothing");
    Ok(())
}

#[test]
fn a_server_that_does_not_answer_is_named_with_what_to_do() -> Result<()> {
    let nobody = "http://127.0.0.1:1";
    let installation = Installation::new()?;
    let mut up = installation.spawn_with(CLOCK_MS, &[("TALLY__CLICKHOUSE__URL", nobody)])?;
    assert!(up.ready().is_err());
    let said = up.said();
    for part in [nobody, "Connection refused", "set clickhouse.url"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    Ok(())
}
