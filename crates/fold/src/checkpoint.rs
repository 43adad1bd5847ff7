//! The fold's own state as bytes: small things whole, rows as far as they changed.

use crate::admit::Acceptance;
use crate::codec::{self, Damaged, Reader};
use crate::fold::{Fold, Saved, Settings};
use crate::names::RunName;
use crate::outbox::{Destination, DueKey, HourKey, Known, Mark, Outbox, Point, SessionId, Slot, Sweep};
use crate::price::Prices;
use crate::producer::{self, Producers};
use crate::report::{AccountIx, DimsIx, RunIx};
use crate::rows::{DirtyRows, Keyspace};
use crate::window::Totals;
use tally_domain::planted::{self, Bug};
use tally_domain::price::PriceBook;
use tally_domain::{
    AccountKey, Day, Epoch, Hash128, Hour, Incarnation, LogTime, Offset, Partition, PartitionCount,
    ProducerId, SessionKey, TopicId, Version,
};

const MAGIC: [u8; 4] = *b"TLF1";
const META: &str = "the fold's meta blob";

/// Why a checkpoint is not taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Bytes that this program did not write.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The installation is set otherwise than when the state was folded.
    #[error("restoring a partition: its {what} was {known}, now {found} is set; {remedy}")]
    OtherSetting {
        /// Which setting.
        what: &'static str,
        /// What the state was folded under.
        known: String,
        /// What is set now.
        found: String,
        /// What to do.
        remedy: &'static str,
    },
}

impl Fold {
    /// The small things, whole: clock, counts, price book, outbox.
    #[must_use]
    pub fn meta(&self) -> Vec<u8> {
        let mut to = MAGIC.to_vec();
        put_settings(&mut to, &self.settings);
        codec::put_i64(&mut to, self.log_time.ms());
        codec::put_u64(&mut to, self.next.get());
        to.extend_from_slice(&self.last_record.to_be_bytes());
        codec::put_u64(&mut to, u64::from(self.incarnation.0));
        to.push(u8::from(self.topic.is_some()));
        to.extend_from_slice(self.topic.unwrap_or_default().bytes());
        codec::put_u64(&mut to, u64::from(self.policy));
        codec::put_bytes(&mut to, &self.book_text);
        producer::put_counts(&mut to, &self.counts);
        for destination in Destination::ALL {
            put_outbox(&mut to, self.outbox(destination), &self.marks(destination));
        }
        to
    }

    /// Every pending key with its mark, by key.
    fn marks(&self, destination: Destination) -> Vec<(DueKey, Mark)> {
        let marks = self.outbox(destination).marks();
        let mut marks: Vec<_> = marks.map(|(slot, mark)| (self.key_of(slot), mark)).collect();
        marks.sort_unstable_by_key(|(key, _)| *key);
        marks
    }

    /// Rows that changed since the last call, sorted. What is drained is expected to be saved.
    pub fn drain_dirty(&mut self, into: &mut DirtyRows) {
        let Self { names, totals, producers, saved, .. } = self;
        for (ix, account) in numbered(names.accounts()).skip(saved.accounts) {
            into.push(Keyspace::Accounts, &ix, |to| to.extend_from_slice(account.bytes()));
        }
        for (ix, dims) in numbered(names.all_dims()).skip(saved.dims) {
            into.push(Keyspace::Dims, &ix, |to| codec::put_dims(to, dims.as_ref().as_ref()));
        }
        for (ix, run) in numbered(names.runs()).skip(saved.runs) {
            into.push(Keyspace::Runs, &ix, |to| put_run_name(to, run));
        }
        let lengths = (names.accounts().len(), names.all_dims().len(), names.runs().len());
        *saved = Saved { accounts: lengths.0, dims: lengths.1, runs: lengths.2 };
        totals.drain_dirty(|row| {
            let key = [row.account.0.to_be_bytes(), row.dims.0.to_be_bytes()].concat();
            into.push(Keyspace::Totals, &key, |to| {
                row.windows.iter().for_each(|sum| codec::put_usage(to, sum));
            });
        });
        let rows = std::cell::RefCell::new(into);
        producers.drain_dirty(
            |ix, run| {
                let key = ix.0.to_be_bytes();
                rows.borrow_mut().push(Keyspace::Producers, &key, |to| producer::put_run(to, run));
            },
            |receipt| {
                let (run, day, dims) = receipt.key;
                let day = day.0.cast_unsigned() ^ 0x8000_0000;
                let key = [run.0.to_be_bytes(), day.to_be_bytes(), dims.0.to_be_bytes()].concat();
                rows.borrow_mut().push(Keyspace::Receipts, &key, |to| {
                    producer::put_counts(to, &receipt.counts);
                    codec::put_usage(to, &receipt.usage);
                });
            },
        );
        rows.into_inner().sort();
    }
}

/// Rows of an interner with their index as key bytes.
fn numbered<T>(rows: &[T]) -> impl Iterator<Item = ([u8; 4], &T)> {
    (0_u32..).map(u32::to_be_bytes).zip(rows)
}

/// Which state it is: that of which log, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The life of the topic; none before the first barrier.
    pub topic: Option<TopicId>,
    /// How far.
    pub version: Version,
}

/// A checkpoint that is being read: its meta blob first, then every row of [`Keyspace::ALL`] in that order,
/// each keyspace by key.
#[derive(Debug)]
pub struct Restore {
    fold: Fold,
    /// Pending keys of each of [`Destination::ALL`].
    pending: [Vec<(DueKey, Mark)>; 2],
}

impl Restore {
    /// Reads the meta blob.
    ///
    /// # Errors
    /// When the bytes are damaged, or the installation is now set otherwise.
    pub fn begin(settings: Settings, meta: &[u8]) -> Result<Self, RestoreError> {
        let mut from = Reader::new(meta, META);
        if from.array()? != MAGIC {
            return Err(from.damaged().into());
        }
        same_settings(&read_settings(&mut from)?, &settings)?;
        let mut fold = Fold::new(settings);
        fold.log_time = LogTime::from_ms(from.i64()?).ok_or(from.damaged())?;
        fold.clock = fold.log_time.minute().plus(if planted::is(Bug::ExpiryTwice) { -1 } else { 0 });
        fold.next = Offset::new(from.u64()?).ok_or(from.damaged())?;
        fold.last_record = u64::from_be_bytes(from.array()?);
        fold.incarnation = Incarnation(from.u64()?.try_into().map_err(|_| from.damaged())?);
        fold.topic = read_topic(&mut from)?;
        fold.policy = from.u32()?;
        fold.book_text = from.bytes()?.to_vec();
        if !fold.book_text.is_empty() && !planted::is(Bug::PricesBesideState) {
            let book = PriceBook::parse(&fold.book_text).map_err(|_| from.damaged())?;
            fold.prices = Prices::new(book);
        }
        fold.counts = producer::read_counts(&mut from)?;
        let present = Point { version: fold.version(), clock: fold.clock, log_time: fold.log_time };
        let (clickhouse, due) = read_outbox(&mut from, present)?;
        let (topic_totals, due_there) = read_outbox(&mut from, present)?;
        (fold.clickhouse, fold.topic_totals) = (clickhouse, topic_totals);
        from.end()?;
        Ok(Self { fold, pending: [due, due_there] })
    }

    /// Which state a meta blob belongs to.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub fn origin_of(meta: &[u8]) -> Result<Origin, Damaged> {
        let mut from = Reader::new(meta, META);
        if from.array()? != MAGIC {
            return Err(from.damaged());
        }
        read_settings(&mut from)?;
        let _log_time = from.i64()?;
        let next = Offset::new(from.u64()?).ok_or(from.damaged())?;
        let _last_record: [u8; 8] = from.array()?;
        let incarnation = Incarnation(from.u64()?.try_into().map_err(|_| from.damaged())?);
        let topic = read_topic(&mut from)?;
        Ok(Origin { topic, version: Version::new(incarnation, next) })
    }

    /// Reads a row.
    ///
    /// # Errors
    /// When the bytes are damaged or name what was not restored before.
    pub fn row(&mut self, space: Keyspace, key: &[u8], value: &[u8]) -> Result<(), Damaged> {
        let mut key = Reader::new(key, space.name());
        let mut from = Reader::new(value, space.name());
        match space {
            Keyspace::Accounts | Keyspace::Dims | Keyspace::Runs => self.name(space, &mut key, &mut from)?,
            Keyspace::Totals => {
                let (account, dims) = (self.account(&mut key)?, self.dims(&mut key)?);
                let windows = [from.usage()?, from.usage()?, from.usage()?, from.usage()?];
                self.fold.totals.restore(account, dims, &windows).ok_or(from.damaged())?;
            }
            Keyspace::Producers => {
                let run = self.run(&mut key)?;
                self.fold.producers.restore_run(run, producer::read_run(value)?);
                return key.end();
            }
            Keyspace::Receipts => {
                let run = self.run(&mut key)?;
                let day = Day((key.fixed_u32()? ^ 0x8000_0000).cast_signed());
                let dims = self.dims(&mut key)?;
                let counts = producer::read_counts(&mut from)?;
                self.fold.producers.restore_receipt((run, day, dims), counts, from.usage()?);
            }
        }
        key.end()?;
        from.end()
    }

    fn name(&mut self, space: Keyspace, key: &mut Reader<'_>, from: &mut Reader<'_>) -> Result<(), Damaged> {
        let damaged = from.damaged();
        let given = match space {
            Keyspace::Accounts => self.fold.names.intern_account(AccountKey(from.hash()?)).0,
            Keyspace::Dims => self.fold.names.intern_dims(from.dims()?.as_ref()).0,
            _ => {
                let account = self.account(from)?;
                let producer = ProducerId(from.hash()?);
                let epoch = Epoch(i64::from_be_bytes(from.array()?));
                self.fold.names.intern_run(RunName { account, producer, epoch }).0
            }
        };
        if key.fixed_u32()? == given { Ok(()) } else { Err(damaged) }
    }

    fn account(&self, from: &mut Reader<'_>) -> Result<AccountIx, Damaged> {
        let ix = AccountIx(from.fixed_u32()?);
        if ix.index() < self.fold.names.accounts().len() { Ok(ix) } else { Err(from.damaged()) }
    }
    fn dims(&self, from: &mut Reader<'_>) -> Result<DimsIx, Damaged> {
        let ix = DimsIx(from.fixed_u32()?);
        if ix.index() < self.fold.names.all_dims().len() { Ok(ix) } else { Err(from.damaged()) }
    }
    fn run(&self, from: &mut Reader<'_>) -> Result<RunIx, Damaged> {
        let ix = RunIx(from.fixed_u32()?);
        if ix.index() < self.fold.names.runs().len() { Ok(ix) } else { Err(from.damaged()) }
    }

    /// The state, once every row was read.
    #[must_use]
    pub fn finish(mut self) -> Fold {
        let names = &self.fold.names;
        let (accounts, dims, runs) = (names.accounts().len(), names.all_dims().len(), names.runs().len());
        self.fold.saved = Saved { accounts, dims, runs };
        for (destination, pending) in Destination::ALL.into_iter().zip(self.pending) {
            let Fold { totals, producers, clickhouse, topic_totals, .. } = &mut self.fold;
            let marks = pending.into_iter().map(|(key, mark)| (slot(totals, producers, key), mark));
            match destination {
                Destination::ClickHouse => clickhouse.restore_marks(marks),
                Destination::Totals => topic_totals.restore_marks(marks),
            }
        }
        self.fold
    }
}

/// Where the mark of a key belongs.
fn slot(totals: &mut Totals, producers: &mut Producers, key: DueKey) -> Slot {
    match key {
        DueKey::Total(account, dims) => Slot::Total(totals.place(account, dims)),
        DueKey::Hour(hour) => Slot::Hour(hour),
        DueKey::Receipt(run, day, dims) => Slot::Receipt(producers.place((run, day, dims))),
        DueKey::Producer(run) => Slot::Producer(run),
        DueKey::Session(session) => Slot::Session(session),
    }
}

fn put_run_name(to: &mut Vec<u8>, run: &RunName) {
    to.extend_from_slice(&run.account.0.to_be_bytes());
    to.extend_from_slice(run.producer.bytes());
    to.extend_from_slice(&run.epoch.0.to_be_bytes());
}

fn read_topic(from: &mut Reader<'_>) -> Result<Option<TopicId>, Damaged> {
    let has_topic = from.u8()? == 1;
    Ok(Some(TopicId(from.hash()?)).filter(|_| has_topic))
}

fn put_settings(to: &mut Vec<u8>, settings: &Settings) {
    let Settings { acceptance, secret_check } = settings;
    codec::put_u64(to, u64::from(acceptance.partition.0));
    codec::put_u64(to, u64::from(acceptance.partitions.get()));
    codec::put_u64(to, u64::from(acceptance.index_retention_days));
    to.extend_from_slice(&secret_check.0);
}

fn read_settings(from: &mut Reader<'_>) -> Result<Settings, Damaged> {
    let mut small = || u16::try_from(from.u64()?).map_err(|_| from.damaged());
    let (partition, partitions, index_retention_days) = (Partition(small()?), small()?, small()?);
    let partitions = PartitionCount::new(partitions).ok_or(from.damaged())?;
    let acceptance = Acceptance { partition, partitions, index_retention_days };
    Ok(Settings { acceptance, secret_check: from.hash()? })
}

fn same_settings(known: &Settings, found: &Settings) -> Result<(), RestoreError> {
    let (was, now) = (&known.acceptance, &found.acceptance);
    let counts = (was.partitions.get(), now.partitions.get());
    let days = (was.index_retention_days, now.index_retention_days);
    same("partition", &was.partition, &now.partition, "give each partition its own directory back")?;
    same("partition count", &counts.0, &counts.1, "the count is fixed for life: set it back")?;
    same(
        "index retention in days",
        &days.0,
        &days.1,
        "it decides what is too old: set it back, or fold anew",
    )?;
    let checks: (&Hash128, &Hash128) = (&known.secret_check, &found.secret_check);
    same("check of the secret", checks.0, checks.1, "restore the installation's own secret file")
}

fn same<T: PartialEq + std::fmt::Display>(
    what: &'static str,
    known: &T,
    found: &T,
    remedy: &'static str,
) -> Result<(), RestoreError> {
    if known == found {
        return Ok(());
    }
    Err(RestoreError::OtherSetting { what, known: known.to_string(), found: found.to_string(), remedy })
}

fn put_outbox(to: &mut Vec<u8>, outbox: &Outbox, marks: &[(DueKey, Mark)]) {
    codec::put_u64(to, u64::from(outbox.sweeps()));
    let Known { claimed, acknowledged, life } = outbox.known();
    for number in [claimed.get(), acknowledged.get(), life] {
        codec::put_u64(to, number);
    }
    match outbox.sweep() {
        None => to.push(0),
        Some((number, sweep)) => {
            to.push(1);
            codec::put_u64(to, u64::from(number));
            put_sweep(to, sweep);
        }
    }
    codec::put_u64(to, u64::try_from(marks.len()).expect("lengths in memory fit a u64"));
    for (key, mark) in marks {
        put_key(to, key);
        codec::put_u64(to, mark.first.get());
        codec::put_u64(to, mark.last.get().saturating_sub(mark.first.get()));
    }
}

/// An outbox, and its pending keys, which are given to it once their rows are there.
fn read_outbox(from: &mut Reader<'_>, present: Point) -> Result<(Outbox, Vec<(DueKey, Mark)>), Damaged> {
    let sweeps = from.u32()?;
    let (claimed, acknowledged) = (Version::from_u64(from.u64()?), Version::from_u64(from.u64()?));
    let known = Known { claimed, acknowledged, life: from.u64()? };
    let sweep = match from.u8()? {
        0 => None,
        _ => Some((from.u32()?, read_sweep(from)?)),
    };
    let mut marks = Vec::new();
    for _ in 0..from.u64()? {
        let key = read_key(from)?;
        let first = from.u64()?;
        let last = first.checked_add(from.u64()?).ok_or(from.damaged())?;
        marks.push((key, Mark { first: Version::from_u64(first), last: Version::from_u64(last) }));
    }
    Ok((Outbox::restore(present, sweep, sweeps, known), marks))
}

/// A checkpoint is read in order of keys, which gives totals and receipts other places: what was walked by place is
/// walked from its first place again.
fn put_sweep(to: &mut Vec<u8>, sweep: Sweep) {
    let (code, place) = match sweep {
        Sweep::Totals(_) => (0, 0),
        Sweep::Receipts(_) => (1, 0),
        Sweep::Producers(place) => (2, place),
        Sweep::Hours(None) => (3, 0),
        Sweep::Sessions(None) => (4, 0),
        Sweep::Hours(Some(hour)) => {
            to.push(5);
            return put_key(to, &DueKey::Hour(hour));
        }
        Sweep::Sessions(Some(session)) => {
            to.push(6);
            return put_key(to, &DueKey::Session(session));
        }
    };
    to.push(code);
    codec::put_u64(to, u64::from(place));
}

fn read_sweep(from: &mut Reader<'_>) -> Result<Sweep, Damaged> {
    let code = from.u8()?;
    if code > 4 {
        return match (code, read_key(from)?) {
            (5, DueKey::Hour(hour)) => Ok(Sweep::Hours(Some(hour))),
            (6, DueKey::Session(session)) => Ok(Sweep::Sessions(Some(session))),
            _ => Err(from.damaged()),
        };
    }
    let place = from.u32()?;
    Ok(match code {
        0 => Sweep::Totals(place),
        1 => Sweep::Receipts(place),
        2 => Sweep::Producers(place),
        3 => Sweep::Hours(None),
        _ => Sweep::Sessions(None),
    })
}

fn put_key(to: &mut Vec<u8>, key: &DueKey) {
    let mut put = |code: u8, numbers: &[u32]| {
        to.push(code);
        for &number in numbers {
            codec::put_u64(to, u64::from(number));
        }
    };
    match *key {
        DueKey::Total(account, dims) => put(0, &[account.0, dims.0]),
        DueKey::Hour(HourKey { hour, account, dims }) => {
            put(1, &[account.0, dims.0]);
            codec::put_i64(to, i64::from(hour.0));
        }
        DueKey::Receipt(run, day, dims) => {
            put(2, &[run.0, dims.0]);
            codec::put_i64(to, i64::from(day.0));
        }
        DueKey::Producer(run) => put(3, &[run.0]),
        DueKey::Session(SessionId { account, session }) => {
            put(4, &[account.0]);
            to.extend_from_slice(&session.0.to_be_bytes());
        }
    }
}

fn read_key(from: &mut Reader<'_>) -> Result<DueKey, Damaged> {
    Ok(match from.u8()? {
        0 => DueKey::Total(AccountIx(from.u32()?), DimsIx(from.u32()?)),
        1 => {
            let (account, dims) = (AccountIx(from.u32()?), DimsIx(from.u32()?));
            DueKey::Hour(HourKey { hour: Hour(from.i32()?), account, dims })
        }
        2 => {
            let (run, dims) = (RunIx(from.u32()?), DimsIx(from.u32()?));
            DueKey::Receipt(run, Day(from.i32()?), dims)
        }
        3 => DueKey::Producer(RunIx(from.u32()?)),
        4 => {
            let account = AccountIx(from.u32()?);
            let session = SessionKey(u64::from_be_bytes(from.array()?));
            DueKey::Session(SessionId { account, session })
        }
        _ => return Err(from.damaged()),
    })
}
