//! What the archive should say of each record of the usage log.

use tally_clickhouse::rows::{EntryCode, EventRecord};
use tally_domain::{Entry, UsageEvent};
use tally_log::Record;

/// A record as it was read, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) incarnation: u16,
    pub(crate) appended_ms: i64,
    pub(crate) log_ms: i64,
    pub(crate) entry: EntryCode,
    pub(crate) event: Option<UsageEvent>,
    pub(crate) is_refused: bool,
    pub(crate) key: Vec<u8>,
    body: Vec<u8>,
}

impl Told {
    pub(crate) fn of(record: &Record<'_>, (incarnation, log_ms): (u16, i64), is_refused: bool) -> Self {
        let body = record.value.unwrap_or_default();
        let (entry, event) = match tally_schema::decode(body) {
            Ok(Entry::Usage(event)) => (EntryCode::Usage, Some(event.to_owned())),
            Ok(Entry::Prices(_)) => (EntryCode::Prices, None),
            Ok(Entry::Policy(_)) => (EntryCode::Policy, None),
            Ok(Entry::Heartbeat) => (EntryCode::Heartbeat, None),
            Ok(Entry::Barrier(_)) => (EntryCode::Barrier, None),
            Err(_) => (EntryCode::Unreadable, None),
        };
        let (key, body, appended_ms) = (record.key.to_vec(), body.to_vec(), record.appended_at.ms());
        Self { incarnation, appended_ms, log_ms, entry, event, is_refused, key, body }
    }

    /// True for the record's row; the words of a refusal are free.
    pub(crate) fn agrees(&self, row: &EventRecord) -> bool {
        let is_plain = self.event.is_some() && !self.is_refused;
        let expected = EventRecord {
            incarnation: self.incarnation,
            partition: row.partition,
            offset: row.offset,
            appended_at: self.appended_ms,
            log_time: self.log_ms,
            entry: self.entry,
            reason: row.reason.clone(),
            detail: row.detail.clone(),
            record_key: if self.is_refused { self.key.clone() } else { vec![] },
            body: if is_plain { vec![] } else { self.body.clone() },
            ..self.event.as_ref().map_or_else(EventRecord::default, usage)
        };
        row.reason.is_empty() != self.is_refused && *row == expected
    }
}

/// What a report says, column by column.
fn usage(event: &UsageEvent) -> EventRecord {
    let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning] = event.usage.tokens;
    let minted = event.minted.as_ref();
    EventRecord {
        account: event.account.0.0,
        event_key: event.as_ref().event_key().0.0,
        event_id: event.event_id.clone(),
        minted: u8::from(event.minted.is_some()),
        minted_producer: minted.map_or([0; 16], |minted| minted.producer.0.0),
        minted_epoch: minted.map_or(0, |minted| minted.epoch.0),
        minted_sequence: minted.map_or(0, |minted| minted.sequence.0),
        minted_at: event.minted_at_ms,
        producer: event.producer.0.0,
        epoch: event.epoch.0,
        sequence: event.sequence.0,
        revision: event.revision.0,
        kind: event.kind.into(),
        occurred_at: event.occurred_at.ms(),
        session: event.session.clone(),
        request_id: event.request_id.clone(),
        model: event.dims.model.clone(),
        tool: event.dims.tool.clone(),
        view: event.dims.view.into(),
        service_tier: event.dims.service_tier.clone(),
        region: event.dims.region.clone(),
        unsplit: event.dims.unsplit.0,
        client_version: event.client_version.clone(),
        agent: event.agent.clone(),
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        output,
        reasoning,
        requests: event.usage.requests,
        content_hash: event.as_ref().content_hash().0,
        actor: event.actor.clone(),
        motive: event.reason.clone(),
        ..EventRecord::default()
    }
}
