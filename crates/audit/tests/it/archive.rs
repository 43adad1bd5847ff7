use tally_domain::{Offset, Partition, Reason};

use crate::world::{Dice, World, count};

/// Half a chunk is in, the process dies, ClickHouse refuses or comes back as it was yesterday and is not looked at for a
/// while: in any order, and nothing is missing in the end.
#[test]
fn nothing_is_missing_after_any_refusal_and_death() {
    for seed in 0..200 {
        let (mut world, mut dice) = (World::new(), Dice(seed));
        let (mut appended, mut kept) = (Vec::new(), Vec::new());
        let mut yesterday = world.sink.0.borrow().tables.clone();
        for step in 0..120 {
            match dice.below(11) {
                8 if dice.below(3) == 0 => yesterday = world.sink.0.borrow().tables.clone(),
                9 if dice.below(4) == 0 => world.sink.come_back_with(yesterday.clone()),
                10 => world.sink.look(),
                0 => {
                    let key = format!("file {}", dice.below(20));
                    world.kept(&key);
                    kept.push(key);
                }
                1 => appended.push(world.usage(&format!("e{step}"), 0)),
                2 => {
                    let partition = Partition(u16::try_from(dice.below(2)).unwrap());
                    appended.push((partition, world.heartbeat(partition)));
                }
                3 => world.sink.write(false),
                4 if dice.below(4) == 0 => world.restart(),
                5 => world.sink.write(true),
                _ => {
                    let _turn = world.turn();
                }
            }
        }
        world.sink.look();
        world.settle();
        let inner = world.sink.0.borrow();
        let expected: Vec<_> =
            appended.iter().map(|(partition, offset)| (partition.0, offset.get())).collect();
        assert!(expected.iter().all(|place| inner.tables.events.contains_key(place)), "seed {seed}");
        assert_eq!(inner.tables.events.len(), expected.len(), "seed {seed}");
        kept.sort();
        kept.dedup();
        assert_eq!(inner.tables.details(), kept, "seed {seed}");
        for partition in count().all() {
            let ends = appended.iter().filter(|place| place.0 == partition).map(|place| place.1.next());
            assert_eq!(world.archived(partition), ends.max().unwrap_or_default(), "seed {seed}");
        }
    }
}

/// "Archived up to X" says that every reject kept before X is listed.
#[test]
fn a_reject_is_listed_before_usage_that_came_after_it_is_archived() {
    let mut archived = 0;
    for seed in 0..200 {
        let (mut world, mut dice) = (World::new(), Dice(seed));
        world.log.borrow_mut().busy = Some(Dice(seed));
        for step in 0..80 {
            match dice.below(6) {
                0 => world.log.borrow_mut().promise(),
                1 | 2 => world.sink.write(dice.below(3) > 0),
                3 if dice.below(5) == 0 => world.restart(),
                _ => {
                    let _turn = world.turn();
                }
            }
            let details = world.sink.0.borrow().tables.details();
            for (key, partition, offset) in &world.log.borrow().promised {
                let is_archived = world.archived(*partition) > *offset;
                archived += u32::from(is_archived);
                assert!(!is_archived || details.contains(key), "seed {seed}, step {step}: {key}");
            }
        }
    }
    assert!(archived > 10_000, "{archived} promises were looked at");
}

#[test]
fn usage_goes_on_while_rejects_never_cease() {
    let mut world = World::new();
    let beat = world.heartbeat(Partition(0));
    for step in 0..8 {
        world.kept(&format!("file {step}"));
        let _turn = world.turn();
        world.sink.write(true);
    }
    assert_eq!(world.archived(Partition(0)), beat.next());
}

#[test]
fn a_quiet_partition_is_archived_while_others_never_rest() {
    let mut world = World::new();
    let last = Partition(count().get() - 1);
    let beat = world.heartbeat(last);
    for _ in 0..16 {
        for partition in count().all().filter(|partition| *partition != last) {
            world.heartbeat(partition);
        }
        let _turn = world.turn();
        world.sink.write(true);
    }
    assert_eq!(world.archived(last), beat.next());
}

#[test]
fn what_the_archive_refuses_by_itself_is_not_listed_again_when_the_fold_says_so() {
    let mut world = World::new();
    let (partition, ahead) = world.usage("ahead", 3_600_000);
    let (_, full) = world.usage("one too many", 0);
    world.said_again(partition, ahead, Reason::Future);
    world.said_again(partition, full, Reason::Overflow);
    world.settle();
    let places = |world: &World| {
        let inner = world.sink.0.borrow();
        let rows = inner.tables.rejects.values();
        let mut places: Vec<_> = rows.map(|row| (row.offset, row.reason.clone(), row.topic)).collect();
        places.sort_by_key(|place| place.0);
        places
    };
    let usage = tally_clickhouse::rows::RejectTopic::Usage;
    let expected = [(ahead.get(), "future".to_owned(), usage), (full.get(), "overflow".to_owned(), usage)];
    assert_eq!(places(&world), expected);
    // The list is made again from the start when its progress is lost.
    world.sink.0.borrow_mut().tables.listed.clear();
    world.restart();
    world.settle();
    assert_eq!(places(&world), expected);
}

#[test]
fn a_list_that_is_ahead_of_the_log_begins_again() {
    let mut world = World::new();
    world.kept("file 1");
    for partition in count().all() {
        let ahead = tally_audit::Listed { partition, next: Offset::new(1_000).unwrap() };
        world.sink.0.borrow_mut().tables.listed.insert(partition.0, ahead);
    }
    world.restart();
    world.settle();
    assert_eq!(world.sink.0.borrow().tables.details(), ["file 1"]);
}
