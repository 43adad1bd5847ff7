//! Which reports count when a sum might leave the range of a 64-bit total: then, and only then, the order of the log
//! decides, so they are gone through one by one.
//!
//! A report whose own cost, or with which the account's lifetime, or the receipt of its sender, would not fit is not
//! counted and not remembered: a later copy of it may fit again.

use std::collections::BTreeMap;
use std::sync::Arc;

use tally_domain::usage::LANES;
use tally_domain::{Day, Dims, Epoch, EventKey, ProducerId, Usage, Version};

use crate::recount::Reports;
use crate::rules::{Books, Counted, priced, rank};

/// The report of each event that counts, with its list cost.
pub type Standing<'a> = BTreeMap<EventKey, (&'a Counted, Usage)>;

/// Whether the order of records decides which of them count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All reports together fit: no sum of some of them can overflow.
    Any,
    /// A sum of some might not fit.
    OfTheLog,
}

impl Order {
    /// Of an account's reports.
    #[must_use]
    pub fn of(reports: &Reports, books: &Books) -> Self {
        let mut all = [0_i128; LANES];
        for report in reports.values().flatten() {
            let Some(usage) = priced(report, books) else { return Self::OfTheLog };
            all = sum(&all, &wide(&usage), 1);
        }
        if fits(&all) { Self::Any } else { Self::OfTheLog }
    }
}

type ReceiptKey = ((ProducerId, Epoch), Day, Arc<Dims>);

/// Sums that must fit, as the log goes on.
#[derive(Default)]
struct Sums {
    lifetime: [i128; LANES],
    receipts: BTreeMap<ReceiptKey, [i128; LANES]>,
}

/// What counts before `version`, decided record by record.
#[must_use]
pub fn in_log_order<'a>(reports: &'a Reports, books: &Books, version: Version) -> Standing<'a> {
    let of_event = |(event, reports): (&EventKey, &'a Vec<Counted>)| {
        let event = *event;
        reports.iter().map(move |report| (report.place, event, report)).collect::<Vec<_>>()
    };
    let mut in_order: Vec<_> = reports.iter().flat_map(of_event).collect();
    in_order.retain(|(place, ..)| *place < version);
    in_order.sort_by_key(|(place, ..)| *place);
    let (mut standing, mut sums) = (Standing::new(), Sums::default());
    for (_, event, report) in in_order {
        let was = standing.get(&event);
        if was.is_some_and(|(was, _)| rank(report) <= rank(was)) {
            continue;
        }
        let Some(usage) = priced(report, books) else { continue };
        if sums.take(report, &usage, was) {
            standing.insert(event, (report, usage));
        }
    }
    standing
}

impl Sums {
    /// Puts a report in the place of the one before it; false, and nothing is changed, when a sum would not fit.
    fn take(&mut self, report: &Counted, usage: &Usage, was: Option<&(&Counted, Usage)>) -> bool {
        let (plus, minus) = (wide(usage), wide(&was.map_or(Usage::ZERO, |(_, usage)| *usage)));
        let lifetime = sum(&sum(&self.lifetime, &minus, -1), &plus, 1);
        let key = receipt_key(report, report);
        let before = was.map(|(was, _)| receipt_key(report, was)).filter(|before| *before != key);
        let mut receipts = Vec::new();
        match before {
            Some(before) => {
                receipts.push((sum(&self.receipt(&before), &minus, -1), before));
                receipts.push((sum(&self.receipt(&key), &plus, 1), key));
            }
            None => receipts.push((sum(&sum(&self.receipt(&key), &plus, 1), &minus, -1), key)),
        }
        if !fits(&lifetime) || receipts.iter().any(|(sum, _)| !fits(sum)) {
            return false;
        }
        self.lifetime = lifetime;
        self.receipts.extend(receipts.into_iter().map(|(sum, key)| (key, sum)));
        true
    }

    fn receipt(&self, key: &ReceiptKey) -> [i128; LANES] {
        self.receipts.get(key).copied().unwrap_or_default()
    }
}

/// The receipt of `report`'s sender that `of` belongs to.
fn receipt_key(report: &Counted, of: &Counted) -> ReceiptKey {
    (report.run, of.occurred_at.minute().day(), Arc::clone(&of.dims))
}

fn wide(usage: &Usage) -> [i128; LANES] {
    usage.lanes().map(i128::from)
}

fn sum(a: &[i128; LANES], b: &[i128; LANES], sign: i128) -> [i128; LANES] {
    std::array::from_fn(|lane| a[lane] + sign * b[lane])
}

fn fits(sum: &[i128; LANES]) -> bool {
    sum.iter().all(|lane| i64::try_from(*lane).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally_domain::event::TOKENS_MAX;
    use tally_domain::price::PriceBook;
    use tally_domain::{ContentHash, EventTime, Hash128, Kind, Revision};

    /// Each report costs 5 × 10^18 nano-USD; an i64 holds 9.2 × 10^18.
    fn books(usd_per_million: &str) -> Books {
        let text = format!(
            r#"{{"number":1,"source":"test","models":[{{"model":"m","prices":[
                {{"from":"1970-01-01","usd_per_million":{{"input":"{usd_per_million}"}}}}]}}]}}"#
        );
        let mut books = Books::default();
        books.add(Version::ZERO, PriceBook::parse(text.as_bytes()).unwrap());
        books
    }

    fn report(place: u64, revision: u32, kind: Kind) -> Counted {
        Counted {
            place: Version::from_u64(place),
            run: <_>::default(),
            revision: Revision(revision),
            kind,
            occurred_at: EventTime::default(),
            dims: Arc::new(Dims { model: "m".to_owned(), ..Dims::default() }),
            usage: Usage { tokens: [TOKENS_MAX, 0, 0, 0, 0, 0], ..Usage::ZERO },
            content: ContentHash(place),
        }
    }

    fn key(event: u8) -> EventKey {
        EventKey(Hash128([event; 16]))
    }

    fn counted(reports: &Reports, books: &Books, version: u64) -> Vec<(EventKey, u64)> {
        let standing =
            crate::recount::standing(reports, books, Order::of(reports, books), Version::from_u64(version));
        standing.into_iter().map(|(event, (report, _))| (event, report.place.get())).collect()
    }

    #[test]
    fn what_does_not_fit_is_not_counted_and_counts_once_there_is_room() {
        let reports = Reports::from([
            (key(1), vec![report(1, 0, Kind::Report), report(3, 1, Kind::Retraction)]),
            (key(2), vec![report(2, 0, Kind::Report), report(4, 0, Kind::Report)]),
        ]);
        let dear = books("5000");
        assert_eq!(counted(&reports, &dear, 3), [(key(1), 1)]);
        assert_eq!(counted(&reports, &dear, 4), [(key(1), 3)]);
        assert_eq!(counted(&reports, &dear, 5), [(key(1), 3), (key(2), 4)]);
    }

    #[test]
    fn one_report_whose_cost_does_not_fit_is_not_counted() {
        let reports = Reports::from([(key(1), vec![report(1, 0, Kind::Report)])]);
        assert_eq!(counted(&reports, &books("999999"), 9), []);
    }

    #[test]
    fn where_everything_fits_the_order_of_the_log_does_not_matter() {
        let reports = Reports::from([
            (
                key(1),
                vec![report(5, 2, Kind::Report), report(1, 0, Kind::Report), report(3, 1, Kind::Report)],
            ),
            (key(2), vec![report(4, 0, Kind::Retraction), report(2, 0, Kind::Report)]),
        ]);
        let cheap = books("1");
        assert_eq!(Order::of(&reports, &cheap), Order::Any);
        let by_order = |version| {
            let standing = in_log_order(&reports, &cheap, Version::from_u64(version));
            standing.into_iter().map(|(event, (report, _))| (event, report.place.get())).collect::<Vec<_>>()
        };
        for version in 0..7 {
            assert_eq!(by_order(version), counted(&reports, &cheap, version));
        }
    }

    #[test]
    fn a_receipt_that_does_not_fit_refuses_what_a_lifetime_would_take() {
        // One sender reports, another takes back: the receipts of the first only rise.
        let by = |sender: u8, report: Counted| Counted {
            run: (ProducerId(Hash128([sender; 16])), Epoch(1)),
            ..report
        };
        let reports = Reports::from([
            (key(1), vec![by(1, report(1, 0, Kind::Report)), by(2, report(2, 1, Kind::Retraction))]),
            (key(2), vec![by(1, report(3, 0, Kind::Report))]),
            (key(3), vec![by(3, report(4, 0, Kind::Report))]),
        ]);
        assert_eq!(counted(&reports, &books("5000"), 9), [(key(1), 2), (key(3), 4)]);
    }
}
