//! What does not start on Kafka, and what it says.

use std::fs;

use anyhow::Result;
use tally_tests::installation::{Answer, Installation};

use super::{SETTINGS, brokers};

/// Runs a command to its end, which must be soon and a refusal.
fn refusal(dir: &Installation, arguments: &[&str], settings: &[(&str, &str)], code: i32) -> Result<String> {
    let mut command = dir.command_for_people(arguments)?;
    let answer = Answer::of(command.envs(SETTINGS).envs(settings.iter().copied()))?;
    assert_eq!(answer.code, Some(code), "{answer:?}");
    Ok(answer.stderr)
}

fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
}

#[test]
fn what_a_part_misses_is_said_with_its_setting() -> Result<()> {
    let dir = Installation::new()?;
    for part in ["collect", "aggregate", "audit", "rank", "web"] {
        let said = refusal(&dir, &[part], &[], 2)?;
        assert_says(&said, &[&format!("tally {part}"), "kafka.brokers", "--kafka HOST:PORT"]);
    }
    for part in ["aggregate", "audit", "rank", "web"] {
        let said = refusal(&dir, &[part, "--kafka", "127.0.0.1:1"], &[], 2)?;
        assert_says(&said, &[&format!("tally {part}"), "clickhouse.url"]);
    }
    let clock = ["up", "--kafka", "127.0.0.1:1", "--clock", "2026-02-13T00:00:00Z"];
    assert_says(&refusal(&dir, &clock, &[], 2)?, &["--clock", "kafka.brokers"]);
    let soon = [("TALLY__KAFKA__ANSWER_TIMEOUT_MS", "500")];
    let said = refusal(&dir, &["collect", "--kafka", "127.0.0.1:1"], &soon, 4)?;
    assert_says(&said, &["127.0.0.1:1", "check that the brokers run and that kafka.brokers names them"]);
    Ok(())
}

#[test]
fn another_secret_is_refused_before_anything_is_appended() -> Result<()> {
    let kafka = brokers();
    let brokers = kafka.brokers();
    let (first, second) = (Installation::new()?, Installation::new()?);
    let mut up = first.spawn_command(&["collect", "--kafka", &brokers], &SETTINGS)?;
    up.ready()?;
    up.interrupt()?;
    let collect = ["collect", "--kafka", &brokers];
    let said = refusal(&second, &collect, &[], 2)?;
    assert_says(&said, &["begun under a secret", "data/secret is not there", "secret_file"]);
    assert!(!second.data().join("secret").exists(), "none was made");
    fs::write(second.data().join("secret"), [7; 32])?;
    let said = refusal(&second, &collect, &[], 2)?;
    assert_says(&said, &["begun under another secret", "data/secret", "kafka.prefix"]);
    fs::copy(first.data().join("secret"), second.data().join("secret"))?;
    let mut up = second.spawn_command(&collect, &SETTINGS)?;
    up.ready()?;
    up.interrupt()?;
    // A topic that contradicts the promise is named with the number that it has.
    let other = [("TALLY__KAFKA__PARTITIONS", "5")];
    let said = refusal(&second, &collect, &other, 4)?;
    assert_says(&said, &["tally.usage: partitions is 4, wanted is 5", "set kafka.partitions = 4"]);
    Ok(())
}
