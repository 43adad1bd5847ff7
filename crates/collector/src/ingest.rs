//! Bringing verdicts to a log, and saying when all of one is durable. Polled; no clock, no thread.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

use tally_domain::{
    AccountKey, Epoch, Lane, Offset, Partition, PartitionCount, ProducerId, Reject, Sequence, Topic,
    WallTime, partition_of,
};
use tally_log::{AppendLog, LogError, Ticket};

use crate::accept::{Kept, Refused, Verdict};
use crate::identities::Identities;

/// Names one submission until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubmissionId(pub u64);

/// One start of whoever brings records: the sender of events that name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Stable per installation and kind of sender.
    pub producer: ProducerId,
    /// Random per start.
    pub epoch: Epoch,
}

/// Back-pressure: nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("taking events: {pending_bytes} bytes wait for the log, {bytes_max} are allowed; try again later")]
pub struct Busy {
    /// Bytes that wait.
    pub pending_bytes: usize,
    /// How many may.
    pub bytes_max: usize,
}

/// A submission of which every record is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// For each partition of usage that got a record: the offset after the last of them.
    pub appended: BTreeMap<Partition, Offset>,
}

/// What became of a submission. After an error some of it may be in the log; submit it again, with the same ids.
pub type Settled = (SubmissionId, Result<Receipt, LogError>);

/// A record to be appended; key and value lie in its submission's arena.
#[derive(Debug)]
struct Outgoing {
    lane: Lane,
    key: Range<usize>,
    value: Range<usize>,
}

#[derive(Debug)]
struct Open {
    arena: Vec<u8>,
    out: Vec<Outgoing>,
    /// How many of `out` the log has taken, and how many it has decided.
    taken: usize,
    decided: usize,
    identified: Vec<AccountKey>,
    receipt: Receipt,
    failed: Option<LogError>,
}

/// Brings verdicts to a log.
#[derive(Debug)]
pub struct Ingest<A> {
    appender: A,
    partitions: PartitionCount,
    run: Run,
    identities: Identities,
    numbers: HashMap<AccountKey, i64>,
    bytes_max: usize,
    pending_bytes: usize,
    last: u64,
    open: BTreeMap<SubmissionId, Open>,
    /// Those that the log has not taken whole, in order.
    waiting: VecDeque<SubmissionId>,
    tickets: HashMap<Ticket, (SubmissionId, Lane)>,
    acknowledged: Vec<(Ticket, Result<Offset, LogError>)>,
    settled: Vec<Settled>,
}

impl<A: AppendLog> Ingest<A> {
    /// `bytes_max`: what may wait for the log; one submission is always taken.
    #[must_use]
    pub fn new(
        appender: A,
        partitions: PartitionCount,
        run: Run,
        identities: Identities,
        bytes_max: usize,
    ) -> Self {
        Self {
            appender,
            partitions,
            run,
            identities,
            numbers: HashMap::new(),
            bytes_max,
            pending_bytes: 0,
            last: 0,
            open: BTreeMap::new(),
            waiting: VecDeque::new(),
            tickets: HashMap::new(),
            acknowledged: Vec::new(),
            settled: Vec::new(),
        }
    }

    /// Takes a verdict: identities that are new, events, refusals and kept rejects, in this order. Events
    /// without a sender are numbered as this run's.
    ///
    /// # Errors
    /// [`Busy`] is back-pressure: nothing was taken.
    pub fn submit(&mut self, verdict: &Verdict, now: WallTime) -> Result<SubmissionId, Busy> {
        if self.pending_bytes >= self.bytes_max {
            return Err(Busy { pending_bytes: self.pending_bytes, bytes_max: self.bytes_max });
        }
        let mut open = Open {
            arena: Vec::new(),
            out: Vec::new(),
            taken: 0,
            decided: 0,
            identified: Vec::new(),
            receipt: Receipt::default(),
            failed: None,
        };
        self.identify(verdict, now, &mut open);
        self.number(verdict, &mut open);
        verdict.refused.iter().for_each(|refused| open.push_refused(refused, self.partitions));
        verdict.kept.iter().for_each(|kept| open.push_kept(kept, self.partitions));
        self.pending_bytes += open.arena.len();
        self.last += 1;
        let id = SubmissionId(self.last);
        let _new = self.open.insert(id, open);
        self.waiting.push_back(id);
        Ok(id)
    }

    fn identify(&mut self, verdict: &Verdict, now: WallTime, open: &mut Open) {
        for accepted in &verdict.events {
            let account = accepted.event.account;
            if let Some(identity) = self.identities.news(account, &accepted.identity, now) {
                let value = tally_schema::encode_identity(&identity);
                open.push(self.lane(Topic::Identities, &account), account.bytes(), |arena| {
                    arena.extend_from_slice(&value);
                });
                open.identified.push(account);
            }
        }
    }

    fn number(&mut self, verdict: &Verdict, open: &mut Open) {
        for accepted in &verdict.events {
            let mut event = accepted.event.as_ref();
            if !accepted.numbered {
                let number = self.numbers.entry(event.account).or_insert(0);
                *number += 1;
                event.producer = self.run.producer;
                event.epoch = self.run.epoch;
                event.sequence = Sequence(*number);
            }
            let lane = self.lane(Topic::Usage, &event.account);
            open.push(lane, event.account.bytes(), |arena| tally_schema::encode_usage(&event, arena));
        }
    }

    fn lane(&self, topic: Topic, account: &AccountKey) -> Lane {
        Lane { topic, partition: partition_of(account.bytes(), self.partitions) }
    }

    /// Gives the log what it takes, and takes in what it has decided. True when either was anything.
    pub fn turn(&mut self) -> bool {
        let gave = self.give();
        self.appender.acknowledged(&mut self.acknowledged);
        let took = !self.acknowledged.is_empty();
        for (ticket, outcome) in std::mem::take(&mut self.acknowledged) {
            self.decide(ticket, outcome);
        }
        gave || took
    }

    fn give(&mut self) -> bool {
        let mut gave = false;
        while let Some(id) = self.waiting.front().copied() {
            let open = self.open.get_mut(&id).expect("what waits is open");
            while let Some(Outgoing { lane, key, value }) = open.out.get(open.taken) {
                let (key, value) = (&open.arena[key.clone()], &open.arena[value.clone()]);
                let Ok(ticket) = self.appender.append(*lane, key, Some(value)) else { return gave };
                let _new = self.tickets.insert(ticket, (id, *lane));
                open.taken += 1;
                gave = true;
            }
            let _given = self.waiting.pop_front();
            self.settle(id);
        }
        gave
    }

    fn decide(&mut self, ticket: Ticket, outcome: Result<Offset, LogError>) {
        let Some((id, lane)) = self.tickets.remove(&ticket) else { return };
        let open = self.open.get_mut(&id).expect("a submission is open until all of it is decided");
        open.decided += 1;
        match outcome {
            Ok(offset) if lane.topic == Topic::Usage => {
                let next = open.receipt.appended.entry(lane.partition).or_default();
                *next = offset.next().max(*next);
            }
            Ok(_) => {}
            Err(error) => open.failed = Some(error),
        }
        self.settle(id);
    }

    /// Settles a submission if all of it is decided.
    fn settle(&mut self, id: SubmissionId) {
        if self.open.get(&id).is_none_or(|open| open.decided < open.out.len()) {
            return;
        }
        let open = self.open.remove(&id).expect("it was just seen");
        self.pending_bytes -= open.arena.len();
        if open.failed.is_some() {
            open.identified.iter().for_each(|account| self.identities.unlearn(account));
        }
        self.settled.push((id, open.failed.map_or(Ok(open.receipt), Err)));
    }

    /// Moves what was settled since the last call to the end of `into`.
    pub fn settled(&mut self, into: &mut Vec<Settled>) {
        into.append(&mut self.settled);
    }

    /// True when nothing is open.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.settled.is_empty()
    }

    /// What it knows of identities, to follow the topic.
    pub fn identities(&mut self) -> &mut Identities {
        &mut self.identities
    }
}

impl Open {
    fn push(&mut self, lane: Lane, key: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.arena.len();
        self.arena.extend_from_slice(key);
        let middle = self.arena.len();
        value(&mut self.arena);
        self.out.push(Outgoing { lane, key: start..middle, value: middle..self.arena.len() });
    }

    fn push_refused(&mut self, refused: &Refused, partitions: PartitionCount) {
        // The same bytes sent again are the same reject.
        let key = format!("collector {:032x}", xxhash_rust::xxh3::xxh3_128(&refused.bytes));
        self.push_reject(&key, refused.reason, &refused.detail, &refused.bytes, partitions);
    }

    fn push_kept(&mut self, kept: &Kept, partitions: PartitionCount) {
        let key = format!("{} {}", kept.source, kept.position);
        let detail = format!("{key}: {}", kept.detail);
        self.push_reject(&key, kept.reason, &detail, &kept.bytes, partitions);
    }

    fn push_reject(
        &mut self,
        key: &str,
        reason: tally_domain::Reason,
        detail: &str,
        bytes: &[u8],
        partitions: PartitionCount,
    ) {
        let partition = partition_of(key.as_bytes(), partitions);
        // It never lay in the usage log: no offset of it can be this one.
        let reject = Reject { partition, offset: Offset::MAX, reason, detail: detail.to_owned() };
        let value = tally_schema::encode_reject(&reject, bytes);
        let lane = Lane { topic: Topic::Rejects, partition };
        self.push(lane, key.as_bytes(), |arena| arena.extend_from_slice(&value));
    }
}
