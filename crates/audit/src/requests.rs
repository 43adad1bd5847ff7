//! One request of a provider that is counted under several accounts or views: found here, settled by a policy.

use std::collections::BTreeMap;

use clickhouse::Row;
use tally_clickhouse::Database;
use tally_domain::{AccountKey, EventKey, Kind, Partition, Version};

use crate::difference::{SharedRequest, SharedRequests, Sharing};
use crate::rules::winner;
use crate::streams::{Report, accepted, place, reports};
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

/// Of events that name a request which is shared, one as good as another.
const OF_SHARED: &str = "AND (account, event_key) IN (
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

/// What the reports of a recount leave out, by the place of their record.
#[derive(Debug, Row, serde::Deserialize)]
struct NamesRow {
    partition: u16,
    incarnation: u16,
    offset: u64,
    request_id: Option<String>,
    event_id: String,
}

/// A report with what a person needs to find it.
struct Named {
    report: Report,
    request_id: Option<String>,
    event_id: String,
}

/// Request ids whose events stand under several accounts or views.
pub(crate) async fn shared(database: &Database) -> Result<SharedRequests, VerifyError> {
    let doing = "looking for requests that are counted more than once";
    let total = database.fetch::<Total>(doing, database.query(TOTAL)).await?;
    let total = total.first().map_or(0, |row| row.total);
    if total == 0 {
        return Ok(SharedRequests::default());
    }
    let of_shared = |text: &str| database.query(text).param("limit", LISTED_MAX);
    let names = format!(
        "SELECT partition, incarnation, offset, request_id, event_id FROM ${{t}}events \
         WHERE entry = 'usage' AND reason = '' {OF_SHARED}"
    );
    let mut names = by_place(database.fetch::<NamesRow>(doing, of_shared(&names)).await?)?;
    let mut events: BTreeMap<(AccountKey, EventKey), Vec<Named>> = BTreeMap::new();
    for report in reports(of_shared(&accepted(OF_SHARED))).await? {
        // One that was archived after the names were read waits for the next verification.
        let Some((request_id, event_id)) = names.remove(&(report.partition, report.counted.place)) else {
            continue;
        };
        let named = Named { report, request_id, event_id };
        events.entry((named.report.account, named.report.event)).or_default().push(named);
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

type Names = BTreeMap<(Partition, Version), (Option<String>, String)>;

fn by_place(rows: Vec<NamesRow>) -> Result<Names, VerifyError> {
    let named = |row: NamesRow| {
        let at = (Partition(row.partition), place(row.incarnation, row.offset)?);
        Ok((at, (row.request_id, row.event_id)))
    };
    rows.into_iter().map(named).collect()
}

/// The report of an event that stands, unless it is a retraction, and the request that the event is.
fn counts(mut reports: Vec<Named>) -> Option<(String, Sharing)> {
    let stands = winner(reports.iter().map(|named| &named.report.counted))?;
    if stands.kind == Kind::Retraction {
        return None;
    }
    let place = stands.place;
    let at = reports.iter().position(|named| named.report.counted.place == place)?;
    let Named { report, request_id, event_id } = reports.swap_remove(at);
    let request_id = request_id.or_else(|| reports.into_iter().find_map(|named| named.request_id))?;
    let Report { account, partition, counted, .. } = report;
    let sharing = Sharing {
        account,
        view: counted.dims.view,
        event_id,
        partition,
        place,
        tokens: counted.usage.total(),
    };
    Some((request_id, sharing))
}
