//! `tally verify --json`: what a recount found.

use std::collections::BTreeMap;

use serde::Serialize;
use tally_audit::{Difference, Evidence, Findings, Hint, RecountedAt, What};
use tally_domain::{AccountKey, Dims};

use super::usage::{Sum, Tokens, Usd, instant};

/// Everything that is published, beside what the archive adds up to.
#[derive(Debug, Serialize)]
pub(crate) struct Verify {
    pub(crate) as_of: String,
    pub(crate) checked: Checked,
    pub(crate) differences: Vec<Differing>,
    /// How many there are in all; only the first are listed.
    pub(crate) differences_total: u64,
    /// Where every partition was recounted.
    pub(crate) partitions: Vec<PartitionAt>,
    /// Requests of a provider that are counted under several accounts or views: no difference.
    pub(crate) shared_requests: Vec<SharedRequest>,
    /// How many there are in all.
    pub(crate) shared_requests_total: u64,
}

/// Where a partition was recounted.
#[derive(Debug, Serialize)]
pub(crate) struct PartitionAt {
    pub(crate) partition: u16,
    /// Incarnation and next offset: the progress up to which everything was published.
    pub(crate) version: String,
    pub(crate) next_offset: u64,
    /// Newer rows were recounted at their own version, which is archived up to here.
    pub(crate) archived_offset: u64,
    pub(crate) clock: String,
}

/// A request, and each event that counts it.
#[derive(Debug, Serialize)]
pub(crate) struct SharedRequest {
    pub(crate) request_id: String,
    pub(crate) counted: Vec<Sharing>,
}

/// An event that counts a request.
#[derive(Debug, Serialize)]
pub(crate) struct Sharing {
    pub(crate) account: String,
    pub(crate) who: Option<String>,
    pub(crate) view: String,
    pub(crate) event_id: String,
    pub(crate) partition: u16,
    pub(crate) offset: u64,
    pub(crate) tokens: i128,
}

/// How much was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    pub(crate) events: u64,
    pub(crate) accounts: u64,
    /// Published values: one per account, dims and window, and one per account, dims and hour.
    pub(crate) totals: u64,
}

/// A published value that is not what the archive adds up to.
#[derive(Debug, Serialize)]
pub(crate) struct Differing {
    pub(crate) account: String,
    /// Who that is: source and subject, where they are known.
    pub(crate) who: Option<String>,
    pub(crate) partition: u16,
    #[serde(flatten)]
    pub(crate) value: Value,
    pub(crate) dims: DimsOf,
    pub(crate) published: Amount,
    pub(crate) recounted: Amount,
    /// Incarnation and next offset of the published row; none when there is no row.
    pub(crate) published_version: Option<String>,
    /// The version that was recounted at.
    pub(crate) recounted_at: String,
    /// The reports behind it that say most, best first.
    pub(crate) events: Vec<Behind>,
    /// How many there are in all.
    pub(crate) events_total: u64,
}

/// A report behind a difference.
#[derive(Debug, Serialize)]
pub(crate) struct Behind {
    pub(crate) offset: u64,
    pub(crate) event_id: String,
    pub(crate) occurred_at: String,
    pub(crate) revision: u32,
    pub(crate) kind: String,
    /// True for the one report of its event that counts.
    pub(crate) counts: bool,
    /// What it may have to do with the difference.
    pub(crate) hint: &'static str,
    #[serde(flatten)]
    pub(crate) amount: Amount,
}

/// Which value.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Value {
    Window(&'static str),
    Hour(String),
}

#[derive(Debug, Serialize)]
pub(crate) struct DimsOf {
    pub(crate) model: String,
    pub(crate) tool: String,
    pub(crate) view: String,
    pub(crate) service_tier: String,
    pub(crate) region: String,
    pub(crate) unsplit: u8,
}

#[derive(Debug, Serialize)]
pub(crate) struct Amount {
    #[serde(flatten)]
    pub(crate) tokens: Tokens,
    pub(crate) unpriced_tokens: i128,
    pub(crate) list_cost_usd: Usd,
}

impl Verify {
    /// `names` says who accounts are.
    pub(crate) fn of(findings: &Findings, names: &BTreeMap<AccountKey, String>) -> Self {
        let checked = Checked {
            events: findings.checked.events,
            accounts: findings.checked.accounts,
            totals: findings.checked.totals,
        };
        let shared = &findings.shared_requests;
        Self {
            as_of: instant(findings.as_of()),
            checked,
            differences: findings.differences.iter().map(|it| differing(it, names)).collect(),
            differences_total: findings.differences_total,
            partitions: findings.partitions.iter().map(partition).collect(),
            shared_requests: shared.listed.iter().map(|request| shared_request(request, names)).collect(),
            shared_requests_total: shared.total,
        }
    }
}

fn partition(at: &RecountedAt) -> PartitionAt {
    PartitionAt {
        partition: at.partition.0,
        version: at.version.to_string(),
        next_offset: at.version.next().get(),
        archived_offset: at.archived.next().get(),
        clock: instant(at.clock),
    }
}

fn shared_request(
    request: &tally_audit::SharedRequest,
    names: &BTreeMap<AccountKey, String>,
) -> SharedRequest {
    let counted = request.counted.iter().map(|it| Sharing {
        account: it.account.to_string(),
        who: names.get(&it.account).cloned(),
        view: it.view.symbol().to_lowercase(),
        event_id: it.event_id.clone(),
        partition: it.partition.0,
        offset: it.place.next().get(),
        tokens: it.tokens,
    });
    SharedRequest { request_id: request.request_id.clone(), counted: counted.collect() }
}

fn behind(report: &Evidence) -> Behind {
    Behind {
        offset: report.place.next().get(),
        event_id: report.event_id.clone(),
        occurred_at: report.occurred_at.to_string(),
        revision: report.revision.0,
        kind: report.kind.symbol().to_lowercase(),
        counts: report.stands,
        hint: match report.hint {
            Hint::IsTheDifference => "its usage is the difference",
            Hint::CameAfterTheRow => "it came after the published row",
            Hint::AtTheEdge => "it lies at an edge of the window",
            Hint::Counts => "it is one of those that add up",
            Hint::DoesNotCount => "another report of its event stands",
        },
        amount: amount(report.usage.lanes().map(i128::from)),
    }
}

fn differing(found: &Difference, names: &BTreeMap<AccountKey, String>) -> Differing {
    Differing {
        account: found.account.to_string(),
        who: names.get(&found.account).cloned(),
        partition: found.partition.0,
        value: match found.what {
            What::Total(window) => Value::Window(window.name()),
            What::Hour(hour) => Value::Hour(instant(hour.start())),
        },
        dims: dims(&found.dims),
        published: amount(found.published.0),
        recounted: amount(found.recounted.0),
        published_version: found.published_version.map(|version| version.to_string()),
        recounted_at: found.at.to_string(),
        events: found.reports.iter().map(behind).collect(),
        events_total: found.reports_total,
    }
}

fn dims(dims: &Dims) -> DimsOf {
    DimsOf {
        model: dims.model.clone(),
        tool: dims.tool.clone(),
        view: dims.view.symbol().to_lowercase(),
        service_tier: dims.service_tier.clone(),
        region: dims.region.clone(),
        unsplit: dims.unsplit.0,
    }
}

fn amount(lanes: [i128; 9]) -> Amount {
    let Sum { tokens, unpriced, cost } = Sum::of_lanes(lanes);
    Amount { tokens, unpriced_tokens: unpriced, list_cost_usd: cost }
}
