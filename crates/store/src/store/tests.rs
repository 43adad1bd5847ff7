use std::collections::BTreeMap;

use proptest::prelude::*;
use tally_disk::MemoryDisk;
use tally_domain::{
    ContentHash, Day, EventKey, EventTime, Hash128, Kind, LogTime, Minute, Offset, Partition, PartitionCount,
    Revision, SessionKey,
};
use tally_fold::{
    Acceptance, AccountIx, Batch, DimsIx, Moving, Posting, Probe, Recalled, Report, Seen, SessionChange,
};

use super::*;

const TUNING: StoreSettings = StoreSettings { index_filter_bits: 12 };
const RETENTION_DAYS: u16 = 40;

fn settings() -> Settings {
    let partitions = PartitionCount::LOCAL;
    let acceptance = Acceptance { partition: Partition(0), partitions, index_retention_days: RETENTION_DAYS };
    Settings { acceptance, secret_check: Hash128::default() }
}

fn open(disk: &MemoryDisk) -> (Store<MemoryDisk>, Fold) {
    let (store, fold) = Store::open(disk, "state/0", settings(), TUNING).unwrap();
    (store, fold.unwrap_or_else(|| Fold::new(settings())))
}

fn usage(tokens: i64) -> Usage {
    Usage { tokens: [tokens, 0, 3, 0, -tokens, 0], requests: 1, unpriced: 0, cost_nano_usd: tokens * 1_000 }
}

fn report(n: u64) -> Report {
    Report {
        offset: Offset::new(n).unwrap(),
        revision: Revision(u32::MAX),
        kind: Kind::Retraction,
        occurred: EventTime::from_ms(-5).unwrap(),
        session: SessionKey(u64::MAX),
        dims: DimsIx(u32::MAX),
        usage: usage(n.cast_signed()),
        content: ContentHash(1 << 63),
    }
}

fn key(n: u8) -> EventKey {
    EventKey(Hash128([n.wrapping_mul(97); 16]))
}

/// One batch of a script, small enough to draw.
#[derive(Clone, Debug)]
struct Turn {
    /// How far the clock rises before it, in minutes.
    rises: i32,
    /// Minutes back from the clock, account, tokens.
    postings: Vec<(i32, u32, i64)>,
    seen: Vec<u8>,
    commits: bool,
    merges: u64,
}

fn turn() -> impl Strategy<Value = Turn> {
    let rises = prop_oneof![4 => Just(0), 6 => 1..3, 3 => 60..3_000, 1 => 20_000..90_000];
    let back = prop_oneof![5 => -3..3, 1 => 1_430..1_450, 1 => 10_070..10_090, 1 => 43_190..43_210];
    let postings = proptest::collection::vec((back, 0..4_u32, -50..50_i64), 0..6);
    let seen = proptest::collection::vec(any::<u8>(), 0..6);
    (rises, postings, seen, proptest::bool::weighted(0.3), 0..400_u64)
        .prop_map(|(rises, postings, seen, commits, merges)| Turn { rises, postings, seen, commits, merges })
}

type Slices = BTreeMap<(i32, u32), Usage>;

#[derive(Debug, Default)]
struct Model {
    slices: Slices,
    hours: Slices,
    sessions: BTreeMap<u32, (Session, i32)>,
    seen: BTreeMap<u8, (Report, i32)>,
}

fn add(to: &mut Slices, at: i32, account: u32, more: &Usage) {
    let sum = to.entry((at, account)).or_default();
    *sum = sum.checked_add(more).unwrap();
}

impl Model {
    fn absorb(&mut self, changes: &Changes) {
        let day = changes.log_time.minute().day().0;
        for posting in &changes.postings {
            add(&mut self.slices, posting.minute.0, posting.account.0, &posting.usage);
            add(&mut self.hours, posting.minute.hour().0, posting.account.0, &posting.usage);
        }
        for change in &changes.sessions {
            let before = self.sessions.get(&change.account.0).copied();
            let before = before.filter(|(_, last)| *last >= oldest_day(day)).map(|(session, _)| session);
            let session = Session::of(change).join(before).unwrap();
            let _old = self.sessions.insert(change.account.0, (session, day));
        }
    }

    fn crossing(&self, first: i32, last: i32) -> Slices {
        let crosses = |minute: i32| (first..=last).contains(&minute);
        self.slices
            .iter()
            .filter(|((minute, _), _)| crosses(*minute))
            .map(|(key, sum)| (*key, *sum))
            .collect()
    }
}

fn oldest_day(today: i32) -> i32 {
    today - i32::from(RETENTION_DAYS) - 1
}

fn by_key(postings: &[Posting]) -> Slices {
    let sums: Slices = postings.iter().map(|p| ((p.minute.0, p.account.0), p.usage)).collect();
    assert_eq!(sums.len(), postings.len(), "each sum is named once");
    sums
}

fn changes(clock: i32, turn: &Turn, next: &mut u64) -> Changes {
    let log_time = LogTime::from_ms(Minute(clock).start_ms()).unwrap();
    let mut changes = Changes { clock: Minute(clock), log_time, ..Changes::default() };
    let mut sums: Slices = BTreeMap::new();
    turn.postings
        .iter()
        .for_each(|(back, account, tokens)| add(&mut sums, clock - back, *account, &usage(*tokens)));
    for ((minute, account), usage) in &sums {
        let (minute, account) = (Minute(*minute), AccountIx(*account));
        changes.postings.push(Posting { minute, account, dims: DimsIx(1), usage: *usage });
    }
    let accounts: std::collections::BTreeSet<u32> = sums.keys().map(|(_, account)| *account).collect();
    for account in accounts {
        let at = EventTime::from_ms(log_time.ms() - i64::from(account)).unwrap();
        let (account, session) = (AccountIx(account), SessionKey(9));
        changes.sessions.push(SessionChange { account, session, first: at, last: at, usage: usage(1) });
    }
    for n in &turn.seen {
        *next += 1;
        changes.seen.push(Seen { key: key(*n), report: report(*next) });
    }
    changes
}

fn recalled(store: &mut Store<MemoryDisk>, log_time: LogTime, keys: &[u8]) -> Vec<Option<Report>> {
    let mut batch = Batch { log_time, ..Batch::default() };
    batch.keys.extend(keys.iter().map(|n| key(*n)));
    batch.probes.resize(keys.len(), Probe::All);
    let mut recalled = Recalled::default();
    store.recall(&batch, &mut recalled).unwrap();
    recalled.slot_of.iter().map(|slot| recalled.slots[usize::try_from(*slot).unwrap()]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    /// Whenever it commits, merges and starts again: the store remembers what the model does, and nothing else.
    #[test]
    fn a_partition_is_its_model(turns in proptest::collection::vec(turn(), 1..30), starts_again in any::<bool>()) {
        let disk = MemoryDisk::new(3);
        let (mut store, mut fold) = open(&disk);
        let mut model = Model::default();
        let (mut clock, mut next) = (29_000_000, 0);
        for turn in &turns {
            let mut moving = Moving::default();
            let (from, to) = (clock, clock + turn.rises);
            store.moving(Minute(from), Minute(to), &mut moving).unwrap();
            prop_assert_eq!(by_key(&moving.entering), model.crossing(from + 1, to));
            for (leaving, window) in moving.leaving.iter().zip(Window::SLIDING) {
                let length = window.minutes().unwrap();
                prop_assert_eq!(by_key(leaving), model.crossing(from - length + 1, to - length));
            }
            clock = to;
            let changes = changes(clock, turn, &mut next);
            let before = recalled(&mut store, changes.log_time, &turn.seen);
            let day = changes.log_time.minute().day().0;
            for (n, before) in turn.seen.iter().zip(before) {
                let known = model.seen.get(n).filter(|(_, seen)| *seen >= oldest_day(day)).map(|(report, _)| *report);
                prop_assert_eq!(before, known);
            }
            store.absorb(&changes).unwrap();
            model.absorb(&changes);
            changes.seen.iter().zip(&turn.seen).for_each(|(seen, n)| { model.seen.insert(*n, (seen.report, day)); });
            // A slice that no window will hold again is gone.
            model.slices.retain(|(minute, _), _| Changes::keeps_slice(Minute(clock), Minute(*minute)));
            let _more = store.merge(turn.merges).unwrap();
            if turn.commits {
                store.commit(&mut fold).unwrap();
                if starts_again {
                    drop(store);
                    (store, fold) = open(&disk);
                }
            }
        }
        let ids: Vec<_> = model.sessions.keys().map(|n| SessionId { account: AccountIx(*n), session: SessionKey(9) }).collect();
        let oldest = oldest_day(Minute(clock).day().0);
        let sessions = model.sessions.values().map(|(session, day)| Some(*session).filter(|_| *day >= oldest));
        prop_assert_eq!(store.sessions(&ids).unwrap(), sessions.collect::<Vec<_>>());
        let oldest = (Minute(clock).day().0 - 2 * i32::from(RETENTION_DAYS) - 1) * 24;
        for ((hour, account), sum) in model.hours.iter().filter(|((hour, _), _)| *hour >= oldest) {
            let key = codec::dated_key(*hour, AccountIx(*account), DimsIx(1));
            let found = store.engine.gather(HOURS, &[&key]).unwrap().remove(0);
            prop_assert_eq!(found.map(|bytes| codec::read_usage(&bytes)), Some(*sum));
        }
    }
}

#[test]
fn a_report_comes_back_from_the_index_as_it_went_in() {
    let disk = MemoryDisk::new(1);
    let (mut store, mut fold) = open(&disk);
    let log_time = LogTime::from_ms(0).unwrap();
    let seen = vec![Seen { key: key(7), report: report(42) }];
    store.absorb(&Changes { seen, log_time, ..Changes::default() }).unwrap();
    assert_eq!(recalled(&mut store, log_time, &[7, 8, 7]), [Some(report(42)), None, Some(report(42))]);
    store.commit(&mut fold).unwrap();
    assert_eq!(recalled(&mut store, log_time, &[7, 8, 7]), [Some(report(42)), None, Some(report(42))]);
}

#[test]
fn an_id_that_carries_its_mint_time_probes_from_there() {
    let disk = MemoryDisk::new(1);
    let (mut store, mut fold) = open(&disk);
    let log_time = LogTime::from_ms(Day(10).start().start_ms()).unwrap();
    let seen = vec![Seen { key: key(7), report: report(42) }];
    store.absorb(&Changes { seen, log_time, ..Changes::default() }).unwrap();
    store.commit(&mut fold).unwrap();
    let mut found = |probe| {
        let batch = Batch { keys: vec![key(7)], probes: vec![probe], log_time, ..Batch::default() };
        let mut recalled = Recalled::default();
        store.recall(&batch, &mut recalled).unwrap();
        recalled.slots.first().copied()
    };
    assert_eq!(found(Probe::FromDay(Day(10))), Some(Some(report(42))));
    assert_eq!(found(Probe::FromDay(Day(11))), Some(None));
    assert_eq!(found(Probe::None), None);
}

#[test]
fn a_committed_fold_starts_again_as_it_was() {
    let disk = MemoryDisk::new(1);
    let (mut store, mut fold) = open(&disk);
    assert!(store.committed().unwrap().is_none());
    store.commit(&mut fold).unwrap();
    let meta = fold.meta();
    let committed = store.committed().unwrap().unwrap();
    assert_eq!(committed.version, fold.version());
    assert!(committed.files.last().unwrap().is_manifest());
    drop(store);
    disk.crash();
    let (_store, fold) = Store::open(&disk, "state/0", settings(), TUNING).unwrap();
    assert_eq!(fold.map(|fold| fold.meta()), Some(meta));
}
