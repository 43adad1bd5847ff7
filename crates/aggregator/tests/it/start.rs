//! Starting: what is not the state's own log is refused, and the error says what to do.

use crate::world::{World, event, settings, topic, wall};
use tally_aggregator::{Aggregator, PartError};
use tally_disk::{Disk, MemoryDisk};
use tally_domain::{Hash128, TopicId};

fn world_with(ids: &[&str]) -> World {
    let noon = wall("2026-02-10T12:00:00Z");
    let mut world = World::new(1, noon);
    for id in ids {
        world.send(&event(id, noon));
    }
    world.settle();
    world.part.as_mut().unwrap().commit(noon).unwrap();
    world.part = None;
    world
}

/// The state of one world beside the log of another.
fn refused(state: &World, log: &World) -> String {
    let sink = crate::world::MemorySink::default();
    let ports = (log.log.reader(), log.log.appender(), sink);
    Aggregator::open(settings(), ports, &state.disk, "state").unwrap_err().to_string()
}

#[test]
fn a_state_goes_on_where_it_was() {
    let mut world = world_with(&["a", "b"]);
    let part = world.open().unwrap();
    assert_eq!(part.status().next, part.status().end);
    world.part = Some(part);
    world.settle();
    world.check();
}

#[test]
fn another_log_of_the_same_topic_is_recognized_by_the_last_record() {
    let error = refused(&world_with(&["a", "b"]), &world_with(&["a", "c"]));
    assert!(error.contains("is not the one that the state in"), "{error}");
    assert!(error.contains("give back the log"), "{error}");
}

#[test]
fn a_log_that_lost_its_end_is_refused() {
    let error = refused(&world_with(&["a", "b"]), &world_with(&["a"]));
    assert!(error.contains("but the log ends at"), "{error}");
}

#[test]
fn another_topic_is_refused() {
    let world = world_with(&["a"]);
    let mut other = settings();
    other.topic = TopicId(Hash128([1; 16]));
    let ports = (world.log.reader(), world.log.appender(), crate::world::MemorySink::default());
    let error = Aggregator::open(other, ports, &world.disk, "state").unwrap_err();
    assert!(matches!(error, PartError::OtherTopic { known, .. } if known == topic()));
    // Also before there is a state: the barrier names it.
    let ports = (world.log.reader(), world.log.appender(), crate::world::MemorySink::default());
    let mut part = Aggregator::open(other, ports, &world.disk, "empty").unwrap();
    assert!(matches!(part.turn(world.now), Err(PartError::OtherTopic { .. })));
}

#[test]
fn another_secret_is_refused() {
    let world = world_with(&["a"]);
    let mut other = settings();
    other.fold.secret_check = Hash128([1; 16]);
    let ports = (world.log.reader(), world.log.appender(), crate::world::MemorySink::default());
    let error = Aggregator::open(other, ports, &world.disk, "state").unwrap_err().to_string();
    assert!(error.contains("restore the installation's own secret file"), "{error}");
}

#[test]
fn a_log_that_begins_with_usage_is_refused() {
    let noon = wall("2026-02-10T12:00:00Z");
    let world = world_with(&[]);
    let disk = MemoryDisk::new(2);
    let mut log = crate::world::open_log(&disk).unwrap();
    let mut bytes = vec![];
    let event = event("a", noon);
    tally_schema::encode_usage(&event.as_ref(), &mut bytes);
    let lane = crate::world::lane(tally_domain::Topic::Usage);
    tally_log::AppendLog::append(&mut log.appender(), lane, event.account.bytes(), Some(&bytes)).unwrap();
    let _turn = log.turn(noon);
    let ports = (log.reader(), log.appender(), crate::world::MemorySink::default());
    let mut part = Aggregator::open(settings(), ports, &disk.at("x"), "state").unwrap();
    let error = part.turn(world.now).unwrap_err().to_string();
    assert!(error.contains("before the first barrier"), "{error}");
}

#[test]
fn a_log_whose_beginning_is_gone_needs_a_state_that_reaches_it() {
    let noon = wall("2026-02-10T12:00:00Z");
    let mut world = World::new(1, noon);
    world.settle();
    world.part.as_mut().unwrap().commit(noon).unwrap();
    let old = world.disk.snapshot();
    for nth in 0..60 {
        world.send(&event(&format!("event-{nth}"), noon));
        let _turn = world.log.turn(world.now);
    }
    world.settle();
    world.part = None;
    let later = noon.plus_ms(60 * 86_400_000);
    let _dropped = world.log.retain(later, u64::MAX, |_| tally_domain::Offset::MAX).unwrap();
    let start =
        tally_log::ReadLog::bounds(&mut world.log.reader(), crate::world::lane(tally_domain::Topic::Usage));
    assert!(start.unwrap().start.get() > 3);
    let open = |disk: &MemoryDisk| {
        let ports = (world.log.reader(), world.log.appender(), crate::world::MemorySink::default());
        Aggregator::open(settings(), ports, disk, "state").unwrap_err().to_string()
    };
    assert!(open(&MemoryDisk::new(3)).contains("there is no state, and the log starts at offset"));
    old.crash();
    assert!(open(&old).contains("copy a newer state, or refold the archive"));
}
