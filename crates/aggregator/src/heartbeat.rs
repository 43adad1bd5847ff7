//! Heartbeats: whoever drives a partition appends one to it each minute, so that time goes on.

use crate::aggregator::Aggregator;
use crate::sink::Sink;
use tally_disk::Disk;
use tally_domain::{Minute, Topic, WallTime};
use tally_log::{AppendLog, ReadLog};

/// Minutes in which something was last said.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    sent: Minute,
    alarmed: Minute,
}

impl Default for Heartbeats {
    fn default() -> Self {
        Self { sent: Minute::BEFORE_ALL, alarmed: Minute::BEFORE_ALL }
    }
}

impl Heartbeats {
    /// True once a minute.
    pub(crate) fn alarm(&mut self, now: WallTime) -> bool {
        let minute = now.minute();
        std::mem::replace(&mut self.alarmed, minute) != minute
    }
}

impl<L: ReadLog, A: AppendLog, K: Sink, D: Disk> Aggregator<L, A, K, D> {
    /// Appends a heartbeat when the partition's clock, as far as it is known, is behind the driver's.
    pub(crate) fn heartbeat(&mut self, now: WallTime) {
        let begun = self.fold.version().incarnation().0 > 0;
        let minute = now.minute();
        if !self.settings.cadence.heartbeats
            || !begun
            || minute <= self.heartbeats.sent.max(self.fold.clock())
        {
            return;
        }
        let lane = self.lane(Topic::Usage);
        // A heartbeat that is lost is followed by another, a minute later.
        if self.appender.append(lane, &[], Some(&tally_schema::encode_heartbeat())).is_ok() {
            self.heartbeats.sent = minute;
        }
    }
}
