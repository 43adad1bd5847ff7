//! A store that answers as the test says.

use crate::rig::{Log, account, person, progress, ranker, stored, total, version};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tally_clickhouse::rows::KeepCode;
use tally_domain::{Board, Metric, Partition, Version, Window};
use tally_ranker::store::{Answer, Boot, Newest, Question, Store, Write, Written};

/// What was asked, and what is to be answered.
#[derive(Default)]
struct Script {
    boots: usize,
    writes: Vec<Write>,
    answers: VecDeque<Answer>,
}

#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

impl Store for Scripted {
    fn ask(&mut self, question: Question) -> Result<(), Box<Question>> {
        let mut script = self.0.lock().unwrap();
        match question {
            Question::Boot => script.boots += 1,
            Question::Write(write) => script.writes.push(*write),
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
    fn last(&self) -> Write {
        self.0.lock().unwrap().writes.last().unwrap().clone()
    }
    /// Says that the last write is complete.
    fn written(&self) {
        let marker = self.last().marker;
        let vector = marker.vector.iter().map(|&(p, v)| (Partition(p), Version::from_u64(v))).collect();
        let newest = Newest {
            number: marker.snapshot,
            people: marker.people,
            people_version: marker.people_version,
            as_of: tally_clickhouse::rows::minute_of(marker.as_of),
            vector,
        };
        self.answer(Answer::Written(Written { newest, earlier: None, dropped: Vec::new() }));
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn nothing_is_ranked_before_every_partition_has_said_how_far_it_is() {
    let (mut log, store) = (Log::new(), Scripted::default());
    let mut ranker = ranker(&log, store.clone());
    log.total(&total(1, 5), 2);
    log.progress(0, 2, 0);
    let mut turn = |n| {
        for _ in 0..4 {
            let _worked = ranker.turn(seconds(n)).unwrap();
        }
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
    log.progress(1, 1, 1);
    store.boot(Boot {
        progress: vec![progress(0, 5, 0)],
        totals: vec![(total(1, 50), version(5)), (total(2, 20), version(2))],
        ..Boot::default()
    });
    for _ in 0..5 {
        let _worked = ranker.turn(seconds(0)).unwrap();
    }
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
fn a_snapshot_is_written_when_due_or_wanted_and_only_when_there_is_news() {
    let (mut log, store) = (Log::new(), Scripted::default());
    let mut ranker = ranker(&log, store.clone());
    let live = ranker.live();
    log.total(&total(1, 5), 1);
    log.progress(0, 1, 0);
    log.progress(1, 1, 0);
    store.boot(Boot::default());
    let mut turn = |n| {
        for _ in 0..4 {
            let _worked = ranker.turn(seconds(n)).unwrap();
        }
        store.writes()
    };
    assert_eq!(turn(0), 1);
    assert_eq!(turn(30), 1, "one at a time");
    store.written();
    assert_eq!((turn(30), stored(&live)), (1, 2), "no news");
    live.want_snapshot();
    assert_eq!(turn(31), 1, "no news, wanted or not");
    log.total(&total(1, 6), 2);
    log.progress(0, 2, 0);
    assert_eq!(turn(31), 2, "what was wanted comes with the news");
    store.written();
    log.total(&total(2, 9), 3);
    log.progress(0, 3, 0);
    assert_eq!(turn(32), 2, "not due");
    let board = Board { metric: Metric::Tokens, window: Window::Days30 };
    let first = live.ranked().board(board).next().map(|(totals, _)| totals.person.bytes()[0]);
    assert_eq!(first, Some(2), "the live board does not wait for snapshots");
    assert_eq!(turn(41), 3);
    let [changed] = &store.last().totals.chunks(4).map(|rows| rows[0].person[0]).collect::<Vec<_>>()[..]
    else {
        panic!("one person changed")
    };
    assert_eq!(*changed, 2);
}

#[test]
fn what_a_failed_write_carried_is_carried_by_the_next() {
    let (mut log, store) = (Log::new(), Scripted::default());
    let mut ranker = ranker(&log, store.clone());
    log.identity(account(1), "Ann", "Ann A.");
    log.total(&total(1, 5), 1);
    log.progress(0, 1, 0);
    log.progress(1, 1, 0);
    store.boot(Boot::default());
    let mut turn = |n| {
        for _ in 0..4 {
            let _worked = ranker.turn(seconds(n)).unwrap();
        }
        (store.writes(), store.last().people.len(), store.last().totals.len())
    };
    assert_eq!(turn(0), (1, 1, 4));
    store.failure();
    assert_eq!(turn(0), (1, 1, 4), "a pause");
    assert_eq!(turn(11), (2, 1, 4));
    store.written();
    log.progress(0, 2, 1);
    assert_eq!(turn(22), (3, 0, 0), "what is written is not written again");
    assert_eq!(store.last().rankings[0].person, *person("ann").bytes(), "subjects fold case");
}
