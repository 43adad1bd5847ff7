//! A source of rows that a test wrote down, which can be made to fail and counts how often it is asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tally_domain::{Day, Hash128, PersonId};
use tally_web::ask::{BoardAsk, PersonAsk};
use tally_web::rows::{BoardRow, DaysRow, NewestRow, PersonRow};
use tally_web::{Source, SourceError};

/// 13 February 2026, noon.
pub(crate) const AS_OF_MS: i64 = 1_770_984_000_000;

/// What the source says; shared with the test that changes it.
#[derive(Clone, Default)]
pub(crate) struct Written {
    pub newest: Arc<Mutex<Option<NewestRow>>>,
    pub down: Arc<Mutex<bool>>,
    pub board: Arc<Mutex<Vec<BoardRow>>>,
    pub person: Arc<Mutex<Vec<PersonRow>>>,
    pub asked: Arc<AtomicUsize>,
    pub days_asked: Arc<AtomicUsize>,
}

impl Written {
    /// A company of the given people, one snapshot.
    pub(crate) fn of(people: Vec<BoardRow>) -> Self {
        let company = sum("company", &people);
        let mut board = vec![company];
        board.extend(people);
        let written = Self { board: Arc::new(Mutex::new(board)), ..Self::default() };
        *written.newest.lock().unwrap() = Some(snapshot(7));
        written
    }

    fn answer<T>(&self, value: impl FnOnce() -> T) -> Result<T, SourceError> {
        if *self.down.lock().unwrap() {
            return Err(SourceError { what: "the newest snapshot", why: "connection refused".to_owned() });
        }
        Ok(value())
    }
}

pub(crate) fn snapshot(number: u64) -> NewestRow {
    NewestRow { snapshot: number, people_version: 1, as_of_ms: AS_OF_MS, people: 3 }
}

pub(crate) fn person(number: u8) -> PersonId {
    PersonId(Hash128([number; 16]))
}

/// One person of the board.
pub(crate) fn row(number: u8, name: &str, tokens: i128) -> BoardRow {
    BoardRow {
        snapshot: 7,
        as_of_ms: AS_OF_MS,
        line: "person".to_owned(),
        people: 1,
        found: 3,
        person: [number; 16],
        name: name.to_owned(),
        rank: u32::from(number),
        movement: Some(2),
        tokens,
        cache_read_share: 0.92,
        cost_nano_usd: 51_742_581_100,
        days: vec![0, 5, 10],
        last_day: 20_497,
        ..BoardRow::default()
    }
}

fn sum(line: &str, people: &[BoardRow]) -> BoardRow {
    BoardRow {
        line: line.to_owned(),
        people: people.len().try_into().unwrap(),
        found: people.len().try_into().unwrap(),
        tokens: people.iter().map(|row| row.tokens).sum(),
        cost_nano_usd: people.iter().map(|row| row.cost_nano_usd).sum(),
        person: [0; 16],
        name: String::new(),
        rank: 0,
        movement: None,
        ..row(0, "", 0)
    }
}

/// The page of the written rows that is asked for.
fn cut(rows: &[BoardRow], ask: &BoardAsk) -> Vec<BoardRow> {
    let Some((company, people)) = rows.split_first() else { return Vec::new() };
    let found: Vec<&BoardRow> = people.iter().filter(|row| row.name.contains(&ask.search)).collect();
    let skipped = u64::from((ask.page - 1) * ask.limit);
    let shown = found.iter().skip(skipped.try_into().unwrap()).take(ask.limit.try_into().unwrap());
    let company = BoardRow { found: found.len().try_into().unwrap(), skipped, ..company.clone() };
    std::iter::once(company).chain(shown.map(|row| (*row).clone())).collect()
}

impl Source for Written {
    async fn newest(&self) -> Result<Option<NewestRow>, SourceError> {
        self.answer(|| *self.newest.lock().unwrap())
    }

    async fn board(&self, ask: &BoardAsk, _: &NewestRow) -> Result<Vec<BoardRow>, SourceError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answer(|| cut(&self.board.lock().unwrap(), ask))
    }

    async fn days(&self, people: &[PersonId], _: Day) -> Result<Vec<DaysRow>, SourceError> {
        self.days_asked.fetch_add(1, Ordering::SeqCst);
        self.answer(|| {
            people.iter().map(|person| DaysRow { person: *person.bytes(), days: vec![7; 30] }).collect()
        })
    }

    async fn person(&self, _: &PersonAsk, _: &NewestRow) -> Result<Vec<PersonRow>, SourceError> {
        self.answer(|| self.person.lock().unwrap().clone())
    }
}
