//! Whatever is lost, late, doubled or cut off in the middle: in the end every reader sees what the oracle counts.

use crate::world::{Fate, World, account, event, wall};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tally_disk::Kind as DiskKind;
use tally_disk::memory::Fault;
use tally_domain::{Epoch, EventTime, Hash128, Kind, Minted, ProducerId, Revision, Sequence, UsageEvent};

#[derive(Clone, Debug)]
enum Act {
    /// Sends an event: a new one, or one that was sent before with more output, another revision, another time.
    Send {
        id: u8,
        minted: bool,
        output: i64,
        revision: u32,
        kind: Kind,
        age_ms: i64,
        misrouted: bool,
    },
    Garbage,
    Prices(u32),
    Pass {
        ms: i64,
    },
    LogTurn,
    Turn,
    Land(Fate),
    Restart,
    Crash,
    CrashAt {
        operations: u64,
    },
    RefuseAt {
        operations: u64,
    },
    SinkRestarts,
    SinkSetBack,
}

fn acts() -> impl Strategy<Value = Act> {
    let ages = select(vec![0, 0, 0, 60_000, 3_600_000, 86_400_000, 40 * 86_400_000, -240_000, -600_000]);
    let kinds = select(vec![Kind::Report, Kind::Report, Kind::Report, Kind::Correction, Kind::Retraction]);
    let fates =
        select(vec![Fate::Taken, Fate::Taken, Fate::TakenAndRefused, Fate::Refused, Fate::TakenTwice]);
    prop_oneof![
        16 => (0..12_u8, any::<bool>(), 0..3_i64, 0..3_u32, kinds, ages, prop::bool::weighted(0.05)).prop_map(
            |(id, minted, output, revision, kind, age_ms, misrouted)| Act::Send {
                id,
                minted,
                output,
                revision,
                kind,
                age_ms,
                misrouted
            }
        ),
        1 => Just(Act::Garbage),
        1 => (1..4_u32).prop_map(Act::Prices),
        4 => select(vec![1, 500, 3_000, 60_000, 86_400_000]).prop_map(|ms| Act::Pass { ms }),
        10 => Just(Act::LogTurn),
        16 => Just(Act::Turn),
        10 => fates.prop_map(Act::Land),
        1 => Just(Act::Restart),
        1 => Just(Act::Crash),
        2 => (0..12_u64).prop_map(|operations| Act::CrashAt { operations }),
        1 => (0..12_u64).prop_map(|operations| Act::RefuseAt { operations }),
        1 => Just(Act::SinkRestarts),
        1 => Just(Act::SinkSetBack),
    ]
}

fn act(world: &mut World, act: &Act) {
    match act {
        Act::Send { .. } => world.send(&sent(world, act)),
        Act::Garbage => world.append(account(0, false).bytes(), b"\0\0\0\0\x01not a record"),
        Act::Prices(number) => {
            let body = format!(
                r#"{{"number":{number},"source":"test","models":[{{"model":"m0","prices":[
                    {{"from":"2026-01-01","usd_per_million":{{"input":"{number}.5"}}}}]}}]}}"#
            );
            world.append(&[], &tally_schema::encode_prices(*number, body.as_bytes()));
        }
        Act::Pass { ms } => world.now = world.now.plus_ms(*ms),
        Act::LogTurn => {
            let _turn = world.log.turn(world.now);
        }
        Act::Turn => {
            // A part that stops is opened again, by whoever supervises it.
            if world.turn().is_err() {
                world.part = None;
            }
        }
        Act::Land(fate) => {
            let _landed = world.land(*fate);
        }
        Act::Restart => world.part = None,
        Act::Crash => world.crash(),
        Act::CrashAt { operations } => world.disk.plan(world.disk.operations() + operations, Fault::Crash),
        Act::RefuseAt { operations } => {
            world.disk.plan(world.disk.operations() + operations, Fault::Refuse(DiskKind::Full));
        }
        Act::SinkRestarts => {
            world.tables.life += 1;
            world.observe();
        }
        Act::SinkSetBack => {
            let life = world.tables.life + 1;
            world.tables = world.backup.clone();
            world.tables.life = life;
            world.observe();
        }
    }
    if world.disk.is_down() {
        world.crash();
    }
}

fn sent(world: &World, act: &Act) -> UsageEvent {
    let Act::Send { id, minted, output, revision, kind, age_ms, misrouted } = act else { unreachable!() };
    let mut event = UsageEvent {
        account: account(usize::from(id % 2), *misrouted),
        producer: ProducerId(Hash128([1; 16])),
        revision: Revision(*revision),
        kind: *kind,
        occurred_at: EventTime::from_ms(world.now.ms() - age_ms).unwrap(),
        ..event(&format!("plain-{id}"), world.now)
    };
    event.usage.tokens[4] = *output;
    if *kind != Kind::Report {
        event.actor = Some("ann".into());
        event.reason = Some("a test".into());
    }
    if *minted {
        let (producer, epoch, sequence) = (event.producer, Epoch(1), Sequence(i64::from(*id) + 1));
        event.event_id = format!("minted-{id}");
        (event.epoch, event.sequence) = (epoch, sequence);
        event.minted = Some(Minted { producer, epoch, sequence });
    }
    event
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn in_the_end_every_reader_sees_what_the_oracle_counts(seed: u64, acts in vec(acts(), 0..150)) {
        let mut world = World::new(seed, wall("2026-02-10T23:30:00Z"));
        for (place, step) in acts.iter().enumerate() {
            act(&mut world, step);
            if place == acts.len() / 2 {
                world.backup = world.tables.clone();
            }
        }
        world.forget_faults();
        world.settle();
        world.check();
        // From nothing but the checkpoint and the log, and from nothing but the log.
        world.part.as_mut().unwrap().commit(world.now).unwrap();
        world.crash();
        world.settle();
        world.check();
    }
}

#[test]
fn a_crash_in_every_operation_of_a_short_life_changes_nothing() {
    let life = |crash_at: Option<u64>| {
        let mut world = World::new(1, wall("2026-02-10T23:58:00Z"));
        if let Some(at) = crash_at {
            world.disk.plan(world.disk.operations() + at, Fault::Crash);
        }
        let first = world.disk.operations();
        for nth in 0..24_u8 {
            act(
                &mut world,
                &Act::Send {
                    id: nth % 9,
                    minted: nth % 3 == 0,
                    output: i64::from(nth % 4),
                    revision: u32::from(nth / 20),
                    kind: Kind::Report,
                    age_ms: 0,
                    misrouted: nth == 7,
                },
            );
            act(&mut world, &Act::LogTurn);
            act(&mut world, &Act::Turn);
            act(&mut world, &Act::Land(Fate::Taken));
            act(&mut world, &Act::Pass { ms: 20_000 });
        }
        world.forget_faults();
        world.settle();
        world.check();
        world.disk.operations() - first
    };
    let operations = life(None);
    assert!(operations > 100, "a life has {operations} operations");
    (0..operations).for_each(|at| {
        life(Some(at));
    });
}
