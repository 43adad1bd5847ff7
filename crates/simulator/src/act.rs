//! What can happen in the world, one thing at a time; and which things happen under a seed.

use crate::clickhouse::Fate;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// How an event is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// By another sender, under its own number.
    Copy,
    /// The very same record.
    Twin,
    /// With so much more output, as a stream goes on.
    Grown(i64),
    /// Another model with the same tokens: only the content decides.
    Tie,
    /// The same, stamped now.
    Restamped,
    /// A later revision: by how much, its output, its time moved by so many ms.
    Revised(u32, i64, i64),
    /// Revised to zero, so many revisions later.
    Retracted(u32),
    /// Corrected: so many revisions later, its output.
    Corrected(u32, i64),
}

/// What the disk does to a coming operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Crash,
    Full,
    Broken,
}

/// Which disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    Log,
    Of(usize),
}

/// One thing that happens. Numbers name things modulo how many there are, so that any list of acts is a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Time passes, ms.
    Pass(i64),
    /// A producer measures something and spools it.
    Use { by: usize, whose: usize, id: u8, age_ms: i64, tokens: [i64; 2], model: u8, session: u8 },
    /// Something that was told is told again.
    Tell { nth: usize, by: usize, again: Again, misrouted: bool },
    /// A producer hands so many of its spooled events to the log.
    Send { by: usize, most: u8 },
    /// It looks for acknowledgements, or these are lost.
    Hear { by: usize, lost: bool },
    /// It starts anew, with its spool.
    RestartProducer(usize),
    /// What is no record.
    Garbage(u16),
    /// A price book comes to all partitions, or only to the first.
    Prices { number: u32, all: bool },
    /// A new incarnation of the same topic.
    Barrier,
    /// The log writes what waits.
    LogTurn,
    /// An instance drives a partition, so many turns.
    Turn { instance: usize, partition: u16, turns: u8 },
    /// ClickHouse takes, or does not take, what a part has sent.
    Land { instance: usize, partition: u16, fate: Fate },
    /// One of two archivers takes a turn.
    Archive(usize),
    /// ClickHouse takes, or does not take, what an archiver has sent, cut within that insert if in part.
    ArchiveLands { owner: usize, fate: Fate, cut: usize },
    /// A sender keeps what it could not read, or the last of it again.
    Keep { again: bool },
    /// The ranker takes so many turns; somebody waits for a snapshot or not.
    Rank { turns: u8, wanted: bool },
    /// So many of the ranker's requests are done, the last with this fate.
    StoreLands { requests: u8, fate: Fate },
    /// Somebody waits for a snapshot until it is there, or for so many requests.
    Snapshot { requests: u8 },
    /// The ranker's process is killed; its request under way lands or is lost.
    KillRanker { lands: bool },
    /// An account says its name, or is forgotten.
    Identify { whose: usize, name: Option<u8> },
    /// A disk is slow: its machine stands still for so many acts.
    Stall(Disk, u8),
    /// The process starts anew.
    Restart(usize),
    /// The machine of an instance loses power.
    Crash(usize),
    /// The log's machine does, and with it every part's connection.
    LogCrash,
    /// Something goes wrong in a coming operation of a disk.
    Plan { disk: Disk, operations: u64, trouble: Trouble },
    /// A disk has room for so many more bytes, or for all again.
    Room(Disk, Option<u64>),
    /// A clock is set: so many ms from the true time.
    Skew(Disk, i64),
    /// ClickHouse's tables are copied.
    BackUp,
    /// ClickHouse starts anew.
    ServerRestart,
    /// ClickHouse starts anew with the tables of the last copy.
    SetBack,
    /// So many days later the log forgets what is old.
    Retain(i64),
    /// The totals topic keeps the last record of each key.
    Compact(u16),
    /// The second instance loses its disk for good.
    LoseDisk,
    /// The second instance gets a copy of the first one's state.
    CopyState(u16),
    /// The topic is deleted and made anew, after all of it was folded.
    Recreate,
}

/// Draws.
pub(crate) struct Draw(Xoshiro256PlusPlus);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        self.0.next_u64() % count
    }
    fn place(&mut self, count: u64) -> usize {
        usize::try_from(self.below(count)).expect("few things")
    }
    fn number(&mut self, count: u64) -> i64 {
        i64::try_from(self.below(count)).expect("small numbers")
    }
    fn small(&mut self, count: u8) -> u8 {
        u8::try_from(self.below(count.into())).expect("below a u8")
    }
    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.place(u64::try_from(all.len()).expect("short"))]
    }
}

type Make = fn(&mut Draw) -> Act;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Every act with its weight, and whether a life can be without it: each life has only some of the troubles.
const ACTS: &[(u64, bool, Make)] = &[
    (14, false, |draw| Act::Pass(draw.of(&[1, SECOND, 3 * SECOND, 20 * SECOND, MINUTE, MINUTE, 2 * MINUTE]))),
    (2, true, |draw| Act::Pass(draw.of(&[10 * MINUTE, HOUR, 25 * HOUR, 8 * DAY]))),
    (1, true, |draw| Act::Pass(draw.of(&[12 * DAY, 31 * DAY, 43 * DAY]))),
    (22, false, |draw| Act::Use {
        by: draw.place(3),
        whose: draw.place(5),
        id: draw.small(3),
        age_ms: draw.of(&[
            0,
            0,
            0,
            0,
            1,
            30 * SECOND,
            MINUTE,
            HOUR,
            25 * HOUR,
            29 * DAY,
            30 * DAY,
            39 * DAY,
            50 * DAY,
            -2 * MINUTE,
            -4 * MINUTE,
            -5 * MINUTE,
            -10 * MINUTE,
        ]),
        tokens: [draw.number(4), 1 + draw.number(4)],
        model: draw.small(2),
        session: draw.small(3),
    }),
    (8, true, |draw| Act::Tell {
        nth: draw.place(99),
        by: draw.place(3),
        again: draw.of(&[Again::Copy, Again::Copy, Again::Twin, Again::Restamped]),
        misrouted: draw.one_in(8),
    }),
    (5, true, |draw| {
        let again = match draw.below(3) {
            0 => Again::Grown(1 + draw.number(3)),
            1 => Again::Tie,
            _ => Again::Revised(
                1 + u32::from(draw.small(2)),
                draw.number(5),
                draw.of(&[0, 0, -MINUTE, HOUR, -9 * DAY]),
            ),
        };
        Act::Tell { nth: draw.place(99), by: draw.place(3), again, misrouted: false }
    }),
    (3, true, |draw| {
        let again = match draw.below(3) {
            0 => Again::Corrected(u32::from(draw.small(3)), draw.number(5)),
            _ => Again::Retracted(u32::from(draw.small(3))),
        };
        Act::Tell { nth: draw.place(99), by: draw.place(3), again, misrouted: false }
    }),
    (20, false, |draw| Act::Send { by: draw.place(3), most: 1 + draw.small(5) }),
    (8, false, |draw| Act::Hear { by: draw.place(3), lost: draw.one_in(5) }),
    (2, true, |draw| Act::RestartProducer(draw.place(3))),
    (1, true, |draw| Act::Garbage(draw.small(2).into())),
    (2, true, |draw| Act::Prices { number: 1 + u32::from(draw.small(6)), all: !draw.one_in(4) }),
    (1, true, |_| Act::Barrier),
    (26, false, |_| Act::LogTurn),
    (34, false, |draw| Act::Turn {
        instance: usize::from(draw.one_in(3)),
        partition: draw.small(2).into(),
        turns: 1 + draw.small(5),
    }),
    (24, false, |draw| Act::Land {
        instance: usize::from(draw.one_in(3)),
        partition: draw.small(2).into(),
        fate: draw.of(&[Fate::Taken, Fate::Taken, Fate::Taken, Fate::Taken, Fate::Taken, Fate::TakenTwice]),
    }),
    (5, true, |draw| Act::Land {
        instance: draw.place(2),
        partition: draw.small(2).into(),
        fate: draw.of(&[Fate::TakenAndRefused, Fate::Refused, Fate::TakenInPart, Fate::TakenInSilence]),
    }),
    (7, false, |draw| Act::Archive(usize::from(draw.one_in(4)))),
    (7, false, |draw| Act::ArchiveLands {
        owner: usize::from(draw.one_in(4)),
        fate: draw.of(&[Fate::Taken, Fate::Taken, Fate::Taken, Fate::TakenTwice]),
        cut: 0,
    }),
    (3, true, |draw| Act::ArchiveLands {
        owner: usize::from(draw.one_in(4)),
        fate: draw.of(&[
            Fate::TakenAndRefused,
            Fate::Refused,
            Fate::TakenInPart,
            Fate::TakenInPart,
            Fate::TakenInSilence,
        ]),
        cut: draw.place(3),
    }),
    (3, true, |draw| Act::Keep { again: draw.one_in(4) }),
    (9, false, |draw| Act::Rank { turns: 1 + draw.small(2), wanted: draw.one_in(3) }),
    (10, false, |draw| Act::StoreLands {
        requests: 1 + draw.small(8),
        fate: draw.of(&[Fate::Taken, Fate::Taken, Fate::Taken, Fate::TakenTwice]),
    }),
    (4, false, |draw| Act::Snapshot { requests: 8 + draw.small(30) }),
    (3, true, |draw| Act::StoreLands {
        requests: 1 + draw.small(6),
        fate: draw.of(&[Fate::TakenAndRefused, Fate::Refused, Fate::TakenInPart, Fate::TakenInSilence]),
    }),
    (2, true, |draw| Act::KillRanker { lands: draw.one_in(2) }),
    (3, true, |draw| Act::Identify {
        whose: draw.place(5),
        name: Some(draw.small(3)).filter(|name| *name > 0),
    }),
    (1, true, |draw| Act::Stall(draw.of(&[Disk::Log, Disk::Of(0), Disk::Of(1)]), 5 + draw.small(40))),
    (2, true, |draw| Act::Restart(draw.place(2))),
    (2, true, |draw| Act::Crash(draw.place(2))),
    (1, true, |_| Act::LogCrash),
    (3, true, |draw| Act::Plan {
        disk: draw.of(&[Disk::Log, Disk::Of(0), Disk::Of(1)]),
        operations: draw.below(14),
        trouble: draw.of(&[Trouble::Crash, Trouble::Crash, Trouble::Full, Trouble::Broken]),
    }),
    (1, true, |draw| {
        let room = [None, Some(0), Some(300), Some(5_000)];
        Act::Room(draw.of(&[Disk::Log, Disk::Of(0), Disk::Of(1)]), draw.of(&room))
    }),
    (2, true, |draw| {
        let off = [0, 0, -SECOND, -3 * MINUTE, -11 * MINUTE, 2 * MINUTE, 9 * MINUTE, 26 * HOUR];
        Act::Skew(draw.of(&[Disk::Log, Disk::Log, Disk::Of(0), Disk::Of(1)]), draw.of(&off))
    }),
    (3, false, |_| Act::BackUp),
    (1, true, |_| Act::ServerRestart),
    (3, true, |_| Act::SetBack),
    (2, true, |draw| Act::Retain(draw.of(&[0, 39]))),
    (1, true, |draw| Act::Compact(draw.small(2).into())),
    (1, true, |_| Act::LoseDisk),
    (1, true, |draw| Act::CopyState(draw.small(2).into())),
    (1, true, |draw| if draw.one_in(3) { Act::Recreate } else { Act::LogTurn }),
];

/// The life of a seed: so many acts at most.
pub(crate) fn life(seed: u64, steps: Option<usize>) -> Vec<Act> {
    let mut draw = Draw::new(seed);
    let length = 30 + draw.place(170);
    let weights: Vec<u64> = ACTS
        .iter()
        .map(|(weight, optional, _)| if *optional && draw.below(10) < 4 { 0 } else { *weight })
        .collect();
    let all: u64 = weights.iter().sum();
    let one = |draw: &mut Draw| {
        let mut left = draw.below(all);
        let place = weights.iter().position(|weight| {
            let here = left < *weight;
            left = left.saturating_sub(*weight);
            here
        });
        let (.., make) = ACTS[place.expect("a draw below the sum of the weights")];
        make(draw)
    };
    (0..steps.unwrap_or(length)).map(|_| one(&mut draw)).collect()
}
