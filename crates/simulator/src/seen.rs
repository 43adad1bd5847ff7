//! What follows from all that a ranker was shown: written without a look at the ranker.

use crate::oracle::Oracle;
use crate::producers::SECRET;
use crate::shown::{Key, windows};
use crate::world::{Broken, Kept, count};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use tally_clickhouse::rows::{Hash, RankingRecord, StandingColumns, minute_of};
use tally_domain::published::Progress;
use tally_domain::{
    AccountKey, Board, Dims, Hash128, Lane, Metric, Minute, Offset, Partition, PersonId, Topic, Usage,
    Version, Window, partition_of,
};
use tally_log::Record;
use tally_ranker::store::{Boot, Write};
use tally_schema::Totals;
use tally_standings::{PersonTotals, Snapshot, Sum};

/// What was shown to one ranker since it began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    next: BTreeMap<Lane, Offset>,
    totals: BTreeMap<(AccountKey, Dims), (Version, [Usage; 4])>,
    pub(crate) progress: BTreeMap<Partition, Progress>,
    owners: BTreeMap<AccountKey, PersonId>,
}

impl Seen {
    /// From ClickHouse, when it began.
    pub(crate) fn begin(&mut self, boot: &Boot) {
        for (row, version) in &boot.totals {
            self.total((row.account, row.dims.as_ref().clone()), *version, &row.windows);
        }
        boot.progress.iter().for_each(|progress| self.advance(*progress));
        for row in &boot.people {
            self.owners.insert(AccountKey(Hash128(row.account)), PersonId(Hash128(row.person)));
        }
    }

    /// Where it reads on.
    pub(crate) fn next(&self, lane: Lane, start: Offset) -> Offset {
        self.next.get(&lane).copied().unwrap_or_default().max(start)
    }

    /// A record of a topic that it follows.
    pub(crate) fn read(&mut self, lane: Lane, record: &Record<'_>) -> Kept {
        self.next.insert(lane, record.offset.next());
        let Some(value) = record.value else { return Ok(()) };
        if lane.topic == Topic::Identities {
            let identity = tally_schema::decode_identity(value).map_err(|error| error.to_string())?;
            let key = record.key.try_into().map_err(|_| "an identity without an account")?;
            self.owners.insert(AccountKey(Hash128(key)), PersonId::of(&SECRET, &identity.subject));
            return Ok(());
        }
        match tally_schema::decode_totals(value).map_err(|error| error.to_string())? {
            Totals::Total(row, version) => {
                self.total((row.account, row.dims.as_ref().clone()), version, &row.windows);
            }
            Totals::Progress(progress) => self.advance(progress),
        }
        Ok(())
    }

    fn total(&mut self, key: (AccountKey, Dims), version: Version, windows: &[Usage; 4]) {
        let held = self.totals.entry(key).or_insert((version, *windows));
        if version > held.0 {
            *held = (version, *windows);
        }
    }

    fn advance(&mut self, progress: Progress) {
        let held = self.progress.entry(progress.partition).or_insert(progress);
        if progress.version > held.version {
            *held = progress;
        }
    }

    /// What everybody has: each total as it is at its row's version, or at the partition's progress where that is
    /// newer. `first` is the first incarnation of the topic that the oracles know.
    pub(crate) fn ranking(&self, oracles: &[Oracle], first: u16) -> Ranking {
        let known = oracles.iter().flat_map(Oracle::keys).filter_map(|key| match key {
            Key::Total(account, dims) => Some((*account, dims.clone())),
            _ => None,
        });
        let keys: BTreeSet<_> = known.chain(self.totals.keys().cloned()).collect();
        let mut people: BTreeMap<PersonId, PersonTotals> = BTreeMap::new();
        for key in keys {
            let person = self.owners.get(&key.0).copied().unwrap_or(PersonId(key.0.0));
            let empty = PersonTotals { person, windows: [Sum::default(); 4] };
            let sums = people.entry(person).or_insert(empty);
            for (sum, usage) in sums.windows.iter_mut().zip(self.value(key, oracles, first)) {
                sum.add(&usage);
            }
        }
        let people = people.into_values().filter(PersonTotals::is_ranked).collect();
        let vector = self.progress.values().map(|it| (it.partition, it.version)).collect();
        let as_of = self.progress.values().map(|it| it.clock).min().unwrap_or_default();
        Ranking { people, vector, as_of }
    }

    fn value(&self, (account, dims): (AccountKey, Dims), oracles: &[Oracle], first: u16) -> [Usage; 4] {
        let partition = partition_of(account.bytes(), count());
        let progress = self.progress.get(&partition).map_or(Version::ZERO, |progress| progress.version);
        let row = self.totals.get(&(account, dims.clone()));
        let at = row.map_or(Version::ZERO, |(version, _)| *version).max(progress);
        let shown = row.map_or([Usage::ZERO; 4], |(_, windows)| *windows);
        if at.incarnation().0 < first {
            return shown;
        }
        let counted = oracles[usize::from(partition.0)].value(&Key::Total(account, dims), at);
        let counted = windows(&counted.unwrap_or_default());
        // A row of an earlier topic stays until the new one says something of its key.
        let is_old = row.is_some_and(|(version, _)| version.incarnation().0 < first);
        if is_old && counted.iter().all(Usage::is_zero) { shown } else { counted }
    }
}

/// Everybody, as they should be ranked.
#[derive(Clone, Debug)]
pub(crate) struct Ranking {
    /// Who is on the boards, by person.
    people: Vec<PersonTotals>,
    vector: BTreeMap<Partition, Version>,
    pub(crate) as_of: Minute,
}

impl Ranking {
    /// Rank and place of everybody on a board.
    fn board(&self, board: Board) -> Vec<(u32, u32)> {
        let number = |count: usize| u32::try_from(count + 1).expect("few people");
        let value = |of: &PersonTotals| of.window(board.window).of(board.metric);
        let before = |of: &PersonTotals| {
            let higher = self.people.iter().filter(|other| value(other) > value(of)).count();
            let key = |of: &PersonTotals| (Reverse(value(of)), of.person);
            (number(higher), number(self.people.iter().filter(|other| key(other) < key(of)).count()))
        };
        self.people.iter().map(before).collect()
    }

    /// The live board is this.
    pub(crate) fn is_live(&self, shown: &Snapshot) -> Kept {
        let boards = Board::all().map(|board| self.board(board));
        let standings =
            shown.boards.iter().map(|board| board.iter().map(|it| (it.rank, it.place)).collect::<Vec<_>>());
        let as_shown =
            (&shown.vector, shown.as_of, &shown.people) == (&self.vector, self.as_of, &self.people);
        if as_shown && boards.eq(standings) {
            return Ok(());
        }
        Err(format!("the live board shows {shown:?}, everybody should be {self:?}"))
    }

    /// What is written is this.
    pub(crate) fn is_written(&self, write: &Write) -> Kept {
        let wrong = |what: &str| -> Result<(), Broken> {
            Err(format!("a snapshot's {what}: {write:?} is written, everybody should be {self:?}"))
        };
        let vector =
            self.vector.iter().map(|(partition, version)| (partition.0, version.get())).collect::<Vec<_>>();
        let marker = &write.marker;
        if (&marker.vector, minute_of(marker.as_of)) != (&vector, self.as_of) {
            return wrong("moment");
        }
        if marker.people != u64::try_from(self.people.len()).expect("few people") {
            return wrong("number of people");
        }
        let mut expected: Vec<_> =
            self.people.iter().map(|of| (of.person.0.0, [Place::default(); 4])).collect();
        for (at, window) in Window::ALL.into_iter().enumerate() {
            let of = |metric| self.board(Board { metric, window });
            let ranks = of(Metric::Tokens).into_iter().zip(of(Metric::Cost));
            for (((_, places), of), (tokens, cost)) in expected.iter_mut().zip(&self.people).zip(ranks) {
                places[at] = Place { sum: of.window(window).0, tokens, cost };
            }
        }
        let is_row = |row: &RankingRecord, place: &(Hash, [Place; 4])| {
            let shown = [&row.h24, &row.d7, &row.d30, &row.lifetime];
            row.person == place.0 && shown.into_iter().zip(&place.1).all(|(shown, place)| place.is(shown))
        };
        let rows = &write.rankings;
        if rows.len() == expected.len() && rows.iter().zip(&expected).all(|(row, place)| is_row(row, place)) {
            return Ok(());
        }
        wrong("rows")
    }
}

/// Usage of a window, and rank and place by tokens and by cost.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    sum: [i128; 9],
    tokens: (u32, u32),
    cost: (u32, u32),
}

impl Place {
    fn is(&self, shown: &StandingColumns) -> bool {
        let [input, cache_read, write_5m, write_1h, output, reasoning, requests, unpriced, cost] = self.sum;
        let tokens = input + cache_read + write_5m + write_1h + output + reasoning;
        (shown.tokens, shown.cache_read, shown.requests) == (tokens, cache_read, requests)
            && (shown.unpriced, shown.cost) == (unpriced, cost)
            && (shown.rank_tokens, shown.place_tokens) == self.tokens
            && (shown.rank_cost, shown.place_cost) == self.cost
    }
}
