//! One event as a sender claims it: its fields, the account they name, the identity behind the account.

use tally_domain::event::{Dims, Unsplit};
use tally_domain::usage::Class;
use tally_domain::{
    AccountKey, ClaimedIdentity, Epoch, Kind, Minted, ProducerId, Revision, Secret, Sequence, Usage,
    UsageEvent, View,
};

use super::Refusal;
use super::fields::{Fields, malformed};

/// Bytes that a source, a subject, a name or an e-mail may have.
const NAME_BYTES_MAX: usize = 512;

/// Bytes that any other text may have; dims and ids have bounds of their own.
const TEXT_BYTES_MAX: usize = 4_096;

/// An event that may enter the log, and who it says it is of.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// Numbered by its sender if `numbered`; else whoever brings it to the log numbers it.
    pub event: UsageEvent,
    /// True when the sender gave producer, epoch and sequence.
    pub numbered: bool,
    /// As claimed; `first_seen_ms` is not known yet.
    pub identity: ClaimedIdentity,
}

pub(super) fn read(text: &str, secret: &Secret) -> Result<Accepted, Refusal> {
    let mut fields = Fields::read(text)?;
    let identity = identity(&mut fields)?;
    let copy = copy(&mut fields)?;
    let (event_id, minted) = event_id(&mut fields, copy.as_ref())?;
    let dims = dims(&mut fields)?;
    let kind = fields.one_of("kind", &Kind::ALL, Kind::symbol)?.unwrap_or_default();
    let account = AccountKey::of(secret, &identity.source, &identity.subject);
    let numbered = copy.is_some();
    let Minted { producer, epoch, sequence } = copy.unwrap_or(UNNUMBERED);
    let event = UsageEvent {
        account,
        event_id,
        minted,
        minted_at_ms: fields.integer("minted_at_ms")?,
        producer,
        epoch,
        sequence,
        revision: revision(&mut fields)?,
        kind,
        occurred_at: fields.time("occurred_at")?,
        session: fields.text("session")?,
        request_id: fields.text("request_id")?,
        dims,
        client_version: fields.text("client_version")?.unwrap_or_default(),
        agent: fields.text("agent")?.unwrap_or_default(),
        usage: usage(&mut fields, kind)?,
        actor: fields.text("actor")?,
        reason: fields.text("reason")?,
    };
    fields.finish()?;
    bounded(&event)?;
    tally_schema::check(&event.as_ref())?;
    Ok(Accepted { event, numbered, identity })
}

const UNNUMBERED: Minted =
    Minted { producer: ProducerId(tally_domain::Hash128([0; 16])), epoch: Epoch(0), sequence: Sequence(0) };

fn identity(fields: &mut Fields<'_>) -> Result<ClaimedIdentity, Refusal> {
    let identity = ClaimedIdentity {
        source: fields.needed("source")?,
        subject: fields.needed("subject")?,
        email: fields.text("email")?.filter(|text| !text.is_empty()),
        name: fields.text("name")?.filter(|text| !text.is_empty()),
        first_seen_ms: 0,
    };
    let texts = [
        ("source", Some(&identity.source)),
        ("subject", Some(&identity.subject)),
        ("email", identity.email.as_ref()),
        ("name", identity.name.as_ref()),
    ];
    for (name, text) in texts {
        let bytes = text.map_or(0, String::len);
        if bytes > NAME_BYTES_MAX {
            return Err(malformed(format!("{name} has {bytes} bytes; expected at most {NAME_BYTES_MAX}")));
        }
    }
    // The account is a hash over both with this byte between them.
    if identity.source.contains('\u{1f}') {
        return Err(malformed("source contains the character U+001F; leave it out".to_owned()));
    }
    Ok(identity)
}

/// Keeps the record far below what a log takes.
fn bounded(event: &UsageEvent) -> Result<(), Refusal> {
    let texts = [
        ("session", event.session.as_deref()),
        ("request_id", event.request_id.as_deref()),
        ("client_version", Some(event.client_version.as_str())),
        ("agent", Some(event.agent.as_str())),
        ("actor", event.actor.as_deref()),
        ("reason", event.reason.as_deref()),
    ];
    let long = texts.into_iter().find(|(_, text)| text.is_some_and(|text| text.len() > TEXT_BYTES_MAX));
    match long {
        None => Ok(()),
        Some((name, text)) => {
            let bytes = text.map_or(0, str::len);
            Err(malformed(format!("{name} has {bytes} bytes; expected at most {TEXT_BYTES_MAX}")))
        }
    }
}

/// Which copy of which sender this is; all of it or none.
fn copy(fields: &mut Fields<'_>) -> Result<Option<Minted>, Refusal> {
    let producer = fields.hash("producer")?.map(ProducerId);
    let epoch = fields.integer("epoch")?.map(Epoch);
    let sequence = fields.integer("sequence")?.map(Sequence);
    match (producer, epoch, sequence) {
        (None, None, None) => Ok(None),
        (Some(producer), Some(epoch), Some(sequence)) => Ok(Some(Minted { producer, epoch, sequence })),
        _ => Err(malformed("producer, epoch and sequence go together; give all three or none".to_owned())),
    }
}

/// The id, and what it names. An id is trusted to be minted only if it says so itself.
fn event_id(fields: &mut Fields<'_>, copy: Option<&Minted>) -> Result<(String, Option<Minted>), Refusal> {
    if !fields.flag("minted")? {
        let id = fields.needed("id")?;
        let minted = Minted::of_event_id(&id);
        return Ok((id, minted));
    }
    let id = fields.text("id")?;
    let Some(minted) = copy.filter(|copy| copy.sequence.0 > 0) else {
        return Err(malformed(
            "minted is true without producer, epoch and a sequence from 1; give them, or an id of your own"
                .to_owned(),
        ));
    };
    let own = minted.event_id();
    match id {
        Some(id) if id != own => Err(malformed(format!(
            "id is {id:?}, which its sender did not mint; expected {own:?}, or leave it out"
        ))),
        _ => Ok((own, Some(*minted))),
    }
}

fn dims(fields: &mut Fields<'_>) -> Result<Dims, Refusal> {
    let unsplit = fields.integer("unsplit")?.unwrap_or(0);
    let unsplit = u8::try_from(unsplit)
        .map(Unsplit)
        .map_err(|_| malformed(format!("unsplit is {unsplit}; expected 0 to {}", Unsplit::ALL.0)))?;
    Ok(Dims {
        model: fields.needed("model")?,
        tool: fields.needed("tool")?,
        view: fields.one_of("view", &View::ALL, View::symbol)?.unwrap_or(View::Sdk),
        service_tier: fields.text("service_tier")?.unwrap_or_default(),
        region: fields.text("region")?.unwrap_or_default(),
        unsplit,
    })
}

fn revision(fields: &mut Fields<'_>) -> Result<Revision, Refusal> {
    let revision = fields.integer("revision")?.unwrap_or(0);
    // The schema's int has 32 bits with a sign.
    let fits = i32::try_from(revision).ok().and_then(|revision| u32::try_from(revision).ok());
    fits.map(Revision).ok_or_else(|| malformed(format!("revision is {revision}; expected 0 to {}", i32::MAX)))
}

fn usage(fields: &mut Fields<'_>, kind: Kind) -> Result<Usage, Refusal> {
    let mut tokens = [0; 6];
    for (tokens, class) in tokens.iter_mut().zip(Class::ALL) {
        *tokens = fields.tokens(class.name())?;
    }
    let one = i64::from(kind != Kind::Retraction);
    let requests = fields.integer("requests")?.unwrap_or(one);
    Ok(Usage { tokens, requests, ..Usage::ZERO })
}
