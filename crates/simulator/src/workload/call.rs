//! One call of a model: how large it is, and how it looks as an event.

use std::fmt::Write;

use tally_domain::event::Unsplit;
use tally_domain::{EventTime, Kind, Minted, Revision, Usage, View};

use super::random::{Random, whole};
use super::{Claimed, Company};

/// How a tool splits what it reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    /// Cache writes, reasoning inside output.
    Claude,
    /// No cache writes, reasoning apart.
    Reasoning,
    /// A gateway that sees no cache.
    Chat,
}

/// A tool, and the models that it calls by weight.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) source: &'static str,
    view: View,
    split: Split,
    version: &'static str,
    models: &'static [(&'static str, f64)],
    id: &'static str,
}

pub(super) const TOOLS: [Tool; 4] = [
    Tool {
        source: "claude-code",
        view: View::Transcript,
        split: Split::Claude,
        version: "2.1.39",
        models: &[("claude-opus-4-6", 0.62), ("claude-sonnet-4-6", 0.2), ("claude-haiku-4-5-20251001", 0.18)],
        id: "msg:msg_",
    },
    Tool {
        source: "codex",
        view: View::CollectorOtel,
        split: Split::Reasoning,
        version: "0.131.0",
        models: &[("gpt-5.5", 0.6), ("gpt-5.3-codex", 0.3), ("gpt-5.4-mini", 0.1)],
        id: "resp:resp_",
    },
    Tool {
        source: "gemini-cli",
        view: View::CollectorOtel,
        split: Split::Reasoning,
        version: "0.31.2",
        models: &[("gemini-3.1-pro-preview", 0.7), ("gemini-3.5-flash", 0.3)],
        id: "gem:",
    },
    Tool {
        source: "gateway",
        view: View::Gateway,
        split: Split::Chat,
        version: "",
        models: &[("gpt-5.4-mini", 0.5), ("claude-sonnet-4-6", 0.3), ("gemini-3.5-flash", 0.2)],
        id: "chatcmpl-",
    },
];
/// Tools that work by themselves: many calls to a session.
pub(super) const AGENTS: [usize; 3] = [0, 1, 2];
/// The tool that answers one question at a time.
pub(super) const CHAT: usize = 3;

/// Mean tokens of a call, which tells how many calls a total is.
pub(super) fn mean_tokens(tool: usize) -> f64 {
    match TOOLS[tool].split {
        Split::Claude => 90_200.0,
        Split::Reasoning => 109_000.0,
        Split::Chat => 1_450.0,
    }
}

/// A call, as numbers only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) person: usize,
    pub(super) tool: usize,
    pub(super) model: usize,
    /// Names it among all calls of the company.
    pub(super) name: u64,
    /// Names its session; 0 = none.
    pub(super) session: u64,
    pub(super) occurred_ms: i64,
    pub(super) sent_ms: i64,
    pub(super) revision: u32,
    pub(super) tokens: [i64; 6],
    pub(super) requests: i64,
}

/// Draws tokens by class, for `factor` calls in one.
pub(super) fn tokens(random: &mut Random, tool: usize, factor: f64) -> [i64; 6] {
    let one = match TOOLS[tool].split {
        Split::Claude => claude(random),
        Split::Reasoning => reasoning(random),
        Split::Chat => [random.lognormal(6.633, 0.985), 0.0, 0.0, 0.0, random.lognormal(5.019, 0.859), 0.0],
    };
    one.map(|tokens| whole(tokens * factor))
}

/// Uncached input is a handful, most of the context comes from the cache, and seldom a large part is written to it.
fn claude(random: &mut Random) -> [f64; 6] {
    let context = random.lognormal(11.268, 0.526);
    let output = random.lognormal(4.188, 2.341).min(9_000.0);
    let input = if random.happens(10_000) { random.lognormal(7.0, 1.0) } else { random.lognormal(0.9, 1.0) };
    let written = context * if random.happens(140_000) { random.unit() * 0.9 } else { random.unit() * 0.03 };
    let (write_5m, write_1h) = if random.happens(370_000) { (0.0, written) } else { (written, 0.0) };
    [input, context - written, write_5m, write_1h, output, 0.0]
}

/// Input of which 92.6 % is cached, output of which 40 % is reasoning, and none of it in every tenth call.
fn reasoning(random: &mut Random) -> [f64; 6] {
    let context = random.lognormal(11.46, 0.53);
    let cached = if random.happens(50_000) { 0.0 } else { 0.95 + random.unit() * 0.05 };
    let output = random.lognormal(5.46, 1.13).min(16_000.0);
    let thought = if random.happens(110_000) { 0.0 } else { random.unit() * 0.9 };
    [context * (1.0 - cached), context * cached, 0.0, 0.0, output * (1.0 - thought), output * thought]
}

pub(super) fn model(random: &mut Random, tool: usize) -> usize {
    random.weighted(TOOLS[tool].models.iter().map(|(_, weight)| *weight))
}

/// Writes a call as the event that its tool would send; the texts of `into` are used again.
pub(super) fn claim(company: &Company, call: &Call, into: &mut Claimed) {
    let tool = &TOOLS[call.tool];
    (into.source, into.person, into.sent_ms) = (tool.source, call.person, call.sent_ms);
    let event = &mut into.event;
    named(&mut event.event_id, tool.id, call.name);
    named(event.request_id.get_or_insert_default(), "req_", !call.name);
    if call.session == 0 {
        event.session = None;
    } else {
        named(event.session.get_or_insert_default(), "s-", call.session);
    }
    event.occurred_at = EventTime::from_ms(call.occurred_ms).unwrap_or_default();
    event.revision = Revision(call.revision);
    event.kind = Kind::Report;
    event.minted = None::<Minted>;
    put(&mut event.dims.model, tool.models[call.model].0);
    put(&mut event.dims.tool, tool.source);
    event.dims.view = tool.view;
    put(&mut event.dims.service_tier, if tool.split == Split::Chat { "" } else { "standard" });
    event.dims.unsplit = unsplit(tool.split);
    put(&mut event.client_version, tool.version);
    put(&mut event.agent, "");
    event.usage = Usage { tokens: call.tokens, requests: call.requests, ..Usage::ZERO };
    debug_assert!(call.person < company.people.len(), "a call is somebody's");
}

fn unsplit(split: Split) -> Unsplit {
    match split {
        Split::Claude => Unsplit::REASONING_IN_OUTPUT,
        Split::Reasoning => Unsplit::default(),
        Split::Chat => Unsplit::REASONING_IN_OUTPUT.with(Unsplit::CACHE_IN_INPUT),
    }
}

fn put(text: &mut String, value: &str) {
    text.clear();
    text.push_str(value);
}

fn named(text: &mut String, prefix: &str, name: u64) {
    put(text, prefix);
    write!(text, "{name:016x}").expect("a String takes all");
}
