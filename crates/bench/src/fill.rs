//! The log that is caught up from: what a simulated company sent in so many days, as the log would have taken it.

use std::collections::HashMap;

use anyhow::{Context, Result};
use tally_domain::{
    AccountKey, Barrier, Epoch, EventTime, Hash128, Lane, Minted, Offset, Partition, PartitionCount,
    ProducerId, Sequence, Topic, UsageRef, WallTime, partition_of,
};
use tally_fold::FOLD_VERSION;
use tally_log::AppendLog;
use tally_log::local::Appender;
use tally_simulator::workload::{Claimed, Company, Span, history};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

use crate::place::{Log, Place};

/// The price book that comes with this version.
const BOOK: &[u8] = include_bytes!("../../../schemas/prices/book.json");
const MS_PER_MINUTE: i64 = 60_000;
const MS_PER_DAY: i64 = 86_400_000;
/// Records that a turn of the log finds when all arrive at once.
const AT_ONCE_RECORDS: u64 = 40_000;

/// How events are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ids {
    /// By the sender, from its epoch (a day here) and a number: the first copy is known to be fresh. What is sent
    /// again names the same id, and is looked up.
    Minted,
    /// By the provider: every one is looked up.
    LookedUp,
}

/// When the log took what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// When it was sent: the log of all those days, minute by minute. Windows move while it is folded.
    AsSent,
    /// All of it in the last minute: a backlog, or an import.
    AtOnce,
}

/// What a log is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// About how many events.
    pub events: u64,
    /// People of the company.
    pub people: u32,
    /// Days of history.
    pub days: u16,
    /// See [`Ids`].
    pub ids: Ids,
    /// See [`Arrival`].
    pub arrival: Arrival,
    /// The end of the history, ms UTC.
    pub until_ms: i64,
}

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Filled {
    /// Usage records.
    pub events: u64,
    /// Accounts that sent any.
    pub accounts: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// One account's sender.
#[derive(Debug, Default)]
struct Account {
    key: AccountKey,
    producer: ProducerId,
    partition: Partition,
    epoch: i64,
    sequence: i64,
}

/// A log that is being filled.
struct Filling {
    plan: Plan,
    log: Log,
    appender: Appender,
    /// By person and source.
    accounts: HashMap<(usize, &'static str), Account>,
    /// What a minted id was given for: (epoch, sequence) by a hash of account and event id.
    given: HashMap<u64, (i64, i64)>,
    filled: Filled,
    since_turn: u64,
}

/// Fills the log of `place`, which must be new. `progress` is told the events so far, now and then.
///
/// # Errors
/// What the log says.
pub fn fill(place: &Place, plan: Plan, mut progress: impl FnMut(u64)) -> Result<Filled> {
    let mut log = place.open_log()?;
    let start_ms = plan.until_ms - i64::from(plan.days) * MS_PER_DAY;
    begin(&mut log, place, at(start_ms)?)?;
    let company = Company::new(1, usize::try_from(plan.people)?);
    let until = EventTime::from_ms(plan.until_ms).context("the end of the history is no instant")?;
    let mut events = history(&company, Span { days: plan.days, until, events: plan.events });
    let appender = log.appender();
    let (accounts, given) = (HashMap::new(), HashMap::new());
    let mut filling =
        Filling { plan, log, appender, accounts, given, filled: Filled::default(), since_turn: 0 };
    let (mut claimed, mut bytes, mut minute) = (Claimed::default(), Vec::new(), i64::MIN);
    while events.next_into(&mut claimed) {
        let sent = claimed.sent_ms.div_euclid(MS_PER_MINUTE);
        if plan.arrival == Arrival::AsSent && sent != minute {
            filling.turn(minute.max(start_ms.div_euclid(MS_PER_MINUTE)) * MS_PER_MINUTE)?;
            minute = sent;
        } else if filling.since_turn >= AT_ONCE_RECORDS {
            let at_ms = if plan.arrival == Arrival::AsSent { minute * MS_PER_MINUTE } else { plan.until_ms };
            filling.turn(at_ms)?;
        }
        filling.send(&company, place, &mut claimed, &mut bytes)?;
        if filling.filled.events.is_multiple_of(100_000) {
            progress(filling.filled.events);
        }
    }
    filling.turn(plan.until_ms)?;
    filling.filled.accounts = u64::try_from(filling.accounts.len())?;
    Ok(filling.filled)
}

impl Filling {
    fn send(
        &mut self,
        company: &Company,
        place: &Place,
        claimed: &mut Claimed,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        let name = (claimed.person, claimed.source);
        let account = self.accounts.entry(name).or_insert_with(|| {
            let subject = &company.people[claimed.person].subject;
            let key = AccountKey::of(&place.secret, claimed.source, subject);
            let partition = partition_of(key.bytes(), PartitionCount::LOCAL);
            let producer = ProducerId(Hash128(xxh3_128(key.bytes()).to_be_bytes()));
            Account { key, producer, partition, ..Account::default() }
        });
        let minted_id;
        let mut event = UsageRef { account: account.key, ..claimed.event.as_ref() };
        match self.plan.ids {
            Ids::LookedUp => {
                // One collector, started once: its numbers are dense for each account.
                account.sequence += 1;
                event.producer = ProducerId(Hash128([1; 16]));
                (event.epoch, event.sequence) = (Epoch(1), Sequence(account.sequence));
            }
            Ids::Minted => {
                let key = u64::from_le_bytes(*account.key.bytes().first_chunk().context("16 bytes")?);
                let given = self.given.entry(xxh3_64_with_seed(event.event_id.as_bytes(), key));
                let (epoch, sequence) = *given.or_insert_with(|| account.next(claimed.sent_ms));
                let minted =
                    Minted { producer: account.producer, epoch: Epoch(epoch), sequence: Sequence(sequence) };
                (event.producer, event.epoch, event.sequence) =
                    (minted.producer, minted.epoch, minted.sequence);
                event.minted = Some(minted);
                minted_id = minted.event_id();
                event.event_id = &minted_id;
            }
        }
        bytes.clear();
        tally_schema::encode_usage(&event, bytes);
        let lane = Lane { topic: Topic::Usage, partition: account.partition };
        let _ticket = self.appender.append(lane, account.key.bytes(), Some(bytes))?;
        self.filled.events += 1;
        self.filled.bytes += u64::try_from(bytes.len() + 16)?;
        self.since_turn += 1;
        Ok(())
    }

    fn turn(&mut self, at_ms: i64) -> Result<()> {
        self.since_turn = 0;
        let turn = self.log.turn(at(at_ms)?);
        anyhow::ensure!(turn.failed == 0, "filling the log: the disk refused {} records", turn.failed);
        let mut decided = Vec::new();
        self.appender.acknowledged(&mut decided);
        Ok(())
    }
}

impl Account {
    /// Its next number; a sender starts anew each day, and its epoch is as good as random.
    fn next(&mut self, sent_ms: i64) -> (i64, i64) {
        let day = sent_ms.div_euclid(MS_PER_DAY);
        let epoch = xxh3_64_with_seed(self.key.bytes(), day.cast_unsigned()).cast_signed();
        if epoch != self.epoch {
            (self.epoch, self.sequence) = (epoch, 0);
        }
        self.sequence += 1;
        (self.epoch, self.sequence)
    }
}

/// Barrier 1 and the price book, as an installation begins.
fn begin(log: &mut Log, place: &Place, now: WallTime) -> Result<()> {
    let barrier = tally_schema::encode_barrier(&Barrier {
        number: 1,
        topic: log.topic_id(),
        partitions: log.partitions(),
        fold_version: FOLD_VERSION,
        secret_check: place.secret.check(),
    });
    let number = tally_domain::price::PriceBook::parse(BOOK)?.number();
    let book = tally_schema::encode_prices(number, BOOK);
    let mut appender = log.appender();
    for partition in log.partitions().all() {
        let lane = Lane { topic: Topic::Usage, partition };
        for value in [&barrier, &book] {
            let _ticket = appender.append(lane, &[], Some(value))?;
        }
    }
    let turn = log.turn(now);
    anyhow::ensure!(turn.failed == 0, "beginning the log: the disk refused {} records", turn.failed);
    Ok(())
}

fn at(ms: i64) -> Result<WallTime> {
    WallTime::from_ms(ms).context("a time beyond the years 1 to 9999")
}

/// Offsets after the last record of each partition.
///
/// # Errors
/// What the log says.
pub fn ends(
    reader: &mut impl tally_log::ReadLog,
    partitions: PartitionCount,
) -> Result<Vec<(Partition, Offset)>> {
    let of = |partition| Ok((partition, reader.bounds(Lane { topic: Topic::Usage, partition })?.end));
    partitions.all().map(of).collect()
}
