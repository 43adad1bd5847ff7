//! Who writes into the log: each has a spool, numbers what it sends, and sends again what was not acknowledged.

use crate::act::{Act, Again};
use std::collections::BTreeMap;
use tally_domain::{
    AccountKey, Dims, Epoch, EventTime, Hash128, Kind, Minted, Offset, Partition, PartitionCount, ProducerId,
    Revision, Secret, Sequence, Usage, UsageEvent, WallTime, partition_of,
};
use tally_log::{Appender, LogError, Ticket};

/// Of the simulated installation.
pub(crate) const SECRET: Secret = Secret::new([7; 32]);

/// Who claims to use something; two of them are one person to whoever maps them.
pub(crate) const CLAIMED: [(&str, &str); 5] =
    [("claude-code", "ann"), ("codex", "Ann"), ("codex", "bob"), ("gemini", "cyd"), ("claude-code", "dee")];

/// An event as it was handed to the spool; it never changes.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) event: UsageEvent,
    pub(crate) claimed: (&'static str, &'static str),
    pub(crate) partition: Partition,
    pub(crate) acknowledged: Option<Offset>,
}

/// One sender.
#[derive(Debug)]
pub(crate) struct Producer {
    nth: usize,
    id: ProducerId,
    epoch: i64,
    numbers: BTreeMap<AccountKey, i64>,
    /// Places in the ledger that were not acknowledged, oldest first.
    spool: Vec<usize>,
    flying: BTreeMap<Ticket, usize>,
    appender: Option<Appender>,
}

impl Producer {
    pub(crate) fn new(nth: usize) -> Self {
        let byte = u8::try_from(nth + 1).expect("few producers");
        Self {
            nth,
            id: ProducerId(Hash128([byte; 16])),
            epoch: 1,
            numbers: BTreeMap::new(),
            spool: vec![],
            flying: BTreeMap::new(),
            appender: None,
        }
    }

    /// It starts anew: what it spooled is there, what it waited for is forgotten.
    pub(crate) fn restart(&mut self) {
        self.epoch = self.epoch.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(11);
        self.numbers.clear();
        self.flying.clear();
        self.appender = None;
    }

    /// Its connection is gone.
    pub(crate) fn disconnect(&mut self) {
        self.flying.clear();
        self.appender = None;
    }

    pub(crate) fn is_done(&self) -> bool {
        self.spool.is_empty()
    }

    /// Numbers are given once, before the first send; the third producer gives none.
    fn number(&mut self, account: AccountKey) -> Sequence {
        if self.nth == 2 {
            return Sequence(0);
        }
        let number = self.numbers.entry(account).or_insert(0);
        *number += 1;
        Sequence(*number)
    }

    /// Takes something new into its spool.
    pub(crate) fn measure(
        &mut self,
        act: &Act,
        now: WallTime,
        ledger: &mut Vec<Sent>,
        count: PartitionCount,
    ) {
        let Act::Use { whose, id, age_ms, tokens, model, session, .. } = *act else { return };
        let claimed = CLAIMED[whose % CLAIMED.len()];
        let account = AccountKey::of(&SECRET, claimed.0, claimed.1);
        let sequence = self.number(account);
        let (producer, epoch) = (self.id, Epoch(self.epoch));
        let minted = Minted { producer, epoch, sequence };
        let minted = Some(minted).filter(|_| id == 0 && sequence.0 > 0);
        let at = EventTime::from_ms(now.ms() - age_ms).expect("a year near ours");
        // Ids of different sources may be the same: they are other accounts' events. An id that carries its mint
        // time is minted once.
        let nth = ledger.len();
        let plain = if id == 2 { format!("timed-{nth}") } else { format!("plain-{}", nth / 3) };
        let event = UsageEvent {
            account,
            event_id: minted.map_or(plain, |minted| minted.event_id()),
            minted,
            minted_at_ms: (id == 2).then_some(at.ms().max(now.ms() - 3_600_000)),
            producer,
            epoch,
            sequence,
            occurred_at: at,
            usage: Usage { tokens: [tokens[0], 0, 0, 0, tokens[1], 0], requests: 1, ..Usage::ZERO },
            dims: Dims { model: format!("m{model}"), tool: claimed.0.into(), ..Dims::default() },
            session: (session > 0).then(|| format!("s{session}")),
            ..UsageEvent::default()
        };
        let partition = partition_of(account.bytes(), count);
        self.spool.push(ledger.len());
        ledger.push(Sent { event, claimed, partition, acknowledged: None });
    }

    /// Tells an event again.
    pub(crate) fn tell(&mut self, act: &Act, now: WallTime, ledger: &mut Vec<Sent>, count: PartitionCount) {
        let Act::Tell { nth, again, misrouted, .. } = *act else { return };
        if ledger.is_empty() {
            return;
        }
        let Sent { event, claimed, .. } = ledger[nth % ledger.len()].clone();
        let mut event = retold(event, again, now);
        if again != Again::Twin {
            (event.producer, event.epoch) = (self.id, Epoch(self.epoch));
            event.sequence = self.number(event.account);
        }
        let home = partition_of(event.account.bytes(), count);
        let partition = if misrouted { Partition((home.0 + 1) % count.get()) } else { home };
        self.spool.push(ledger.len());
        ledger.push(Sent { event, claimed, partition, acknowledged: None });
    }

    /// Places of the ledger that are to be sent now.
    pub(crate) fn to_send(&self, most: usize) -> Vec<usize> {
        let waiting = |place: &&usize| !self.flying.values().any(|flying| flying == *place);
        self.spool.iter().filter(waiting).take(most).copied().collect()
    }

    pub(crate) fn appender(&mut self, connect: impl FnOnce() -> Appender) -> &mut Appender {
        self.appender.get_or_insert_with(connect)
    }

    pub(crate) fn sent(&mut self, ticket: Ticket, place: usize) {
        self.flying.insert(ticket, place);
    }

    /// What was acknowledged: places of the ledger with their offsets. What was refused waits to be sent again.
    pub(crate) fn hear(&mut self, lost: bool) -> Vec<(usize, Offset)> {
        let mut answers: Vec<(Ticket, Result<Offset, LogError>)> = vec![];
        if let Some(appender) = &mut self.appender {
            tally_log::AppendLog::acknowledged(appender, &mut answers);
        }
        let mut heard = vec![];
        for (ticket, answer) in answers {
            let Some(place) = self.flying.remove(&ticket) else { continue };
            if let Ok(offset) = answer
                && !lost
            {
                self.spool.retain(|spooled| *spooled != place);
                heard.push((place, offset));
            }
        }
        heard
    }
}

fn retold(mut event: UsageEvent, again: Again, now: WallTime) -> UsageEvent {
    let by_hand = |event: &mut UsageEvent, kind: Kind| {
        event.kind = kind;
        event.actor = Some("ann".into());
        event.reason = Some("a look at the bill".into());
    };
    match again {
        Again::Copy | Again::Twin => {}
        Again::Grown(by) => event.usage.tokens[4] += by,
        Again::Tie => event.dims.model = if event.dims.model == "m0" { "m1".into() } else { "m0".into() },
        Again::Restamped => event.occurred_at = EventTime::from_ms(now.ms()).expect("a year near ours"),
        Again::Revised(by, output, move_ms) => {
            event.revision = Revision(event.revision.0 + by);
            event.usage.tokens[4] = output;
            event.occurred_at = event.occurred_at.plus_ms(move_ms);
        }
        Again::Retracted(by) => {
            event.revision = Revision(event.revision.0 + by);
            event.usage = Usage::ZERO;
            by_hand(&mut event, Kind::Retraction);
        }
        Again::Corrected(by, output) => {
            event.revision = Revision(event.revision.0 + by);
            event.usage.tokens[4] = output;
            by_hand(&mut event, Kind::Correction);
        }
    }
    event
}
