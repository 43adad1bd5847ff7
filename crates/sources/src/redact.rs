//! What may never be kept: whatever a person wrote, or a model answered.
//!
//! The rule is a list of what is kept, not of what is taken out: a field that a tool invents tomorrow is redacted
//! until somebody says that it is harmless.

use serde_json::{Map, Value};

/// Names of fields whose texts are numbers, names or codes of a machine.
const KEPT: &[&str] = &[
    "agentId",
    "id",
    "inference_geo",
    "isSidechain",
    "model",
    "parentUuid",
    "requestId",
    "role",
    "service_tier",
    "sessionId",
    "speed",
    "stop_reason",
    "subtype",
    "timestamp",
    "type",
    "userType",
    "uuid",
    "version",
];
/// A kept text longer than this is no name or code.
const KEPT_BYTES_MAX: usize = 128;
/// A name of a field longer than this, or with other characters than names have, may be text too.
const NAME_BYTES_MAX: usize = 40;

/// A line without what a person may have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    /// JSON again where the line was JSON, else only its length and a hash by which it can be found again.
    pub bytes: Vec<u8>,
    /// How many texts were taken out; 1 for a line that is no JSON.
    pub texts: u64,
}

/// Takes every text out of a line but those of `KEPT` fields.
#[must_use]
pub fn redact(line: &[u8]) -> Redacted {
    let mut texts = 0;
    if let Ok(mut value) = serde_json::from_slice::<Value>(line) {
        clean(&mut value, "", &mut texts);
        return Redacted { bytes: value.to_string().into_bytes(), texts };
    }
    let hash = xxhash_rust::xxh3::xxh3_64(line);
    Redacted { bytes: format!("[redacted {} bytes, xxh3 {hash:016x}]", line.len()).into_bytes(), texts: 1 }
}

fn clean(value: &mut Value, field: &str, texts: &mut u64) {
    match value {
        Value::String(text) => {
            if !KEPT.contains(&field) || text.len() > KEPT_BYTES_MAX {
                *texts = texts.saturating_add(1);
                *value = Value::String(format!("[redacted len={}]", text.len()));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| clean(value, field, texts)),
        Value::Object(fields) => clean_fields(fields, texts),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn clean_fields(fields: &mut Map<String, Value>, texts: &mut u64) {
    for (place, (name, mut value)) in std::mem::take(fields).into_iter().enumerate() {
        clean(&mut value, &name, texts);
        if is_a_name(&name) {
            fields.insert(name, value);
        } else {
            *texts = texts.saturating_add(1);
            fields.insert(format!("[redacted {place} len={}]", name.len()), value);
        }
    }
}

fn is_a_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests;
