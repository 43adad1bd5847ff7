//! The tables that the ranker writes, and the end of ClickHouse that it holds: each request meets its own fate.

use super::{ClickHouse, Fate, Shared, Tables, reset};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tally_clickhouse::Life;
use tally_clickhouse::query::{KeptLine, RanksLine, SnapshotHead};
use tally_clickhouse::rows::{
    Hash, KeepCode, PersonRecord, RankingRecord, SnapshotRecord, UserTotalRecord, WindowCode,
};
use tally_domain::published::{Progress, TotalRow};
use tally_domain::{Minute, Version, partition_of};
use tally_ranker::store::{Answer, Look, Question, SnapshotId, Store, Write};
use tally_ranker::tables::{self, Answered, Insert};

use crate::shown::Key;

/// Rows of one snapshot, by person.
pub(crate) type Rankings = BTreeMap<Hash, RankingRecord>;

/// What the ranker writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standings {
    pub(crate) people: BTreeMap<Hash, PersonRecord>,
    pub(crate) user_totals: BTreeMap<(Hash, i8), UserTotalRecord>,
    pub(crate) rankings: BTreeMap<SnapshotId, Rankings>,
    pub(crate) snapshots: BTreeMap<SnapshotId, SnapshotRecord>,
}

impl Standings {
    /// What a reader takes for the newest complete one.
    pub(crate) fn newest(&self) -> Option<(SnapshotId, &SnapshotRecord)> {
        self.snapshots.last_key_value().map(|(id, marker)| (*id, marker))
    }

    /// The newest that is true for a minute or an earlier one.
    pub(crate) fn newest_at(&self, minute: Minute) -> Option<SnapshotId> {
        let until = minute.start_ms() / 1_000;
        self.snapshots.iter().rev().find(|(_, row)| i64::from(row.as_of) <= until).map(|(id, _)| *id)
    }

    fn mark(&mut self, row: &SnapshotRecord) {
        let id = SnapshotId { number: row.snapshot, people_version: row.people_version };
        self.snapshots.insert(id, row.clone());
    }

    fn take(&mut self, insert: Insert<'_>, whole: bool) {
        fn first<T>(rows: &[T], whole: bool) -> &[T] {
            &rows[..if whole { rows.len() } else { rows.len() / 2 }]
        }
        match insert {
            Insert::People(rows) => {
                for row in first(rows, whole) {
                    let held = self.people.entry(row.account).or_insert_with(|| row.clone());
                    if row.version >= held.version {
                        *held = row.clone();
                    }
                }
            }
            Insert::Rankings(rows) => {
                for row in first(rows, whole) {
                    let id = SnapshotId { number: row.snapshot, people_version: row.people_version };
                    self.rankings.entry(id).or_default().insert(row.person, row.clone());
                }
            }
            Insert::Totals(rows) => {
                for row in first(rows, whole) {
                    let key = (row.person, window_code(row));
                    let held = self.user_totals.entry(key).or_insert_with(|| row.clone());
                    if row.version >= held.version {
                        *held = row.clone();
                    }
                }
            }
        }
    }
}

fn window_code(row: &UserTotalRecord) -> i8 {
    match row.window {
        WindowCode::Hours24 => 0,
        WindowCode::Days7 => 1,
        WindowCode::Days30 => 2,
        WindowCode::Lifetime => 3,
    }
}

/// The partition in which a snapshot is kept.
fn partition_id(keep: KeepCode, as_of: u32) -> String {
    let seconds = match keep {
        KeepCode::All => 3_600,
        KeepCode::Hourly => 86_400,
        KeepCode::Daily => 30 * 86_400,
    };
    format!("{}-{}", keep.name(), as_of / seconds)
}

fn head(marker: &SnapshotRecord) -> SnapshotHead {
    let SnapshotRecord { snapshot, people_version, policy_version, as_of, people, earlier, .. } = *marker;
    let vector = marker.vector.clone();
    SnapshotHead { snapshot, people_version, policy_version, as_of, people, earlier, vector }
}

/// Ranks on all boards: by tokens over each window, then by list cost.
pub(crate) fn ranks(row: &RankingRecord) -> [u32; 8] {
    let [a, b, c, d] = [row.h24, row.d7, row.d30, row.lifetime].map(|of| (of.rank_tokens, of.rank_cost));
    [a.0, b.0, c.0, d.0, a.1, b.1, c.1, d.1]
}

/// The way to the server, as one ranker has it.
#[derive(Clone, Debug)]
struct Way {
    server: Shared,
    /// What the request under way meets.
    fate: Rc<Cell<Fate>>,
    /// What movement is to be measured against, as the last answer to that question had it.
    reference: Rc<RefCell<Option<Reference>>>,
}

/// A snapshot that movement is measured against.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) id: SnapshotId,
    pub(crate) ranks: BTreeMap<Hash, [u32; 8]>,
}

impl Way {
    /// A request of the tables.
    async fn request<T>(&self, doing: &str, does: impl Fn(&mut Tables, bool) -> T) -> Answered<T> {
        self.ask(doing, |server, whole| does(&mut server.tables, whole)).await
    }

    /// It is sent, and when it is polled again it meets its fate.
    async fn ask<T>(&self, doing: &str, does: impl Fn(&mut ClickHouse, bool) -> T) -> Answered<T> {
        once_later().await;
        match self.meets_fate(doing, does) {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// What comes back, unless nothing ever does.
    fn meets_fate<T>(&self, doing: &str, does: impl Fn(&mut ClickHouse, bool) -> T) -> Option<Answered<T>> {
        let fate = self.fate.get();
        let mut server = self.server.borrow_mut();
        let done = match fate {
            Fate::Refused => return Some(Err(reset(doing))),
            _ => does(&mut server, fate != Fate::TakenInPart),
        };
        match fate {
            Fate::TakenTwice => Some(Ok(does(&mut server, true))),
            Fate::TakenAndRefused | Fate::TakenInPart => Some(Err(reset(doing))),
            Fate::TakenInSilence => None,
            _ => Some(Ok(done)),
        }
    }
}

/// Pending once, then ready.
async fn once_later() {
    let mut is_later = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut is_later, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl tables::Tables for Way {
    async fn progress(&self) -> Answered<Vec<Progress>> {
        self.request("reading progress", |tables, _| tables.progress.values().copied().collect()).await
    }

    async fn account_totals(&self) -> Answered<Vec<(TotalRow, Version)>> {
        self.request("reading totals", |tables, _| {
            let rows = tables.rows.iter();
            rows.filter_map(|(key, (version, value))| {
                let Key::Total(account, dims) = key else { return None };
                let row = TotalRow {
                    partition: partition_of(account.bytes(), crate::world::count()),
                    account: *account,
                    dims: Arc::new(dims.clone()),
                    windows: crate::shown::windows(value),
                };
                Some((row, *version))
            })
            .collect()
        })
        .await
    }

    async fn people(&self) -> Answered<Vec<PersonRecord>> {
        self.request("reading people", |tables, _| tables.standings.people.values().cloned().collect()).await
    }

    async fn user_totals(&self) -> Answered<Vec<UserTotalRecord>> {
        let rows = |tables: &mut Tables, _| tables.standings.user_totals.values().cloned().collect();
        self.request("reading totals of people", rows).await
    }

    async fn newest_snapshot(&self) -> Answered<Option<SnapshotHead>> {
        let newest = |tables: &mut Tables, _| tables.standings.newest().map(|(_, marker)| head(marker));
        self.request("reading the newest snapshot", newest).await
    }

    async fn snapshot_at(&self, minute: Minute) -> Answered<Option<SnapshotHead>> {
        let reference = &self.reference;
        self.request("reading an earlier snapshot", |tables, _| {
            let standings = &tables.standings;
            let id = standings.newest_at(minute);
            *reference.borrow_mut() = id.map(|id| {
                let rows = standings.rankings.get(&id).into_iter().flatten();
                Reference { id, ranks: rows.map(|(person, row)| (*person, ranks(row))).collect() }
            });
            id.and_then(|id| standings.snapshots.get(&id)).map(head)
        })
        .await
    }

    async fn ranks(&self, of: &SnapshotHead) -> Answered<Vec<RanksLine>> {
        let id = SnapshotId { number: of.snapshot, people_version: of.people_version };
        self.request("reading ranks", |tables, _| {
            let rows = tables.standings.rankings.get(&id).into_iter().flatten();
            rows.map(|(person, row)| RanksLine { person: *person, ranks: ranks(row).to_vec() }).collect()
        })
        .await
    }

    async fn unfinished(&self, newest: SnapshotId) -> Answered<u64> {
        self.request("counting unfinished rows", |tables, _| {
            let standings = &tables.standings;
            let rankings = standings.rankings.iter().filter(|(id, _)| **id > newest);
            let totals = standings.user_totals.values().filter(|row| row.version > newest.number);
            let rows = rankings.map(|(_, rows)| rows.len()).sum::<usize>() + totals.count();
            u64::try_from(rows).expect("few rows")
        })
        .await
    }

    async fn sweep_rankings(&self, newest: SnapshotId) -> Answered<()> {
        let sweep = |tables: &mut Tables, _| tables.standings.rankings.retain(|id, _| *id <= newest);
        self.request("sweeping rankings", sweep).await
    }

    async fn sweep_user_totals(&self, newest: SnapshotId) -> Answered<()> {
        let sweep = |tables: &mut Tables, _| {
            tables.standings.user_totals.retain(|_, row| row.version <= newest.number);
        };
        self.request("sweeping totals of people", sweep).await
    }

    async fn life(&self) -> Answered<Life> {
        self.ask("asking for the life", |server, _| Life(server.life)).await
    }

    async fn mark(&self, marker: &SnapshotRecord, life: Life) -> Answered<()> {
        let marks = |server: &mut ClickHouse, whole: bool| {
            let is_its_life = Life(server.life) == life;
            if whole && is_its_life {
                server.tables.standings.mark(marker);
            }
            is_its_life
        };
        let doing = "marking a snapshot";
        if self.ask(doing, marks).await? { Ok(()) } else { Err(reset(doing)) }
    }

    async fn insert(&self, rows: Insert<'_>) -> Answered<()> {
        self.request("inserting", |tables, whole| tables.standings.take(rows, whole)).await
    }

    async fn kept(&self) -> Answered<Vec<KeptLine>> {
        self.request("reading what is kept", |tables, _| {
            let standings = &tables.standings;
            let markers = standings.snapshots.values().map(|row| (row.keep, row.as_of));
            let rankings = standings.rankings.values().flatten().map(|(_, row)| (row.keep, row.as_of));
            let mut kept: BTreeMap<String, KeptLine> = BTreeMap::new();
            for (keep, as_of) in markers.chain(rankings) {
                let id = partition_id(keep, as_of);
                let line = kept.entry(id.clone()).or_insert(KeptLine { id, keep, newest: as_of });
                line.newest = line.newest.max(as_of);
            }
            kept.into_values().collect()
        })
        .await
    }

    async fn drop_kept(&self, id: &str) -> Answered<()> {
        let markers = |tables: &mut Tables, _| {
            tables.standings.snapshots.retain(|_, row| partition_id(row.keep, row.as_of) != id);
        };
        self.request("dropping old snapshots", markers).await?;
        let rankings = |tables: &mut Tables, _| {
            let is_other = |row: &RankingRecord| partition_id(row.keep, row.as_of) != id;
            tables.standings.rankings.retain(|_, rows| rows.values().any(is_other));
        };
        self.request("dropping old rankings", rankings).await
    }
}

/// What was asked of the store since the world last looked.
#[derive(Debug)]
pub(crate) enum Asked {
    Look(Look),
    Write(Arc<Write>),
}

type Work = Pin<Box<dyn Future<Output = Answer>>>;

#[derive(Default)]
struct Desk {
    work: Option<Work>,
    answer: Option<Answer>,
    asked: Vec<Asked>,
}

/// The end that a ranker holds; the world holds it too.
#[derive(Clone)]
pub(crate) struct SimulatedStore {
    way: Way,
    desk: Rc<RefCell<Desk>>,
}

impl std::fmt::Debug for SimulatedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedStore").field("asked", &self.desk.borrow().asked).finish_non_exhaustive()
    }
}

impl SimulatedStore {
    pub(crate) fn new(server: &Shared) -> Self {
        let (server, fate) = (Rc::clone(server), Rc::new(Cell::new(Fate::Taken)));
        Self { way: Way { server, fate, reference: Rc::default() }, desk: Rc::default() }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.desk.borrow_mut().asked)
    }

    pub(crate) fn reference(&self) -> Option<Reference> {
        self.way.reference.borrow().clone()
    }

    /// The request under way meets its fate, and the next one is sent. False when there is none. An answer that
    /// comes of it is shown to `hears`.
    pub(crate) fn land(&self, fate: Fate, mut hears: impl FnMut(&Answer)) -> bool {
        let mut desk = self.desk.borrow_mut();
        let Some(work) = &mut desk.work else { return false };
        self.way.fate.set(fate);
        if let Poll::Ready(answer) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            hears(&answer);
            (desk.work, desk.answer) = (None, Some(answer));
        }
        true
    }
}

impl Store for SimulatedStore {
    fn ask(&mut self, question: Question) -> Result<(), Box<Question>> {
        let mut desk = self.desk.borrow_mut();
        if desk.work.is_some() {
            return Err(Box::new(question));
        }
        match &question {
            Question::Boot => {}
            Question::Look(look) => desk.asked.push(Asked::Look(*look)),
            Question::Write(write, _) => desk.asked.push(Asked::Write(Arc::clone(write))),
        }
        let way = self.way.clone();
        desk.work = Some(Box::pin(async move { tally_ranker::answer(&way, question).await }));
        Ok(())
    }

    fn answered(&mut self) -> Option<Answer> {
        self.desk.borrow_mut().answer.take()
    }
}
