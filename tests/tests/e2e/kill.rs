//! kill −9 at random moments.

use std::sync::mpsc;
use std::time::Duration;

use tally_tests::installation::{Installation, Owner, post, published, settle, verify};
use tally_tests::ledger::{Event, Ledger, Producer};
use tally_tests::seeded::Seeded;

/// 2026-02-13T00:00:00Z.
const BASE_MS: i64 = 1_770_940_800_000;
/// Each life begins seven hours after the one before: windows move across the deaths.
const LIFE_MS: i64 = 7 * 3_600_000;

/// Posts until the installation dies, and tells of each acknowledgement. What the last request held is given back:
/// nobody knows what became of it.
fn post_until_death(
    owner: &Owner,
    producer: &mut Producer,
    ledger: &mut Ledger,
    told: &mpsc::Sender<()>,
) -> Vec<Event> {
    loop {
        let batch = producer.batch();
        if post(owner, &batch).is_err() {
            return batch;
        }
        ledger.acknowledged(&batch);
        // Who waited may have seen enough.
        let _enough = told.send(());
    }
}

#[test]
fn what_was_acknowledged_is_counted_once_through_every_kill() {
    let kills = std::env::var("TALLY_TEST_KILLS")
        .map_or(6, |text| text.parse().expect("TALLY_TEST_KILLS is a number"));
    let seed =
        std::env::var("TALLY_TEST_SEED").map_or(1, |text| text.parse().expect("TALLY_TEST_SEED is a number"));
    println!("TALLY_TEST_KILLS={kills} TALLY_TEST_SEED={seed}");
    let installation = Installation::new().unwrap();
    let (mut chance, mut producer) = (Seeded(seed), Producer::new(seed, BASE_MS));
    let (mut ledger, mut unsure) = (Ledger::default(), Vec::new());
    let mut clock = BASE_MS;
    for kill in 0..kills {
        clock += LIFE_MS;
        let mut up = installation.spawn(clock).unwrap();
        let moment = Duration::from_millis(chance.below(60));
        if kill % 3 == 2 {
            // While it starts.
            std::thread::sleep(moment * 20);
            up.kill_group().unwrap();
            continue;
        }
        let owner = up.ready().unwrap();
        if !unsure.is_empty() {
            post(&owner, &unsure).unwrap();
            ledger.acknowledged(&std::mem::take(&mut unsure));
        }
        if kill % 3 == 1 {
            // While what has gathered is published.
            settle(&owner).unwrap();
        }
        let batches = 1 + chance.below(30);
        unsure = std::thread::scope(|scope| {
            let (told, heard) = mpsc::channel();
            let (owner, producer, ledger) = (&owner, &mut producer, &mut ledger);
            let posting = scope.spawn(move || post_until_death(owner, producer, ledger, &told));
            for _ in 0..batches {
                heard.recv().expect("the producer posts until the installation dies");
            }
            std::thread::sleep(moment);
            if chance.below(2) == 0 { up.kill_alone() } else { up.kill_group() }.unwrap();
            posting.join().unwrap()
        });
    }
    clock += LIFE_MS;
    let mut up = installation.spawn(clock).unwrap();
    let owner = up.ready().unwrap();
    post(&owner, &unsure).unwrap();
    ledger.acknowledged(&unsure);
    settle(&owner).unwrap();
    println!("{} reports of {} events through {kills} kills", ledger.reports, ledger.events());
    assert_eq!(published(&owner).unwrap(), ledger.totals(clock), "{}", up.said());
    let findings = verify(&owner).unwrap();
    assert_eq!((findings.differences_total, findings.differences), (0, vec![]));
    assert_eq!(usize::try_from(findings.checked.events).unwrap(), ledger.events());
}
