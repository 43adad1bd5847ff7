//! Serves the pages from rows that are written down here: to look at the design without an engine.
//!
//! `cargo run -p tally-web --example showcase [-- ADDRESS [empty|down|old]]`

#![expect(clippy::print_stdout, reason = "an example that says where it listens")]

use std::sync::Arc;
use std::time::Duration;
use tally_domain::{Day, Metric, PersonId, WallTime};
use tally_web::ask::{BoardAsk, PersonAsk, Split};
use tally_web::rows::{BoardRow, DaysRow, NewestRow, PersonRow};
use tally_web::{Options, Source, SourceError};

const PEOPLE: u64 = 85_000;
const DAY_MS: i64 = 86_400_000;
const AS_OF: &str = "2026-11-22T17:40:00Z";
const NAMES: [&str; 24] = [
    "Amara Okafor",
    "Björn Lindqvist",
    "Chen Wei",
    "Daniela Souza",
    "Elif Yılmaz",
    "Farah Haddad",
    "Giulia Romano",
    "Hiroshi Tanaka",
    "Ingrid Solberg",
    "Jamal Washington",
    "Katarzyna Nowak",
    "Liam O’Sullivan",
    "Mei-Ling Huang",
    "Nikhil Deshpande",
    "Olga Petrova",
    "Pedro Álvarez",
    "Quỳnh Nguyễn",
    "Rania El-Sayed",
    "Søren Kjær",
    "Tomás Herrera",
    "Uma Raghunathan",
    "Valentina Rossi",
    "Wolfgang Amadeus Maximilian von und zu Hohenfels-Lichtenberg",
    "build-bot@example.org",
];

struct Written {
    state: String,
}

fn as_of() -> WallTime {
    WallTime::parse(AS_OF).expect("the constant is an instant")
}

/// A number that looks random and is always the same.
fn mixed(seed: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 32)
}

fn tokens_of(place: u64) -> i128 {
    281_034_112_009_i128 / i128::from(place + 1 + place * place / 4_000) * 9 / 8
        + i128::from(mixed(place) % 999_983)
}

fn days_of(place: u64) -> Vec<i64> {
    let whole = i64::try_from(tokens_of(place)).expect("a person's tokens are an i64");
    let weights: Vec<i64> = (0..30_u64)
        .map(|day| {
            let weekend = (day + 5) % 7 < 2;
            let part = i64::try_from(mixed(place * 31 + day) % 90 + 10).expect("below 100");
            if weekend { part / 9 } else { part }
        })
        .collect();
    let sum: i64 = weights.iter().sum();
    weights.iter().map(|weight| whole / sum * weight).collect()
}

fn person_row(place: u64) -> BoardRow {
    let tokens = tokens_of(place);
    let seed = mixed(place);
    let name = match NAMES.get(usize::try_from(place).unwrap_or(usize::MAX)) {
        Some(name) => (*name).to_owned(),
        None if place.is_multiple_of(17) => String::new(),
        None => {
            let pick = |n: u64| NAMES[usize::try_from(n % 22).expect("below 22")];
            let first = pick(seed).split(' ').next().unwrap_or_default();
            format!("{first} {}", pick(seed / 64).split(' ').next_back().unwrap_or_default())
        }
    };
    let mut person = [0_u8; 16];
    person[..8].copy_from_slice(&mixed(place + 7).to_be_bytes());
    person[8..].copy_from_slice(&place.to_be_bytes());
    BoardRow {
        line: "person".to_owned(),
        people: 1,
        person,
        name,
        rank: u32::try_from(place + 1).expect("a few"),
        movement: [Some(0), Some(2), Some(-1), None, Some(0), Some(14), Some(-3)]
            [usize::try_from(seed % 7).expect("below 7")],
        tokens,
        unpriced: if place == 4 {
            tokens
        } else if place % 11 == 6 {
            tokens / 40
        } else {
            0
        },
        cache_read_share: 0.86 + f64::from(u8::try_from(seed % 130).expect("below 130")) / 1_000.0,
        cost_nano_usd: if place == 4 { 0 } else { tokens * i128::from(400 + seed % 900) },
        days: days_of(place),
        ..header()
    }
}

fn header() -> BoardRow {
    BoardRow {
        snapshot: 281_474_977_131_009,
        as_of_ms: as_of().ms(),
        last_day: as_of().minute().day().0,
        found: PEOPLE,
        ..BoardRow::default()
    }
}

impl Written {
    fn refuse(&self) -> Result<(), SourceError> {
        if self.state == "down" {
            return Err(SourceError {
                what: "the newest snapshot",
                why: "connection refused (os error 111)".to_owned(),
            });
        }
        Ok(())
    }
}

impl Source for Written {
    async fn newest(&self) -> Result<Option<NewestRow>, SourceError> {
        self.refuse()?;
        let newest = NewestRow {
            snapshot: header().snapshot,
            people_version: 1,
            as_of_ms: as_of().ms(),
            people: PEOPLE,
        };
        Ok((self.state != "empty").then_some(newest))
    }

    async fn board(&self, ask: &BoardAsk, _: &NewestRow) -> Result<Vec<BoardRow>, SourceError> {
        self.refuse()?;
        let skipped = u64::from(ask.page - 1) * u64::from(ask.limit);
        let sought = ask.search.to_lowercase();
        let matching = |row: &BoardRow| row.name.to_lowercase().contains(&sought);
        let all = (0..PEOPLE).map(person_row).filter(matching);
        let mut people: Vec<BoardRow> = all
            .skip(usize::try_from(skipped).unwrap_or(usize::MAX))
            .take(usize::try_from(ask.limit).unwrap_or(usize::MAX))
            .collect();
        if ask.board.metric == Metric::Cost {
            people.sort_by_key(|row| std::cmp::Reverse(row.cost_nano_usd));
        }
        let found = if sought.is_empty() {
            PEOPLE
        } else {
            u64::try_from((0..PEOPLE).map(person_row).filter(matching).count()).unwrap_or(PEOPLE)
        };
        let sum = |line: &str, tokens: i128, people: u64| BoardRow {
            line: line.to_owned(),
            people,
            tokens,
            cost_nano_usd: tokens * 520,
            unpriced: 0,
            cache_read_share: 0.921,
            days: days_of(0).iter().map(|day| day * 213).collect(),
            found,
            skipped,
            ..header()
        };
        let shown: i128 = people.iter().map(|row| row.tokens).sum();
        let whole = 60_120_345_678_901_i128;
        let here = u64::try_from(people.len()).unwrap_or(0);
        let mut rows = vec![sum("company", whole, PEOPLE)];
        rows.extend(people);
        rows.push(sum("others", whole - shown, PEOPLE - here));
        Ok(rows)
    }

    async fn days(&self, _: &[PersonId], _: Day) -> Result<Vec<DaysRow>, SourceError> {
        Ok(vec![DaysRow { person: DaysRow::COMPANY, days: days_of(0) }])
    }

    async fn person(&self, ask: &PersonAsk, _: &NewestRow) -> Result<Vec<PersonRow>, SourceError> {
        self.refuse()?;
        let [.., a, b, c, d, e, f, g, h] = *ask.person.bytes();
        let place = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        if place >= PEOPLE {
            return Ok(Vec::new());
        }
        Ok(person_rows(place, ask))
    }
}

fn person_rows(place: u64, ask: &PersonAsk) -> Vec<PersonRow> {
    let board = person_row(place);
    let line = |section: &str, label: &str, tokens: i128| PersonRow {
        snapshot: board.snapshot,
        as_of_ms: board.as_of_ms,
        section: section.to_owned(),
        label: label.to_owned(),
        tokens,
        cost_nano_usd: tokens * 700,
        cache_read_share: 0.92,
        people: PEOPLE,
        ..PersonRow::default()
    };
    let mut rows = vec![line("person", &board.name, 0)];
    for (window, part) in [("24h", 1_i128), ("7d", 8), ("30d", 32), ("lifetime", 211)] {
        rows.push(PersonRow {
            rank_tokens: board.rank,
            rank_cost: board.rank + 2,
            movement_tokens: board.movement,
            movement_cost: Some(-1),
            ..line("board", window, board.tokens * part / 32)
        });
    }
    let parts: &[(&str, i128)] = match ask.split {
        Split::Class => &[
            ("cache_read", 921),
            ("cache_write_5m", 31),
            ("cache_write_1h", 12),
            ("input", 9),
            ("output", 22),
            ("reasoning", 5),
        ],
        Split::Model => &[
            ("claude-opus-4-6", 560),
            ("claude-sonnet-4-5", 240),
            ("gpt-5.2-codex", 120),
            ("gemini-3-pro", 60),
            ("other models", 20),
        ],
    };
    let days = i64::from(ask.days);
    let days_back = board.days.iter().cycle().take(usize::try_from(days).unwrap_or(30));
    for (index, tokens) in (0_i64..).zip(days_back) {
        let since_ms = as_of().ms().div_euclid(DAY_MS) * DAY_MS - (days - 1 - index) * DAY_MS;
        let whole = i128::from(*tokens);
        rows.push(PersonRow { since_ms, ..line("day", "", whole) });
        rows.extend(
            parts
                .iter()
                .map(|(label, part)| PersonRow { since_ms, ..line("day", label, whole * part / 1_000) }),
        );
    }
    let shares: [(&str, &[(&str, f64)]); 3] = [
        (
            "class",
            &[
                ("cache_read", 0.921),
                ("cache_write_5m", 0.031),
                ("output", 0.022),
                ("cache_write_1h", 0.012),
                ("input", 0.009),
                ("reasoning", 0.005),
            ],
        ),
        (
            "model",
            &[
                ("claude-opus-4-6", 0.56),
                ("claude-sonnet-4-5", 0.24),
                ("gpt-5.2-codex", 0.12),
                ("gemini-3-pro", 0.06),
                ("mistral-large-with-a-rather-long-name-20261101", 0.02),
            ],
        ),
        ("tool", &[("claude-code", 0.8), ("codex", 0.12), ("gemini-cli", 0.08)]),
    ];
    for (section, lines) in shares {
        let permille = |share: f64| format!("{:.0}", share * 1_000.0).parse::<i128>().unwrap_or(0);
        rows.extend(lines.iter().map(|(label, share)| PersonRow {
            share: *share,
            ..line(section, label, board.tokens * permille(*share) / 1_000)
        }));
    }
    for session in 0..12_i64 {
        let seed = mixed(place + session.unsigned_abs());
        let since_ms = as_of().ms() - session * 13 * 3_600_000 - 5_000_000;
        let until_ms = since_ms + i64::try_from(seed % 9_000_000).expect("hours");
        let requests = i64::try_from(seed % 400).expect("hundreds");
        let tokens = i128::from(requests) * 98_000 + 1_000;
        rows.push(PersonRow {
            since_ms,
            until_ms,
            requests,
            ..line("session", &format!("{seed:016x}"), tokens)
        });
    }
    rows
}

#[tokio::main]
async fn main() -> Result<(), std::io::Error> {
    let mut words = std::env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let state = words.next().unwrap_or_default();
    let behind_ms = if state == "old" { 12 * 60_000 } else { 20_000 };
    let options = Options {
        stale_after: Duration::from_mins(3),
        answer_within: Duration::from_secs(10),
        collector: "http://127.0.0.1:8081".to_owned(),
        ranker: None,
        clock: Arc::new(move || as_of().plus_ms(behind_ms)),
    };
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, tally_web::router(Written { state }, options)).await
}
