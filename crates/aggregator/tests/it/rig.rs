//! The log as the oracle reads it.

use tally_domain::{Entry, Reason, UsageEvent};
use tally_log::Record;

pub(crate) const RETENTION_DAYS: u16 = 400;

/// A record of the log, its offset its place.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) appended_ms: i64,
    pub(crate) entry: LoggedEntry,
}

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a test's log is short")]
pub(crate) enum LoggedEntry {
    Usage(UsageEvent),
    Prices(u32, String),
    Heartbeat,
    /// A barrier, or what is no record.
    Other,
}

impl Logged {
    pub(crate) fn of(record: &Record<'_>) -> Self {
        let entry = match tally_schema::decode(record.value.unwrap()) {
            Ok(Entry::Usage(usage)) => LoggedEntry::Usage(usage.to_owned()),
            Ok(Entry::Prices(document)) => {
                LoggedEntry::Prices(document.number, String::from_utf8(document.body.to_vec()).unwrap())
            }
            Ok(Entry::Heartbeat) => LoggedEntry::Heartbeat,
            _ => LoggedEntry::Other,
        };
        Self { appended_ms: record.appended_at.ms(), entry }
    }
}

pub(crate) fn form(event: &UsageEvent) -> Result<(), (Reason, String)> {
    tally_schema::check(&event.as_ref())
}
