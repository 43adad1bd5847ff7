//! `tally verify --json`: what a recount found.

use std::collections::BTreeMap;

use serde::Serialize;
use tally_audit::{Difference, Findings, What};
use tally_domain::{AccountKey, Dims, Minute};

use super::usage::{Sum, Tokens, Usd, instant};

/// Everything that is published, beside what the archive adds up to.
#[derive(Debug, Serialize)]
pub(crate) struct Verify {
    pub(crate) as_of: String,
    pub(crate) checked: Checked,
    pub(crate) differences: Vec<Differing>,
    /// How many there are in all; only the first are listed.
    pub(crate) differences_total: u64,
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
    pub(crate) fn of(as_of: Minute, findings: &Findings, names: &BTreeMap<AccountKey, String>) -> Self {
        let checked = Checked {
            events: findings.checked.events,
            accounts: findings.checked.accounts,
            totals: findings.checked.totals,
        };
        Self {
            as_of: instant(as_of),
            checked,
            differences: findings.differences.iter().map(|it| differing(it, names)).collect(),
            differences_total: findings.differences_total,
        }
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
