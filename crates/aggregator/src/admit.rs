//! admit: the fold decides, prices and posts the batch; the store absorbs what changed.

use crate::aggregator::{Aggregator, Work};
use crate::error::PartError;
use crate::occurrences::BatchFolded;
use tally_disk::Disk;
use tally_domain::Reject;
use tally_log::Records;
use tally_telemetry::emit;
use tracing::trace_span;

pub(crate) fn admit<L, A, K, D: Disk>(part: &mut Aggregator<L, A, K, D>) -> Result<(), PartError> {
    let partition = part.settings.fold.acceptance.partition;
    let Work { batch, recalled, changes, records, .. } = &mut part.work;
    let counts = {
        let _step = trace_span!("admit").entered();
        part.fold.step(batch, recalled, changes)
    };
    let absorbed = {
        let _step = trace_span!("absorb").entered();
        part.store.absorb(changes)
    };
    absorbed.map_err(|source| PartError::Store { partition, source })?;
    for reject in batch.rejects.iter().chain(&changes.rejects) {
        part.rejects.keep(reject, original(records, reject));
    }
    part.commits.folded(counts.read);
    let partition = partition.0;
    let next = part.fold.next();
    emit(&BatchFolded { partition, counts, next, lag: part.bounds.end.get().saturating_sub(next.get()) });
    Ok(())
}

/// The bytes that a reject speaks of.
pub(crate) fn original<'a>(records: &'a Records, reject: &Reject) -> &'a [u8] {
    let found = records.iter().find(|record| record.offset == reject.offset);
    found.and_then(|record| record.value).unwrap_or_default()
}
