//! Claude Code's transcripts: one JSON record per line, several per request, each with the usage so far.
//!
//! The first line of a request is not final: output grows. So every line becomes a report of one event, named by the
//! message and never by the file, and the join of the fold keeps the largest. The format is internal to the tool:
//! unknown fields are passed over, and what is missing is said.

use serde::Deserialize;
use tally_domain::event::Unsplit;
use tally_domain::{Dims, EventTime, Usage, View};

use crate::event::{Found, NO_MODEL, SourceEvent, Wrong, checked_id, checked_usage, malformed};
use crate::json::{Count, Object, Text, parse};

/// The source of its accounts, and the tool among the dims.
pub const TOOL: &str = "claude-code";

/// The model that the tool names when it answers by itself, without a call.
const NO_CALL: &str = "<synthetic>";

/// A record. Usage lies in `message`, or for a subagent whose own file may be absent in `data.message.message`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow, default)]
    session_id: Text<'a>,
    #[serde(borrow, default)]
    version: Text<'a>,
    #[serde(borrow, default)]
    agent_id: Text<'a>,
    #[serde(borrow, default)]
    timestamp: Text<'a>,
    #[serde(borrow, default)]
    request_id: Text<'a>,
    #[serde(borrow, default)]
    uuid: Text<'a>,
    #[serde(borrow, default)]
    message: Object<Message<'a>>,
    #[serde(borrow, default)]
    data: Object<Progress<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress<'a> {
    #[serde(borrow, default)]
    agent_id: Text<'a>,
    #[serde(borrow, default)]
    message: Object<Inner<'a>>,
}

/// What a progress record passes on: a record of its own, with its own time.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inner<'a> {
    #[serde(borrow, default)]
    timestamp: Text<'a>,
    #[serde(borrow, default)]
    request_id: Text<'a>,
    #[serde(borrow, default)]
    uuid: Text<'a>,
    #[serde(borrow, default)]
    message: Object<Message<'a>>,
}

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    usage: Object<Counts<'a>>,
}

#[derive(Debug, Deserialize)]
struct Counts<'a> {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
    #[serde(default)]
    cache_read_input_tokens: Count,
    #[serde(default)]
    cache_creation_input_tokens: Count,
    #[serde(default)]
    cache_creation: Object<CacheCreation>,
    #[serde(default)]
    output_tokens_details: Object<OutputDetails>,
    #[serde(borrow, default)]
    service_tier: Text<'a>,
    #[serde(borrow, default)]
    inference_geo: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct CacheCreation {
    #[serde(default)]
    ephemeral_5m_input_tokens: Count,
    #[serde(default)]
    ephemeral_1h_input_tokens: Count,
}

#[derive(Debug, Deserialize)]
struct OutputDetails {
    #[serde(default)]
    thinking_tokens: Count,
}

/// One report of a call: a message with usage, and what stands around it.
struct Call<'a> {
    message: &'a Message<'a>,
    counts: &'a Counts<'a>,
    timestamp: &'a Text<'a>,
    request_id: &'a Text<'a>,
    uuid: &'a Text<'a>,
    agent: &'a Text<'a>,
}

/// Reads one line, without its line end.
#[must_use]
pub fn read_line(line: &[u8]) -> Found {
    if line.trim_ascii().is_empty() {
        return Found::Nothing;
    }
    let record = match parse::<Object<Record<'_>>>(line) {
        Ok(Object(Some(record))) => record,
        Ok(Object(None)) => return Found::Nothing,
        Err(wrong) => return Found::reject(wrong, line),
    };
    let Some(call) = call_of(&record) else { return Found::Nothing };
    match event_of(&record, &call) {
        Ok(event) if event.dims.model == NO_CALL && event.usage.total() == 0 => Found::Nothing,
        Ok(event) => Found::Event(event),
        Err(wrong) => Found::reject(wrong, line),
    }
}

fn call_of<'a>(record: &'a Record<'a>) -> Option<Call<'a>> {
    if let Some(message) = &record.message.0
        && let Some(counts) = &message.usage.0
    {
        let (timestamp, request_id, uuid) = (&record.timestamp, &record.request_id, &record.uuid);
        return Some(Call { message, counts, timestamp, request_id, uuid, agent: &record.agent_id });
    }
    let progress = record.data.0.as_ref()?;
    let inner = progress.message.0.as_ref()?;
    let message = inner.message.0.as_ref()?;
    let counts = message.usage.0.as_ref()?;
    let (timestamp, request_id, uuid) = (&inner.timestamp, &inner.request_id, &inner.uuid);
    Some(Call { message, counts, timestamp, request_id, uuid, agent: &progress.agent_id })
}

fn event_of(record: &Record<'_>, call: &Call<'_>) -> Result<SourceEvent, Wrong> {
    let (usage, unsplit) = usage_of(call.counts)?;
    Ok(SourceEvent {
        event_id: event_id(call)?,
        occurred_at: time(call.timestamp)?,
        session: record.session_id.to_owned(),
        request_id: call.request_id.to_owned(),
        dims: Dims {
            model: call.message.model.get().unwrap_or(NO_MODEL).to_owned(),
            tool: TOOL.to_owned(),
            view: View::Transcript,
            service_tier: call.counts.service_tier.or_empty(),
            region: region(&call.counts.inference_geo),
            unsplit,
        },
        client_version: record.version.or_empty(),
        agent: call.agent.or_empty(),
        usage,
    })
}

/// The message, else the request, else the line. Never the file: a resumed session copies lines into another one.
fn event_id(call: &Call<'_>) -> Result<String, Wrong> {
    let named = [("msg", &call.message.id), ("req", call.request_id), ("uuid", call.uuid)];
    match named.into_iter().find_map(|(kind, id)| id.get().map(|id| format!("{kind}:{id}"))) {
        Some(id) => checked_id(id),
        None => malformed("message.id, requestId and uuid are missing; one of them must name the call"),
    }
}

fn time(timestamp: &Text<'_>) -> Result<EventTime, Wrong> {
    let Some(text) = timestamp.get() else {
        return malformed("timestamp is missing; expected an instant such as 2026-02-11T20:36:47.925Z");
    };
    match EventTime::parse(text) {
        Some(time) => Ok(time),
        None => malformed(format!(
            "timestamp is a text of {} bytes; expected an instant such as 2026-02-11T20:36:47.925Z",
            text.len()
        )),
    }
}

fn region(geo: &Text<'_>) -> String {
    geo.get().filter(|&geo| geo != "not_available").unwrap_or_default().to_owned()
}

/// The six classes, and what the line does not split.
fn usage_of(counts: &Counts<'_>) -> Result<(Usage, Unsplit), Wrong> {
    let (output, reasoning, no_reasoning) = output_of(counts)?;
    let (write_5m, write_1h, no_life) = cache_writes_of(counts)?;
    let input = counts.input_tokens.get("input_tokens")?;
    let read = counts.cache_read_input_tokens.get("cache_read_input_tokens")?;
    let tokens = [input, read, write_5m, write_1h, output, reasoning];
    let usage = checked_usage(Usage { tokens, requests: 1, ..Usage::ZERO })?;
    Ok((usage, no_reasoning.with(no_life)))
}

/// Output without reasoning, reasoning, and whether they could be told apart.
fn output_of(counts: &Counts<'_>) -> Result<(i64, i64, Unsplit), Wrong> {
    let output = counts.output_tokens.get("output_tokens")?;
    let thinking = match &counts.output_tokens_details.0 {
        Some(OutputDetails { thinking_tokens: Count::Whole(thinking) }) if *thinking >= 0 => Some(*thinking),
        _ => None,
    };
    Ok(match thinking.and_then(|thinking| Some((output.checked_sub(thinking)?, thinking))) {
        Some((visible, thinking)) if visible >= 0 => (visible, thinking, Unsplit::default()),
        _ => (output, 0, Unsplit::REASONING_IN_OUTPUT),
    })
}

/// Writes for five minutes, for an hour, and whether some have an unknown life: those stand with the five minutes.
fn cache_writes_of(counts: &Counts<'_>) -> Result<(i64, i64, Unsplit), Wrong> {
    let all = counts.cache_creation_input_tokens.get("cache_creation_input_tokens")?;
    let (write_5m, write_1h) = match &counts.cache_creation.0 {
        Some(split) => (
            split.ephemeral_5m_input_tokens.get("ephemeral_5m_input_tokens")?,
            split.ephemeral_1h_input_tokens.get("ephemeral_1h_input_tokens")?,
        ),
        None => (0, 0),
    };
    let split = write_5m.saturating_add(write_1h);
    match all.checked_sub(split) {
        Some(rest) if rest > 0 => Ok((write_5m.saturating_add(rest), write_1h, Unsplit::CACHE_WRITE_LIFE)),
        // A negative total must be seen by the check of ranges, not hidden by a split of nothing.
        Some(_) if all < 0 => Ok((all, write_1h, Unsplit::default())),
        _ => Ok((write_5m, write_1h, Unsplit::default())),
    }
}

#[cfg(test)]
mod tests;
