//! What a company does from an instant on, for ever.

use tally_domain::EventTime;

use super::call::{AGENTS, Call, claim, model, tokens};
use super::random::{Random, mix, real, whole};
use super::shape::session_calls;
use super::{Claimed, Company};

/// So many of a million are sent twice, and so many long after they occurred.
const REPEATED: u32 = 25_000;
const LATE: u32 = 15_000;

/// The session that a person is in.
#[derive(Clone, Copy, Debug, Default)]
struct Session {
    name: u64,
    tool: usize,
    model: usize,
    calls: usize,
}

/// See [`live`].
#[derive(Debug)]
pub struct Live<'a> {
    company: &'a Company,
    random: Random,
    /// Sum of what people up to each use, by which the next one is drawn.
    until: Vec<f64>,
    sessions: Vec<Session>,
    now_ms: f64,
    /// Mean ms between two events.
    every_ms: f64,
    /// A factor on the rate that wanders: traffic comes in bursts.
    burst: f64,
    repeat: Option<Call>,
}

/// Events from `from` on, about `per_second` of them each second and at least 1, in bursts. Each is one call.
#[must_use]
pub fn live(company: &Company, from: EventTime, per_second: u32) -> Live<'_> {
    let mut sum = 0.0;
    let mut add = |person: &super::Person| {
        // By the root, so that a small company is not one person's traffic.
        sum += real(person.month_tokens).sqrt();
        sum
    };
    Live {
        until: company.people.iter().map(&mut add).collect(),
        sessions: vec![Session::default(); company.people.len()],
        random: Random::new(mix(company.seed, from.ms().cast_unsigned()), 3),
        company,
        now_ms: real(from.ms()),
        every_ms: 1_000.0 / f64::from(per_second.max(1)),
        burst: 1.0,
        repeat: None,
    }
}

impl Live<'_> {
    /// Writes the next event, using the texts of `into` again.
    pub fn next_into(&mut self, into: &mut Claimed) {
        let call = self.repeat.take().unwrap_or_else(|| self.call());
        claim(self.company, &call, into);
    }

    fn call(&mut self) -> Call {
        self.advance();
        let person = self.person();
        let session = self.session(person);
        let now_ms = whole(self.now_ms);
        let late_ms = if self.random.happens(LATE) {
            whole(self.random.lognormal(14.5, 1.4)).min(129_600_000)
        } else {
            0
        };
        let call = Call {
            person,
            tool: session.tool,
            model: session.model,
            name: self.random.bits(),
            session: session.name,
            occurred_ms: now_ms - late_ms,
            sent_ms: now_ms,
            revision: 0,
            tokens: tokens(&mut self.random, session.tool, 1.0),
            requests: 1,
        };
        self.repeat = self.random.happens(REPEATED).then_some(call);
        call
    }

    /// Bursts pull towards the mean and are seldom beyond four times it.
    fn advance(&mut self) {
        let pull = self.burst.ln() * -0.002;
        self.burst = (self.burst.ln() + pull + self.random.normal() * 0.02).exp().clamp(0.2, 4.0);
        self.now_ms += self.every_ms * self.random.exponential() / self.burst;
    }

    fn person(&mut self) -> usize {
        let all = self.until.last().copied().expect("a company has somebody");
        let draw = self.random.unit() * all;
        self.until.partition_point(|&until| until <= draw).min(self.until.len() - 1)
    }

    fn session(&mut self, person: usize) -> Session {
        let session = &mut self.sessions[person];
        if session.calls == 0 {
            let tools = &self.company.people[person].tools;
            let tool = tools[self.random.weighted(tools.iter().map(|(_, weight)| *weight))].0;
            *session = Session {
                name: self.random.bits() | 1,
                tool,
                model: model(&mut self.random, tool),
                calls: session_calls(&mut self.random, AGENTS.contains(&tool)),
            };
        }
        session.calls -= 1;
        *session
    }
}

impl Iterator for Live<'_> {
    type Item = Claimed;
    fn next(&mut self) -> Option<Claimed> {
        let mut claimed = Claimed::default();
        self.next_into(&mut claimed);
        Some(claimed)
    }
}
