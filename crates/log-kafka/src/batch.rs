//! librdkafka's batch call: thousands of records under one lock, at half the cost of a call for each.
//!
//! The safe wrapper has no such call, so this file speaks C. A [`Fetch`] owns what it was given: the topic's handle
//! from start to stop, and each message until it is popped.

use std::ffi::{CStr, CString};
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;

use crate::context::Context;

/// Messages of one call.
const BATCH: usize = 10_000;

/// A lane that is being fetched from an offset on.
pub(crate) struct Fetch {
    /// Outlives the handles below, which lie in it.
    _consumer: Arc<BaseConsumer<Context>>,
    topic: NonNull<c::rd_kafka_topic_t>,
    partition: i32,
    /// From `at` on not yet popped; before it, null.
    batch: Vec<*mut c::rd_kafka_message_t>,
    at: usize,
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch").field("partition", &self.partition).finish_non_exhaustive()
    }
}

/// What librdkafka brings.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// A record.
    Record { offset: i64, appended_ms: i64, key: &'a [u8], value: Option<&'a [u8]> },
    /// What was durable ended here: the offset that the next record will have at least.
    End(i64),
    /// Something went wrong.
    Trouble(RDKafkaErrorCode, String),
}

#[expect(
    unsafe_code,
    reason = "librdkafka's handles may move between threads; its messages belong to us alone"
)]
// SAFETY: librdkafka's handles are documented as thread-safe, and `&mut self` guards the messages.
unsafe impl Send for Fetch {}

#[expect(unsafe_code, reason = "the safe wrapper has no batch call")]
impl Fetch {
    /// Begins to fetch a partition from an offset on.
    ///
    /// # Errors
    /// What librdkafka refuses; not what a broker does, which comes as [`Item::Trouble`].
    pub(crate) fn start(
        consumer: &Arc<BaseConsumer<Context>>,
        topic: &str,
        partition: i32,
        from: i64,
    ) -> Result<Self, RDKafkaErrorCode> {
        let name = CString::new(topic).map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
        // SAFETY: the client lives as long as `consumer`; the name ends in a zero; no configuration is given away.
        let topic =
            unsafe { c::rd_kafka_topic_new(consumer.client().native_ptr(), name.as_ptr(), ptr::null_mut()) };
        let Some(topic) = NonNull::new(topic) else { return Err(last_error()) };
        // SAFETY: the handle is whole and not stopped.
        if unsafe { c::rd_kafka_consume_start(topic.as_ptr(), partition, from) } != 0 {
            let error = last_error();
            // SAFETY: nothing uses the handle any more.
            unsafe { c::rd_kafka_topic_destroy(topic.as_ptr()) };
            return Err(error);
        }
        Ok(Self { _consumer: Arc::clone(consumer), topic, partition, batch: Vec::new(), at: 0 })
    }

    /// Waits for the first item if there is none, and takes all that are there with it. False: none came.
    pub(crate) fn fill(&mut self, wait: Duration) -> bool {
        if self.at < self.batch.len() {
            return true;
        }
        self.batch.clear();
        self.at = 0;
        // A call for many waits until it has so many.
        if !wait.is_zero() {
            self.take(1, wait);
        }
        self.take(BATCH, Duration::ZERO);
        !self.batch.is_empty()
    }

    fn take(&mut self, count: usize, wait: Duration) {
        self.batch.reserve(count);
        let room = self.batch.spare_capacity_mut();
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: `room` has `count` places for pointers, and the handle is started.
        let taken = unsafe {
            c::rd_kafka_consume_batch(
                self.topic.as_ptr(),
                self.partition,
                wait_ms,
                room.as_mut_ptr().cast(),
                count.min(room.len()),
            )
        };
        let taken = usize::try_from(taken).unwrap_or(0);
        // SAFETY: so many places were written, and they were reserved.
        unsafe { self.batch.set_len(self.batch.len() + taken) };
    }

    /// The item that is next.
    pub(crate) fn front(&self) -> Option<Item<'_>> {
        let message = NonNull::new(*self.batch.get(self.at)?)?;
        // SAFETY: the message is ours until it is popped, which needs `&mut self`.
        let fields = unsafe { message.as_ref() };
        Some(match fields.err {
            c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {
                // SAFETY: the message is whole, and asking its time changes nothing.
                let appended_ms = unsafe { c::rd_kafka_message_timestamp(message.as_ptr(), ptr::null_mut()) };
                // SAFETY: librdkafka gives pointer and length of one buffer, which lives as long as the message.
                let (key, value) = unsafe {
                    (bytes(fields.key.cast(), fields.key_len), bytes(fields.payload.cast(), fields.len))
                };
                Item::Record { offset: fields.offset, appended_ms, key: key.unwrap_or_default(), value }
            }
            c::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => Item::End(fields.offset),
            error => Item::Trouble(error.into(), reason(message)),
        })
    }

    /// Gives back the item that is next.
    pub(crate) fn pop(&mut self) {
        if let Some(place) = self.batch.get_mut(self.at) {
            // SAFETY: it was not popped yet: `at` only rises.
            unsafe { c::rd_kafka_message_destroy(*place) };
            *place = ptr::null_mut();
            self.at += 1;
        }
    }
}

#[expect(unsafe_code, reason = "the handle is to be stopped and given back")]
impl Drop for Fetch {
    fn drop(&mut self) {
        while self.at < self.batch.len() {
            self.pop();
        }
        // SAFETY: the handle was started once, and is used no more after this.
        unsafe {
            c::rd_kafka_consume_stop(self.topic.as_ptr(), self.partition);
            c::rd_kafka_topic_destroy(self.topic.as_ptr());
        }
    }
}

/// A buffer of librdkafka; null is none.
#[expect(unsafe_code, reason = "a pointer and a length become a slice")]
unsafe fn bytes<'a>(at: *const u8, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller has pointer and length from librdkafka, for as long as the message lives.
    (!at.is_null()).then(|| unsafe { std::slice::from_raw_parts(at, len) })
}

#[expect(unsafe_code, reason = "an error's words are a C string")]
fn reason(message: NonNull<c::rd_kafka_message_t>) -> String {
    // SAFETY: the words are null, or end in a zero and live as long as the message.
    unsafe {
        let words = c::rd_kafka_message_errstr(message.as_ptr());
        if words.is_null() { String::new() } else { CStr::from_ptr(words).to_string_lossy().into_owned() }
    }
}

#[expect(unsafe_code, reason = "the reason of a refusal is kept per thread")]
fn last_error() -> RDKafkaErrorCode {
    // SAFETY: it reads a number of this thread.
    unsafe { c::rd_kafka_last_error() }.into()
}
