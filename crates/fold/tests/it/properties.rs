//! Any log, cut anywhere, checkpointed anywhere, published anyhow: the rows are those of the oracle.

use crate::oracle::{Truth, recount};
use crate::rig::{Logged, LoggedEntry, Rig, account, time};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::collections::{BTreeMap, VecDeque};
use tally_domain::published::Rows;
use tally_domain::{
    Dims, Epoch, EventTime, Hash128, Kind, Minted, ProducerId, Revision, Sequence, Usage, UsageEvent,
    Version, View,
};
use tally_fold::{Destination, Due, Keyspace};

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;

/// What happens next to the log.
#[derive(Clone, Debug)]
enum Happening {
    New { account: usize, id: Id, event: Said },
    Again { of: Index, change: Change },
    Prices { number: u32, usd: u8, readable: bool },
    Heartbeat,
    Barrier,
}

#[derive(Clone, Copy, Debug)]
enum Id {
    Plain,
    Timed { age_ms: i64 },
    Minted { skip: i64, epoch: i64 },
}

#[derive(Clone, Debug)]
struct Said {
    occurred_before_ms: i64,
    tokens: [i64; 6],
    requests: i64,
    session: Option<u8>,
    dims: u8,
    misrouted: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Same,
    OtherSender { sequence: i64, epoch: i64 },
    Restamped { by_ms: i64 },
    Grown { output: i64 },
    Tie { dims: u8, session: Option<u8> },
    Revised { by: u32, kind: Kind, said: Said },
}

fn deltas() -> impl Strategy<Value = i64> {
    select(vec![
        0,
        0,
        0,
        1,
        700,
        30_000,
        MINUTE - 1,
        MINUTE,
        MINUTE,
        61 * MINUTE,
        DAY - MINUTE,
        DAY,
        7 * DAY,
        30 * DAY,
        30 * DAY + MINUTE,
        400 * DAY,
        -1,
        -MINUTE,
        -DAY,
    ])
}

fn ages() -> impl Strategy<Value = i64> {
    select(vec![
        0,
        0,
        0,
        1,
        30_000,
        MINUTE,
        61 * MINUTE,
        DAY - MINUTE,
        DAY,
        DAY + 1,
        7 * DAY,
        30 * DAY - MINUTE,
        30 * DAY,
        31 * DAY,
        400 * DAY,
        400 * DAY + 1,
        -1,
        -MINUTE,
        -4 * MINUTE,
        -5 * MINUTE,
        -5 * MINUTE - 1,
    ])
}

fn said() -> impl Strategy<Value = Said> {
    let tokens = vec(select(vec![0, 1, 2, 3, 7, 1_000]), 5);
    let reasoning = select(vec![0, 0, 0, 0, 0, 1, 7, -1]);
    let tokens = (tokens, reasoning).prop_map(|(t, reasoning)| [t[0], t[1], t[2], t[3], t[4], reasoning]);
    let session = prop::option::of(0..2_u8);
    (ages(), tokens, 0..2_i64, session, 0..3_u8, prop::bool::weighted(0.05)).prop_map(
        |(occurred_before_ms, tokens, requests, session, dims, misrouted)| Said {
            occurred_before_ms,
            tokens,
            requests,
            session,
            dims,
            misrouted,
        },
    )
}

fn happenings() -> impl Strategy<Value = Happening> {
    let id = prop_oneof![
        2 => Just(Id::Plain),
        1 => select(vec![0, 1, MINUTE, DAY, 40 * DAY, -5 * MINUTE, -5 * MINUTE - 1])
            .prop_map(|age_ms| Id::Timed { age_ms }),
        3 => (select(vec![0, 0, 0, 1, 3]), 1..3_i64).prop_map(|(skip, epoch)| Id::Minted { skip, epoch }),
    ];
    let change = prop_oneof![
        3 => Just(Change::Same),
        2 => (0..6_i64, 1..3_i64).prop_map(|(sequence, epoch)| Change::OtherSender { sequence, epoch }),
        2 => select(vec![-DAY, -MINUTE, -1, 1, MINUTE, DAY]).prop_map(|by_ms| Change::Restamped { by_ms }),
        2 => (1..3_i64).prop_map(|output| Change::Grown { output }),
        2 => (0..3_u8, prop::option::of(0..2_u8)).prop_map(|(dims, session)| Change::Tie { dims, session }),
        3 => (0..3_u32, select(Kind::ALL.to_vec()), said())
            .prop_map(|(by, kind, said)| Change::Revised { by, kind, said }),
    ];
    prop_oneof![
        8 => (0..2_usize, id, said()).prop_map(|(account, id, event)| Happening::New { account, id, event }),
        8 => (any::<Index>(), change).prop_map(|(of, change)| Happening::Again { of, change }),
        1 => (1..4_u32, 1..4_u8, prop::bool::weighted(0.8))
            .prop_map(|(number, usd, readable)| Happening::Prices { number, usd, readable }),
        1 => Just(Happening::Heartbeat),
        1 => Just(Happening::Barrier),
    ]
}

/// From 2026-03-29 on: the night in which Europe's clocks leap, and with a leap of 400 days beyond a leap day.
fn logs() -> impl Strategy<Value = Vec<Logged>> {
    let starts = select(vec![
        "2026-03-29T00:58:30Z",
        "2026-10-25T00:59:59.999Z",
        "2028-02-28T23:59:00Z",
        "2016-12-31T23:59:59Z",
        "1969-12-31T23:58:59.999Z",
    ]);
    (starts, vec((deltas(), happenings()), 0..40)).prop_map(|(start, steps)| written(time(start), &steps))
}

fn written(start: i64, steps: &[(i64, Happening)]) -> Vec<Logged> {
    let mut log: Vec<Logged> = vec![];
    let (mut now, mut minted, mut barrier) = (start, [0_i64; 3], 0);
    for (place, (delta, happening)) in steps.iter().enumerate() {
        now = (now + delta).max(start - DAY);
        let entry = match happening {
            Happening::New { account, id, event } => {
                LoggedEntry::Usage(new(place, now, *account, *id, event, &mut minted))
            }
            Happening::Again { of, change } => {
                let known: Vec<_> = log.iter().filter_map(usage_of).collect();
                if known.is_empty() {
                    continue;
                }
                LoggedEntry::Usage(again(of.get(&known), now, change))
            }
            Happening::Prices { number, usd, readable } => {
                LoggedEntry::Prices(*number, book(*number, *usd, *readable))
            }
            Happening::Heartbeat => LoggedEntry::Heartbeat,
            Happening::Barrier => {
                barrier += 1;
                LoggedEntry::Barrier(barrier / 2)
            }
        };
        log.push(Logged { appended_ms: now, entry });
    }
    log
}

fn usage_of(logged: &Logged) -> Option<UsageEvent> {
    match &logged.entry {
        LoggedEntry::Usage(event) => Some(event.clone()),
        _ => None,
    }
}

fn book(number: u32, usd: u8, readable: bool) -> String {
    let from = if readable { "2000-01-01" } else { "some day" };
    format!(
        r#"{{"number":{number},"source":"test","models":[{{"model":"m0","prices":[
            {{"from":"{from}","usd_per_million":{{"input":"0.{usd}005","output":"{usd}"}}}},
            {{"from":"2026-04-05","usd_per_million":{{"input":"0.0005"}}}}]}}]}}"#
    )
}

fn dims(nth: u8) -> Dims {
    Dims { model: format!("m{}", nth % 2), tool: format!("t{}", nth / 2), view: View::Sdk, ..Dims::default() }
}

fn new(place: usize, now: i64, nth: usize, id: Id, said: &Said, minted: &mut [i64; 3]) -> UsageEvent {
    let mut event = UsageEvent {
        account: account(nth, said.misrouted),
        event_id: format!("plain-{place}"),
        producer: ProducerId(Hash128([u8::try_from(nth).unwrap(); 16])),
        epoch: Epoch(9),
        ..UsageEvent::default()
    };
    match id {
        Id::Plain => {}
        Id::Timed { age_ms } => {
            event.event_id = format!("timed-{place}");
            event.minted_at_ms = Some(now - age_ms);
        }
        Id::Minted { skip, epoch } => {
            minted[nth] += 1 + skip;
            let (producer, sequence) = (event.producer, Sequence(minted[nth]));
            event.event_id = format!("minted-{nth}-{epoch}-{}", sequence.0);
            event.minted = Some(Minted { producer, epoch: Epoch(epoch), sequence });
            (event.epoch, event.sequence) = (Epoch(epoch), sequence);
        }
    }
    say(&mut event, now, said);
    event
}

fn say(event: &mut UsageEvent, now: i64, said: &Said) {
    event.occurred_at = EventTime::from_ms(now - said.occurred_before_ms).unwrap();
    event.usage = Usage { tokens: said.tokens, requests: said.requests, ..Usage::ZERO };
    event.session = said.session.map(|session| format!("s{session}"));
    event.dims = dims(said.dims);
}

fn again(of: &UsageEvent, now: i64, change: &Change) -> UsageEvent {
    let mut event = of.clone();
    match change {
        Change::Same => {}
        Change::OtherSender { sequence, epoch } => {
            (event.epoch, event.sequence) = (Epoch(*epoch), Sequence(*sequence));
        }
        Change::Restamped { by_ms } => {
            event.occurred_at = EventTime::from_ms(event.occurred_at.ms() + by_ms).unwrap();
        }
        Change::Grown { output } => event.usage.tokens[4] += output,
        Change::Tie { dims: nth, session } => {
            event.dims = dims(*nth);
            event.session = session.map(|session| format!("s{session}"));
        }
        Change::Revised { by, kind, said } => {
            say(&mut event, now, said);
            event.revision = Revision(event.revision.0 + by);
            event.kind = *kind;
        }
    }
    event
}

fn rows_of(rig: &Rig) -> Truth {
    let mut found = Truth::default();
    rig.all_rows().iter().for_each(|rows| found.collect(rows));
    found.without_zeros()
}

type SavedRows = BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>;

/// All bytes and rows that a partition holds.
fn everything(rig: &mut Rig) -> (Vec<u8>, SavedRows, Truth) {
    (rig.save(), rig.saved.clone(), rows_of(rig))
}

/// What a turn of the world does apart from folding.
#[derive(Clone, Debug)]
enum Act {
    Fold { most: usize },
    Checkpoint,
    Crash,
    Publish { limit: usize, totals: bool },
    Arrive { which: usize, acknowledged: bool, kept: bool },
    Loss,
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1..6_usize).prop_map(|most| Act::Fold { most }),
        1 => Just(Act::Checkpoint),
        1 => Just(Act::Crash),
        4 => (1..9_usize, prop::bool::weighted(0.2)).prop_map(|(limit, totals)| Act::Publish { limit, totals }),
        4 => (0..64_usize, prop::bool::weighted(0.8), prop::bool::weighted(0.1))
            .prop_map(|(which, acknowledged, kept)| Act::Arrive { which, acknowledged, kept }),
        1 => Just(Act::Loss),
    ]
}

/// A table that keeps the highest version of each key, and rows that are under way to it.
#[derive(Default)]
struct Sink {
    flying: VecDeque<(u32, Due, Rows)>,
    held: Vec<(Version, Truth)>,
    life: u32,
}

impl Sink {
    /// The rows of a reader: of each key the value with the highest version.
    fn shown(&self) -> Truth {
        let mut newest: Vec<_> = self.held.iter().collect();
        newest.sort_by_key(|(version, _)| *version);
        let mut shown = Truth::default();
        for (_, rows) in newest {
            shown.totals.extend(rows.totals.clone());
            shown.hours.extend(rows.hours.clone());
            shown.receipts.extend(rows.receipts.clone());
            shown.producers.extend(rows.producers.clone());
            shown.sessions.extend(rows.sessions.clone());
        }
        shown
    }

    fn land(&mut self, which: usize, acknowledged: bool, kept: bool, rig: &mut Rig) {
        if self.flying.is_empty() {
            return;
        }
        let place = which % self.flying.len();
        let (life, due, rows) = self.flying[place].clone();
        if !kept {
            self.flying.remove(place);
        }
        if due.destination == Destination::ClickHouse {
            let mut truth = Truth::default();
            truth.collect(&rows);
            self.held.push((rows.version, truth));
        }
        if acknowledged && life == self.life {
            rig.fold.acknowledge(&due);
        }
    }
}

fn act(act: &Act, log: &[Logged], rig: &mut Rig, saved: &mut Rig, sink: &mut Sink) {
    match act {
        Act::Fold { most } if rig.next() < log.len() => rig.turn(log, *most).unwrap(),
        Act::Fold { .. } => {}
        Act::Checkpoint => {
            // A restart: whoever waited for an answer is gone.
            rig.checkpoint();
            sink.life += 1;
            *saved = rig.clone();
        }
        Act::Crash => {
            *rig = saved.clone();
            rig.checkpoint();
            sink.life += 1;
        }
        Act::Publish { limit, totals } => {
            let to = if *totals { Destination::Totals } else { Destination::ClickHouse };
            let due = rig.due(to, *limit);
            let rows = rig.rows(&due);
            sink.flying.push_back((sink.life, due, rows));
        }
        Act::Arrive { which, acknowledged, kept } => sink.land(*which, *acknowledged, *kept, rig),
        Act::Loss => {
            sink.held.clear();
            for rig in [rig, saved] {
                rig.fold.republish(&Destination::ALL);
            }
            sink.flying.clear();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 4_096, ..ProptestConfig::default() })]

    #[test]
    fn every_record_counts_as_the_oracle_counts_it(log in logs()) {
        let mut rig = Rig::new();
        while rig.next() < log.len() {
            rig.turn(&log, 3).unwrap();
            let next = rig.next();
            prop_assert_eq!(rows_of(&rig), recount(&log, next).without_zeros(), "after {} records", next);
        }
    }

    #[test]
    fn no_cut_of_the_log_shows(log in logs(), cuts in vec(1..9_usize, 1..9), checkpoint in any::<Index>()) {
        let mut whole = Rig::new();
        whole.run(&log);
        let mut cut = Rig::new();
        let mut turns = 0;
        while cut.next() < log.len() {
            cut.turn(&log, cuts[turns % cuts.len()]).unwrap();
            turns += 1;
            if checkpoint.index(9) == turns % 9 {
                cut.checkpoint();
            }
        }
        prop_assert_eq!(everything(&mut whole), everything(&mut cut));
        prop_assert_eq!(whole.store, cut.store);
        prop_assert_eq!(whole.rejects, cut.rejects);
    }

    #[test]
    fn what_is_published_is_true_at_its_version_and_progress_claims_no_more(log in logs(), acts in vec(acts(), 0..80)) {
        let (mut rig, mut saved, mut sink) = (Rig::new(), Rig::new(), Sink::default());
        for step in &acts {
            act(step, &log, &mut rig, &mut saved, &mut sink);
            let Some(progress) = rig.fold.progress(Destination::ClickHouse) else { continue };
            check(&sink, &log, progress.version)?;
        }
        // What was sent arrives, in the end also what nobody waits for any more.
        while rig.next() < log.len() {
            rig.turn(&log, usize::MAX).unwrap();
        }
        for _ in 0..4_000 {
            if rig.fold.progress(Destination::ClickHouse).is_some_and(|at| at.version == rig.fold.version()) {
                break;
            }
            act(&Act::Publish { limit: 5, totals: false }, &log, &mut rig, &mut saved, &mut sink);
            while !sink.flying.is_empty() {
                sink.land(0, true, false, &mut rig);
            }
        }
        let shown = sink.shown().without_zeros();
        prop_assert_eq!(shown, recount(&log, log.len()).without_zeros());
    }
}

/// Every row is the value at its version; every key whose row is older than `progress` is the value there.
fn check(sink: &Sink, log: &[Logged], progress: Version) -> Result<(), TestCaseError> {
    let next = |version: Version| usize::try_from(version.next().get()).unwrap();
    for (version, rows) in &sink.held {
        let truth = recount(log, next(*version));
        for (key, value) in &rows.totals {
            let zero = [Usage::ZERO; 4];
            prop_assert_eq!(value, truth.totals.get(key).unwrap_or(&zero), "total at {}", version);
        }
        for (key, value) in &rows.hours {
            prop_assert_eq!(value, truth.hours.get(key).unwrap_or(&Usage::ZERO), "hour at {}", version);
        }
        for (key, value) in &rows.sessions {
            prop_assert_eq!(Some(value), truth.sessions.get(key), "session at {}", version);
        }
        for (key, value) in &rows.producers {
            prop_assert_eq!(Some(value), truth.producers.get(key), "producer at {}", version);
        }
    }
    let truth = recount(log, next(progress)).without_zeros();
    let mut newer = Truth::default();
    let mut older = Sink::default();
    for (version, rows) in &sink.held {
        if *version > progress {
            newer.totals.extend(rows.totals.clone());
            newer.hours.extend(rows.hours.clone());
        } else {
            older.held.push((*version, rows.clone()));
        }
    }
    let older = older.shown().without_zeros();
    for (key, value) in truth.totals.iter().filter(|(key, _)| !newer.totals.contains_key(*key)) {
        prop_assert_eq!(older.totals.get(key), Some(value), "total claimed at {}", progress);
    }
    for key in older.totals.keys().filter(|key| !newer.totals.contains_key(*key)) {
        prop_assert!(truth.totals.contains_key(key), "a total stands that is zero at {}", progress);
    }
    for (key, value) in truth.hours.iter().filter(|(key, _)| !newer.hours.contains_key(*key)) {
        prop_assert_eq!(older.hours.get(key), Some(value), "hour claimed at {}", progress);
    }
    Ok(())
}
