//! Which report of an event stands, and what it costs: written a second time, on purpose.
//!
//! The recount must not share a bug with the fold, so nothing here is the fold's. What both share is the
//! form of things: the domain's types, the price book's text, the content hash.

use std::cmp::Reverse;
use std::sync::Arc;

use tally_domain::price::{PriceBook, Rate};
use tally_domain::usage::Class;
use tally_domain::{ContentHash, Dims, Epoch, EventTime, Kind, ProducerId, Revision, Usage, Version};

/// A usage record of the archive that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Where it lies in its partition: incarnation and its own offset.
    pub place: Version,
    /// Sender of this copy.
    pub run: (ProducerId, Epoch),
    /// See [`Revision`].
    pub revision: Revision,
    /// See [`Kind`].
    pub kind: Kind,
    /// When it happened.
    pub occurred_at: EventTime,
    /// What it is broken down by.
    pub dims: Arc<Dims>,
    /// Tokens and requests; not priced.
    pub usage: Usage,
    /// See [`ContentHash`].
    pub content: ContentHash,
}

/// Sorts the reports of one event: the greatest stands.
pub(crate) fn rank(report: &Counted) -> impl Ord + use<> {
    let authority = match report.kind {
        Kind::Report => 0,
        Kind::Correction => 1,
        Kind::Retraction => 2,
    };
    (
        report.revision,
        authority,
        report.usage.of(Class::Output),
        report.usage.total(),
        Reverse(report.occurred_at),
        report.content,
    )
}

/// The report that stands among all of one event, in any order; of equal copies the first in the log,
/// because that one's price book counts.
#[must_use]
pub fn winner<'a>(reports: impl Iterator<Item = &'a Counted>) -> Option<&'a Counted> {
    reports.max_by_key(|report| (rank(report), Reverse(report.place)))
}

/// Price books of one partition, each in force from the record after its own.
#[derive(Clone, Debug, Default)]
pub struct Books {
    in_log_order: Vec<(Version, PriceBook)>,
}

impl Books {
    /// Adds the book at `place`; books come in log order, and one whose number does not rise is ignored.
    pub fn add(&mut self, place: Version, book: PriceBook) {
        if self.in_log_order.last().is_none_or(|(_, last)| book.number() > last.number()) {
            self.in_log_order.push((place, book));
        }
    }

    /// The book in force for a record at `place`.
    #[must_use]
    pub fn in_force(&self, place: Version) -> Option<&PriceBook> {
        self.in_log_order.iter().rev().find(|(from, _)| *from < place).map(|(_, book)| book)
    }
}

/// The usage of a winner with its list cost, by the book in force where it lies; `None` when the cost leaves the range
/// of an i64.
#[must_use]
pub fn priced(report: &Counted, books: &Books) -> Option<Usage> {
    if report.kind == Kind::Retraction {
        return Some(Usage::ZERO);
    }
    let rate = books
        .in_force(report.place)
        .and_then(|book| book.rate(Dims::as_ref(&report.dims), report.occurred_at, &report.usage))
        .copied()
        .unwrap_or_default();
    let (cost, unpriced) = cost(&report.usage, &rate);
    Some(Usage { cost_nano_usd: i64::try_from(cost).ok()?, unpriced, ..report.usage })
}

/// Nano-USD, rounded once per event and half to even, and the tokens that had no price.
fn cost(usage: &Usage, rate: &Rate) -> (i128, i64) {
    const MILLION: i128 = 1_000_000;
    let mut millionths: i128 = 0;
    let mut unpriced: i64 = 0;
    for (tokens, price) in usage.tokens.iter().zip(rate.nano_usd_per_million) {
        match price {
            Some(price) => millionths += i128::from(*tokens) * i128::from(price),
            None => unpriced += tokens,
        }
    }
    let (whole, rest) = (millionths.div_euclid(MILLION), millionths.rem_euclid(MILLION) * 2);
    let up = rest > MILLION || (rest == MILLION && whole % 2 == 1);
    (whole + i128::from(up), unpriced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(offset: u64, revision: u32, kind: Kind, output: i64) -> Counted {
        Counted {
            place: Version::from_u64(offset),
            run: Default::default(),
            revision: Revision(revision),
            kind,
            occurred_at: EventTime::default(),
            dims: Arc::default(),
            usage: Usage { tokens: [0, 0, 0, 0, output, 0], requests: 1, ..Usage::ZERO },
            content: ContentHash(0),
        }
    }

    #[test]
    fn growing_output_wins_a_higher_revision_wins_more_and_a_retraction_wins_a_tie() {
        let grown =
            [report(0, 0, Kind::Report, 1), report(1, 0, Kind::Report, 9), report(2, 0, Kind::Report, 5)];
        assert_eq!(winner(grown.iter()).map(|w| w.place.get()), Some(1));
        let revised = [report(0, 0, Kind::Report, 9), report(1, 1, Kind::Report, 2)];
        assert_eq!(winner(revised.iter()).map(|w| w.place.get()), Some(1));
        let tied = [report(0, 1, Kind::Retraction, 0), report(1, 1, Kind::Report, 9)];
        assert_eq!(winner(tied.iter()).map(|w| w.place.get()), Some(0));
    }

    #[test]
    fn of_equal_copies_the_first_is_priced() {
        let copies = [report(5, 0, Kind::Report, 9), report(3, 0, Kind::Report, 9)];
        assert_eq!(winner(copies.iter()).map(|w| w.place.get()), Some(3));
    }

    #[test]
    fn halves_round_to_even_once_per_event() {
        let rate = |nano| Rate { nano_usd_per_million: [Some(nano), None, None, None, None, None] };
        let usage = Usage { tokens: [1, 7, 0, 0, 0, 0], ..Usage::ZERO };
        assert_eq!(cost(&usage, &rate(500_000)), (0, 7));
        assert_eq!(cost(&usage, &rate(1_500_000)), (2, 7));
        assert_eq!(cost(&usage, &rate(500_001)), (1, 7));
    }

    #[test]
    fn a_book_is_in_force_after_its_own_record_and_a_lower_number_never() {
        let book = |number| {
            PriceBook::parse(format!(r#"{{"number":{number},"source":"test","models":[]}}"#).as_bytes())
        };
        let mut books = Books::default();
        for (place, number) in [(2, 1), (5, 3), (7, 2)] {
            books.add(Version::from_u64(place), book(number).unwrap());
        }
        let at = |place| books.in_force(Version::from_u64(place)).map(PriceBook::number);
        assert_eq!([2, 3, 5, 6, 8].map(at), [None, Some(1), Some(1), Some(3), Some(3)]);
    }
}
