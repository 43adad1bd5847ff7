//! What lies behind a difference: the reports that say most about it, where they lie, and what they hold.

use std::collections::BTreeMap;

use clickhouse::Row;
use tally_clickhouse::Database;
use tally_domain::{AccountKey, Minute, Partition, Window};

use crate::difference::{Difference, Evidence, Findings, Hint, What};
use crate::overflow::Order;
use crate::recount::{Moment, Reports, Sum, in_window, standing};
use crate::rules::{Books, Counted, priced};
use crate::verify::VerifyError;

/// Differences that are explained; the others are told with their numbers alone.
pub const EXPLAINED_MAX: usize = 50;
/// Reports that are listed for one difference.
pub const REPORTS_MAX: usize = 10;

/// Lists the reports behind a difference: those of its dims in its window or hour, and those next to its edges,
/// whether they count or not.
pub(crate) fn explain(difference: &mut Difference, reports: &Reports, books: &Books, at: Moment) {
    let standing = standing(reports, books, Order::of(reports, books), at.version);
    let mut behind = Vec::new();
    for (event, of_event) in reports {
        let winner = standing.get(event).map(|(winner, _)| winner.place);
        for report in
            of_event.iter().filter(|report| report.place < at.version && report.dims == difference.dims)
        {
            let stands = winner == Some(report.place);
            if let Some(hint) = hint(difference, report, stands, books, at.clock) {
                behind.push(evidence(report, stands, hint, books));
            }
        }
    }
    // The newest first among equals.
    behind.sort_by_key(|evidence| (evidence.hint, std::cmp::Reverse(evidence.place)));
    difference.reports_total = u64::try_from(behind.len()).unwrap_or(u64::MAX);
    behind.truncate(REPORTS_MAX);
    difference.reports = behind;
}

/// `None` when the report has nothing to do with the value.
fn hint(
    difference: &Difference,
    report: &Counted,
    stands: bool,
    books: &Books,
    clock: Minute,
) -> Option<Hint> {
    let place = near(difference.what, clock, report.occurred_at.minute());
    if place == Near::Outside {
        return None;
    }
    let is_the_difference = priced(report, books).is_some_and(|usage| {
        let pairs = difference.published.0.iter().zip(difference.recounted.0).zip(Sum::from(usage).0);
        !usage.is_zero() && pairs.into_iter().all(|((shown, counted), lane)| (shown - counted).abs() == lane)
    });
    let is_newer = difference.published_version.is_some_and(|version| report.place >= version);
    Some(match (is_the_difference, is_newer, place, stands) {
        (true, ..) => Hint::IsTheDifference,
        (_, true, ..) => Hint::CameAfterTheRow,
        (_, _, Near::Edge, _) => Hint::AtTheEdge,
        (.., true) => Hint::Counts,
        (.., false) => Hint::DoesNotCount,
    })
}

/// Where a report lies, as seen from a window or hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Near {
    Inside,
    Edge,
    Outside,
}

fn near(what: What, clock: Minute, minute: Minute) -> Near {
    let holds = |minute: Minute| match what {
        What::Hour(hour) => minute.hour() == hour,
        What::Total(window) => in_window(window, clock, minute),
    };
    let beside = [-2, 2].map(|step| holds(Minute(minute.0.saturating_add(step))));
    let has_edges = !matches!(what, What::Total(Window::Lifetime));
    match (holds(minute), beside) {
        (true, [true, true]) => Near::Inside,
        (inside, [true, _] | [_, true]) if has_edges || !inside => Near::Edge,
        (true, _) => Near::Inside,
        (false, _) => Near::Outside,
    }
}

fn evidence(report: &Counted, stands: bool, hint: Hint, books: &Books) -> Evidence {
    Evidence {
        place: report.place,
        event_id: String::new(),
        occurred_at: report.occurred_at,
        revision: report.revision,
        kind: report.kind,
        usage: priced(report, books).unwrap_or(report.usage),
        stands,
        hint,
    }
}

#[derive(Debug, Row, serde::Deserialize)]
struct IdRow {
    incarnation: u16,
    partition: u16,
    offset: u64,
    event_id: String,
}

const IDS: &str = "SELECT incarnation, partition, offset, any(e.event_id) AS event_id FROM ${t}events AS e
    WHERE hex(account) IN {accounts: Array(String)}
      AND concat(toString(incarnation), '/', toString(partition), '/', toString(offset)) IN {places: Array(String)}
    GROUP BY incarnation, partition, offset";

/// Says which events the listed reports are of, by the ids that their producers gave.
pub(crate) async fn name(database: &Database, findings: &mut Findings) -> Result<(), VerifyError> {
    let explained = || findings.differences.iter().filter(|difference| !difference.reports.is_empty());
    let mut accounts: Vec<String> = explained().map(|difference| upper_hex(difference.account)).collect();
    accounts.dedup();
    if accounts.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = explained()
        .flat_map(|difference| difference.reports.iter().map(|report| (difference.partition, report.place)))
        .map(|(partition, place)| shown(partition, place.incarnation().0, place.next().get()))
        .collect();
    let query = database.query(IDS).param("accounts", accounts).param("places", places);
    let rows = database.fetch::<IdRow>("reading ids of events", query).await?;
    let of_place = |row: IdRow| (shown(Partition(row.partition), row.incarnation, row.offset), row.event_id);
    let ids: BTreeMap<String, String> = rows.into_iter().map(of_place).collect();
    for difference in &mut findings.differences {
        for report in &mut difference.reports {
            let place = shown(difference.partition, report.place.incarnation().0, report.place.next().get());
            report.event_id = ids.get(&place).cloned().unwrap_or_default();
        }
    }
    Ok(())
}

fn shown(partition: Partition, incarnation: u16, offset: u64) -> String {
    format!("{incarnation}/{partition}/{offset}")
}

fn upper_hex(account: AccountKey) -> String {
    account.to_string().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally_domain::{Hour, Version};

    #[test]
    fn two_minutes_about_an_edge_are_near_it() {
        let clock = Minute(10_000);
        let day = |age: i32| near(What::Total(Window::Hours24), clock, Minute(10_000 - age));
        assert_eq!(
            [-3, -2, 0, 1, 2].map(day),
            [Near::Outside, Near::Edge, Near::Edge, Near::Edge, Near::Inside]
        );
        assert_eq!(
            [1_437, 1_438, 1_440, 1_441, 1_442].map(day),
            [Near::Inside, Near::Edge, Near::Edge, Near::Edge, Near::Outside]
        );
        let lifetime = |age: i32| near(What::Total(Window::Lifetime), clock, Minute(10_000 - age));
        assert_eq!([-2, 0, 100_000].map(lifetime), [Near::Inside; 3]);
        let hour = |minute: i32| near(What::Hour(Hour(1)), clock, Minute(minute));
        assert_eq!(
            [57, 58, 90, 119, 122].map(hour),
            [Near::Outside, Near::Edge, Near::Inside, Near::Edge, Near::Outside]
        );
    }

    #[test]
    fn a_place_is_written_as_the_query_writes_it() {
        let place = Version::from_u64((7 << 48) + 12);
        assert_eq!(shown(Partition(3), place.incarnation().0, place.next().get()), "7/3/12");
    }
}
