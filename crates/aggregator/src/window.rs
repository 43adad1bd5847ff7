//! window: a record raises the clock, and slices enter and leave the windows.

use crate::aggregator::Aggregator;
use crate::error::PartError;
use tally_disk::Disk;
use tally_domain::{LogTime, Offset};

pub(crate) fn raise<L, A, K, D: Disk>(
    part: &mut Aggregator<L, A, K, D>,
    log_time: LogTime,
    by: Offset,
) -> Result<(), PartError> {
    let (from, to) = (part.fold.clock(), log_time.minute());
    if to <= from {
        return Ok(());
    }
    let _step = tracing::trace_span!("window").entered();
    let moving = &mut part.work.moving;
    part.store.moving(from, to, moving).map_err(|source| part.stopped_by_store(source))?;
    part.fold.advance(to, by, &part.work.moving);
    Ok(())
}
