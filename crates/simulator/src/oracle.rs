//! Keeps every record of a partition and counts from nothing, for any version: slow, and written without a
//! look at the fold.

use crate::shown::{Key, Value, lanes, verdicts};
use crate::told::Told;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use tally_domain::price::PriceBook;
use tally_domain::published::Counts;
use tally_domain::{
    AccountKey, Class, Entry, Incarnation, Kind, Minute, Offset, Partition, PartitionCount, SessionKey,
    Usage, UsageEvent, Version, Window, partition_of,
};
use tally_log::Record;

/// Days that events are remembered in the simulated installation.
pub(crate) const RETENTION_DAYS: u16 = 40;
/// And one more, since generations are whole days.
const FORGOTTEN_AFTER_DAYS: i32 = 41;
const MS_PER_DAY: i64 = 86_400_000;
const TOLERANCE_MS: i64 = 300_000;

/// What a record did to a key.
#[derive(Clone, Debug)]
enum Change {
    /// Usage of a slice, signed; of a receipt likewise.
    Usage(Minute, Usage),
    Counts(Counts),
    /// A copy with this number was read then.
    Copy(i64, i64),
    /// A session was seen at that instant.
    Instant(i64),
}

/// A change, and from which next offset on it is part of the state.
#[derive(Clone, Debug)]
struct At {
    next: u64,
    day: i32,
    change: Change,
}

#[derive(Clone, Debug)]
struct Stands {
    event: UsageEvent,
    usage: Usage,
    day: i32,
}

/// One partition of one topic, as it should be understood.
#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    partition: Partition,
    partitions: PartitionCount,
    /// The first offset that was not read.
    pub(crate) next: u64,
    incarnations: Vec<(u64, u16)>,
    clocks: Vec<(u64, Minute)>,
    pub(crate) log_ms: i64,
    book: PriceBook,
    stands: BTreeMap<(AccountKey, String), Stands>,
    history: BTreeMap<Key, Vec<At>>,
    pub(crate) counts: Counts,
    pub(crate) rejects: BTreeSet<u64>,
    /// By offset.
    pub(crate) told: Vec<Told>,
    /// Accounts of which an event was told again after its first copy was forgotten: a recount that forgets nothing
    /// sees one event there, and who remembers for a time sees two.
    pub(crate) forgot: BTreeSet<AccountKey>,
}

impl Oracle {
    pub(crate) fn new(partition: Partition, partitions: PartitionCount) -> Self {
        Self {
            partition,
            partitions,
            next: 0,
            incarnations: vec![],
            clocks: vec![],
            log_ms: i64::MIN,
            book: PriceBook::default(),
            stands: BTreeMap::new(),
            history: BTreeMap::new(),
            counts: Counts::default(),
            rejects: BTreeSet::new(),
            told: vec![],
            forgot: BTreeSet::new(),
        }
    }

    /// The next record of the log; says in a word what it means.
    pub(crate) fn read(&mut self, record: &Record<'_>) -> &'static str {
        let word = self.understand(record);
        let incarnation = self.incarnations.last().map_or(0, |(_, number)| *number);
        let is_refused = self.rejects.contains(&record.offset.get());
        self.told.push(Told::of(record, (incarnation, self.log_ms), is_refused));
        word
    }

    fn understand(&mut self, record: &Record<'_>) -> &'static str {
        self.log_ms = self.log_ms.max(record.appended_at.ms());
        self.next = record.offset.get() + 1;
        let clock = minute(self.log_ms);
        if self.clocks.last().is_none_or(|(_, before)| *before < clock) {
            self.clocks.push((self.next, clock));
        }
        match record.value.map(tally_schema::decode) {
            Some(Ok(Entry::Usage(usage))) => self.usage(record.key, &usage.to_owned()),
            Some(Ok(Entry::Prices(document))) => match PriceBook::parse(document.body) {
                _ if document.number <= self.book.number() => "an old price book",
                Ok(book) if book.number() == document.number => {
                    self.book = book;
                    "a price book"
                }
                _ => self.reject("no price book"),
            },
            Some(Ok(Entry::Barrier(barrier))) => {
                let last = self.incarnations.last().map_or(0, |(_, number)| *number);
                if barrier.number > last {
                    self.incarnations.push((self.next, barrier.number));
                }
                "a barrier"
            }
            Some(Ok(_)) => "a heartbeat",
            _ => {
                self.counts = self.counts.plus(&Counts { read: 1, rejected: 1, ..Counts::default() });
                self.reject("garbage")
            }
        }
    }

    fn reject(&mut self, why: &'static str) -> &'static str {
        self.rejects.insert(self.next - 1);
        why
    }

    fn usage(&mut self, key: &[u8], event: &UsageEvent) -> &'static str {
        let home = partition_of(event.account.bytes(), self.partitions);
        if key != event.account.bytes() || home != self.partition {
            self.counts = self.counts.plus(&Counts { read: 1, rejected: 1, ..Counts::default() });
            return self.reject("misrouted");
        }
        let run = (event.account, event.producer, event.epoch);
        self.change(Key::Producer(run.0, run.1, run.2), Change::Copy(event.sequence.0, self.log_ms));
        let mut one = Counts { read: 1, ..Counts::default() };
        let receipt = |of: &UsageEvent| {
            let day = minute(of.occurred_at.ms()).day();
            Key::Receipt(run.0, run.1, run.2, day, of.dims.clone())
        };
        if !self.accepts(event) {
            one.rejected = 1;
            self.counts = self.counts.plus(&one);
            self.change(receipt(event), Change::Counts(one));
            return self.reject("rejected");
        }
        let session = event.session.as_ref().map(|name| Key::Session(event.account, SessionKey::of(name)));
        if let Some(session) = session {
            self.change(session, Change::Instant(event.occurred_at.ms()));
        }
        let today = minute(self.log_ms).day().0;
        let place = (event.account, event.event_id.clone());
        let known = self.stands.get(&place);
        if known.is_some_and(|was| was.day < today - FORGOTTEN_AFTER_DAYS) {
            self.forgot.insert(event.account);
        }
        let was = known.filter(|was| was.day >= today - FORGOTTEN_AFTER_DAYS).cloned();
        let wins = was.as_ref().is_none_or(|was| order(event) > order(&was.event));
        let conflict = was.as_ref().is_some_and(|was| {
            let contents = [event, &was.event].map(|event| event.as_ref().content_hash());
            was.event.revision == event.revision && contents[0] != contents[1]
        });
        let (count, word) = match (&was, wins) {
            (None, _) => (&mut one.fresh, "fresh"),
            (Some(_), true) => (&mut one.revised, "revised"),
            (Some(_), false) => (&mut one.duplicate, "duplicate"),
        };
        *count = 1;
        one.conflicts = u64::from(conflict);
        self.counts = self.counts.plus(&one);
        self.change(receipt(event), Change::Counts(one));
        if wins {
            let usage = cost(&self.book, event);
            if let Some(was) = &was {
                let back = was.usage.checked_neg().expect("usage is not negative");
                self.post(&was.event, back);
                self.change(receipt(&was.event), Change::Usage(Minute(0), back));
            }
            self.post(event, usage);
            self.change(receipt(event), Change::Usage(Minute(0), usage));
            self.stands.insert(place, Stands { event: event.clone(), usage, day: today });
        }
        word
    }

    fn post(&mut self, event: &UsageEvent, usage: Usage) {
        if usage.is_zero() {
            return;
        }
        let at = minute(event.occurred_at.ms());
        let (account, dims) = (event.account, event.dims.clone());
        self.change(Key::Total(account, dims.clone()), Change::Usage(at, usage));
        self.change(Key::Hour(at.hour(), account, dims), Change::Usage(at, usage));
        if let Some(session) = &event.session {
            self.change(Key::Session(account, SessionKey::of(session)), Change::Usage(at, usage));
        }
    }

    fn change(&mut self, key: Key, change: Change) {
        let at = At { next: self.next, day: minute(self.log_ms).day().0, change };
        self.history.entry(key).or_default().push(at);
    }

    fn accepts(&self, event: &UsageEvent) -> bool {
        tally_schema::check(&event.as_ref()).is_ok()
            && event.occurred_at.ms() <= self.log_ms + TOLERANCE_MS
            && event.minted_at_ms.is_none_or(|minted| minted <= self.log_ms + TOLERANCE_MS)
            && event.occurred_at.ms() >= self.log_ms - i64::from(RETENTION_DAYS) * MS_PER_DAY
    }

    /// The version of the state after everything that was read.
    pub(crate) fn version(&self) -> Version {
        let next = Offset::new(self.next).expect("a simulated log is short");
        Version::new(Incarnation(self.incarnations.last().map_or(0, |(_, number)| *number)), next)
    }

    /// Whether a state of that version can be: every record before it is durable, and of that incarnation.
    pub(crate) fn knows(&self, version: Version) -> bool {
        let next = version.next().get();
        let number = |(_, number): &(u64, u16)| *number;
        let incarnation = self.incarnations.iter().rev().find(|(from, _)| *from <= next).map_or(0, number);
        next <= self.next && incarnation == version.incarnation().0
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.history.keys()
    }

    /// What the key's row says at a version. `None`: so long ago that nobody need remember.
    pub(crate) fn value(&self, key: &Key, version: Version) -> Option<Value> {
        let next = version.next().get();
        let known = self.clocks.iter().rev().find(|(from, _)| *from <= next);
        let clock = known.map_or(Minute::BEFORE_ALL, |(_, clock)| *clock);
        let all = self.history.get(key).map(Vec::as_slice).unwrap_or_default();
        let changes = &all[..all.partition_point(|change| change.next <= next)];
        match key {
            Key::Total(..) => Some(windows(changes, clock)),
            Key::Hour(hour, ..) => {
                let horizon = clock.day().0 - 2 * i32::from(RETENTION_DAYS);
                (hour.day().0 >= horizon).then(|| sum(changes, |_| true))
            }
            Key::Receipt(..) => Some(receipt(changes)),
            Key::Producer(..) => Some(producer(changes)),
            // Since then it was forgotten, and began anew.
            Key::Session(..) if begin(all) >= changes.len() && !changes.is_empty() => None,
            Key::Session(..) => session(changes, clock.day().0),
        }
    }
}

fn minute(ms: i64) -> Minute {
    Minute(i32::try_from(ms.div_euclid(60_000)).unwrap_or(i32::MIN))
}

fn sum(changes: &[At], held: impl Fn(Minute) -> bool) -> Value {
    let total = changes.iter().fold(Usage::ZERO, |total, at| match &at.change {
        Change::Usage(minute, usage) if held(*minute) => total.checked_add(usage).expect("sums are small"),
        _ => total,
    });
    lanes(&total).collect()
}

fn windows(changes: &[At], clock: Minute) -> Value {
    let age = |minute: Minute| i64::from(clock.0) - i64::from(minute.0);
    let held = |window: Window, minute: Minute| {
        window.minutes().is_none_or(|length| (0..i64::from(length)).contains(&age(minute)))
    };
    Window::ALL.into_iter().flat_map(|window| sum(changes, |minute| held(window, minute))).collect()
}

fn receipt(changes: &[At]) -> Value {
    let counts = changes.iter().fold(Counts::default(), |all, at| match &at.change {
        Change::Counts(one) => all.plus(one),
        _ => all,
    });
    verdicts(&counts).into_iter().chain(sum(changes, |_| true)).collect()
}

fn producer(changes: &[At]) -> Value {
    let mut seen = BTreeSet::new();
    let mut last = i64::MIN;
    for at in changes {
        if let Change::Copy(number, at) = at.change {
            seen.extend(Some(number).filter(|number| *number > 0));
            last = last.max(at);
        }
    }
    if changes.is_empty() {
        return vec![];
    }
    let mark = seen.last().copied().unwrap_or(0);
    vec![mark, mark - i64::try_from(seen.len()).expect("a run is short"), last]
}

/// Where the changes of a session begin that nobody has forgotten.
fn begin(changes: &[At]) -> usize {
    let over = |pair: &[At]| pair[0].day < pair[1].day - FORGOTTEN_AFTER_DAYS;
    changes.windows(2).rposition(over).map_or(0, |place| place + 1)
}

/// A session that nothing was said of for so long begins anew, and until then nobody need remember it.
fn session(changes: &[At], today: i32) -> Option<Value> {
    let changes = &changes[begin(changes)..];
    let Some(newest) = changes.last() else { return Some(vec![]) };
    if newest.day < today - FORGOTTEN_AFTER_DAYS {
        return None;
    }
    let instants = changes.iter().filter_map(|at| match at.change {
        Change::Instant(at) => Some(at),
        _ => None,
    });
    let (first, last) = (instants.clone().min().unwrap_or(0), instants.max().unwrap_or(0));
    Some([first, last].into_iter().chain(sum(changes, |_| true)).collect())
}

fn order(event: &UsageEvent) -> impl Ord + use<> {
    let zero = event.kind == Kind::Retraction;
    let output = if zero { 0 } else { event.usage.of(Class::Output) };
    let total = if zero { 0 } else { event.usage.total() };
    let authority = match event.kind {
        Kind::Report => 0,
        Kind::Correction => 1,
        Kind::Retraction => 2,
    };
    let content = event.as_ref().content_hash();
    (event.revision, authority, output, total, Reverse(event.occurred_at), content)
}

fn cost(book: &PriceBook, event: &UsageEvent) -> Usage {
    if event.kind == Kind::Retraction {
        return Usage::ZERO;
    }
    let rate = book.rate(event.dims.as_ref(), event.occurred_at, &event.usage).copied().unwrap_or_default();
    let (mut unpriced, mut exact) = (0, 0_i128);
    for (tokens, price) in event.usage.tokens.iter().zip(rate.nano_usd_per_million) {
        match price {
            Some(price) => exact += i128::from(*tokens) * i128::from(price),
            None => unpriced += tokens,
        }
    }
    let (whole, rest) = (exact / 1_000_000, exact % 1_000_000);
    let up = rest > 500_000 || (rest == 500_000 && whole % 2 == 1);
    let cost_nano_usd = i64::try_from(whole).expect("a price of few tokens") + i64::from(up);
    Usage { unpriced, cost_nano_usd, ..event.usage }
}
