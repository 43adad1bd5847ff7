//! recall: the batch's event keys → what the store remembers of them, in one sorted sweep.

use crate::aggregator::{Aggregator, Work};
use crate::error::PartError;
use tally_disk::Disk;

pub(crate) fn recall<L, A, K, D: Disk>(part: &mut Aggregator<L, A, K, D>) -> Result<(), PartError> {
    let _step = tracing::trace_span!("recall").entered();
    let Work { batch, recalled, .. } = &mut part.work;
    part.store.recall(batch, recalled).map_err(|source| part.stopped_by_store(source))
}
