//! Waiting: for a clock that is behind, with a clock that stands still, and for a destination that is away.

use crate::world::{Fate, World, event, wall};
use tally_aggregator::Turn;
use tally_domain::WallTime;

#[test]
fn a_record_far_ahead_of_this_machines_clock_waits_until_it_is_not() {
    let noon = wall("2026-02-10T12:00:00Z");
    let mut world = World::new(1, noon);
    world.settle();
    let before = world.part.as_ref().unwrap().status().next;
    world.send(&event("a", noon.plus_ms(400_000)));
    let _turn = world.log.turn(noon.plus_ms(400_000));
    for _ in 0..9 {
        assert!(world.turn().is_ok());
        let _landed = world.land(Fate::Taken);
    }
    let status = world.part.as_ref().unwrap().status();
    assert_eq!((status.next, status.lag()), (before, 1));
    assert_eq!(status.waits_for.map(tally_domain::LogTime::ms), Some(noon.plus_ms(400_000).ms()));
    world.now = noon.plus_ms(100_000);
    world.settle();
    world.check();
    assert_eq!(world.part.as_ref().unwrap().status().waits_for, None);
}

#[test]
fn with_a_clock_that_stands_still_everything_is_committed_and_published_all_the_same() {
    let noon = wall("2026-02-10T12:00:00Z");
    let mut world = World::new(1, noon);
    world.send(&event("a", noon));
    world.settle();
    for _ in 0..60 {
        assert!(world.turn().is_ok());
    }
    assert!(world.part.as_ref().unwrap().status().commits > 0);
    world.crash();
    let part = world.open().unwrap();
    assert!(part.status().next.get() > 1, "what was folded before the crash is not folded again");
    world.part = Some(part);
    world.settle();
    world.check();
}

#[test]
fn while_clickhouse_is_away_keys_wait_and_no_progress_is_claimed() {
    let noon = wall("2026-02-10T12:00:00Z");
    let mut world = World::new(1, noon);
    world.settle();
    let shown = world.tables.progress;
    for minute in 0..200 {
        world.now = WallTime::from_ms(noon.ms() + minute * 60_000).unwrap();
        world.send(&event(&format!("{minute}"), world.now));
        let _log = world.log.turn(world.now);
        while matches!(world.turn(), Ok(Turn::Worked)) {}
        let _landed = world.land(Fate::Refused);
    }
    let status = world.part.as_ref().unwrap().status();
    assert_eq!((status.lag(), world.tables.progress), (0, shown));
    assert!(status.pending < 20, "{} keys for one account and a session", status.pending);
    assert!(status.clickhouse.is_none_or(|progress| Some(progress.version) <= shown));
    world.settle();
    world.check();
}
