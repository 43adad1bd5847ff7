//! ClickHouse by URL: an installation without an engine of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;
use tally_tests::http;
use tally_tests::installation::Installation;
use tally_tests::ledger::{Event, Ledger};
use tally_tests::owner::{post, published, settle, sql, verify};

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

/// A ClickHouse that other programs run: it stops, its directory is replaced, and it starts at the same address.
#[test]
fn a_server_that_is_set_back_or_emptied_while_usage_comes_is_filled_again_by_itself() -> Result<()> {
    let (host, guest) = (Installation::new()?, Installation::new()?);
    let (tables, yesterday) = (host.data().join("clickhouse"), host.beside("yesterday"));
    let mut serving = host.spawn(CLOCK_MS)?;
    let url = serving.ready()?.clickhouse;
    let address = url.trim_start_matches("http://").to_owned();
    let settings = [("TALLY__CLICKHOUSE__URL", url.as_str()), ("TALLY__CLICKHOUSE__DATABASE", "other")];
    let mut up = guest.spawn_with(CLOCK_MS, &settings)?;
    let owner = up.ready()?;
    let mut ledger = Ledger::default();
    let send = |ledger: &mut Ledger, of: u64| -> Result<()> {
        for who in of..of + 20 {
            post(&owner, &[event(who)])?;
            ledger.acknowledged(&[event(who)]);
        }
        // The collector keeps what it refuses, and the audit lists it.
        let unreadable = json!({"events": [{"source": "test", "id": format!("bad-{of}")}]});
        http::send(&owner.collector, "POST", "/v1/usage", &unreadable.to_string()).map(|_| ())
    };
    let is_all_there = |ledger: &Ledger, sent: usize| -> Result<()> {
        settle(&owner)?;
        let findings = verify(&owner)?;
        assert_eq!((findings.checked.events, findings.differences), (ledger.events().try_into()?, vec![]));
        assert_eq!(published(&owner)?, ledger.totals(CLOCK_MS));
        assert_eq!(sql(&owner, "SELECT count() FROM rejects FINAL")?.trim(), sent.to_string());
        Ok(())
    };
    send(&mut ledger, 0)?;
    is_all_there(&ledger, 1)?;
    for (life, come_back) in ["as it was", "older", "empty"].into_iter().enumerate() {
        serving.interrupt()?;
        match come_back {
            "older" => {
                fs::remove_dir_all(&tables)?;
                copy(&yesterday, &tables)?;
            }
            "empty" => fs::remove_dir_all(&tables)?,
            _ => copy(&tables, &yesterday)?,
        }
        send(&mut ledger, u64::try_from(life)? * 100 + 100)?;
        serving = host.spawn_with(CLOCK_MS, &[("TALLY__ENGINE__LISTEN", &address)])?;
        serving.ready()?;
        send(&mut ledger, u64::try_from(life)? * 100 + 150)?;
        is_all_there(&ledger, 3 + 2 * life)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    ensure!(Command::new("cp").arg("-a").args([from, to]).status()?.success(), "copying {}", from.display());
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
