//! How a log is begun: barrier 1 in every partition, then the shipped price book, before any usage.
//!
//! On Kafka several processes may begin at once, and each may be killed anywhere. What one appends beside another is
//! harmless: the fold ignores a second barrier of the same number, and a second book. The first barrier tells whose
//! secret the log was begun under.

use std::collections::BTreeMap;

use tally_domain::{
    AccountKey, Barrier, Entry, Hash128, Lane, Offset, Partition, PartitionCount, Secret, Topic, WallTime,
};
use tally_fold::FOLD_VERSION;
use tally_log::{AppendLog, LogError, ReadLog, Records};

use super::either::{Appender, Log, Reader};
use super::shipped_book;
use crate::installation::SecretFile;
use crate::supervise::StartError;

/// A lane of more records than this was begun long ago.
const YOUNG: u64 = 16;
/// Both records, and what others appended beside them.
const READ_BYTES: usize = 1 << 20;

/// What the beginning of a usage lane shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Beginning {
    /// It holds, or held, any record.
    begun: bool,
    /// A price book follows the barrier.
    has_book: bool,
    /// By the first barrier, where it was read.
    secret_check: Option<Hash128>,
}

type Beginnings = BTreeMap<Partition, Beginning>;

/// Begins every partition that was not begun, or not to its end. The secret is made with the first log and never later.
///
/// # Errors
/// When the log cannot be read or written, or was begun under another secret: nothing is appended to it then.
pub(super) fn begin(log: &mut Log, file: &SecretFile, now: WallTime) -> Result<Secret, StartError> {
    let partitions = log.partitions();
    let mut reader = log.reader();
    let found = look(&mut reader, partitions)?;
    let begun = found.values().any(|lane| lane.begun);
    let secret = match file.find()? {
        Some(secret) => secret,
        None if begun => return Err(StartError::NoSecret { path: file.path().to_owned() }),
        None => file.make()?,
    };
    judge(&mut reader, partitions, &found, (&secret, file))?;
    if complete(log, &found, &secret, now)? {
        // Another process may have been first.
        let found = look(&mut reader, partitions)?;
        judge(&mut reader, partitions, &found, (&secret, file))?;
    }
    Ok(secret)
}

/// Appends what is missing; true when anything was.
fn complete(log: &mut Log, found: &Beginnings, secret: &Secret, now: WallTime) -> Result<bool, StartError> {
    let barrier = tally_schema::encode_barrier(&Barrier {
        number: 1,
        topic: log.topic_id(),
        partitions: log.partitions(),
        fold_version: FOLD_VERSION,
        secret_check: secret.check(),
    });
    let without = |lacks: fn(&Beginning) -> bool| {
        found.iter().filter(move |(_, lane)| lacks(lane)).map(|(partition, _)| *partition).collect()
    };
    let unbegun: Vec<Partition> = without(|lane| !lane.begun);
    let bookless: Vec<Partition> = without(|lane| !lane.has_book);
    // One after the other: no book is durable in a partition whose barrier is not.
    append_to(log, &unbegun, &barrier, now)?;
    append_to(log, &bookless, &shipped_book(), now)?;
    Ok(!bookless.is_empty())
}

fn look(reader: &mut Reader, partitions: PartitionCount) -> Result<Beginnings, LogError> {
    partitions.all().map(|partition| Ok((partition, look_at(reader, partition)?))).collect()
}

fn look_at(reader: &mut Reader, partition: Partition) -> Result<Beginning, LogError> {
    let lane = Lane { topic: Topic::Usage, partition };
    let bounds = reader.bounds(lane)?;
    if bounds.end == Offset::ZERO {
        return Ok(Beginning::default());
    }
    let is_old = bounds.end.get() > YOUNG;
    let mut beginning = Beginning { begun: true, has_book: is_old, secret_check: None };
    // Of an old log one partition speaks for all: they were begun together.
    if bounds.start > Offset::ZERO || (is_old && partition != Partition(0)) {
        return Ok(beginning);
    }
    let mut records = Records::default();
    let mut next = Offset::ZERO;
    while next < bounds.end && !(is_old && next > Offset::ZERO) {
        reader.read(lane, next, if is_old { 1 } else { READ_BYTES }, &mut records)?;
        let Some(last) = records.last() else { break };
        next = last.offset.next();
        for record in records.iter() {
            match record.value.map(tally_schema::decode) {
                Some(Ok(Entry::Barrier(barrier))) => {
                    beginning.secret_check.get_or_insert(barrier.secret_check);
                }
                Some(Ok(Entry::Prices(_))) => beginning.has_book = true,
                _ => {}
            }
        }
    }
    Ok(beginning)
}

/// The secret must be the one that the log was begun under.
fn judge(
    reader: &mut Reader,
    partitions: PartitionCount,
    found: &Beginnings,
    (secret, file): (&Secret, &SecretFile),
) -> Result<(), StartError> {
    let checks: Vec<Hash128> = found.values().filter_map(|lane| lane.secret_check).collect();
    let is_ours = if checks.is_empty() {
        // Retention took the barriers. Whoever claimed usage is known for ever, by a hash of the secret.
        accounts_are_of(reader, partitions, secret)?
    } else {
        checks.iter().all(|check| *check == secret.check())
    };
    if is_ours { Ok(()) } else { Err(StartError::OtherSecret { path: file.path().to_owned() }) }
}

/// True when the first claimed identity gives its account under this secret, or there is none.
fn accounts_are_of(
    reader: &mut Reader,
    partitions: PartitionCount,
    secret: &Secret,
) -> Result<bool, LogError> {
    let mut records = Records::default();
    for partition in partitions.all() {
        let lane = Lane { topic: Topic::Identities, partition };
        let start = reader.bounds(lane)?.start;
        reader.read(lane, start, 1, &mut records)?;
        let claimed = records.iter().find_map(|record| {
            let identity = tally_schema::decode_identity(record.value?).ok()?;
            let account = AccountKey::of(secret, &identity.source, &identity.subject);
            Some(record.key == account.bytes())
        });
        if let Some(is_ours) = claimed {
            return Ok(is_ours);
        }
    }
    Ok(true)
}

/// Appends one record to each of these partitions and waits until all of them are durable.
fn append_to(log: &mut Log, partitions: &[Partition], value: &[u8], now: WallTime) -> Result<(), StartError> {
    let mut appender = log.appender();
    let mut waiting = Vec::new();
    for &partition in partitions {
        let lane = Lane { topic: Topic::Usage, partition };
        waiting.push(append(log, &mut appender, lane, value, now));
    }
    let (mut decided, mut ahead) = (Vec::new(), now);
    while !waiting.is_empty() {
        // Nobody else drives a local log yet; a little later by the clock of the turn, whatever waits is due.
        log.press(&mut appender, ahead);
        ahead = ahead.plus_ms(1);
        appender.acknowledged(&mut decided);
        for (ticket, result) in decided.drain(..) {
            let _offset = result?;
            waiting.retain(|waits| *waits != ticket);
        }
    }
    Ok(())
}

fn append(
    log: &mut Log,
    appender: &mut Appender,
    lane: Lane,
    value: &[u8],
    now: WallTime,
) -> tally_log::Ticket {
    loop {
        match appender.append(lane, &[], Some(value)) {
            Ok(ticket) => return ticket,
            // As many records as there are partitions may be more than may wait at once.
            Err(_full) => log.press(appender, now),
        }
    }
}

#[cfg(test)]
mod tests;
