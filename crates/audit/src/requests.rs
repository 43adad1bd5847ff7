//! One request of a provider that is counted under several accounts or views: found here, settled by a policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use clickhouse::Row;
use tally_clickhouse::Database;
use tally_clickhouse::rows::{Hash, KindCode, ViewCode};
use tally_domain::{AccountKey, ContentHash, EventTime, Hash128, Kind, Partition, Revision, Usage, View};

use crate::difference::{SharedRequest, SharedRequests, Sharing};
use crate::rules::{Counted, winner};
use crate::streams::place;
use crate::verify::VerifyError;

/// Request ids that are listed.
pub const LISTED_MAX: u32 = 100;

/// Ids are grouped by their hash, and on disk where they are many.
const TOTAL: &str = "SELECT count() AS total FROM (
    SELECT 1 FROM ${t}events
    WHERE entry = 'usage' AND reason = '' AND request_id != ''
    GROUP BY sipHash64(request_id)
    HAVING min((account, view)) != max((account, view))
) SETTINGS max_bytes_before_external_group_by = 536870912";

const SHARED: &str = "SELECT request_id, account, event_key, view, event_id, partition, incarnation, offset, revision,
    kind, occurred_at, input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, content_hash
FROM ${t}events
WHERE entry = 'usage' AND reason = '' AND (account, event_key) IN (
    SELECT account, event_key FROM ${t}events
    WHERE entry = 'usage' AND reason = '' AND sipHash64(request_id) IN (
        SELECT sipHash64(request_id) AS id FROM ${t}events
        WHERE entry = 'usage' AND reason = '' AND request_id != ''
        GROUP BY id
        HAVING min((account, view)) != max((account, view))
        ORDER BY id LIMIT {limit: UInt32}
    )
)
SETTINGS max_bytes_before_external_group_by = 536870912";

#[derive(Debug, Row, serde::Deserialize)]
struct Total {
    total: u64,
}

#[derive(Debug, Row, serde::Deserialize)]
struct SharedRow {
    request_id: Option<String>,
    account: Hash,
    event_key: Hash,
    view: ViewCode,
    event_id: String,
    partition: u16,
    incarnation: u16,
    offset: u64,
    revision: u32,
    kind: KindCode,
    occurred_at: i64,
    input: i64,
    cache_read: i64,
    cache_write_5m: i64,
    cache_write_1h: i64,
    output: i64,
    reasoning: i64,
    requests: i64,
    content_hash: u64,
}

/// A report with what a person needs to find it.
struct Named {
    request_id: Option<String>,
    sharing: Sharing,
    counted: Counted,
}

/// Request ids whose events stand under several accounts or views.
pub(crate) async fn shared(database: &Database) -> Result<SharedRequests, VerifyError> {
    let doing = "looking for requests that are counted more than once";
    let total = database.fetch::<Total>(doing, database.query(TOTAL)).await?;
    let total = total.first().map_or(0, |row| row.total);
    if total == 0 {
        return Ok(SharedRequests::default());
    }
    let mut events: BTreeMap<(Hash, Hash), Vec<Named>> = BTreeMap::new();
    for row in database.fetch::<SharedRow>(doing, database.query(SHARED).param("limit", LISTED_MAX)).await? {
        events.entry((row.account, row.event_key)).or_default().push(named(row)?);
    }
    let mut by_request: BTreeMap<String, Vec<Sharing>> = BTreeMap::new();
    for (request_id, sharing) in events.into_values().filter_map(counts) {
        by_request.entry(request_id).or_default().push(sharing);
    }
    let listed = by_request.into_iter().filter(|(_, counted)| is_shared(counted));
    let listed = listed.map(|(request_id, counted)| SharedRequest { request_id, counted });
    Ok(SharedRequests { listed: listed.collect(), total })
}

fn is_shared(counted: &[Sharing]) -> bool {
    let of = |it: &Sharing| (it.account, it.view.code());
    let first = counted.first().map(of);
    counted.iter().any(|it| Some(of(it)) != first)
}

/// The report of an event that stands, unless it is a retraction, and the request that the event is.
fn counts(mut reports: Vec<Named>) -> Option<(String, Sharing)> {
    let stands = winner(reports.iter().map(|named| &named.counted))?;
    if stands.kind == Kind::Retraction {
        return None;
    }
    let place = stands.place;
    let at = reports.iter().position(|named| named.counted.place == place)?;
    let Named { request_id, sharing, .. } = reports.swap_remove(at);
    let request_id = request_id.or_else(|| reports.into_iter().find_map(|named| named.request_id))?;
    Some((request_id, sharing))
}

fn named(row: SharedRow) -> Result<Named, VerifyError> {
    let place = place(row.incarnation, row.offset)?;
    let occurred_at = EventTime::from_ms(row.occurred_at).ok_or_else(|| VerifyError::Foreign {
        table: "events",
        field: "occurred_at",
        value: row.occurred_at.to_string(),
    })?;
    let tokens =
        [row.input, row.cache_read, row.cache_write_5m, row.cache_write_1h, row.output, row.reasoning];
    let usage = Usage { tokens, requests: row.requests, ..Usage::ZERO };
    let counted = Counted {
        place,
        run: <_>::default(),
        revision: Revision(row.revision),
        kind: row.kind.into(),
        occurred_at,
        dims: Arc::default(),
        usage,
        content: ContentHash(row.content_hash),
    };
    let sharing = Sharing {
        account: AccountKey(Hash128(row.account)),
        view: View::from(row.view),
        event_id: row.event_id,
        partition: Partition(row.partition),
        place,
        tokens: usage.total(),
    };
    Ok(Named { request_id: row.request_id, sharing, counted })
}
