//! The rows of the pages, field by field as their SQL selects them. What a page shows is in here.

use serde::{Deserialize, Serialize};
use tally_domain::{Day, Hash128, PersonId, WallTime};

/// The newest complete snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clickhouse::Row, Serialize, Deserialize)]
pub struct NewestRow {
    /// Number of the snapshot.
    pub snapshot: u64,
    /// Version of the mapping of accounts to people that it was made with.
    pub people_version: u64,
    /// The least clock in it, ms UTC.
    pub as_of_ms: i64,
    /// How many people are ranked.
    pub people: u64,
}

impl NewestRow {
    /// The time its numbers are true for.
    #[must_use]
    pub fn as_of(&self) -> WallTime {
        instant(self.as_of_ms)
    }
}

/// What a line of the board speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Everybody together.
    Company,
    /// One person.
    Person,
    /// Everybody who is not on this page: with the people of the page, the company.
    Others,
}

/// One line of the board.
#[derive(Clone, Debug, Default, PartialEq, clickhouse::Row, Serialize, Deserialize)]
pub struct BoardRow {
    /// Number of the snapshot that all of this is from.
    pub snapshot: u64,
    /// The least clock in it, ms UTC.
    pub as_of_ms: i64,
    /// `company`, `person` or `others`: see [`Line`].
    pub line: String,
    /// How many people the line adds up.
    pub people: u64,
    /// How many people the search finds; everybody without one.
    pub found: u64,
    /// How many of the found stand before this page.
    pub skipped: u64,
    /// Who; zero unless one person.
    pub person: [u8; 16],
    /// Display name; empty when none is known.
    pub name: String,
    /// From 1; equal values share a rank. Zero unless one person.
    pub rank: u32,
    /// Places gained since the day before, negative when lost; `None` when there was no rank then.
    pub movement: Option<i32>,
    /// All tokens in the window.
    pub tokens: i128,
    /// Tokens among them for which no price was known.
    pub unpriced: i128,
    /// Cache reads among all tokens, 0 to 1.
    pub cache_read_share: f64,
    /// List cost in the window, nano-USD.
    pub cost_nano_usd: i128,
    /// Tokens of each of the last 30 UTC days, oldest first, the running day last.
    pub days: Vec<i64>,
    /// The running day: days since the Unix epoch.
    pub last_day: i32,
}

impl BoardRow {
    /// What the line speaks of; `None` when this build does not know the word.
    #[must_use]
    pub fn kind(&self) -> Option<Line> {
        match self.line.as_str() {
            "company" => Some(Line::Company),
            "person" => Some(Line::Person),
            "others" => Some(Line::Others),
            _ => None,
        }
    }

    /// Who.
    #[must_use]
    pub const fn person_id(&self) -> PersonId {
        PersonId(Hash128(self.person))
    }

    /// The time its numbers are true for.
    #[must_use]
    pub fn as_of(&self) -> WallTime {
        instant(self.as_of_ms)
    }

    /// The day of `days[index]`.
    #[must_use]
    pub fn day(&self, index: usize) -> Day {
        let back = self.days.len().saturating_sub(index + 1);
        Day(self.last_day.saturating_sub(i32::try_from(back).unwrap_or(i32::MAX)))
    }
}

/// The lines of one board page, told apart.
#[derive(Clone, Debug, PartialEq)]
pub struct BoardPage {
    /// Everybody together.
    pub company: BoardRow,
    /// The people of this page, by rank.
    pub people: Vec<BoardRow>,
    /// Everybody else.
    pub others: Option<BoardRow>,
    /// The snapshot to stay with while turning the pages.
    pub steady: u64,
}

/// Tokens of one person, or of everybody, on each of the days of a sparkline.
#[derive(Clone, Debug, PartialEq, Eq, clickhouse::Row, Serialize, Deserialize)]
pub struct DaysRow {
    /// Who; [`Self::COMPANY`] for everybody.
    pub person: [u8; 16],
    /// Oldest first, the running day last.
    pub days: Vec<i64>,
}

impl DaysRow {
    /// Stands for everybody together.
    pub const COMPANY: [u8; 16] = *b"all\0\0\0\0\0\0\0\0\0\0\0\0\0";
    /// How many days.
    pub const DAYS: usize = 30;
}

impl BoardPage {
    /// `None` without a company line: there is no snapshot yet.
    #[must_use]
    pub fn of(rows: Vec<BoardRow>) -> Option<Self> {
        let (mut company, mut people, mut others) = (None, Vec::with_capacity(rows.len()), None);
        for row in rows {
            match row.kind() {
                Some(Line::Company) => company = Some(row),
                Some(Line::Person) => people.push(row),
                Some(Line::Others) if row.people > 0 => others = Some(row),
                Some(Line::Others) | None => {}
            }
        }
        company.map(|company| Self { steady: company.snapshot, company, people, others })
    }
}

/// One line of the page of a person.
#[derive(Clone, Debug, Default, PartialEq, clickhouse::Row, Serialize, Deserialize)]
pub struct PersonRow {
    /// Number of the snapshot that ranks and window totals are from.
    pub snapshot: u64,
    /// The least clock in it, ms UTC.
    pub as_of_ms: i64,
    /// `person`, `board`, `class`, `day`, `model`, `tool` or `session`.
    pub section: String,
    /// What the line speaks of: a name, a window, a token class, a model, a tool, a session; of a day the class
    /// or model, or nothing for all of it.
    pub label: String,
    /// Start of the day, or first report of the session, ms UTC.
    pub since_ms: i64,
    /// Last report of the session, ms UTC.
    pub until_ms: i64,
    /// Of a board: rank by tokens, from 1.
    pub rank_tokens: u32,
    /// Of a board: rank by list cost, from 1.
    pub rank_cost: u32,
    /// Of a board: places gained by tokens since the day before.
    pub movement_tokens: Option<i32>,
    /// Of a board: places gained by list cost since the day before.
    pub movement_cost: Option<i32>,
    /// Of a board: how many people are on it.
    pub people: u64,
    /// Tokens.
    pub tokens: i128,
    /// Tokens among them for which no price was known.
    pub unpriced: i128,
    /// Cache reads among all tokens, 0 to 1.
    pub cache_read_share: f64,
    /// Part of the person's tokens of the same span, 0 to 1.
    pub share: f64,
    /// Calls of a model.
    pub requests: i64,
    /// List cost, nano-USD.
    pub cost_nano_usd: i128,
}

impl PersonRow {
    /// Start of the day, or of the session.
    #[must_use]
    pub fn since(&self) -> WallTime {
        instant(self.since_ms)
    }

    /// The UTC day it starts in.
    #[must_use]
    pub fn day(&self) -> Day {
        self.since().minute().day()
    }

    /// The time its ranks and window totals are true for.
    #[must_use]
    pub fn as_of(&self) -> WallTime {
        instant(self.as_of_ms)
    }
}

/// The lines of one person's page, told apart.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "one list per section, documented on PersonRow::section")]
pub struct PersonPage {
    pub head: PersonRow,
    pub boards: Vec<PersonRow>,
    pub classes: Vec<PersonRow>,
    pub days: Vec<PersonRow>,
    pub models: Vec<PersonRow>,
    pub tools: Vec<PersonRow>,
    pub sessions: Vec<PersonRow>,
}

impl PersonPage {
    /// `None` without a `person` line: nobody has this id.
    #[must_use]
    pub fn of(rows: Vec<PersonRow>) -> Option<Self> {
        let (mut page, mut known) = (Self::default(), false);
        for row in rows {
            match row.section.as_str() {
                "person" => (page.head, known) = (row, true),
                "board" => page.boards.push(row),
                "class" => page.classes.push(row),
                "day" => page.days.push(row),
                "model" => page.models.push(row),
                "tool" => page.tools.push(row),
                "session" => page.sessions.push(row),
                _ => {}
            }
        }
        known.then_some(page)
    }
}

/// Of what a table holds, kept within what can be shown.
fn instant(ms: i64) -> WallTime {
    WallTime::from_ms(ms.clamp(WallTime::MIN.ms(), WallTime::MAX.ms())).expect("clamped to what can be shown")
}
