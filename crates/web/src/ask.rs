//! What a reader asks for in the address, read strictly and written back in one form.

use std::fmt::Write;
use tally_domain::{Board, Metric, PersonId, Window};

/// People on one page of the board unless the reader asks for fewer or more.
pub const PAGE_PEOPLE: u32 = 50;
/// Most people on one page.
pub const PAGE_PEOPLE_MAX: u32 = 500;
/// Longest search text in bytes.
pub const SEARCH_BYTES_MAX: usize = 100;

/// A parameter of the address that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reading {field:?} of the address: {found:?} is not {expected}; leave it out or correct it")]
pub struct BadAsk {
    /// Name of the parameter.
    pub field: &'static str,
    /// Its value.
    pub found: String,
    /// What it may be.
    pub expected: String,
}

/// What the board page is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BoardAsk {
    /// Metric and window.
    pub board: Board,
    /// Text that names must contain; empty = everybody.
    pub search: String,
    /// From 1.
    pub page: u32,
    /// People on a page.
    pub limit: u32,
    /// The page that this person is on, instead of `page`.
    pub around: Option<PersonId>,
    /// A snapshot to stay with while paging; the newest when absent.
    pub at: Option<u64>,
}

impl Default for BoardAsk {
    fn default() -> Self {
        let board = Board { metric: Metric::Tokens, window: Window::Days30 };
        Self { board, search: String::new(), page: 1, limit: PAGE_PEOPLE, around: None, at: None }
    }
}

/// How the bars of a person's days are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Split {
    /// By token class.
    #[default]
    Class,
    /// By model.
    Model,
}

impl Split {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Class, Self::Model];

    /// Its name in the address and in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Model => "model",
        }
    }
}

/// Days that a person's history may show.
pub const HISTORY_DAYS: [u32; 3] = [30, 90, 365];

/// What the page of a person is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PersonAsk {
    /// Who.
    pub person: PersonId,
    /// One of [`HISTORY_DAYS`].
    pub days: u32,
    /// See [`Split`].
    pub split: Split,
}

/// The parameters of an address, in their order.
pub type Pairs = [(String, String)];

impl BoardAsk {
    /// Reads the parameters; names it does not know are left alone, an empty value is an absent one.
    ///
    /// # Errors
    /// The first parameter that cannot be read.
    pub fn read(pairs: &Pairs) -> Result<Self, BadAsk> {
        let mut ask = Self::default();
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "window" => ask.board.window = window(value)?,
                "by" => ask.board.metric = metric(value)?,
                "q" => ask.search = search(value)?,
                "page" => ask.page = number("page", value, u32::MAX)?,
                "limit" => ask.limit = number("limit", value, PAGE_PEOPLE_MAX)?,
                "around" => ask.around = Some(person("around", value)?),
                "at" => ask.at = Some(snapshot(value)?),
                _ => {}
            }
        }
        Ok(ask)
    }

    /// The address of this ask, shortest form; the same ask always gives the same text.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        let plain = Self::default();
        let mut address = Address::new(path);
        if self.board.window != plain.board.window {
            address.add("window", self.board.window.name());
        }
        if self.board.metric != plain.board.metric {
            address.add("by", self.board.metric.name());
        }
        if !self.search.is_empty() {
            address.add("q", &self.search);
        }
        if self.page != plain.page {
            address.add("page", &self.page.to_string());
        }
        if self.limit != plain.limit {
            address.add("limit", &self.limit.to_string());
        }
        if let Some(person) = self.around {
            address.add("around", &person.to_string());
        }
        if let Some(snapshot) = self.at {
            address.add("at", &snapshot.to_string());
        }
        address.text
    }

    /// Another board from its first page, the search kept.
    #[must_use]
    pub fn on(&self, board: Board) -> Self {
        Self { board, page: 1, around: None, at: None, ..self.clone() }
    }
}

impl PersonAsk {
    /// The last 30 days by token class.
    #[must_use]
    pub const fn of(person: PersonId) -> Self {
        Self { person, days: 30, split: Split::Class }
    }

    /// Reads the parameters of the page of `person`.
    ///
    /// # Errors
    /// The first parameter that cannot be read.
    pub fn read(person: PersonId, pairs: &Pairs) -> Result<Self, BadAsk> {
        let mut ask = Self::of(person);
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "days" => ask.days = days(value)?,
                "split" => ask.split = split(value)?,
                _ => {}
            }
        }
        Ok(ask)
    }

    /// The address of this ask, shortest form.
    #[must_use]
    pub fn address(&self) -> String {
        let mut address = Address::new(&format!("/people/{}", self.person));
        if self.days != 30 {
            address.add("days", &self.days.to_string());
        }
        if self.split != Split::Class {
            address.add("split", self.split.name());
        }
        address.text
    }
}

struct Address {
    text: String,
    separator: char,
}

impl Address {
    fn new(path: &str) -> Self {
        Self { text: path.to_owned(), separator: '?' }
    }

    fn add(&mut self, name: &str, value: &str) {
        self.text.push(self.separator);
        self.separator = '&';
        self.text.push_str(name);
        self.text.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    self.text.push(char::from(byte));
                }
                _ => write!(self.text, "%{byte:02X}").expect("a String takes every write"),
            }
        }
    }
}

fn bad(field: &'static str, found: &str, expected: impl Into<String>) -> BadAsk {
    BadAsk { field, found: found.to_owned(), expected: expected.into() }
}

fn window(value: &str) -> Result<Window, BadAsk> {
    Window::from_name(value).ok_or_else(|| bad("window", value, one_of(Window::ALL.map(Window::name))))
}

fn metric(value: &str) -> Result<Metric, BadAsk> {
    Metric::from_name(value).ok_or_else(|| bad("by", value, one_of(Metric::ALL.map(Metric::name))))
}

fn search(value: &str) -> Result<String, BadAsk> {
    let text = value.trim();
    if text.len() > SEARCH_BYTES_MAX {
        return Err(bad("q", value, format!("a text of at most {SEARCH_BYTES_MAX} bytes")));
    }
    Ok(text.to_owned())
}

fn number(field: &'static str, value: &str, max: u32) -> Result<u32, BadAsk> {
    match value.parse() {
        Ok(n) if (1..=max).contains(&n) => Ok(n),
        _ => Err(bad(field, value, format!("a whole number from 1 to {max}"))),
    }
}

/// Reads the id of a person.
///
/// # Errors
/// When it is not 32 hexadecimal digits; `field` is named.
pub fn person(field: &'static str, value: &str) -> Result<PersonId, BadAsk> {
    value.parse().map_err(|_| bad(field, value, "the id of a person: 32 hexadecimal digits"))
}

fn snapshot(value: &str) -> Result<u64, BadAsk> {
    value.parse().map_err(|_| bad("at", value, "the number of a snapshot"))
}

fn days(value: &str) -> Result<u32, BadAsk> {
    let known = HISTORY_DAYS.into_iter().find(|days| days.to_string() == value);
    known.ok_or_else(|| bad("days", value, one_of(HISTORY_DAYS)))
}

fn split(value: &str) -> Result<Split, BadAsk> {
    let known = Split::ALL.into_iter().find(|split| split.name() == value);
    known.ok_or_else(|| bad("split", value, one_of(Split::ALL.map(Split::name))))
}

fn one_of<T: ToString, const N: usize>(names: [T; N]) -> String {
    format!("one of {}", names.map(|name| name.to_string()).join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<BoardAsk, BadAsk> {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        BoardAsk::read(&pairs)
    }

    #[test]
    fn an_ask_reads_back_from_its_address() {
        let ask =
            read(&[("window", "7d"), ("by", "cost"), ("q", " Zoë & co "), ("page", "3"), ("at", "281")])
                .unwrap();
        assert_eq!(ask.address("/"), "/?window=7d&by=cost&q=Zo%C3%AB%20%26%20co&page=3&at=281");
        assert_eq!(BoardAsk::default().address("/"), "/");
        assert_eq!(read(&[("q", ""), ("utm", "x")]).unwrap(), BoardAsk::default());
    }

    #[test]
    fn another_board_keeps_the_search_and_starts_at_the_top() {
        let ask = read(&[("q", "ann"), ("page", "9"), ("at", "5")]).unwrap();
        let other = Board { metric: Metric::Cost, window: Window::Hours24 };
        assert_eq!(ask.on(other).address("/"), "/?window=24h&by=cost&q=ann");
    }

    #[test]
    fn what_cannot_be_read_names_field_value_and_fix() {
        let told = |pairs: &[(&str, &str)]| read(pairs).unwrap_err().to_string();
        assert_eq!(
            told(&[("window", "1y")]),
            r#"reading "window" of the address: "1y" is not one of 24h, 7d, 30d, lifetime; leave it out or correct it"#
        );
        assert!(told(&[("page", "0")]).contains("a whole number from 1 to"));
        assert!(told(&[("limit", "501")]).contains("from 1 to 500"));
        assert!(told(&[("around", "me")]).contains("32 hexadecimal digits"));
        assert!(told(&[("q", &"x".repeat(101))]).contains("at most 100 bytes"));
    }

    #[test]
    fn a_persons_page_has_an_address() {
        let person: PersonId = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
        let ask = PersonAsk { days: 90, split: Split::Model, ..PersonAsk::of(person) };
        assert_eq!(ask.address(), "/people/000102030405060708090a0b0c0d0e0f?days=90&split=model");
        let pairs = [("days".to_owned(), "91".to_owned())];
        assert!(PersonAsk::read(person, &pairs).unwrap_err().to_string().contains("one of 30, 90, 365"));
    }
}
