//! A snapshot as rows of ClickHouse.

use std::collections::BTreeMap;

use tally_clickhouse::rows::{
    Hash, KeepCode, OPEN_END, PersonRecord, RankingRecord, SnapshotRecord, StandingColumns, UserTotalRecord,
    WindowCode, date_time,
};
use tally_domain::usage::LANES;
use tally_domain::{Board, Metric, PersonId, Window};
use tally_standings::{PersonTotals, Snapshot, Standing, Sum, award};

use crate::ledger::People;

/// All rows of one snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotRows {
    /// Accounts and their owners.
    pub people: Vec<PersonRecord>,
    /// Everyone's totals, also of those who are on no board.
    pub totals: Vec<UserTotalRecord>,
    /// Everyone on the boards.
    pub rankings: Vec<RankingRecord>,
    /// Written after all others are acknowledged.
    pub marker: SnapshotRecord,
}

/// What a snapshot is made of.
#[derive(Clone, Copy, Debug)]
pub struct Making<'a> {
    /// The ranking.
    pub snapshot: &'a Snapshot,
    /// Everyone's totals, the ones at zero too.
    pub everyone: &'a [PersonTotals],
    /// Who owns which account.
    pub people: &'a People,
    /// Number of the snapshot that movement is measured against; 0 = none.
    pub earlier: u64,
    /// How long it is kept.
    pub keep: KeepCode,
}

impl Making<'_> {
    /// The rows; `None` while the clock lies before 1970, when nothing was read yet.
    #[must_use]
    pub fn rows(&self) -> Option<SnapshotRows> {
        let as_of = date_time(self.snapshot.as_of).ok()?;
        Some(SnapshotRows {
            people: self.person_rows(),
            totals: self.everyone.iter().flat_map(|person| self.total_rows(person, as_of)).collect(),
            rankings: self.ranking_rows(as_of),
            marker: self.marker(as_of),
        })
    }

    fn person_rows(&self) -> Vec<PersonRecord> {
        let owned = self.people.identities.iter();
        owned
            .map(|(account, known)| PersonRecord {
                account: *account.bytes(),
                valid_from: 0,
                valid_to: OPEN_END,
                person: *known.person.bytes(),
                source: known.identity.source.clone(),
                subject: known.identity.subject.clone(),
                // Whoever claimed no name is shown by what they claimed.
                name: known.identity.name.clone().unwrap_or_else(|| known.identity.subject.clone()),
                email: known.identity.email.clone().unwrap_or_default(),
                team: String::new(),
                erased: 0,
                version: known.version,
            })
            .collect()
    }

    fn total_rows(&self, person: &PersonTotals, as_of: u32) -> impl Iterator<Item = UserTotalRecord> + use<> {
        let (hash, version): (Hash, u64) = (*person.person.bytes(), self.snapshot.number);
        Window::ALL.into_iter().zip(person.windows).map(move |(window, Sum(lanes))| {
            let [
                input,
                cache_read,
                cache_write_5m,
                cache_write_1h,
                output,
                reasoning,
                requests,
                unpriced,
                cost,
            ]: [i128; LANES] = lanes;
            UserTotalRecord {
                person: hash,
                window: WindowCode::from(window),
                tokens: input + cache_read + cache_write_5m + cache_write_1h + output + reasoning,
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

    fn ranking_rows(&self, as_of: u32) -> Vec<RankingRecord> {
        let people = self.snapshot.people.iter().enumerate();
        let used = used(self.snapshot);
        people
            .map(|(index, person)| {
                let column = |window| self.columns(index, person, window);
                let month = self.standing(Metric::Tokens, Window::Days30, index);
                RankingRecord {
                    snapshot: self.snapshot.number,
                    people_version: self.people.version,
                    keep: self.keep,
                    as_of,
                    person: *person.person.bytes(),
                    h24: column(Window::Hours24),
                    d7: column(Window::Days7),
                    d30: column(Window::Days30),
                    lifetime: column(Window::Lifetime),
                    tier: award::tier(month.rank, used).map_or("", |tier| tier.name()).to_owned(),
                    titles: Vec::new(),
                }
            })
            .collect()
    }

    fn columns(&self, index: usize, person: &PersonTotals, window: Window) -> StandingColumns {
        let sum = person.window(window);
        let [_, cache_read, .., unpriced, cost] = sum.0;
        let tokens = self.standing(Metric::Tokens, window, index);
        let money = self.standing(Metric::Cost, window, index);
        StandingColumns {
            tokens: sum.tokens(),
            cache_read,
            requests: sum.requests(),
            unpriced,
            cost,
            rank_tokens: tokens.rank,
            place_tokens: tokens.place,
            climbed_tokens: tokens.climbed,
            rank_cost: money.rank,
            place_cost: money.place,
            climbed_cost: money.climbed,
        }
    }

    fn standing(&self, metric: Metric, window: Window, index: usize) -> Standing {
        self.snapshot.board(Board { metric, window }).get(index).copied().unwrap_or_default()
    }

    fn marker(&self, as_of: u32) -> SnapshotRecord {
        SnapshotRecord {
            snapshot: self.snapshot.number,
            people_version: self.people.version,
            policy_version: 0,
            keep: self.keep,
            as_of,
            people: u64::try_from(self.snapshot.people.len()).unwrap_or(u64::MAX),
            earlier: self.earlier,
            vector: self
                .snapshot
                .vector
                .iter()
                .map(|(partition, version)| (partition.0, version.get()))
                .collect(),
        }
    }
}

/// How many people used anything in the last 30 days: what tiers are percentiles of.
fn used(snapshot: &Snapshot) -> u32 {
    let month = |person: &PersonTotals| person.window(Window::Days30).tokens() > 0;
    u32::try_from(snapshot.people.iter().filter(|person| month(person)).count()).unwrap_or(u32::MAX)
}

/// Ranks by board and person, of an earlier snapshot's rows.
#[must_use]
pub fn earlier(rows: &[RankingRecord]) -> tally_standings::Earlier {
    Board::all()
        .map(|board| {
            rows.iter()
                .map(|row| {
                    let columns = [&row.h24, &row.d7, &row.d30, &row.lifetime][board.window.index()];
                    let rank = match board.metric {
                        Metric::Tokens => columns.rank_tokens,
                        Metric::Cost => columns.rank_cost,
                    };
                    (PersonId(tally_domain::Hash128(row.person)), rank)
                })
                .collect::<BTreeMap<_, _>>()
        })
        .collect()
}
