//! Who works there, and how much each of them uses.

use super::call::{AGENTS, CHAT};
use super::names;
use super::random::{Random, normal_quantile, real_of, whole};
use super::shape::ZONES;

/// Median of what a person uses in 30 days, in tokens, and its spread.
const MEDIAN_MONTH: f64 = 1.553e8;
const SIGMA: f64 = 1.74;
/// The company that the distribution was fitted to, and what its top person used in 30 days.
const FITTED_PEOPLE: usize = 85_000;
const FITTED_TOP: f64 = 281e9;
/// Below this many tokens in 30 days a person only chats.
const CHAT_ONLY_BELOW: f64 = 3e6;

/// Somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// `Mina Okafor`.
    pub name: String,
    /// Who they are to every tool: `mina.okafor`.
    pub subject: String,
    /// `mina.okafor@example.com`.
    pub email: String,
    /// Where they work.
    pub team: &'static str,
    /// About how many tokens they use in 30 days.
    pub month_tokens: i64,
    /// Which of [`ZONES`] they live in.
    pub(super) zone: usize,
    /// Index of a tool, and how much of their calls it has.
    pub(super) tools: Vec<(usize, f64)>,
}

/// All of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Company {
    /// In no order of rank.
    pub people: Vec<Person>,
    pub(super) seed: u64,
}

impl Company {
    /// A company of `people`, at least 1. What each uses are the quantiles of the distribution, so that every seed has the
    /// same totals, dealt to others.
    #[must_use]
    pub fn new(seed: u64, people: usize) -> Self {
        let people = people.max(1);
        let mut random = Random::new(seed, 1);
        let mut ranks: Vec<usize> = (0..people).collect();
        for place in (1..people).rev() {
            ranks.swap(place, random.below(place + 1));
        }
        // A step without a common divisor walks through every name before one comes again.
        let step = 7_919;
        let start = random.below(names::count());
        let person = |(place, rank): (usize, usize)| {
            person(
                &mut random,
                &names::name((start + place * step) % names::count()),
                place,
                month(rank, people),
            )
        };
        Self { people: ranks.into_iter().enumerate().map(person).collect(), seed }
    }
}

/// Tokens in 30 days of the person at a rank from 0, the least, to the top.
pub(super) fn month(rank: usize, people: usize) -> f64 {
    let top = rank + 1 == people;
    if top && people == FITTED_PEOPLE {
        return FITTED_TOP;
    }
    let below =
        if top { 0.5_f64.powf(1.0 / real_of(people)) } else { (real_of(rank) + 0.5) / real_of(people) };
    MEDIAN_MONTH * (SIGMA * normal_quantile(below)).exp()
}

fn person(random: &mut Random, name: &str, place: usize, month: f64) -> Person {
    let mut subject = name.to_lowercase().replace([' ', '.'], ".").replace("..", ".");
    if place >= names::count() {
        subject = format!("{subject}.{}", place / names::count() + 1);
    }
    Person {
        name: name.to_owned(),
        email: format!("{subject}@example.com"),
        subject,
        team: names::team(random.unit()),
        month_tokens: whole(month),
        zone: random.weighted(ZONES.iter().map(|zone| zone.weight)),
        tools: tools(random, month),
    }
}

/// One to three agents, and often a chat beside them.
fn tools(random: &mut Random, month: f64) -> Vec<(usize, f64)> {
    if month < CHAT_ONLY_BELOW {
        return vec![(CHAT, 1.0)];
    }
    let first = random.weighted([0.58, 0.3, 0.12].into_iter());
    let mut tools = vec![(AGENTS[first], 1.0)];
    for &agent in AGENTS.iter().filter(|&&agent| agent != AGENTS[first]) {
        if random.happens(220_000) {
            tools.push((agent, random.unit().mul_add(0.5, 0.05)));
        }
    }
    if random.happens(300_000) {
        tools.push((CHAT, 0.1));
    }
    tools
}
