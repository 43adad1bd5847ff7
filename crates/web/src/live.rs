//! The live board: asked of the ranker over HTTP. Without an answer in time, pages show the newest snapshot.

use crate::ask::BoardAsk;
use crate::rows::{BoardPage, BoardRow, DaysRow, NewestRow};
use serde::{Deserialize, Deserializer};
use std::time::{Duration, Instant};
use tally_domain::{PersonId, WallTime};
use tokio::sync::Mutex;

/// How long an answer about the newest ranking is believed.
const ASKED_EVERY: Duration = Duration::from_millis(100);
/// How long a ranker that did not answer is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(1);
/// How long one answer may take: a page asks for two, and shall be made within a second.
const ANSWER_WITHIN: Duration = Duration::from_millis(400);

/// The ranker, as a page sees it.
#[derive(Debug)]
pub(crate) struct Live {
    client: Option<(reqwest::Client, String)>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    not_before: Option<Instant>,
    known: Option<Known>,
    /// Counts the rankings that were seen.
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    number: u64,
    revision: u64,
    as_of: WallTime,
}

/// The newest ranking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Rises whenever the ranker has ranked anew.
    pub(crate) count: u64,
    /// The time it is true for.
    pub(crate) as_of: WallTime,
}

#[derive(Deserialize)]
struct Status {
    as_of: Option<String>,
    snapshot: u64,
    revision: u64,
    people: u64,
}

impl Live {
    /// Asks the ranker at `url`, such as `http://127.0.0.1:4711`; nobody without one.
    pub(crate) fn new(url: Option<&str>) -> Self {
        let client = || reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().ok();
        let client = url.and_then(|url| Some((client()?, url.trim_end_matches('/').to_owned())));
        Self { client, state: Mutex::default() }
    }

    /// The newest ranking, unless the ranker is away, or behind the newest snapshot.
    pub(crate) async fn moment(&self, newest: &NewestRow) -> Option<Moment> {
        self.client.as_ref()?;
        let mut state = self.state.lock().await;
        if state.not_before.is_none_or(|at| Instant::now() >= at) {
            let now = self.status().await;
            let believed = if now.is_some() { ASKED_EVERY } else { LEFT_ALONE };
            state.not_before = Instant::now().checked_add(believed);
            if now.is_some() && now != state.known {
                state.count = state.count.saturating_add(1);
            }
            state.known = now;
        }
        let count = state.count;
        let known = state.known.filter(|known| known.number >= newest.snapshot);
        known.map(|known| Moment { count, as_of: known.as_of })
    }

    async fn status(&self) -> Option<Known> {
        let Status { as_of, snapshot, revision, people } = self.get("/v1/status", &[]).await?;
        let as_of = WallTime::parse(&as_of?)?;
        (people > 0).then_some(Known { number: snapshot, revision, as_of })
    }

    /// A page of the live board, without the days.
    pub(crate) async fn board(&self, ask: &BoardAsk) -> Option<LiveBoard> {
        let offset = u64::from(ask.page.saturating_sub(1)).saturating_mul(u64::from(ask.limit));
        let (offset, limit) = (offset.to_string(), ask.limit.to_string());
        let around = ask.around.map(|person| person.to_string());
        let mut asked = vec![
            ("window", ask.board.window.name()),
            ("by", ask.board.metric.name()),
            ("offset", &offset),
            ("limit", &limit),
            ("search", &ask.search),
        ];
        asked.extend(around.as_deref().map(|person| ("around", person)));
        self.get("/v1/board", &asked).await
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str, asked: &[(&str, &str)]) -> Option<T> {
        let (client, base) = self.client.as_ref()?;
        let answer = async {
            let url = reqwest::Url::parse_with_params(&format!("{base}{path}"), asked)
                .map_err(|e| e.to_string())?;
            let sent = client.get(url).send().await.and_then(reqwest::Response::error_for_status);
            sent.map_err(|error| error.to_string())?.json::<T>().await.map_err(|error| error.to_string())
        };
        answer.await.inspect_err(|error| tracing::debug!(error, "the ranker does not answer")).ok()
    }
}

/// A page of the live board as the ranker tells it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LiveBoard {
    as_of: String,
    snapshot: u64,
    found: u64,
    skipped: u64,
    company: Sums,
    others: Sums,
    rows: Vec<Place>,
}

#[derive(Clone, Debug, Deserialize)]
struct Sums {
    people: u64,
    #[serde(flatten)]
    usage: Usage,
}

#[derive(Clone, Debug, Deserialize)]
struct Place {
    person: PersonId,
    name: String,
    rank: u32,
    movement: Option<i32>,
    #[serde(flatten)]
    usage: Usage,
}

#[derive(Clone, Debug, Deserialize)]
struct Usage {
    #[serde(deserialize_with = "wide")]
    tokens: i128,
    #[serde(deserialize_with = "wide")]
    unpriced_tokens: i128,
    #[serde(deserialize_with = "wide")]
    cost_nano_usd: i128,
    cache_read_share: Option<f64>,
}

/// An integer, or the digits of one that JSON readers would round.
fn wide<'de, D: Deserializer<'de>>(from: D) -> Result<i128, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Wide {
        Number(i64),
        Digits(String),
    }
    match Wide::deserialize(from)? {
        Wide::Number(number) => Ok(i128::from(number)),
        Wide::Digits(digits) => digits.parse().map_err(serde::de::Error::custom),
    }
}

impl LiveBoard {
    /// Who is on the page.
    pub(crate) fn people(&self) -> Vec<PersonId> {
        self.rows.iter().map(|row| row.person).collect()
    }

    /// Its lines, with the days of each; `None` when it says no time. Turning the page stays with `newest`, because
    /// a live ranking is gone a moment later.
    pub(crate) fn page(&self, newest: &NewestRow, days: &[DaysRow]) -> Option<BoardPage> {
        let as_of = WallTime::parse(&self.as_of)?;
        let of = |person: [u8; 16]| days.iter().find(|row| row.person == person).map(|row| row.days.clone());
        let line = |kind: &str, people: u64, usage: &Usage| BoardRow {
            snapshot: self.snapshot,
            as_of_ms: as_of.ms(),
            line: kind.to_owned(),
            people,
            found: self.found,
            skipped: self.skipped,
            tokens: usage.tokens,
            unpriced: usage.unpriced_tokens,
            cache_read_share: usage.cache_read_share.unwrap_or_default(),
            cost_nano_usd: usage.cost_nano_usd,
            last_day: as_of.minute().day().0,
            ..BoardRow::default()
        };
        let company = BoardRow {
            days: of(DaysRow::COMPANY).unwrap_or_else(nothing),
            ..line("company", self.company.people, &self.company.usage)
        };
        let people = self.rows.iter().map(|row| BoardRow {
            person: *row.person.bytes(),
            name: row.name.clone(),
            rank: row.rank,
            movement: row.movement,
            days: of(*row.person.bytes()).unwrap_or_else(nothing),
            ..line("person", 1, &row.usage)
        });
        let others = line("others", self.others.people, &self.others.usage);
        let lines = std::iter::once(company).chain(people).chain([BoardRow { days: nothing(), ..others }]);
        BoardPage::of(lines.collect()).map(|page| BoardPage { steady: newest.snapshot, ..page })
    }
}

/// Days without use.
fn nothing() -> Vec<i64> {
    vec![0; DaysRow::DAYS]
}
