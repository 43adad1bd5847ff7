//! Which records become events, and which of two reports of one event stands.

use crate::report::{Report, Verdict};
use std::cmp::Reverse;
use tally_domain::event::FUTURE_TOLERANCE_MS;
use tally_domain::planted::{self, Bug};
use tally_domain::{Class, EventTime, LogTime, Partition, PartitionCount, Reason, UsageRef, partition_of};

/// What a partition accepts, apart from the form of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The partition itself.
    pub partition: Partition,
    /// Of how many.
    pub partitions: PartitionCount,
    /// How long events are remembered, in days: a report of an older one is refused.
    pub index_retention_days: u16,
}

/// Why a record is refused: the reason, and in one line which value it was and what it should be.
pub type Refusal = (Reason, String);

impl Acceptance {
    /// True routing: the record names the account that is its key, and lies where that key belongs.
    ///
    /// # Errors
    /// [`Reason::KeyMismatch`] before [`Reason::Misrouted`].
    pub fn route(&self, key: &[u8], usage: &UsageRef<'_>) -> Result<(), Refusal> {
        if key != usage.account.bytes() {
            let detail =
                format!("account is {} but the record's key is {}; key by account", usage.account, Hex(key));
            return Err((Reason::KeyMismatch, detail));
        }
        let home = partition_of(key, self.partitions);
        if home != self.partition && !planted::is(Bug::MisroutedAccepted) {
            let detail = format!(
                "account {} belongs to partition {home} of {}; this is {}: use the murmur2 partitioner",
                usage.account,
                self.partitions.get(),
                self.partition
            );
            return Err((Reason::Misrouted, detail));
        }
        Ok(())
    }

    /// True when it is neither ahead of the log nor forgotten by it. Judged on each report by itself,
    /// revisions included.
    ///
    /// # Errors
    /// [`Reason::Future`] before [`Reason::TooOld`].
    pub fn time(&self, log_time: LogTime, usage: &UsageRef<'_>) -> Result<(), Refusal> {
        let latest = log_time.ms().saturating_add(FUTURE_TOLERANCE_MS);
        if usage.occurred_at.ms() > latest {
            let detail = format!("occurred_at is {}, the log's time {log_time}", usage.occurred_at);
            return Err((Reason::Future, detail + "; at most 5 minutes ahead are accepted"));
        }
        if let Some(minted) = usage.minted_at_ms.filter(|&minted| minted > latest) {
            let shown = EventTime::from_ms(minted).map_or_else(|| minted.to_string(), |at| at.to_string());
            let detail = format!("the id was minted at {shown}, the log's time is {log_time}");
            return Err((Reason::Future, detail + "; at most 5 minutes ahead are accepted"));
        }
        let judged = usage.revision.0 == 0 || !planted::is(Bug::RevisionAgeless);
        if judged && usage.occurred_at.ms() < self.earliest_ms(log_time) {
            let days = self.index_retention_days;
            let detail = format!("occurred_at is {}, the log's time {log_time}", usage.occurred_at);
            return Err((Reason::TooOld, detail + &format!("; events are remembered for {days} days")));
        }
        Ok(())
    }

    fn earliest_ms(self, log_time: LogTime) -> i64 {
        const MS_PER_DAY: i64 = 86_400_000;
        log_time.ms().saturating_sub(i64::from(self.index_retention_days).saturating_mul(MS_PER_DAY))
    }
}

/// Key bytes as they are named in a detail; long ones are cut.
struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take(16).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        if self.0.len() > 16 { f.write_str("…") } else { Ok(()) }
    }
}

/// The place of a report in the total order of the reports of one event; the greatest stands. Cost is no
/// part of it: the same copy must win under every price book.
fn rank(report: &Report) -> impl Ord + use<> {
    (
        report.revision,
        if planted::is(Bug::RetractionTied) { 0 } else { report.kind.code() },
        report.usage.of(Class::Output),
        report.usage.total(),
        Reverse(report.occurred),
        report.content,
    )
}

/// The join: which of two reports of one event stands. `seen` is the one that stands now.
pub fn admit(report: &Report, seen: Option<&Report>) -> Verdict {
    let Some(seen) = seen else { return Verdict::Fresh };
    let conflict = report.revision == seen.revision && report.content != seen.content;
    if planted::is(Bug::DuplicateCounted) && report.content == seen.content {
        return Verdict::Fresh;
    }
    let equal = planted::is(Bug::EqualCopyReprices) && rank(report) == rank(seen);
    if rank(report) > rank(seen) || equal {
        Verdict::Revised { was: *seen, conflict }
    } else {
        Verdict::Duplicate { conflict }
    }
}
