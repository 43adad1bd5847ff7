//! kill −9 on the real disk: a child folds numbers into the state and commits, and is killed at a random moment,
//! again and again; what the next one opens is a committed state, whole.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tally_disk::OsDisk;
use tally_store::{Engine, Merged};

use crate::model::KEYSPACES;

const CHILD: &str = "TALLY_STORE_TEST_CHILD";
const ROUNDS: u64 = 12;
const PER_COMMIT: u64 = 40;

/// Row `n` of each keyspace; the sum of all lanes ever added is the count of rows.
fn put(engine: &mut Engine<OsDisk>, n: u64) {
    let event = [n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(), n.to_be_bytes()].concat();
    let value = [n.to_le_bytes(), [0; 8]].concat();
    engine.put(0, &event, &value, 0).unwrap();
    let slot = u32::try_from(n % 17).unwrap().to_be_bytes();
    let lanes = [1_i64.to_le_bytes(), n.cast_signed().to_le_bytes()].concat();
    engine.put(1, &[tally_store::prefix(5), slot].concat(), &lanes, 0).unwrap();
    engine.put(2, &slot, &n.to_le_bytes(), 0).unwrap();
}

/// Opens the state, checks that it is that of its meta, and says how far it is.
fn opened(dir: &Path) -> (Engine<OsDisk>, u64) {
    let (engine, meta) = Engine::open(&OsDisk::open(dir).unwrap(), "p0", &KEYSPACES).unwrap();
    let next = meta.map_or(0, |meta| u64::from_le_bytes(meta.try_into().unwrap()));
    let (mut events, mut count, mut sum) = (0, 0, 0);
    engine
        .walk(0, &[], |_, value| {
            events += 1;
            u64::from_le_bytes(*value.first_chunk().unwrap()) < next
        })
        .unwrap();
    engine
        .walk(1, &[], |_, value| {
            count += i64::from_le_bytes(*value.first_chunk().unwrap());
            sum += i64::from_le_bytes(*value.last_chunk().unwrap());
            true
        })
        .unwrap();
    let expected = next.cast_signed();
    assert_eq!(
        (events, count, sum),
        (next, expected, expected * (expected - 1) / 2),
        "state and offset agree"
    );
    (engine, next)
}

/// The child: folds for ever, a line after each commit.
fn fold_for_ever(dir: &Path) -> ! {
    let (mut engine, mut next) = opened(dir);
    loop {
        for _ in 0..PER_COMMIT {
            put(&mut engine, next);
            next += 1;
        }
        engine.commit(&next.to_le_bytes()).unwrap();
        println!("committed {next}");
        while engine.merge(7).unwrap() == Merged::Some {}
    }
}

fn start(dir: &Path) -> Child {
    let itself = std::env::current_exe().unwrap();
    Command::new(itself)
        .args(["--exact", "kill::killed_at_any_moment_the_state_is_whole", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets the child commit a few times, waits a little more, different each round, and kills it.
fn kill_amid(dir: &Path, round: u64) -> u64 {
    let mut child = start(dir);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    // The harness may write on the same line before the child does.
    let commits = lines.filter_map(|line| line.rsplit_once("committed ")?.1.parse::<u64>().ok());
    let mut commits = commits.skip(usize::try_from(round % 5).unwrap());
    let acknowledged = commits.next().expect("the child commits until it is killed");
    let deadline = std::time::Instant::now() + Duration::from_micros(round * 977 % 9_000);
    while std::time::Instant::now() < deadline {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    let _killed = child.wait().unwrap();
    commits.last().unwrap_or(acknowledged)
}

#[test]
fn killed_at_any_moment_the_state_is_whole() {
    if let Some(dir) = std::env::var_os(CHILD) {
        fold_for_ever(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=ROUNDS {
        let acknowledged = kill_amid(dir.path(), round);
        let (_engine, next) = opened(dir.path());
        assert!(next >= acknowledged, "round {round}: {acknowledged} was acknowledged, {next} is there");
        assert_eq!(next % PER_COMMIT, 0, "round {round}: {next} is no commit");
    }
}
