//! `tally rejects --json`.

use std::collections::BTreeMap;

use serde::Serialize;
use tally_clickhouse::query::ReasonLine;
use tally_clickhouse::rows::{RejectRecord, RejectTopic};
use tally_domain::LogTime;

/// Characters of a record that are shown.
const SHOWN_CHARS: usize = 400;

/// What could not become an event.
#[derive(Debug, Serialize)]
pub(crate) struct Rejects {
    pub(crate) total: u64,
    pub(crate) by_reason: BTreeMap<String, u64>,
    pub(crate) rows: Vec<Reject>,
}

/// One of it.
#[derive(Debug, Serialize)]
pub(crate) struct Reject {
    /// Where it lies: `usage`, or `rejects` when it never got there.
    pub(crate) topic: &'static str,
    pub(crate) partition: u16,
    pub(crate) offset: u64,
    /// What it was read from, `collector` for what was posted; none for a record of the log.
    pub(crate) source: Option<String>,
    /// Where in that file.
    pub(crate) position: Option<u64>,
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
    let key = String::from_utf8_lossy(&row.record_key);
    let (topic, named) = match row.topic {
        RejectTopic::Usage => ("usage", None),
        RejectTopic::Rejects => ("rejects", key.rsplit_once(' ')),
    };
    let detail = row.detail.strip_prefix(&*key).and_then(|detail| detail.strip_prefix(": "));
    Reject {
        topic,
        partition: row.partition,
        offset: row.offset,
        source: named.map(|(source, _)| source.to_owned()),
        // What the collector refused is named by a hash of it.
        position: named.and_then(|(_, position)| position.parse().ok()),
        at: at.map_or_else(|| row.appended_at.to_string(), |at| at.to_string()),
        detail: detail.unwrap_or(&row.detail).to_owned(),
        reason: row.reason,
        bytes: String::from_utf8_lossy(&row.body).chars().take(SHOWN_CHARS).collect(),
        bytes_total: row.body.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(topic: RejectTopic, key: &str, detail: &str) -> (Option<String>, Option<u64>, String) {
        let row = RejectRecord {
            topic,
            incarnation: 0,
            partition: 3,
            offset: 17,
            appended_at: 0,
            reason: "unreadable".to_owned(),
            detail: detail.to_owned(),
            record_key: key.as_bytes().to_vec(),
            body: vec![0xff],
        };
        let shown = reject(row);
        (shown.source, shown.position, shown.detail)
    }

    #[test]
    fn a_reject_says_which_file_and_where_in_it() {
        let text = str::to_owned;
        let line = shown(
            RejectTopic::Rejects,
            "claude-code/my 1.jsonl@0f 120",
            "claude-code/my 1.jsonl@0f 120: no JSON",
        );
        assert_eq!(line, (Some(text("claude-code/my 1.jsonl@0f")), Some(120), text("no JSON")));
        let posted = shown(RejectTopic::Rejects, "collector 0123456789abcdef0123456789abcdef", "input is -1");
        assert_eq!(posted, (Some(text("collector")), None, text("input is -1")));
        assert_eq!(shown(RejectTopic::Usage, "k 1", "k 2"), (None, None, text("k 2")));
    }
}
