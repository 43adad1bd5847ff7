//! What was acknowledged, and what it must add up to: written anew here, from the definition, with no part of Tally.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::seeded::Seeded;

/// Names of the classes of tokens, as events and tables spell them.
pub const CLASSES: [&str; 6] =
    ["input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning"];
/// Names of the windows with their minutes; none for ever.
pub const WINDOWS: [(&str, Option<i64>); 4] =
    [("24h", Some(1_440)), ("7d", Some(10_080)), ("30d", Some(43_200)), ("lifetime", None)];
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

/// One report of one event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Person and tool: each person has a tool of their own, so that rows tell whose they are.
    pub who: u64,
    /// Counted once.
    pub id: String,
    /// The highest of an id stands.
    pub revision: i64,
    /// When, ms UTC.
    pub at_ms: i64,
    /// By class.
    pub tokens: [i64; 6],
}

impl Event {
    /// Tokens by class, and one request.
    fn lanes(&self) -> impl Iterator<Item = i64> + '_ {
        self.tokens.iter().copied().chain([1])
    }

    /// As the collector takes it.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut event = json!({
            "source": "whole", "subject": format!("person-{}", self.who), "id": self.id,
            "occurred_at": self.at_ms, "model": "claude-opus-4-6", "tool": format!("tool-{}", self.who),
            "revision": self.revision,
        });
        for (class, tokens) in CLASSES.iter().zip(self.tokens) {
            event[*class] = tokens.into();
        }
        event
    }
}

/// By tool, then window: tokens by class and requests.
pub type Totals = BTreeMap<String, [[i64; 7]; 4]>;

/// By tool and start of the hour, s UTC: tokens by class and requests.
pub type Hours = BTreeMap<(String, i64), [i64; 7]>;

/// The report that stands of every acknowledged event.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    standing: BTreeMap<String, Event>,
    /// Reports that were acknowledged, repeats included.
    pub reports: usize,
}

impl Ledger {
    /// Takes down what the collector acknowledged.
    pub fn acknowledged(&mut self, batch: &[Event]) {
        self.reports += batch.len();
        for event in batch {
            let known = self.standing.get(&event.id);
            if known.is_none_or(|known| known.revision < event.revision) {
                self.standing.insert(event.id.clone(), event.clone());
            }
        }
    }

    /// Events that stand.
    #[must_use]
    pub fn events(&self) -> usize {
        self.standing.len()
    }

    /// What every hour is that holds anything.
    #[must_use]
    pub fn hours(&self) -> Hours {
        let mut hours = Hours::new();
        for event in self.standing.values() {
            let start = event.at_ms.div_euclid(HOUR_MS) * 3_600;
            let sums = hours.entry((format!("tool-{}", event.who), start)).or_default();
            sums.iter_mut().zip(event.lanes()).for_each(|(sum, lane)| *sum += lane);
        }
        hours
    }

    /// Tokens of the last 30 days at `clock_ms`, by person.
    #[must_use]
    pub fn tokens_30d(&self, clock_ms: i64) -> BTreeMap<String, i64> {
        let person = |(tool, windows): (String, [[i64; 7]; 4])| {
            let tokens = windows[2].iter().take(CLASSES.len()).sum();
            (tool.replace("tool", "person"), tokens)
        };
        self.totals(clock_ms).into_iter().map(person).filter(|(_, tokens)| *tokens > 0).collect()
    }

    /// What every total is at `clock_ms`: a window holds the minutes in (clock − length, clock].
    #[must_use]
    pub fn totals(&self, clock_ms: i64) -> Totals {
        let clock = clock_ms.div_euclid(MINUTE_MS);
        let mut totals = Totals::new();
        for event in self.standing.values() {
            let minute = event.at_ms.div_euclid(MINUTE_MS);
            let windows = totals.entry(format!("tool-{}", event.who)).or_default();
            for ((_, length), sums) in WINDOWS.iter().zip(windows) {
                if length.is_none_or(|length| minute > clock - length && minute <= clock) {
                    sums.iter_mut().zip(event.lanes()).for_each(|(sum, lane)| *sum += lane);
                }
            }
        }
        totals
    }
}

/// Makes batches: most events new, some repeated as they were, some grown by a later revision.
#[derive(Clone, Debug)]
pub struct Producer {
    chance: Seeded,
    newest_ms: i64,
    /// No event leaves a window within this time.
    margin_ms: i64,
    made: Vec<Event>,
}

/// People of a producer.
const PEOPLE: u64 = 7;
/// How far back events lie: beyond the longest window.
const SPAN_MS: u64 = 40 * 86_400_000;

impl Producer {
    /// Its events occurred in the 40 days up to `newest_ms`.
    #[must_use]
    pub const fn new(seed: u64, newest_ms: i64) -> Self {
        Self { chance: Seeded(seed), newest_ms, margin_ms: 0, made: Vec::new() }
    }

    /// The same while the clock goes on: whatever minute it shows within `margin_ms`, totals are the same.
    #[must_use]
    pub fn with_margin(self, margin_ms: i64) -> Self {
        Self { margin_ms, ..self }
    }

    /// So long before the newest, and not shortly before the end of a window.
    fn back_ms(&mut self) -> i64 {
        let back = i64::try_from(self.chance.below(SPAN_MS)).unwrap_or(0);
        let ends = WINDOWS.iter().filter_map(|(_, length)| length.map(|minutes| minutes * MINUTE_MS));
        let mut near = ends.filter(|end| (end - self.margin_ms..=*end).contains(&back));
        near.next().map_or(back, |end| end - self.margin_ms)
    }

    /// 20 to 59 reports.
    pub fn batch(&mut self) -> Vec<Event> {
        let count = 20 + self.chance.below(40);
        (0..count).map(|_| self.report()).collect()
    }

    fn report(&mut self) -> Event {
        let choice = self.chance.below(10);
        let known = u64::try_from(self.made.len()).unwrap_or(u64::MAX);
        if choice >= 7 && known > 0 {
            let at = usize::try_from(self.chance.below(known)).unwrap_or(0);
            if let Some(event) = self.made.get_mut(at) {
                let as_it_was = event.clone();
                if choice == 7 {
                    event.revision += 1;
                    event.tokens[4] += 11;
                    return event.clone();
                }
                return as_it_was;
            }
        }
        let back = self.back_ms();
        let event = Event {
            who: self.chance.below(PEOPLE),
            id: format!("event-{known}"),
            revision: 0,
            at_ms: self.newest_ms - back,
            tokens: [0; 6].map(|_: i64| i64::try_from(self.chance.below(5_000)).unwrap_or(0)),
        };
        self.made.push(event.clone());
        event
    }
}
