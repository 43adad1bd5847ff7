//! Reading: one client per reader, no group, every lane from the offset that is asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset as Asked;
use rdkafka::types::RDKafkaErrorCode as Code;
use tally_domain::{Lane, LogTime, Offset};
use tally_log::{Bounds, LogError, ReadLog, Records};

use crate::batch::{Fetch, Item};
use crate::context::{Context, trouble_of};
use crate::error::{refused, service, unknown};
use crate::log::Installed;
use crate::topic_id::topic_id;

/// How long one wait for records may last before the client's other business is seen to.
const STEP: Duration = Duration::from_millis(20);
/// How old the knowledge may be that a topic is still the one that was opened.
const IDENTITY_AGE_MAX: Duration = Duration::from_secs(1);

/// Reads a log on Kafka from any thread; each has a client of its own.
pub struct Reader {
    installed: Arc<Installed>,
    /// Made when it is first needed: a reader that is only handed on costs nothing.
    consumer: Option<Arc<BaseConsumer<Context>>>,
    cursors: BTreeMap<Lane, Cursor>,
    /// By topic, when its identity was last seen to.
    seen: BTreeMap<tally_domain::Topic, Instant>,
}

/// Where a lane was last read to.
#[derive(Debug)]
struct Cursor {
    fetch: Fetch,
    next: Offset,
    /// There is nothing for readers below this offset that was not given yet, only marks of transactions.
    empty_to: i64,
    /// librdkafka has given up on it: begin anew.
    broken: bool,
}

/// Why a lane gave nothing.
enum Nothing {
    /// Nothing came yet.
    Yet,
    /// The offset is outside of what the brokers have.
    Outside,
    /// This.
    Because(LogError),
}

impl Reader {
    pub(crate) fn new(installed: Arc<Installed>) -> Self {
        Self { installed, consumer: None, cursors: BTreeMap::new(), seen: BTreeMap::new() }
    }

    /// Waits until a lane that was read to its end has something, or `at_most` has passed. For threads that have
    /// nothing else to do.
    pub fn wait(&mut self, at_most: Duration) {
        let until = Instant::now() + at_most;
        loop {
            if self.cursors.values_mut().any(|cursor| cursor.fetch.fill(Duration::ZERO)) {
                return;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let step = left.min(Duration::from_millis(2));
            match self.cursors.values_mut().next() {
                Some(cursor) => drop(cursor.fetch.fill(step)),
                None => std::thread::sleep(step),
            }
        }
    }

    fn answer(&self) -> Duration {
        Duration::from_millis(self.installed.config.answer_timeout_ms.into())
    }

    fn consumer(&mut self) -> Result<Arc<BaseConsumer<Context>>, LogError> {
        if let Some(consumer) = &self.consumer {
            // Diagnostics, and the wish for a fresh token, are served here.
            drop(consumer.poll(Duration::ZERO));
            return Ok(Arc::clone(consumer));
        }
        let config = &self.installed.config;
        let consumer = BaseConsumer::from_config_and_context(&config.consumer(), Context::new(config))
            .map_err(|error| refused("making a reader of the log", &error, None))?;
        let consumer = Arc::new(consumer);
        introduce(&consumer, self.answer())?;
        self.consumer = Some(Arc::clone(&consumer));
        Ok(consumer)
    }

    /// Asks the brokers, and asks again while the partition's leader changes.
    ///
    /// By a connection that fetches nothing: a broker answers one after the other, and a fetch only when there is
    /// something or its time is over.
    fn ask<T>(
        &self,
        doing: impl Fn() -> String,
        question: impl Fn(&BaseConsumer<Context>, Duration) -> Result<T, KafkaError>,
    ) -> Result<T, LogError> {
        let asker = &self.installed.asker;
        drop(asker.poll(Duration::ZERO));
        let until = Instant::now() + self.answer();
        loop {
            let error = match question(asker, until.saturating_duration_since(Instant::now())) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !error.rdkafka_error_code().is_some_and(passes) || Instant::now() >= until {
                return Err(refused(doing(), &error, trouble_of(asker).as_deref()));
            }
            drop(asker.poll(STEP));
        }
    }

    fn ask_bounds(&self, lane: Lane) -> Result<Bounds, LogError> {
        let topic = self.installed.name(lane.topic);
        let (low, high) = self.ask(
            || format!("asking for the bounds of {lane}"),
            |asker, left| asker.fetch_watermarks(topic, lane.partition.0.into(), left),
        )?;
        Ok(Bounds { start: offset(low), end: offset(high) })
    }

    /// The bounds, if `from` lies inside of them.
    fn inside(&self, lane: Lane, from: Offset) -> Result<Bounds, LogError> {
        let bounds = self.ask_bounds(lane)?;
        if from < bounds.start {
            return Err(LogError::BelowStart { lane, from, start: bounds.start });
        }
        if from > bounds.end {
            return Err(LogError::BeyondEnd { lane, from, end: bounds.end });
        }
        Ok(bounds)
    }

    /// Sees to it that the topic is still the one that was opened.
    fn identify(&mut self, lane: Lane) -> Result<(), LogError> {
        if self.seen.get(&lane.topic).is_some_and(|seen| seen.elapsed() < IDENTITY_AGE_MAX) {
            return Ok(());
        }
        let name = self.installed.name(lane.topic);
        let known = self.installed.id(lane.topic);
        let asked = Instant::now();
        let found = self.ask(
            || format!("asking for the id of {name}"),
            |asker, left| topic_id(asker.client(), name, left).map_err(KafkaError::MetadataFetch),
        )?;
        if found != known {
            return Err(LogError::Recreated { name: name.to_owned(), known, found });
        }
        self.seen.insert(lane.topic, asked);
        Ok(())
    }

    /// The cursor of a lane, at `from`.
    fn cursor(&mut self, lane: Lane, from: Offset) -> Result<&mut Cursor, LogError> {
        if self.cursors.get(&lane).is_none_or(|cursor| cursor.broken || cursor.next != from) {
            drop(self.cursors.remove(&lane));
            self.seen.remove(&lane.topic);
            self.identify(lane)?;
            let _bounds = self.inside(lane, from)?;
            let consumer = self.consumer()?;
            let name = self.installed.name(lane.topic);
            let fetch = Fetch::start(&consumer, name, lane.partition.0.into(), position(from))
                .map_err(|code| service(format!("reading {lane} from offset {from}"), code, None))?;
            self.cursors.insert(lane, Cursor { fetch, next: from, empty_to: 0, broken: false });
        }
        Ok(self.cursors.get_mut(&lane).expect("it was there, or is now"))
    }

    /// Waits for what the brokers have and the client has not fetched yet.
    fn await_records(
        &mut self,
        lane: Lane,
        from: Offset,
        bytes_max: usize,
        into: &mut Records,
    ) -> Result<(), LogError> {
        let mut bounds = self.inside(lane, from)?;
        let until = Instant::now() + self.answer();
        loop {
            let consumer = self.consumer()?;
            let cursor = self.cursor(lane, from)?;
            if cursor.next == bounds.end || cursor.empty_to >= position(bounds.end) {
                return Ok(());
            }
            match cursor.take(lane, bytes_max, STEP, into) {
                Ok(()) => return Ok(()),
                Err(Nothing::Because(error)) => return Err(error),
                Err(Nothing::Outside) => {
                    drop(self.cursors.remove(&lane));
                    bounds = self.inside(lane, from)?;
                }
                Err(Nothing::Yet) => {}
            }
            if Instant::now() >= until {
                let trouble = trouble_of(&consumer);
                return Err(service(
                    format!("reading {lane} from offset {from}"),
                    Code::OperationTimedOut,
                    trouble.as_deref(),
                ));
            }
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("cursors", &self.cursors).finish_non_exhaustive()
    }
}

impl Clone for Reader {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.installed))
    }
}

impl Cursor {
    /// Moves what is there into `into`; waits at most `wait` for something.
    fn take(
        &mut self,
        lane: Lane,
        bytes_max: usize,
        wait: Duration,
        into: &mut Records,
    ) -> Result<(), Nothing> {
        if !self.fetch.fill(wait) {
            return Err(Nothing::Yet);
        }
        while let Some(item) = self.fetch.front() {
            match item {
                Item::Record { offset: at, appended_ms, key, value } => {
                    if !into.is_empty() && into.bytes() + key.len() + value.map_or(0, <[u8]>::len) > bytes_max
                    {
                        return Ok(());
                    }
                    let at = offset(at);
                    // The batch may begin below the offset that was asked for.
                    if at >= self.next {
                        let appended_at = LogTime::from_ms(appended_ms).unwrap_or(LogTime::MIN);
                        into.push(at, appended_at, key, value);
                        self.next = at.next();
                    }
                }
                Item::End(at) => self.empty_to = self.empty_to.max(at),
                Item::Trouble(code, said) => {
                    let nothing = judge(lane, self.next, code, &said);
                    self.fetch.pop();
                    if matches!(nothing, Nothing::Yet) {
                        continue;
                    }
                    self.broken = true;
                    // What came before the trouble is whole; the trouble is met again by the next read.
                    return if into.is_empty() { Err(nothing) } else { Ok(()) };
                }
            }
            self.fetch.pop();
        }
        if into.is_empty() { Err(Nothing::Yet) } else { Ok(()) }
    }
}

fn judge(lane: Lane, from: Offset, code: Code, said: &str) -> Nothing {
    match code {
        Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation => Nothing::Outside,
        Code::TopicAuthorizationFailed
        | Code::UnknownTopicOrPartition
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::BadMessage
        | Code::InvalidMessage
        | Code::BadCompression => {
            Nothing::Because(service(format!("reading {lane} from offset {from}"), code, Some(said)))
        }
        _ => Nothing::Yet,
    }
}

impl ReadLog for Reader {
    fn read(
        &mut self,
        lane: Lane,
        from: Offset,
        bytes_max: usize,
        into: &mut Records,
    ) -> Result<(), LogError> {
        into.clear();
        self.installed.check(lane)?;
        let _served = self.consumer()?;
        let taken = match self.cursor(lane, from)?.take(lane, bytes_max, Duration::ZERO, into) {
            Ok(()) => Ok(()),
            Err(Nothing::Because(error)) => Err(error),
            Err(Nothing::Outside) => {
                drop(self.cursors.remove(&lane));
                self.await_records(lane, from, bytes_max, into)
            }
            Err(Nothing::Yet) => self.await_records(lane, from, bytes_max, into),
        };
        // Records of a topic that was exchanged are never handed out as those of the other.
        let outcome = taken.and_then(|()| self.identify(lane));
        if outcome.is_err() {
            into.clear();
            drop(self.cursors.remove(&lane));
        }
        outcome
    }

    fn bounds(&mut self, lane: Lane) -> Result<Bounds, LogError> {
        self.installed.check(lane)?;
        self.identify(lane)?;
        self.ask_bounds(lane)
    }

    fn offset_for_time(&mut self, lane: Lane, at_ms: i64) -> Result<Offset, LogError> {
        self.installed.check(lane)?;
        self.identify(lane)?;
        let topic = self.installed.name(lane.topic);
        let partition = i32::from(lane.partition.0);
        let mut asked = TopicPartitionList::new();
        // Below zero, brokers mean something else by a time.
        let doing = || format!("asking {lane} for the offset of the time {at_ms} ms");
        asked
            .add_partition_offset(topic, partition, Asked::Offset(at_ms.max(0)))
            .map_err(|error| refused(doing(), &error, None))?;
        let found = self.ask(doing, |asker, left| {
            let found = asker.offsets_for_times(asked.clone(), left)?;
            let found = found.find_partition(topic, partition);
            found.map(|found| found.error().map(|()| found.offset())).transpose()
        })?;
        match found {
            Some(Asked::Offset(at)) => Ok(offset(at)),
            _ => self.ask_bounds(lane).map(|bounds| bounds.end),
        }
    }
}

/// True of what another leader, or the same broker a moment later, answers otherwise. A topic that is not known may
/// just have been made.
fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::PreferredLeaderNotAvailable
            | Code::ReplicaNotAvailable
            | Code::OffsetNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::UnknownTopicOrPartition
            // What the client says of a partition whose leader it has lost sight of.
            | Code::UnknownPartition
            | Code::BrokerTransportFailure
            | Code::NetworkException
            | Code::RequestTimedOut
            | Code::KafkaStorageError
    )
}

/// Waits until the client knows who it is: a token is fetched while it is polled.
pub(crate) fn introduce<C: ConsumerContext + AsRef<Context>>(
    consumer: &BaseConsumer<C>,
    at_most: Duration,
) -> Result<(), LogError> {
    let until = Instant::now() + at_most;
    while !consumer.context().as_ref().as_ref().is_known() {
        drop(consumer.poll(Duration::from_millis(10)));
        if Instant::now() >= until {
            let trouble = trouble_of(consumer);
            let cause = trouble.unwrap_or_else(|| "no token was asked for".to_owned());
            return Err(unknown("proving this client's identity", cause));
        }
    }
    Ok(())
}

/// An offset of the brokers; below zero they mean something else, which nothing here asks for.
fn offset(at: i64) -> Offset {
    u64::try_from(at).ok().and_then(Offset::new).unwrap_or_default()
}

fn position(at: Offset) -> i64 {
    i64::try_from(at.get()).expect("an offset has 48 bits")
}
