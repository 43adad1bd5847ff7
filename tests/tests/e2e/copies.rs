//! Copies of states, on one machine: which state an installation goes on from, when there are two.

use std::fs;
use std::path::Path;

use anyhow::Result;
use tally_tests::installation::Installation;
use tally_tests::ledger::{Ledger, Producer};
use tally_tests::metrics::{by_partition, whence};
use tally_tests::owner::{Owner, post, published, settle, verify};

/// 2026-02-13T00:00:00Z.
const CLOCK_MS: i64 = 1_770_940_800_000;
/// Of the local log.
const PARTITIONS: u64 = 8;

/// What starts so has its states from these places.
const OWN: [u64; 3] = [PARTITIONS, 0, 0];
const COPIED: [u64; 3] = [0, PARTITIONS, 0];
const FOLDED: [u64; 3] = [0, 0, PARTITIONS];

struct Machine {
    installation: Installation,
    producer: Producer,
    ledger: Ledger,
}

impl Machine {
    fn new(seed: u64) -> Result<Self> {
        let installation = Installation::new()?;
        fs::create_dir(installation.beside("copies"))?;
        Ok(Self { installation, producer: Producer::new(seed, CLOCK_MS), ledger: Ledger::default() })
    }

    fn url(&self) -> String {
        format!("file://{}", self.installation.beside("copies").display())
    }

    /// A life in which something is sent and counted; where its states came from.
    fn life(&mut self, url: &str, interval_s: &str, more: impl Fn(&Owner) -> Result<()>) -> Result<[u64; 3]> {
        let settings = [
            ("TALLY__CHECKPOINTS__URL", url),
            ("TALLY__CHECKPOINTS__INTERVAL_S", interval_s),
            ("TALLY__STORE__CHECKPOINT_INTERVAL_S", "1"),
        ];
        let mut up = self.installation.spawn_with(CLOCK_MS, &settings)?;
        let owner = up.ready()?;
        let came = whence(&owner)?;
        let batch = self.producer.batch();
        post(&owner, &batch)?;
        self.ledger.acknowledged(&batch);
        settle(&owner)?;
        assert_eq!(published(&owner)?, self.ledger.totals(CLOCK_MS));
        assert_eq!(verify(&owner)?.differences, vec![]);
        more(&owner)?;
        up.interrupt()?;
        Ok(came)
    }

    fn state(&self) -> std::path::PathBuf {
        self.installation.data().join("state")
    }
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name())))?;
        if entry.is_dir() { copy_all(&entry, &to)? } else { fs::copy(&entry, &to).map(drop)? }
    }
    Ok(())
}

const NEVER: &str = "100000";

#[test]
fn the_newest_of_state_and_copy_is_taken() -> Result<()> {
    let mut machine = Machine::new(11)?;
    let url = machine.url();
    // Stopping is enough to have a copy: its interval never comes.
    assert_eq!(machine.life(&url, NEVER, |_| Ok(()))?, FOLDED);
    let aside = machine.installation.beside("older");
    copy_all(&machine.state(), &aside)?;

    fs::remove_dir_all(machine.state())?;
    assert_eq!(machine.life(&url, NEVER, |_| Ok(()))?, COPIED, "a state that was lost");
    // An older state than the newest copy, as on a host that had the partition before.
    fs::remove_dir_all(machine.state())?;
    copy_all(&aside, &machine.state())?;
    assert_eq!(machine.life(&url, NEVER, |_| Ok(()))?, COPIED, "a state that is behind");
    // What is here is as new as the copy, and then newer: nothing was copied in between.
    assert_eq!(machine.life(&url, NEVER, |_| Ok(()))?, OWN, "a state that is as new");
    assert_eq!(machine.life("", NEVER, |_| Ok(()))?, [0; 3], "nobody looks for copies");
    assert_eq!(machine.life(&url, NEVER, |_| Ok(()))?, OWN, "a state that is ahead");
    Ok(())
}

#[test]
fn what_is_copied_while_it_runs_outlives_the_machine() -> Result<()> {
    let mut machine = Machine::new(12)?;
    let url = machine.url();
    let settings = [("TALLY__CHECKPOINTS__URL", url.as_str()), ("TALLY__CHECKPOINTS__INTERVAL_S", "1")];
    let mut up = machine.installation.spawn_with(CLOCK_MS, &settings)?;
    let owner = up.ready()?;
    let batch = machine.producer.batch();
    post(&owner, &batch)?;
    machine.ledger.acknowledged(&batch);
    settle(&owner)?;
    let all = usize::try_from(PARTITIONS)?;
    while by_partition(&owner, "tally_copied_offset")?.values().filter(|offset| **offset > 0).count() < all {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    up.kill_group()?;
    fs::remove_dir_all(machine.state())?;
    assert_eq!(machine.life(&url, "1", |_| Ok(()))?, COPIED);
    Ok(())
}

#[test]
fn copies_that_are_damaged_are_passed_over_and_made_again() -> Result<()> {
    let mut machine = Machine::new(13)?;
    let url = machine.url();
    machine.life(&url, NEVER, |_| Ok(()))?;
    fs::remove_dir_all(machine.state())?;
    let copies = machine.installation.beside("copies");
    damage_all(&copies)?;
    assert_eq!(machine.life(&url, NEVER, |_| Ok(()))?, FOLDED, "the log is whole");
    // As the message says: what was removed is copied again.
    fs::remove_dir_all(&copies)?;
    fs::create_dir(&copies)?;
    assert_eq!(machine.life(&url, NEVER, |_| Ok(()))?, OWN);
    fs::remove_dir_all(machine.state())?;
    assert_eq!(machine.life(&url, NEVER, |_| Ok(()))?, COPIED);
    Ok(())
}

/// Flips the last byte of every file.
fn damage_all(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            damage_all(&path)?;
            continue;
        }
        let mut bytes = fs::read(&path)?;
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        fs::write(&path, bytes)?;
    }
    Ok(())
}

#[test]
fn a_store_that_is_away_is_told_and_nobody_waits_for_it_where_the_log_is_whole() -> Result<()> {
    let mut machine = Machine::new(14)?;
    let place = machine.installation.beside("copies");
    fs::remove_dir(&place)?;
    // A file where a directory is to be: nothing can be listed in it, nor written.
    fs::write(&place, "")?;
    let url = machine.url();
    assert_eq!(machine.life(&url, "1", until_refused)?, FOLDED);
    assert_eq!(machine.life(&url, NEVER, |_| Ok(()))?, OWN);
    Ok(())
}

fn until_refused(owner: &Owner) -> Result<()> {
    while by_partition(owner, "tally_copy_failures_total")?.is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Ok(())
}
