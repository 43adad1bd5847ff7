//! What a company did in the days before an instant, in the order in which it was sent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tally_domain::{EventTime, Hour};

use super::call::{AGENTS, Call, claim, mean_tokens, model, tokens};
use super::random::{Random, mix, real, real_of, whole};
use super::shape::{HOUR_MS, Shape, ZONES, gap_ms, session_calls, session_calls_mean};
use super::{Claimed, Company};

/// So many of a million calls are sent again, with nothing new in them.
const REPEATED: u32 = 25_000;
/// So many are sent first while their answer still grows.
const GROWING: u32 = 80_000;
/// So many are sent again with another count, as a revision.
const REVISED: u32 = 2_000;
/// So many are sent late, by minutes to a day and a half.
const LATE: u32 = 15_000;
/// So many fail and use nothing.
const FAILED: u32 = 10_000;
/// Events per call, all of the above together.
const EVENTS_PER_CALL: f64 = 1.107;
/// How far a heavy user's calls are spread over events of their own: 1 would give everyone events by tokens, 0 alike.
const SPREAD: f64 = 0.5;

/// Which days, and into how many events they go.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// How many days, at least 1.
    pub days: u16,
    /// The end: nothing is sent after it.
    pub until: EventTime,
    /// About how many events there are. Fewer than there would be calls: then an event stands for several calls at once,
    /// and says so in `requests`, so that totals stay what they are.
    pub events: u64,
}

/// One agent of a person: a session after the other.
#[derive(Debug)]
struct Lane {
    person: usize,
    tool: usize,
    model: usize,
    random: Random,
    shape: usize,
    /// Calls that are left, and sessions.
    calls: usize,
    sessions: usize,
    /// Share of the span that is over when the present session begins.
    share: f64,
    session: u64,
    session_calls: usize,
    now_ms: i64,
    /// Calls in one event.
    factor: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Lane(usize),
    /// A call that is sent again or late.
    Again(usize),
}

/// See [`history`].
#[derive(Debug)]
pub struct History<'a> {
    company: &'a Company,
    shapes: Vec<Shape>,
    lanes: Vec<Lane>,
    again: Vec<Call>,
    free: Vec<usize>,
    /// By time, then by number, so that equal times have one order.
    due: BinaryHeap<Reverse<(i64, u64, Next)>>,
    number: u64,
    start_ms: i64,
    end_ms: i64,
}

/// Everything that `company` sent in a span. The same company, span and order of calls give the same events.
#[must_use]
pub fn history(company: &Company, span: Span) -> History<'_> {
    let days = usize::from(span.days.max(1));
    let end_ms = span.until.ms();
    let start_ms = end_ms - i64::from(span.days.max(1)) * 24 * HOUR_MS;
    let mut history = History {
        company,
        shapes: shapes(start_ms, days),
        lanes: Vec::new(),
        again: Vec::new(),
        free: Vec::new(),
        due: BinaryHeap::new(),
        number: 0,
        start_ms,
        end_ms,
    };
    history.populate(span.events, real_of(days));
    history
}

/// Shapes of every zone: of people who sleep, and of those whose agents do not.
fn shapes(start_ms: i64, days: usize) -> Vec<Shape> {
    let start =
        Hour(i32::try_from(start_ms.div_euclid(HOUR_MS)).expect("years 1 to 9999 are within i32 hours"));
    let of = |around| ZONES.iter().map(move |zone| Shape::new(start, days * 24, zone, around));
    of(0.0).chain(of(0.5)).collect()
}

impl History<'_> {
    /// Writes the next event, using the texts of `into` again; false when there is none.
    pub fn next_into(&mut self, into: &mut Claimed) -> bool {
        while let Some(Reverse((at_ms, _, next))) = self.due.pop() {
            let call = match next {
                Next::Again(place) => {
                    self.free.push(place);
                    Some(self.again[place])
                }
                Next::Lane(lane) => self.call(lane, at_ms),
            };
            if let Some(call) = call.filter(|call| call.sent_ms < self.end_ms) {
                claim(self.company, &call, into);
                return true;
            }
        }
        false
    }

    fn populate(&mut self, events: u64, days: f64) {
        let calls_wanted = real(i64::try_from(events).unwrap_or(i64::MAX)) / EVENTS_PER_CALL;
        let company = self.company;
        let budgets: Vec<Budget> =
            company.people.iter().map(|person| Budget::of(person, days / 30.0)).collect();
        let scale = scale(&budgets, calls_wanted);
        for (person, budget) in budgets.iter().enumerate() {
            let calls = budget.calls_at(scale);
            let weights: f64 = company.people[person].tools.iter().map(|(_, weight)| weight).sum();
            for &(tool, weight) in &company.people[person].tools {
                let share = calls * weight / weights;
                self.add_lanes(person, tool, share, budget.calls / calls.max(1.0), days);
            }
        }
        for lane in 0..self.lanes.len() {
            self.begin_session(lane);
        }
    }

    /// As many agents side by side as it takes to make so many calls in so many days.
    fn add_lanes(&mut self, person: usize, tool: usize, calls: f64, factor: f64, days: f64) {
        let agent = AGENTS.contains(&tool);
        let seconds = days * 86_400.0 * 0.3;
        let lanes = whole((calls * 20.0 / seconds).ceil()).max(1);
        for lane in 0..lanes {
            let name = mix(mix(self.company.seed, real_seed(person, tool)), lane.cast_unsigned());
            let mut random = Random::new(name, 2);
            // Fractions of a call are calls by chance, so that light users are neither all there nor all gone.
            let calls = whole((calls / real(lanes) + random.unit()).floor());
            let Ok(calls @ 1..) = usize::try_from(calls) else { continue };
            let sessions = whole(real_of(calls) / session_calls_mean(agent)).max(1);
            let heavy = self.company.people[person].month_tokens > 5_000_000_000;
            self.lanes.push(Lane {
                person,
                tool,
                model: model(&mut random, tool),
                random,
                shape: self.company.people[person].zone + if heavy { ZONES.len() } else { 0 },
                calls,
                sessions: usize::try_from(sessions).expect("fewer sessions than calls"),
                share: 0.0,
                session: 0,
                session_calls: 0,
                now_ms: self.start_ms,
                factor: factor.max(0.01),
            });
        }
    }

    /// The next session of a lane begins where the next of so many sorted uniform draws falls.
    fn begin_session(&mut self, at: usize) {
        let lane = &mut self.lanes[at];
        if lane.calls == 0 {
            return;
        }
        let left = lane.sessions.max(1);
        lane.share = 1.0 - (1.0 - lane.share) * (1.0 - lane.random.unit()).powf(1.0 / real_of(left));
        let start_ms = self.shapes[lane.shape].at(lane.share);
        // An agent that is still at work begins the next session a little later.
        lane.now_ms = start_ms.max(lane.now_ms + gap_ms(&mut lane.random));
        lane.session = lane.random.bits() | 1;
        let drawn = session_calls(&mut lane.random, AGENTS.contains(&lane.tool));
        lane.session_calls = if left == 1 { lane.calls } else { drawn.min(lane.calls) };
        lane.sessions = left - 1;
        lane.model = model(&mut lane.random, lane.tool);
        let due_ms = lane.now_ms;
        self.schedule(due_ms, Next::Lane(at));
    }

    fn schedule(&mut self, at_ms: i64, next: Next) {
        self.number += 1;
        self.due.push(Reverse((at_ms, self.number, next)));
    }

    /// Makes the call that is due, and sees to what comes after it; `None` when it is only sent later.
    fn call(&mut self, at: usize, now_ms: i64) -> Option<Call> {
        let lane = &mut self.lanes[at];
        let mut tokens = tokens(&mut lane.random, lane.tool, lane.factor);
        if lane.random.happens(FAILED) {
            tokens = [0; 6];
        }
        let call = Call {
            person: lane.person,
            tool: lane.tool,
            model: lane.model,
            name: lane.random.bits(),
            session: lane.session,
            occurred_ms: now_ms,
            sent_ms: now_ms,
            revision: 0,
            tokens,
            requests: whole(lane.factor).max(1),
        };
        let fate = Fate::of(&mut lane.random, call.tool);
        lane.calls -= 1;
        lane.session_calls -= 1;
        if lane.session_calls == 0 {
            self.begin_session(at);
        } else {
            lane.now_ms = now_ms + gap_ms(&mut lane.random);
            let due_ms = lane.now_ms;
            self.schedule(due_ms, Next::Lane(at));
        }
        self.send(call, fate)
    }

    fn send(&mut self, call: Call, fate: Fate) -> Option<Call> {
        match fate {
            Fate::Once => Some(call),
            Fate::Repeated(after_ms) => {
                self.send_again(Call { sent_ms: call.sent_ms + after_ms, ..call });
                Some(call)
            }
            Fate::Late(after_ms) => {
                self.send_again(Call { sent_ms: call.sent_ms + after_ms, ..call });
                None
            }
            Fate::Revised(after_ms) => {
                let [input, read, write_5m, write_1h, output, reasoning] = call.tokens;
                let tokens = [input, read, write_5m, write_1h, output - output / 50, reasoning];
                self.send_again(Call { sent_ms: call.sent_ms + after_ms, revision: 1, tokens, ..call });
                Some(call)
            }
            Fate::Growing(after_ms) => {
                self.send_again(Call { sent_ms: call.sent_ms + after_ms, ..call });
                let [input, read, write_5m, write_1h, output, reasoning] = call.tokens;
                Some(Call { tokens: [input, read, write_5m, write_1h, output / 5, reasoning / 5], ..call })
            }
        }
    }

    fn send_again(&mut self, call: Call) {
        let place = self.free.pop().unwrap_or(self.again.len());
        match self.again.get_mut(place) {
            Some(free) => *free = call,
            None => self.again.push(call),
        }
        self.schedule(call.sent_ms, Next::Again(place));
    }
}

impl Iterator for History<'_> {
    type Item = Claimed;
    fn next(&mut self) -> Option<Claimed> {
        let mut claimed = Claimed::default();
        self.next_into(&mut claimed).then_some(claimed)
    }
}

/// What becomes of a call on its way; the number says after how many ms.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Once,
    Repeated(i64),
    Late(i64),
    Revised(i64),
    Growing(i64),
}

impl Fate {
    fn of(random: &mut Random, tool: usize) -> Self {
        let draw = random.unit() * 1e6;
        let growing = if tool == AGENTS[0] { GROWING * 3 / 2 } else { GROWING / 4 };
        let mut below = 0.0;
        let mut within = |per_million: u32| {
            below += f64::from(per_million);
            draw < below
        };
        if within(growing) {
            Self::Growing(800 + whole(random.lognormal(7.6, 0.8)))
        } else if within(REPEATED) {
            Self::Repeated(whole(random.lognormal(9.0, 2.0)))
        } else if within(LATE) {
            Self::Late(60_000 + whole(random.lognormal(14.5, 1.4)).min(36 * HOUR_MS))
        } else if within(REVISED) {
            Self::Revised(whole(random.lognormal(12.0, 1.5)))
        } else {
            Self::Once
        }
    }
}

/// How many calls a person makes in a span.
#[derive(Clone, Copy, Debug)]
struct Budget {
    calls: f64,
}

impl Budget {
    fn of(person: &super::Person, months: f64) -> Self {
        let weights: f64 = person.tools.iter().map(|(_, weight)| weight).sum();
        let mean: f64 = person.tools.iter().map(|&(tool, weight)| mean_tokens(tool) * weight / weights).sum();
        Self { calls: real(person.month_tokens) * months / mean }
    }

    /// Calls that get an event of their own: as many as there are, or fewer, the heavy giving up most.
    fn calls_at(self, scale: f64) -> f64 {
        self.calls.min(scale * self.calls.powf(SPREAD))
    }
}

/// The scale at which all budgets together are `wanted` calls.
fn scale(budgets: &[Budget], wanted: f64) -> f64 {
    let sum = |scale: f64| budgets.iter().map(|budget| budget.calls_at(scale)).sum::<f64>();
    let (mut low, mut high) = (0.0, 1e9);
    for _ in 0..100 {
        let middle = low + (high - low) / 2.0;
        if sum(middle) < wanted { low = middle } else { high = middle }
    }
    high
}

fn real_seed(person: usize, tool: usize) -> u64 {
    let place = |number: usize| u64::try_from(number).expect("a place is below 2^64");
    mix(place(person), place(tool))
}
