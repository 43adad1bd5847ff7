//! Recounts and rejects for people.

use super::number::{dollars, grouped};
use super::{right, table};
use crate::report::{Amount, ClickHouse, Differing, PartitionAt, Rejects, Republish, Value, Verify};

/// Differences that are shown in full; JSON has more.
const SHOWN: usize = 20;
/// Reports that are shown of each.
const EVENTS_SHOWN: usize = 5;
/// Shared requests that are shown.
const SHARED_SHOWN: usize = 5;

/// That it is done.
pub(crate) fn republish(report: &Republish) -> String {
    let ms = report.took_ms;
    format!(
        "every key of {} partitions is published anew, after {}.{} s\n",
        report.partitions,
        ms / 1_000,
        ms % 1_000 / 100
    )
}

/// No difference, or each with both numbers.
pub(crate) fn verify(report: &Verify) -> String {
    let count = |number: u64| grouped(i128::from(number));
    let checked = &report.checked;
    let mut text = format!(
        "recounted {} events of {} accounts, compared {} totals as of {}\n",
        count(checked.events),
        count(checked.accounts),
        count(checked.totals),
        report.as_of,
    );
    text.push_str(&partitions(report));
    text.push_str(&shared_requests(report));
    if report.differences_total == 0 {
        return text + "no difference\n";
    }
    text = format!("{text}{} differences\n", count(report.differences_total));
    for differing in report.differences.iter().take(SHOWN) {
        text.push_str(&difference(differing));
    }
    let left = report.differences_total.saturating_sub(u64::try_from(SHOWN).expect("a small number"));
    if left > 0 {
        text = format!("{text}\n… and {} more; --json lists the first thousand\n", count(left));
    }
    text
}

/// In one line, because all of them matter only where one is asked about.
fn partitions(report: &Verify) -> String {
    let one = |it: &PartitionAt| format!("{} at {}", it.partition, it.version);
    let versions: Vec<String> = report.partitions.iter().map(one).collect();
    format!("partitions: {}\n", versions.join(", "))
}

/// A note: the same request, reported by several.
fn shared_requests(report: &Verify) -> String {
    if report.shared_requests.is_empty() {
        return String::new();
    }
    let total = grouped(i128::from(report.shared_requests_total));
    let mut text = format!("note: {total} requests are counted under several accounts or views\n");
    let mut table = table(&["request", "counted for", "view", "event", "tokens"]);
    for request in report.shared_requests.iter().take(SHARED_SHOWN) {
        for (at, sharing) in request.counted.iter().enumerate() {
            let id = if at == 0 { request.request_id.as_str() } else { "" };
            let who = sharing.who.as_deref().unwrap_or(&sharing.account);
            let tokens = grouped(sharing.tokens);
            table.add_row([id, who, sharing.view.as_str(), sharing.event_id.as_str(), tokens.as_str()]);
        }
    }
    right(&mut table, [4]);
    text.push_str(&table.trim_fmt());
    text.push('\n');
    text
}

/// The reports behind a difference.
fn events(found: &Differing) -> String {
    if found.events.is_empty() {
        return String::new();
    }
    let mut table = table(&["event", "offset", "occurred at", "tokens", "counts", "hint"]);
    for event in found.events.iter().take(EVENTS_SHOWN) {
        let counts = if event.counts { "yes" } else { "no" };
        let (offset, tokens) = (event.offset.to_string(), grouped(event.amount.tokens.total));
        let row = [&event.event_id, &offset, &event.occurred_at, &tokens, counts, event.hint];
        table.add_row(row);
    }
    right(&mut table, [1, 3]);
    let shown = found.events.len().min(EVENTS_SHOWN);
    let of = grouped(i128::from(found.events_total));
    format!("reports behind it, {shown} of {of}:\n{}\n", table.trim_fmt())
}

fn difference(found: &Differing) -> String {
    let who = found.who.as_ref().map_or_else(String::new, |who| format!(" ({who})"));
    let value = match &found.value {
        Value::Window(window) => format!("window {window}"),
        Value::Hour(hour) => format!("hour {hour}"),
    };
    let published = match &found.published_version {
        Some(version) => format!("published at version {version}"),
        None => "not published".to_owned(),
    };
    let mut text = format!(
        "\naccount {}{who}, partition {}\n{value}, {}, {}; {published}, recounted at {}\n",
        found.account, found.partition, found.dims.model, found.dims.tool, found.recounted_at,
    );
    let mut table = table(&["", "published", "recounted", "difference"]);
    for (name, published, recounted) in lanes(&found.published, &found.recounted) {
        if published != recounted {
            let show = |number| if name == "list cost" { dollars(number) } else { grouped(number) };
            table.add_row([name.to_owned(), show(published), show(recounted), show(published - recounted)]);
        }
    }
    right(&mut table, 1..4);
    text.push_str(&table.trim_fmt());
    text.push('\n');
    text + &events(found)
}

fn lanes(published: &Amount, recounted: &Amount) -> [(&'static str, i128, i128); 9] {
    let (a, b) = (&published.tokens, &recounted.tokens);
    [
        ("input", a.input, b.input),
        ("cache read", a.cache_read, b.cache_read),
        ("cache write 5m", a.cache_write_5m, b.cache_write_5m),
        ("cache write 1h", a.cache_write_1h, b.cache_write_1h),
        ("output", a.output, b.output),
        ("reasoning", a.reasoning, b.reasoning),
        ("requests", a.requests, b.requests),
        ("unpriced", published.unpriced_tokens, recounted.unpriced_tokens),
        ("list cost", published.list_cost_usd.0, recounted.list_cost_usd.0),
    ]
}

/// How many by reason, and the newest.
pub(crate) fn rejects(report: &Rejects) -> String {
    if report.total == 0 {
        return "nothing was rejected\n".to_owned();
    }
    let mut reasons = table(&["reason", "rejects"]);
    for (reason, count) in &report.by_reason {
        reasons.add_row([reason.clone(), grouped(i128::from(*count))]);
    }
    right(&mut reasons, [1]);
    let mut rows = table(&["place", "taken at", "reason", "detail"]);
    for row in &report.rows {
        let place = match (&row.source, row.position) {
            (Some(source), Some(position)) => format!("{source}:{position}"),
            _ => format!("{} {}/{}", row.source.as_deref().unwrap_or(row.topic), row.partition, row.offset),
        };
        rows.add_row([place, row.at.clone(), row.reason.clone(), row.detail.clone()]);
    }
    format!("{}\n\n{}\n", reasons.trim_fmt(), rows.trim_fmt())
}

/// The address for other clients.
pub(crate) fn clickhouse(report: &ClickHouse) -> String {
    format!("{}/?database={}\n", report.url.trim_end_matches('/'), report.database)
}
