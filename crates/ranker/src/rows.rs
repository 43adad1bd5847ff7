//! A ranking as rows of ClickHouse.

use crate::store::Write;
use std::collections::BTreeMap;
use tally_clickhouse::rows::{
    KeepCode, OPEN_END, PersonRecord, RankingRecord, RowError, SnapshotRecord, StandingColumns,
    UserTotalRecord, date_time,
};
use tally_domain::{AccountKey, Board, ClaimedIdentity, Metric, Minute, PersonId, Window};
use tally_standings::award::{tier, used};
use tally_standings::{PersonTotals, Snapshot, Standing, Sum};

/// What a snapshot's rows carry besides the ranking.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Version of the mapping of accounts to people.
    pub people_version: u64,
    /// How long it is kept.
    pub keep: KeepCode,
    /// Minute of the snapshot before it.
    pub previous: Option<Minute>,
    /// Snapshot that movement is measured against; 0 = none.
    pub earlier: u64,
}

/// The rows of a snapshot. `totals` are those that changed since the last one that was written.
///
/// # Errors
/// When the clock lies outside the years that ClickHouse holds.
pub fn rows(
    snapshot: &Snapshot,
    frame: Frame,
    people: Vec<PersonRecord>,
    totals: &[PersonTotals],
) -> Result<Write, RowError> {
    let as_of = date_time(snapshot.as_of)?;
    let rankings =
        (0..snapshot.people.len()).filter_map(|index| ranking(snapshot, frame, as_of, index)).collect();
    let totals = totals.iter().flat_map(|totals| user_totals(totals, as_of, snapshot.number)).collect();
    let marker = SnapshotRecord {
        snapshot: snapshot.number,
        people_version: frame.people_version,
        policy_version: 0,
        keep: frame.keep,
        as_of,
        people: u64::try_from(snapshot.people.len()).unwrap_or(u64::MAX),
        earlier: frame.earlier,
        vector: snapshot.vector.iter().map(|(partition, version)| (partition.0, version.get())).collect(),
    };
    Ok(Write { people, totals, rankings: with_tiers(snapshot, rankings), marker, previous: frame.previous })
}

fn ranking(snapshot: &Snapshot, frame: Frame, as_of: u32, index: usize) -> Option<RankingRecord> {
    let totals = snapshot.people.get(index)?;
    let [h24, d7, d30, lifetime] = Window::ALL.map(|window| {
        let on = |metric| snapshot.board(Board { metric, window }).get(index).copied().unwrap_or_default();
        standing(totals.window(window), on(Metric::Tokens), on(Metric::Cost))
    });
    Some(RankingRecord {
        snapshot: snapshot.number,
        people_version: frame.people_version,
        keep: frame.keep,
        as_of,
        person: *totals.person.bytes(),
        h24,
        d7,
        d30,
        lifetime,
        tier: String::new(),
        titles: Vec::new(),
    })
}

fn standing(sum: &Sum, tokens: Standing, cost: Standing) -> StandingColumns {
    let [_, cache_read, _, _, _, _, requests, unpriced, cost_nano_usd] = sum.0;
    StandingColumns {
        tokens: sum.tokens(),
        cache_read,
        requests,
        unpriced,
        cost: cost_nano_usd,
        rank_tokens: tokens.rank,
        place_tokens: tokens.place,
        climbed_tokens: tokens.climbed,
        rank_cost: cost.rank,
        place_cost: cost.place,
        climbed_cost: cost.climbed,
    }
}

/// Tiers are bands of the board of 30-day tokens.
fn with_tiers(snapshot: &Snapshot, mut rankings: Vec<RankingRecord>) -> Vec<RankingRecord> {
    let board = Board { metric: Metric::Tokens, window: Window::Days30 };
    let standings = snapshot.board(board);
    let value =
        |index: usize| snapshot.people.get(index).map_or(0, |person| person.window(Window::Days30).tokens());
    let used = used(standings, value);
    for (ranking, standing) in rankings.iter_mut().zip(standings) {
        if let Some(tier) = tier(standing.rank, used) {
            ranking.tier = String::from(tier.name());
        }
    }
    rankings
}

/// One person's four rows.
pub(crate) fn user_totals(totals: &PersonTotals, as_of: u32, version: u64) -> [UserTotalRecord; 4] {
    Window::ALL.map(|window| {
        let sum = totals.window(window);
        let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, requests, unpriced, cost] =
            sum.0;
        UserTotalRecord {
            person: *totals.person.bytes(),
            window: window.into(),
            tokens: sum.tokens(),
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            output,
            reasoning,
            requests,
            unpriced,
            cost,
            as_of,
            version,
        }
    })
}

/// What a row of `user_totals` says.
pub(crate) fn sum(row: &UserTotalRecord) -> Sum {
    Sum([
        row.input,
        row.cache_read,
        row.cache_write_5m,
        row.cache_write_1h,
        row.output,
        row.reasoning,
        row.requests,
        row.unpriced,
        row.cost,
    ])
}

/// The row of a claimed identity. Who has no name is shown by e-mail, and else as they were claimed.
#[must_use]
pub fn person(
    account: AccountKey,
    person: PersonId,
    claimed: &ClaimedIdentity,
    version: u64,
) -> PersonRecord {
    let email = claimed.email.clone().unwrap_or_default();
    let named = [claimed.name.clone().unwrap_or_default(), email.clone(), claimed.subject.clone()];
    PersonRecord {
        account: *account.bytes(),
        valid_from: 0,
        valid_to: OPEN_END,
        person: *person.bytes(),
        source: claimed.source.clone(),
        subject: claimed.subject.clone(),
        name: named.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
        email,
        team: String::new(),
        erased: 0,
        version,
    }
}

/// The row that takes a forgotten person's names away.
#[must_use]
pub fn forgotten(account: AccountKey, person: PersonId, version: u64) -> PersonRecord {
    PersonRecord {
        account: *account.bytes(),
        valid_from: 0,
        valid_to: OPEN_END,
        person: *person.bytes(),
        source: String::new(),
        subject: String::new(),
        name: String::new(),
        email: String::new(),
        team: String::new(),
        erased: 1,
        version,
    }
}

/// Those of `now` that differ from what was written, and those who are gone, as nothing.
#[must_use]
pub fn changed(written: &BTreeMap<PersonId, [Sum; 4]>, now: &[PersonTotals]) -> Vec<PersonTotals> {
    let present: BTreeMap<PersonId, &PersonTotals> =
        now.iter().map(|totals| (totals.person, totals)).collect();
    let gone = written
        .iter()
        .filter(|(person, sums)| !present.contains_key(person) && **sums != [Sum::default(); 4])
        .map(|(person, _)| PersonTotals { person: *person, windows: [Sum::default(); 4] });
    let changed = now.iter().filter(|totals| written.get(&totals.person) != Some(&totals.windows)).copied();
    changed.chain(gone).collect()
}
