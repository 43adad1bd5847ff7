//! `tally rejects --json`.

use std::collections::BTreeMap;

use serde::Serialize;
use tally_clickhouse::query::ReasonLine;
use tally_clickhouse::rows::RejectRecord;
use tally_domain::LogTime;

/// Characters of a record that are shown.
const SHOWN_CHARS: usize = 400;

/// Records of the log that could not become events.
#[derive(Debug, Serialize)]
pub(crate) struct Rejects {
    pub(crate) total: u64,
    pub(crate) by_reason: BTreeMap<String, u64>,
    pub(crate) rows: Vec<Reject>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub(crate) struct Reject {
    pub(crate) partition: u16,
    pub(crate) offset: u64,
    /// When the log took it.
    pub(crate) at: String,
    pub(crate) reason: String,
    pub(crate) detail: String,
    /// Its beginning, with a mark in place of what is no text.
    pub(crate) bytes: String,
    pub(crate) bytes_total: usize,
}

impl Rejects {
    pub(crate) fn of(reasons: Vec<ReasonLine>, rows: Vec<RejectRecord>) -> Self {
        Self {
            total: reasons.iter().map(|line| line.records).sum(),
            by_reason: reasons.into_iter().map(|line| (line.reason, line.records)).collect(),
            rows: rows.into_iter().map(reject).collect(),
        }
    }
}

fn reject(row: RejectRecord) -> Reject {
    let at = LogTime::from_ms(row.appended_at);
    Reject {
        partition: row.partition,
        offset: row.offset,
        at: at.map_or_else(|| row.appended_at.to_string(), |at| at.to_string()),
        reason: row.reason,
        detail: row.detail,
        bytes: String::from_utf8_lossy(&row.body).chars().take(SHOWN_CHARS).collect(),
        bytes_total: row.body.len(),
    }
}
