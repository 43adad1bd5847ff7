//! Lives of many seeds, and no broken promise.

use crate::act::{Act, life};
#[cfg(not(tally_planted))]
use crate::clickhouse::Fate;
use crate::life::shrink;
use tally_domain::planted::Bug;

/// So many lives take some 30 seconds of a processor in a debug build.
#[cfg(not(tally_planted))]
const LIVES: u64 = 4_000;

/// The bugs of the table in the docs: name, rule, and within how many lives each is found.
fn table() -> Vec<(&'static str, &'static str, u64)> {
    let lines = include_str!("../../../docs/simulator.md").lines();
    let cells = lines.filter_map(|line| line.strip_prefix("| `")).map(|line| line.split(" | "));
    cells
        .map(|mut cells| {
            let mut next = || cells.next().expect("a line of the table has four cells");
            (next().trim_end_matches('`'), next(), next().parse().expect("a number of lives"))
        })
        .collect()
}

#[test]
fn the_table_in_the_docs_names_every_bug_and_its_rule() {
    let listed: Vec<_> = table().into_iter().map(|(name, rule, _)| (name, rule)).collect();
    let bugs: Vec<_> = Bug::ALL.iter().map(|bug| (bug.name(), bug.breaks())).collect();
    assert_eq!(listed, bugs, "write the table anew with `tally-simulator bugs`");
    assert!(bugs.len() >= 25);
}

#[cfg(tally_planted)]
#[test]
fn every_bug_is_found_within_its_number_of_lives() {
    let _alone = PLANTING.lock().unwrap();
    let within = table();
    let mut lost = vec![];
    crate::bugs::hunt(|bug, found| {
        let (_, _, most) = within[Bug::ALL.iter().position(|it| *it == bug).unwrap()];
        println!("{}", crate::bugs::line(bug, found.as_ref()));
        if found.is_none_or(|found| found.lives > most) {
            lost.push((bug.name(), most));
        }
    })
    .unwrap();
    assert_eq!(lost, [], "bugs that were not found within so many lives");
}

/// The recount shares nothing with the fold, so that it sees what is wrong there.
#[cfg(tally_planted)]
#[test]
fn a_bug_of_the_fold_turns_verify_red() {
    let _alone = PLANTING.lock().unwrap();
    let bugs = [
        Bug::DuplicateCounted,
        Bug::RevisionNotReversed,
        Bug::MinuteStays,
        Bug::EarlyAtOnce,
        Bug::RawAppendedAt,
        Bug::ZeroDropped,
        Bug::MisroutedAccepted,
        Bug::RetractionTied,
        Bug::CostRounding,
        Bug::EqualCopyReprices,
        Bug::LowerBookObeyed,
        Bug::RevisionAgeless,
    ];
    let is_seen = |bug: Bug| {
        tally_domain::planted::plant(Some(bug));
        (0..300).any(|seed| crate::life::recounted(seed).is_some_and(|why| why.contains("verify is red")))
    };
    let unseen: Vec<_> = bugs.into_iter().filter(|bug| !is_seen(*bug)).collect();
    tally_domain::planted::plant(None);
    assert_eq!(unseen, [], "bugs that verify did not see");
}

/// A bug is planted in the whole process.
#[cfg(tally_planted)]
static PLANTING: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Seeds from `first` on, every second one.
#[cfg(not(tally_planted))]
fn keeps_every_promise(first: u64) {
    for nth in (first..LIVES).step_by(2) {
        if let Some(why) = crate::life::seed(nth) {
            panic!("{why}; seed {nth}");
        }
    }
}

#[cfg(not(tally_planted))]
#[test]
fn no_even_seed_breaks_a_promise() {
    keeps_every_promise(0);
}

#[cfg(not(tally_planted))]
#[test]
fn no_odd_seed_breaks_a_promise() {
    keeps_every_promise(1);
}

#[cfg(not(tally_planted))]
#[test]
fn a_seed_is_lived_again_step_for_step() {
    for seed in 0..10 {
        let lived = || crate::life::lived(seed, &life(seed, None), true);
        assert_eq!(lived(), lived());
    }
}

/// ```text
/// each minute: an event ─► log ─► both instances fold it, append a heartbeat and publish
/// ```
#[cfg(not(tally_planted))]
#[test]
fn two_owners_publish_the_same_values_and_two_heartbeats_a_minute_are_harmless() {
    let mut world = crate::world::World::new(7);
    let both = [0, 1].into_iter().flat_map(|instance| [0, 1].map(|partition| (instance, partition)));
    let turn = |turns| move |(instance, partition)| Act::Turn { instance, partition, turns };
    let land = |(instance, partition)| Act::Land { instance, partition, fate: Fate::Taken };
    let minute = || {
        let told = [
            Act::Pass(60_000),
            Act::Use { by: 0, whose: 0, id: 0, age_ms: 0, tokens: [1, 1], model: 0, session: 0 },
            Act::Send { by: 0, most: 1 },
        ];
        let folded = both.clone().map(turn(1)).chain([Act::LogTurn]).chain(both.clone().map(turn(5)));
        told.into_iter().chain(folded).chain(both.clone().map(land)).collect::<Vec<_>>()
    };
    for act in (0..30).flat_map(|_| minute()) {
        assert_eq!(world.live(&act), Ok(()), "{act:?}");
    }
    assert_eq!(world.end(7), Ok(()));
    assert_eq!(world.heartbeats_of_a_minute(), 2);
    assert!(world.published_by_both() >= 90, "{} values", world.published_by_both());
}

#[test]
fn a_list_of_acts_shrinks_to_those_that_matter() {
    // No promise is broken here, so there is nothing that matters.
    let acts: Vec<Act> = life(1, Some(40));
    assert_eq!(shrink(&acts, |left| left.contains(&acts[7]) && left.contains(&acts[31])).len(), 2);
}
