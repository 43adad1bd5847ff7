//! The rules of form: what the fields of a usage record may hold, whatever the log around it says.
//!
//! Fold and audit both ask here; the join and the acceptance by time are each their own.

use tally_domain::event::{EVENT_ID_BYTES_MAX, TOKENS_MAX, Unsplit};
use tally_domain::usage::Class;
use tally_domain::{Kind, Reason, UsageRef};

/// Greatest length in bytes of a dim's text. Dims are remembered for ever: a producer that puts a prompt into
/// one must fail at once.
pub(crate) const DIM_BYTES_MAX: usize = 256;

/// Checks the form of a usage record.
///
/// # Errors
/// The reason, and one line that names the field, its value and what it should be.
pub fn check(event: &UsageRef<'_>) -> Result<(), (Reason, String)> {
    event_id(event)?;
    numbers(event)?;
    dims(event)?;
    revision(event)
}

fn event_id(event: &UsageRef<'_>) -> Result<(), (Reason, String)> {
    let length = event.event_id.len();
    if length == 0 || length > EVENT_ID_BYTES_MAX {
        return malformed(format!("event_id has {length} bytes; expected 1 to {EVENT_ID_BYTES_MAX}"));
    }
    if event.sequence.0 < 0 {
        return malformed(format!("sequence is {}; expected 0 or more", event.sequence.0));
    }
    match event.minted {
        Some(minted) if minted.sequence.0 < 1 => {
            malformed(format!("minted.sequence is {}; expected 1 or more", minted.sequence.0))
        }
        _ => Ok(()),
    }
}

fn numbers(event: &UsageRef<'_>) -> Result<(), (Reason, String)> {
    for class in Class::ALL {
        let tokens = event.usage.of(class);
        if !(0..=TOKENS_MAX).contains(&tokens) {
            let detail = format!("{} is {tokens} tokens; expected 0 to {TOKENS_MAX}", class.name());
            return Err((Reason::TokensOutOfRange, detail));
        }
    }
    let requests = event.usage.requests;
    if (0..=TOKENS_MAX).contains(&requests) {
        Ok(())
    } else {
        malformed(format!("requests is {requests}; expected 0 to {TOKENS_MAX}"))
    }
}

fn dims(event: &UsageRef<'_>) -> Result<(), (Reason, String)> {
    let dims = event.dims;
    let texts = [
        ("model", dims.model),
        ("tool", dims.tool),
        ("service_tier", dims.service_tier),
        ("region", dims.region),
    ];
    if let Some((field, text)) = texts.into_iter().find(|(_, text)| text.len() > DIM_BYTES_MAX) {
        return malformed(format!("{field} has {} bytes; expected at most {DIM_BYTES_MAX}", text.len()));
    }
    if Unsplit::ALL.has(dims.unsplit) {
        Ok(())
    } else {
        malformed(format!("unsplit is {}; expected 0 to {}", dims.unsplit.0, Unsplit::ALL.0))
    }
}

/// Who changes what was reported says so; a retraction leaves nothing.
fn revision(event: &UsageRef<'_>) -> Result<(), (Reason, String)> {
    if event.kind == Kind::Report {
        return Ok(());
    }
    for (field, text) in [("actor", event.actor), ("reason", event.reason)] {
        if text.is_none_or(str::is_empty) {
            return malformed(format!("{field} is missing; a {} needs one", event.kind.symbol()));
        }
    }
    if event.kind == Kind::Retraction && (event.usage.total() != 0 || event.usage.requests != 0) {
        return malformed(format!(
            "a RETRACTION has {} tokens and {} requests; expected none",
            event.usage.total(),
            event.usage.requests
        ));
    }
    Ok(())
}

fn malformed(detail: String) -> Result<(), (Reason, String)> {
    Err((Reason::Malformed, detail))
}
