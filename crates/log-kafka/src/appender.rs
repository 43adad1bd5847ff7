//! Appending: one idempotent producer for all appenders of a process, each with acknowledgements of its own.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _};
use rdkafka::types::RDKafkaErrorCode as Code;
use tally_domain::{Lane, Offset};
use tally_log::{AppendLog, Full, LogError, Ticket};

use crate::context::Context;
use crate::error::{refused, service};
use crate::log::Installed;

type Producer = BaseProducer<Context>;
type Decided = Vec<(Ticket, Result<Offset, LogError>)>;

/// The producer of a process.
pub(crate) struct Outlet {
    installed: Arc<Installed>,
    /// Exchanged when it can do no more: an idempotent producer that has lost count refuses everything for ever.
    producer: Mutex<Option<Arc<Producer>>>,
    /// Bytes that wait for an acknowledgement.
    pending_bytes: Arc<AtomicUsize>,
}

/// What becomes of one append.
#[derive(Debug)]
pub(crate) struct Delivery {
    pending_bytes: Arc<AtomicUsize>,
    bytes_max: usize,
    mailbox: Arc<Mailbox>,
    ticket: Ticket,
    lane: Lane,
    bytes: usize,
}

/// Where an appender finds its acknowledgements.
#[derive(Debug, Default)]
struct Mailbox(Mutex<Decided>);

/// Appends to a log on Kafka from any thread. A clone is another appender, with acknowledgements of its own.
#[derive(Debug)]
pub struct Appender {
    outlet: Arc<Outlet>,
    mailbox: Arc<Mailbox>,
    last: u64,
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("pending_bytes", &self.pending_bytes).finish_non_exhaustive()
    }
}

impl Mailbox {
    fn open(&self) -> MutexGuard<'_, Decided> {
        self.0.lock().expect("nobody panics while holding this lock")
    }
}

impl Outlet {
    pub(crate) fn new(installed: Arc<Installed>) -> Self {
        Self { installed, producer: Mutex::new(None), pending_bytes: Arc::default() }
    }

    /// The producer, made when it is first needed and whenever the last one can do no more.
    fn producer(&self) -> Result<Arc<Producer>, LogError> {
        let mut place = self.producer.lock().expect("nobody panics while holding this lock");
        if let Some(producer) = place.as_ref().filter(|producer| producer.client().fatal_error().is_none()) {
            return Ok(Arc::clone(producer));
        }
        if let Some((code, why)) = place.take().and_then(|producer| producer.client().fatal_error()) {
            tracing::warn!("the producer gave up and is made anew: {code} ({why})");
        }
        let config = &self.installed.config;
        let producer = Producer::from_config_and_context(&config.producer(), Context::new(config))
            .map_err(|error| refused("making a producer for the log", &error, None))?;
        Ok(Arc::clone(place.insert(Arc::new(producer))))
    }

    /// Lets the producer bring what was decided; waits at most `wait` for it.
    fn serve(&self, wait: Duration) {
        let producer = self.producer.lock().expect("nobody panics while holding this lock").clone();
        let Some(producer) = producer else { return };
        loop {
            let before = producer.in_flight_count();
            producer.poll(wait);
            // One poll brings one report, of any number of records.
            if producer.in_flight_count() >= before {
                return;
            }
        }
    }
}

impl Delivery {
    /// Tells whoever appended it.
    pub(crate) fn decide(self, result: &DeliveryResult<'_>) {
        let outcome = match result {
            Ok(message) => Ok(u64::try_from(message.offset()).ok().and_then(Offset::new).unwrap_or_default()),
            Err((error, _)) => Err(self.error(error)),
        };
        self.tell(outcome);
    }

    fn tell(self, outcome: Result<Offset, LogError>) {
        self.pending_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.mailbox.open().push((self.ticket, outcome));
    }

    fn error(&self, error: &KafkaError) -> LogError {
        let Self { lane, bytes, bytes_max, .. } = *self;
        match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge) => {
                LogError::TooLarge { lane, bytes, bytes_max }
            }
            Some(code) => service(format!("appending to {lane}"), code, None),
            None => refused(format!("appending to {lane}"), error, None),
        }
    }
}

impl Appender {
    pub(crate) fn new(outlet: Arc<Outlet>) -> Self {
        Self { outlet, mailbox: Arc::default(), last: 0 }
    }

    /// Waits until something was decided that [`AppendLog::acknowledged`] has not told yet, or `at_most` has passed.
    pub fn wait(&mut self, at_most: Duration) {
        let until = Instant::now() + at_most;
        loop {
            self.outlet.serve(Duration::ZERO);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.mailbox.open().is_empty() {
                return;
            }
            self.outlet.serve(left.min(Duration::from_millis(1)));
        }
    }

    /// What can be decided without asking a broker.
    fn refuse(&self, lane: Lane, bytes: usize) -> Result<(), LogError> {
        let bytes_max = self.outlet.installed.config.record_bytes_max;
        self.outlet.installed.check(lane)?;
        if bytes > bytes_max { Err(LogError::TooLarge { lane, bytes, bytes_max }) } else { Ok(()) }
    }
}

impl Clone for Appender {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.outlet))
    }
}

impl AppendLog for Appender {
    fn append(&mut self, lane: Lane, key: &[u8], value: Option<&[u8]>) -> Result<Ticket, Full> {
        let bytes = key.len() + value.map_or(0, <[u8]>::len);
        let bytes_max = self.outlet.installed.config.pending_bytes_max;
        let pending_bytes = self.outlet.pending_bytes.load(Ordering::Relaxed);
        if pending_bytes > 0 && pending_bytes + bytes > bytes_max {
            self.outlet.serve(Duration::ZERO);
            return Err(Full { pending_bytes, bytes_max });
        }
        let ticket = Ticket(self.last + 1);
        let delivery = Box::new(Delivery {
            pending_bytes: Arc::clone(&self.outlet.pending_bytes),
            bytes_max: self.outlet.installed.config.record_bytes_max,
            mailbox: Arc::clone(&self.mailbox),
            ticket,
            lane,
            bytes,
        });
        self.outlet.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        let producer = match self.refuse(lane, bytes).and_then(|()| self.outlet.producer()) {
            Ok(producer) => producer,
            Err(error) => {
                self.last = ticket.0;
                delivery.tell(Err(error));
                return Ok(ticket);
            }
        };
        let topic = self.outlet.installed.name(lane.topic);
        let mut record =
            BaseRecord::with_opaque_to(topic, delivery).partition(lane.partition.0.into()).key(key);
        record.payload = value;
        if let Err((error, record)) = producer.send(record) {
            let delivery = record.delivery_opaque;
            if error.rdkafka_error_code() == Some(Code::QueueFull) {
                self.outlet.pending_bytes.fetch_sub(bytes, Ordering::Relaxed);
                self.outlet.serve(Duration::ZERO);
                return Err(Full { pending_bytes, bytes_max });
            }
            let error = delivery.error(&error);
            delivery.tell(Err(error));
        }
        self.last = ticket.0;
        Ok(ticket)
    }

    fn acknowledged(&mut self, into: &mut Vec<(Ticket, Result<Offset, LogError>)>) {
        self.outlet.serve(Duration::ZERO);
        into.append(&mut self.mailbox.open());
    }
}
