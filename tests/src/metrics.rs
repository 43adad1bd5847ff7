//! What a process counts, by its `/metrics`.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::http;
use crate::owner::Owner;

/// A metric's value of each partition that has one.
///
/// # Errors
/// When the owner does not answer.
pub fn by_partition(owner: &Owner, name: &str) -> Result<BTreeMap<i32, u64>> {
    let answer = http::send(&owner.control, "GET", "/metrics", "")?;
    let values = answer.body.lines().filter_map(|line| {
        let labelled = line.strip_prefix(name)?.strip_prefix("{partition=\"")?;
        let (partition, value) = labelled.split_once("\"} ")?;
        Some((partition.parse().ok()?, value.parse().ok()?))
    });
    Ok(values.collect())
}

/// Whence the states of an owner's partitions came: how many were its own, were brought from copies, were folded again.
///
/// # Errors
/// When the owner does not answer.
pub fn whence(owner: &Owner) -> Result<[u64; 3]> {
    let names = ["tally_states_own_total", "tally_states_fetched_total", "tally_states_refolded_total"];
    let mut counts = [0; 3];
    for (count, name) in counts.iter_mut().zip(names) {
        *count = by_partition(owner, name)?.values().sum();
    }
    Ok(counts)
}
