//! Control records: each takes effect at its offset.

use crate::aggregator::Aggregator;
use crate::decode;
use crate::error::PartError;
use crate::occurrences::{ControlObeyed, ControlRejected};
use tally_disk::Disk;
use tally_domain::Entry;
use tally_fold::{Control, Obeyed, RecordAt};
use tally_telemetry::emit;

/// Folds the next record, which decode found to be control.
pub(crate) fn control<L, A, K, D: Disk>(part: &mut Aggregator<L, A, K, D>) -> Result<(), PartError> {
    let partition = part.settings.fold.acceptance.partition;
    let record = part.work.records.get(part.work.done).expect("decode stopped before this record");
    let entry = record.value.map(tally_schema::decode);
    let control = match entry {
        Some(Ok(Entry::Prices(document))) => Control::Prices(document),
        Some(Ok(Entry::Policy(document))) => Control::Policy(document),
        Some(Ok(Entry::Barrier(barrier))) => {
            let (known, found) = (part.settings.topic, barrier.topic);
            if known != found {
                return Err(PartError::OtherTopic { partition, known, found });
            }
            Control::Barrier(barrier)
        }
        _ => Control::Heartbeat,
    };
    let at = RecordAt { offset: record.offset, appended_at: record.appended_at, key: record.key };
    let obeyed = part.fold.control(&at, decode::hash(&record), &control);
    match obeyed.map_err(|source| PartError::Refused { partition, source })? {
        Obeyed::Rejected(reject) => {
            part.rejects.keep(&reject, record.value.unwrap_or_default());
            emit(&ControlRejected { partition: partition.0, offset: reject.offset, detail: &reject.detail });
        }
        obeyed => emit(&ControlObeyed {
            partition: partition.0,
            what: name(&control),
            ignored: obeyed == Obeyed::Ignored,
            offset: at.offset,
            next: part.fold.next(),
            lag: part.bounds.end.get().saturating_sub(part.fold.next().get()),
        }),
    }
    part.work.done += 1;
    part.commits.folded(1);
    Ok(())
}

const fn name(control: &Control<'_>) -> &'static str {
    match control {
        Control::Prices(_) => "prices",
        Control::Policy(_) => "policy",
        Control::Heartbeat => "heartbeat",
        Control::Barrier(_) => "barrier",
    }
}
