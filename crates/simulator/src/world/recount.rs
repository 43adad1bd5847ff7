//! `verify` over the simulated tables: the shipped recount, which shares nothing with the fold.

use crate::shown::{Key, windows};
use crate::world::{Kept, World, all_partitions, broken};
use std::collections::BTreeMap;
use std::sync::Arc;
use tally_audit::compare::{Account, Bounds, Published, compare};
use tally_audit::rules::Counted;
use tally_audit::{Difference, Findings, What};
use tally_clickhouse::rows::{EntryCode, EventRecord, dims_of};
use tally_domain::price::PriceBook;
use tally_domain::usage::LANES;
use tally_domain::{
    AccountKey, ContentHash, Entry, Epoch, EventKey, EventTime, Hash128, Incarnation, Minute, Offset,
    Partition, ProducerId, Revision, Usage, Version,
};

impl World {
    /// Every published value is what the archive adds up to.
    pub(super) fn recount_is_green(&self) -> Kept {
        if self.archive_is_lost {
            return Ok(());
        }
        for partition in all_partitions() {
            let (bounds, accounts) = (self.bounds(partition), self.accounts(partition));
            let mut found = Findings::default();
            for (key, account) in accounts {
                if !self.oracles[usize::from(partition.0)].forgot.contains(&key) {
                    compare(key, partition, &account, &bounds, &mut found);
                }
            }
            let oracle = &self.oracles[usize::from(partition.0)];
            // An hour of which ClickHouse heard nothing for as long as it is remembered is nobody's any more.
            let is_remembered = |it: &&Difference| match it.what {
                What::Hour(hour) => {
                    let key = Key::Hour(hour, it.account, it.dims.as_ref().clone());
                    oracle.value(&key, oracle.version()).is_some()
                }
                What::Total(_) => true,
            };
            if let Some(difference) = found.differences.iter().find(is_remembered) {
                return broken(format!("verify is red: {difference:?}"));
            }
        }
        Ok(())
    }

    fn bounds(&self, partition: Partition) -> Bounds {
        let server = self.clickhouse.borrow();
        let progress = server.tables.claimed(partition).unwrap_or_default();
        let mut bounds = Bounds { progress, archived: self.archived(partition), ..Bounds::default() };
        for row in
            server.tables.archive.events.range((partition.0, 0)..=(partition.0, u64::MAX)).map(|it| it.1)
        {
            let minute = Minute(i32::try_from(row.log_time.div_euclid(60_000)).expect("a year near ours"));
            if bounds.clocks.last().is_none_or(|(_, last)| *last != minute) {
                bounds.clocks.push((place(row, 1), minute));
            }
            if let (EntryCode::Prices, Ok(Entry::Prices(document))) =
                (row.entry, tally_schema::decode(&row.body))
            {
                let book =
                    PriceBook::parse(document.body).ok().filter(|book| book.number() == document.number);
                if let Some(book) = book {
                    bounds.books.add(place(row, 0), book);
                }
            }
        }
        bounds
    }

    /// What is archived and what is published, by account.
    fn accounts(&self, partition: Partition) -> BTreeMap<AccountKey, Account> {
        let server = self.clickhouse.borrow();
        let mut accounts: BTreeMap<AccountKey, Account> = BTreeMap::new();
        let events = server.tables.archive.events.range((partition.0, 0)..=(partition.0, u64::MAX));
        for row in events.map(|it| it.1).filter(|row| row.entry == EntryCode::Usage && row.reason.is_empty())
        {
            let account = accounts.entry(AccountKey(Hash128(row.account))).or_default();
            account.reports.entry(EventKey(Hash128(row.event_key))).or_default().push(counted(row));
        }
        for (key, (version, value)) in &server.tables.rows {
            let (Key::Total(account, _) | Key::Hour(_, account, _)) = key else { continue };
            let home = tally_domain::partition_of(account.bytes(), super::count());
            if home != partition || version.incarnation().0 < self.first_incarnation {
                continue;
            }
            let (version, account) = (*version, accounts.entry(*account).or_default());
            match key {
                Key::Total(_, dims) => {
                    let value = windows(value).map(Into::into);
                    account.totals.insert(Arc::new(dims.clone()), Published { value, version });
                }
                Key::Hour(hour, _, dims) => {
                    let number = |lane: usize| value.get(lane).copied().unwrap_or(0);
                    let usage = Usage::from_lanes(std::array::from_fn::<i64, LANES, _>(number));
                    let published = Published { value: usage.into(), version };
                    account.hours.insert((*hour, Arc::new(dims.clone())), published);
                }
                _ => {}
            }
        }
        accounts
    }
}

fn place(row: &EventRecord, after: u64) -> Version {
    Version::new(Incarnation(row.incarnation), Offset::new(row.offset + after).expect("a short log"))
}

fn counted(row: &EventRecord) -> Counted {
    let tokens =
        [row.input, row.cache_read, row.cache_write_5m, row.cache_write_1h, row.output, row.reasoning];
    let names = [&*row.model, &*row.tool, &*row.service_tier, &*row.region];
    Counted {
        place: place(row, 0),
        run: (ProducerId(Hash128(row.producer)), Epoch(row.epoch)),
        revision: Revision(row.revision),
        kind: row.kind.into(),
        occurred_at: EventTime::from_ms(row.occurred_at).expect("a year near ours"),
        dims: Arc::new(dims_of(names, row.view, row.unsplit)),
        usage: Usage { tokens, requests: row.requests, ..Usage::ZERO },
        content: ContentHash(row.content_hash),
    }
}
