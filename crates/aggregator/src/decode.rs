//! decode: bytes → columns of a batch, or a reject.

use crate::aggregator::Work;
use tally_domain::planted::{self, Bug};
use tally_domain::{Entry, LogTime, Reason, WallTime};
use tally_fold::{Fold, RecordAt};
use tally_log::Record;

/// What lies before the fold now.
pub(crate) enum Decoded {
    /// The batch is filled: usage alone, within one minute of the clock.
    Batch,
    /// The next record is a control entry.
    Control,
    /// The next record is that far ahead of the driver's clock: it waits.
    Ahead(LogTime),
}

/// Fills the batch with the records that may be folded together.
pub(crate) fn decode(fold: &mut Fold, work: &mut Work, latest: WallTime, events_max: usize) -> Decoded {
    let Work { records, done, batch, .. } = work;
    fold.begin(batch);
    let mut last = None;
    while let Some(record) = records.get(*done) {
        if batch.len() >= events_max || !batch.fits(record.appended_at.ms()) {
            *done += usize::from(planted::is(Bug::OffByOne) && batch.len() >= events_max);
            break;
        }
        if record.appended_at.ms() > latest.ms() && !planted::is(Bug::FarAheadFolded) {
            if batch.is_empty() {
                return Decoded::Ahead(record.appended_at);
            }
            break;
        }
        let entry = record.value.map(tally_schema::decode);
        if entry.as_ref().is_some_and(|entry| entry.as_ref().is_ok_and(is_control)) {
            if batch.is_empty() {
                return Decoded::Control;
            }
            break;
        }
        let at = RecordAt { offset: record.offset, appended_at: record.appended_at, key: record.key };
        match entry {
            Some(Ok(Entry::Usage(usage))) => fold.take(&at, &usage, tally_schema::check(&usage), batch),
            Some(Ok(_)) => unreachable!("control entries end a batch"),
            Some(Err(error)) => fold.refuse(&at, error.reason(), error.to_string(), batch),
            None => {
                let detail = "a record without a value; usage is never a tombstone".to_owned();
                fold.refuse(&at, Reason::Undecodable, detail, batch);
            }
        }
        last = Some(record);
        *done += 1;
    }
    batch.last_record = last.map_or(0, |record| hash(&record));
    Decoded::Batch
}

fn is_control(entry: &Entry<'_>) -> bool {
    !matches!(entry, Entry::Usage(_))
}

/// What a checkpoint names of its last record, so that another log is recognized.
pub(crate) fn hash(record: &Record<'_>) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&record.offset.get().to_le_bytes());
    hasher.update(&record.appended_at.ms().to_le_bytes());
    hasher.update(record.key);
    hasher.update(record.value.unwrap_or_default());
    hasher.digest()
}
