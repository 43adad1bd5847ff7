//! A store that answers as the test says.

use crate::rig::{Log, PACE, account, person, progress, ranker, ranker_at, stored, total, version};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tally_clickhouse::Life;
use tally_clickhouse::rows::{KeepCode, PersonRecord};
use tally_domain::published::Progress;
use tally_domain::{Board, Incarnation, Metric, Offset, Version, Window};
use tally_ranker::Pace;
use tally_ranker::store::{
    Answer, Baseline, Boot, Look, Looked, Newest, Question, Reference, SnapshotId, Store, Write,
};

/// What was asked, and what is to be answered. Looks are answered at once, by what is `newest`.
#[derive(Default)]
struct Script {
    boots: usize,
    looks: Vec<Look>,
    writes: Vec<Arc<Write>>,
    answers: VecDeque<Answer>,
    newest: Option<Newest>,
    reference: Option<Baseline>,
}

#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

impl Store for Scripted {
    fn ask(&mut self, question: Question) -> Result<(), Box<Question>> {
        let mut script = self.0.lock().unwrap();
        match question {
            Question::Boot => script.boots += 1,
            Question::Look(look) => {
                script.looks.push(look);
                let reference =
                    script.reference.take().map_or(Reference::Known, |b| Reference::Other(Some(b)));
                let newest = script.newest.clone();
                script.answers.push_back(Answer::Looked(Box::new(Looked {
                    life: Life(1),
                    newest,
                    reference,
                })));
            }
            Question::Write(write, _) => script.writes.push(write),
        }
        Ok(())
    }
    fn answered(&mut self) -> Option<Answer> {
        self.0.lock().unwrap().answers.pop_front()
    }
}

impl Scripted {
    fn answer(&self, answer: Answer) {
        self.0.lock().unwrap().answers.push_back(answer);
    }
    fn failure(&self) {
        self.answer(Answer::Failed { error: "server is away".to_owned() });
    }
    fn boot(&self, boot: Boot) {
        self.answer(Answer::Booted(Box::new(boot)));
    }
    fn writes(&self) -> usize {
        self.0.lock().unwrap().writes.len()
    }
    fn last(&self) -> Arc<Write> {
        Arc::clone(self.0.lock().unwrap().writes.last().unwrap())
    }
    fn looked(&self) -> Look {
        *self.0.lock().unwrap().looks.last().unwrap()
    }
    /// What every look finds from now on.
    fn holds(&self, newest: Option<Newest>) {
        self.0.lock().unwrap().newest = newest;
    }
    /// Says that the last write is complete.
    fn written(&self) {
        self.holds(Some(Newest::of(&self.last().marker)));
        self.answer(Answer::Written(Vec::new()));
    }
}

type Tested = tally_ranker::Ranker<tally_log::local::Reader<tally_disk::MemoryDisk>, Scripted>;

/// As many turns as one step may need, at one moment.
fn turns(ranker: &mut Tested, seconds: u64) {
    for _ in 0..6 {
        let _worked = ranker.turn(Duration::from_secs(seconds)).unwrap();
    }
}

/// A ranker that has booted from nothing and has written its first snapshot, of account 1 with 5 tokens, at second 0.
fn begun(log: &mut Log) -> (Tested, Scripted) {
    begun_at(PACE, log)
}

fn begun_at(pace: Pace, log: &mut Log) -> (Tested, Scripted) {
    let store = Scripted::default();
    let mut ranker = ranker_at(pace, log, store.clone());
    log.total(&total(1, 5), 1);
    log.progress(0, 1, 0);
    log.progress(1, 1, 0);
    store.boot(Boot::default());
    turns(&mut ranker, 0);
    assert_eq!(store.writes(), 1);
    store.written();
    turns(&mut ranker, 0);
    (ranker, store)
}

#[test]
fn nothing_is_ranked_before_every_partition_has_said_how_far_it_is() {
    let (mut log, store) = (Log::new(), Scripted::default());
    let mut ranker = ranker(&log, store.clone());
    log.total(&total(1, 5), 2);
    log.progress(0, 2, 0);
    let mut turn = |n| {
        turns(&mut ranker, n);
        ranker.live().ranked().snapshot.people.len()
    };
    assert_eq!(turn(0), 0, "not booted");
    store.failure();
    assert_eq!((turn(0), store.0.lock().unwrap().boots), (0, 1));
    assert_eq!((turn(2), store.0.lock().unwrap().boots), (0, 2), "asked again after a second");
    store.boot(Boot::default());
    assert_eq!((turn(3), store.writes()), (0, 0), "partition 1 has said nothing");
    log.progress(1, 1, 0);
    assert_eq!((turn(4), store.writes()), (1, 1));
}

#[test]
fn the_highest_version_stands_wherever_it_comes_from() {
    let (mut log, store) = (Log::new(), Scripted::default());
    let mut ranker = ranker(&log, store.clone());
    // A compacted topic keeps the last written, not the highest.
    log.total(&total(1, 30), 3);
    log.total(&total(2, 60), 6);
    log.total(&total(2, 40), 4);
    log.garbage();
    log.progress(0, 6, 2);
    log.progress(0, 4, 1);
    log.progress(1, 1, 1);
    store.boot(Boot {
        progress: vec![progress(0, 5, 0)],
        totals: vec![(total(1, 50), version(5)), (total(2, 20), version(2))],
        ..Boot::default()
    });
    turns(&mut ranker, 0);
    let write = store.last();
    let totals: Vec<_> =
        write.rankings.iter().map(|row| (row.person[0], row.d30.tokens, row.d30.rank_tokens)).collect();
    assert_eq!(totals, [(1, 50, 2), (2, 60, 1)]);
    assert_eq!(write.marker.vector, [(0, version(6).get()), (1, version(1).get())]);
    assert_eq!(
        (write.marker.snapshot, write.marker.people, write.marker.keep),
        (version(7).get(), 2, KeepCode::Daily)
    );
    assert_eq!(write.marker.as_of, u32::try_from((crate::rig::START + 1) * 60).unwrap(), "the least clock");
    assert_eq!(write.rankings[1].tier, "top-1");
}

#[test]
fn equal_values_share_a_rank_and_the_next_is_left_out() {
    let (mut log, store) = (Log::new(), Scripted::default());
    let mut ranker = ranker(&log, store.clone());
    for (n, tokens) in [(1, 5), (2, 9), (3, 5), (4, 1)] {
        log.total(&total(n, tokens), 1);
    }
    log.progress(0, 1, 0);
    log.progress(1, 1, 0);
    store.boot(Boot::default());
    turns(&mut ranker, 0);
    let ranks: Vec<_> = store
        .last()
        .rankings
        .iter()
        .map(|row| (row.person[0], row.d30.rank_tokens, row.d30.place_tokens))
        .collect();
    assert_eq!(ranks, [(1, 2, 2), (2, 1, 1), (3, 2, 3), (4, 4, 4)]);
}

#[test]
fn a_snapshot_is_written_when_due_or_wanted_and_only_when_there_is_news() {
    let mut log = Log::new();
    let (mut ranker, store) = begun(&mut log);
    let live = ranker.live();
    let mut turn = |n| {
        turns(&mut ranker, n);
        store.writes()
    };
    assert_eq!((turn(30), stored(&live)), (1, 2), "no news");
    live.want_snapshot();
    assert_eq!(turn(31), 1, "no news, wanted or not");
    log.total(&total(1, 6), 2);
    log.progress(0, 2, 0);
    assert_eq!(turn(31), 2, "what was wanted comes with the news");
    log.total(&total(2, 9), 3);
    log.progress(0, 3, 0);
    assert_eq!(turn(90), 2, "one at a time");
    store.written();
    assert_eq!(turn(90), 3);
    store.written();
    log.total(&total(2, 10), 4);
    log.progress(0, 4, 0);
    assert_eq!(turn(99), 3, "not due");
    let board = Board { metric: Metric::Tokens, window: Window::Days30 };
    let first = live.ranked().board(board).next().map(|(totals, _)| totals.person.bytes()[0]);
    assert_eq!(first, Some(2), "the live board does not wait for snapshots");
    assert_eq!(turn(100), 4);
    let changed = store.last().totals.chunks(4).map(|rows| rows[0].person[0]).collect::<Vec<_>>();
    assert_eq!(changed, [2], "only who changed is written to user_totals");
}

#[test]
fn where_those_who_wait_cannot_ask_a_heartbeat_is_news_once() {
    let mut log = Log::new();
    let (mut ranker, store) = begun_at(Pace { heartbeats_are_news: true, ..PACE }, &mut log);
    turns(&mut ranker, 60);
    assert_eq!(store.writes(), 1, "nothing was read");
    log.progress(0, 2, 0);
    turns(&mut ranker, 61);
    assert_eq!(store.writes(), 2, "a heartbeat in the same minute");
    assert_eq!(store.last().marker.vector, [(0, version(2).get()), (1, version(1).get())]);
    store.written();
    turns(&mut ranker, 120);
    assert_eq!(store.writes(), 2, "and no more until the next");
}

/// ```text
/// partition 0   1:100 ─────► 2:2
/// partition 1   1:100 ───────────────► 2:2
/// snapshots     1:200        none      2:4
/// ```
#[test]
fn a_topic_that_begins_again_is_ranked_once_all_its_partitions_have() {
    let mut log = Log::new();
    let (mut ranker, store) = begun(&mut log);
    log.progress(0, 100, 0);
    log.progress(1, 100, 0);
    log.total(&total(1, 6), 100);
    turns(&mut ranker, 60);
    store.written();
    let version = Version::new(Incarnation(2), Offset::new(2).unwrap());
    log.progress_at(&Progress { version, ..progress(0, 0, 0) });
    log.total(&total(1, 7), 101);
    turns(&mut ranker, 120);
    assert_eq!(store.writes(), 2, "half of the partitions");
    log.progress_at(&Progress { version, ..progress(1, 0, 0) });
    turns(&mut ranker, 180);
    assert_eq!(store.writes(), 3);
    assert_eq!(store.last().marker.vector, [(0, version.get()), (1, version.get())]);
}

#[test]
fn under_a_clock_that_stands_still_heartbeats_are_no_news_and_usage_is() {
    let mut log = Log::new();
    let (mut ranker, store) = begun(&mut log);
    for next in 2..50 {
        log.progress(0, next, 0);
        turns(&mut ranker, 60 * next);
        assert_eq!(store.writes(), 1, "a heartbeat");
    }
    assert_eq!(
        ranker.live().ranked().snapshot.vector.values().next(),
        Some(&version(49)),
        "the live board follows"
    );
    log.total(&total(1, 6), 50);
    turns(&mut ranker, 4_000);
    assert_eq!(store.writes(), 2, "usage");
    store.written();
    log.progress(0, 51, 0);
    turns(&mut ranker, 5_000);
    assert_eq!(store.writes(), 2);
    ranker.live().want_snapshot();
    turns(&mut ranker, 5_000);
    assert_eq!(store.writes(), 3, "somebody waits for the position of a heartbeat");
    store.written();
    log.progress(0, 52, 1);
    turns(&mut ranker, 6_000);
    assert_eq!(store.writes(), 3, "partition 1 is still at the same minute");
    log.progress(1, 2, 1);
    turns(&mut ranker, 6_000);
    assert_eq!(store.writes(), 4, "a clock that goes on moves every window");
}

#[test]
fn an_installation_without_people_is_ranked_once() {
    let (mut log, store) = (Log::new(), Scripted::default());
    let mut ranker = ranker(&log, store.clone());
    log.progress(0, 2, 0);
    log.progress(1, 2, 0);
    store.boot(Boot::default());
    turns(&mut ranker, 0);
    let write = store.last();
    assert_eq!((write.marker.people, write.rankings.len(), write.totals.len()), (0, 0, 0));
    store.written();
    turns(&mut ranker, 100);
    assert_eq!(store.writes(), 1);
}

#[test]
fn what_failed_is_written_once_more_row_by_row_as_it_was() {
    let (mut log, store) = (Log::new(), Scripted::default());
    let mut ranker = ranker(&log, store.clone());
    log.identity(account(1), "Ann", "Ann A.");
    log.total(&total(1, 5), 1);
    log.progress(0, 1, 0);
    log.progress(1, 1, 0);
    store.boot(Boot::default());
    let mut turn = |n| {
        turns(&mut ranker, n);
        (store.writes(), store.last().people.len(), store.last().totals.len())
    };
    assert_eq!(turn(0), (1, 1, 4));
    store.failure();
    assert_eq!(turn(0), (1, 1, 4), "a pause");
    // The total is newer than the progress: under the same number there would be other rows.
    log.total(&total(1, 500), 2);
    assert_eq!(turn(11), (2, 1, 4));
    assert_eq!(store.last().marker.snapshot, version(2).get());
    assert_eq!(store.last().rankings[0].d30.tokens, 5, "one number, one content");
    store.written();
    log.progress(0, 2, 1);
    assert_eq!(turn(22), (3, 0, 4), "names that are written are not written again");
    assert_eq!(store.last().rankings[0].d30.tokens, 500);
    assert_eq!(store.last().rankings[0].person, *person("ann").bytes(), "subjects fold case");
}

#[test]
fn what_clickhouse_lost_is_written_anew() {
    let mut log = Log::new();
    log.identity(account(1), "ann", "Ann");
    let (mut ranker, store) = begun(&mut log);
    log.total(&total(2, 7), 2);
    log.progress(0, 2, 0);
    turns(&mut ranker, 20);
    assert_eq!((store.last().people.len(), store.last().totals.len()), (0, 4));
    store.written();
    store.holds(None);
    log.total(&total(2, 8), 3);
    log.progress(0, 3, 0);
    turns(&mut ranker, 40);
    assert_eq!((store.writes(), store.last().people.len(), store.last().totals.len()), (3, 1, 8));
    assert_eq!(store.last().marker.keep, KeepCode::Daily, "the first of its day that there is");

    // Lost while a write had failed: the old rows are of no use any more.
    store.failure();
    turns(&mut ranker, 40);
    store.holds(None);
    turns(&mut ranker, 60);
    assert_eq!((store.writes(), store.last().people.len(), store.last().totals.len()), (4, 1, 8));
}

#[test]
fn a_snapshot_that_is_not_newer_than_what_stands_is_not_written() {
    let mut log = Log::new();
    let (mut ranker, store) = begun(&mut log);
    let other = SnapshotId { number: version(90).get(), people_version: 0 };
    store.holds(Some(Newest { id: other, ..Newest::of(&store.last().marker) }));
    log.total(&total(1, 6), 2);
    log.progress(0, 2, 0);
    turns(&mut ranker, 20);
    assert_eq!(store.writes(), 1);
    log.progress(0, 95, 0);
    turns(&mut ranker, 40);
    assert_eq!(store.writes(), 2);
}

#[test]
fn movement_is_measured_against_what_stood_a_day_before_each_snapshot() {
    let mut log = Log::new();
    let (mut ranker, store) = begun(&mut log);
    let day = 1_440;
    let mut next = 1;
    let mut snapshot = |clock: i32| {
        next += 1;
        log.progress(0, next, clock);
        log.progress(1, next, clock);
        turns(&mut ranker, next * 100);
        store.written();
        (
            store.looked().reference.0 - crate::rig::START,
            store.last().marker.earlier,
            store.last().rankings[0].d30,
        )
    };
    assert_eq!(snapshot(3 * day).0, 2 * day);
    let id = SnapshotId { number: 77, people_version: 0 };
    let ranks = Board::all().map(|_| [(person_of(1), 3)].into_iter().collect()).collect();
    store.0.lock().unwrap().reference = Some(Baseline { id, ranks });
    let (reference, earlier, standing) = snapshot(3 * day + 1);
    assert_eq!(
        (reference, earlier, standing.climbed_tokens),
        (2 * day + 1, 77, Some(2)),
        "at once, not the next time"
    );
    assert_eq!(snapshot(3 * day + 2).1, 77);
    assert_eq!(store.looked().known, Some(id));
}

fn person_of(n: u8) -> tally_domain::PersonId {
    tally_domain::PersonId(account(n).0)
}

#[test]
fn totals_are_written_once_under_one_number() {
    let mut log = Log::new();
    let (mut ranker, store) = begun(&mut log);
    log.identity(account(1), "ann", "Ann");
    turns(&mut ranker, 20);
    assert_eq!(
        (store.writes(), store.last().people.len(), store.last().totals.len()),
        (2, 1, 0),
        "names do not wait"
    );
    assert_eq!(store.last().rankings[0].person, *person("ann").bytes());
    store.written();
    log.progress(0, 2, 1);
    log.progress(1, 2, 1);
    turns(&mut ranker, 40);
    let totals: Vec<_> = store.last().totals.iter().map(|row| (row.person, row.tokens)).step_by(4).collect();
    assert_eq!(
        totals,
        [(*person("ann").bytes(), 5), (*account(1).bytes(), 0)],
        "who owns nothing any more has zero"
    );
}

#[test]
fn who_is_known_to_clickhouse_alone_is_forgotten_and_keeps_their_total() {
    let (mut log, store) = (Log::new(), Scripted::default());
    let mut ranker = ranker(&log, store.clone());
    let known = |n: u8, subject: &str, name: &str| PersonRecord {
        account: *account(n).bytes(),
        valid_from: 0,
        valid_to: tally_clickhouse::rows::OPEN_END,
        person: *person(subject).bytes(),
        source: "codex".to_owned(),
        subject: subject.to_owned(),
        name: name.to_owned(),
        email: String::new(),
        team: String::new(),
        erased: 0,
        version: 9,
    };
    log.identity(account(2), "bob", "Bob");
    log.total(&total(1, 50), 1);
    log.progress(0, 1, 0);
    log.progress(1, 1, 0);
    store.boot(Boot { people: vec![known(1, "ann", "Ann"), known(2, "bob", "Bob")], ..Boot::default() });
    turns(&mut ranker, 0);
    let live = ranker.live();
    assert_eq!(
        (live.name(person("ann")).shown, live.name(person("bob")).shown),
        (String::new(), "Bob".to_owned())
    );
    let write = store.last();
    let erased: Vec<_> =
        write.people.iter().map(|row| (row.person, row.name.as_str(), row.erased, row.version)).collect();
    assert_eq!(erased, [(*person("ann").bytes(), "", 1, 10)]);
    assert_eq!((write.rankings[0].person, write.rankings[0].d30.tokens), (*person("ann").bytes(), 50));
}
