//! Which life of a topic is there: its id, which the safe wrapper does not ask for.

use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaErrorCode;
use tally_domain::{Hash128, TopicId};

/// Gives back what librdkafka gave.
struct Owned<T>(NonNull<T>, unsafe extern "C" fn(*mut T));

impl<T> Owned<T> {
    fn new(pointer: *mut T, free: unsafe extern "C" fn(*mut T)) -> Result<Self, RDKafkaErrorCode> {
        NonNull::new(pointer).map(|pointer| Self(pointer, free)).ok_or(RDKafkaErrorCode::Fail)
    }

    fn ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    #[expect(unsafe_code, reason = "what C made, C frees")]
    fn drop(&mut self) {
        // SAFETY: the pointer came with this function to free it, and is used no more.
        unsafe { (self.1)(self.0.as_ptr()) }
    }
}

/// The id of one topic.
///
/// # Errors
/// [`RDKafkaErrorCode::UnknownTopicOrPartition`], [`RDKafkaErrorCode::TopicAuthorizationFailed`], or what stands in
/// the way of an answer.
#[expect(unsafe_code, reason = "the safe wrapper does not describe topics")]
pub(crate) fn topic_id<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    at_most: Duration,
) -> Result<TopicId, RDKafkaErrorCode> {
    let name = CString::new(topic).map_err(|_| RDKafkaErrorCode::InvalidTopic)?;
    let wait_ms = i32::try_from(at_most.as_millis()).unwrap_or(i32::MAX);
    let rk = client.native_ptr();
    // SAFETY: every pointer is either null, or made by librdkafka in this function and freed at its end, in the
    // reverse order; the client outlives the call; the name ends in a zero and is copied; what the answer lends
    // (description, error, id) is read before the answer is freed.
    unsafe {
        let queue = Owned::new(c::rd_kafka_queue_new(rk), c::rd_kafka_queue_destroy)?;
        let options = Owned::new(
            c::rd_kafka_AdminOptions_new(rk, c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS),
            c::rd_kafka_AdminOptions_destroy,
        )?;
        c::rd_kafka_AdminOptions_set_request_timeout(options.ptr(), wait_ms, ptr::null_mut(), 0);
        let mut names = [name.as_ptr()];
        let topics = Owned::new(
            c::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()),
            c::rd_kafka_TopicCollection_destroy,
        )?;
        c::rd_kafka_DescribeTopics(rk, topics.ptr(), options.ptr(), queue.ptr());
        let answer = Owned::new(c::rd_kafka_queue_poll(queue.ptr(), wait_ms), c::rd_kafka_event_destroy)
            .map_err(|_| RDKafkaErrorCode::OperationTimedOut)?;
        accept(c::rd_kafka_event_error(answer.ptr()).into())?;
        let mut count = 0;
        let found = c::rd_kafka_event_DescribeTopics_result(answer.ptr());
        if found.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        let described = c::rd_kafka_DescribeTopics_result_topics(found, &raw mut count);
        if described.is_null() || count != 1 {
            return Err(RDKafkaErrorCode::Fail);
        }
        accept(c::rd_kafka_error_code(c::rd_kafka_TopicDescription_error(*described)).into())?;
        let id = c::rd_kafka_TopicDescription_topic_id(*described);
        if id.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        let high = c::rd_kafka_Uuid_most_significant_bits(id).to_be_bytes();
        let low = c::rd_kafka_Uuid_least_significant_bits(id).to_be_bytes();
        let mut whole = [0; 16];
        whole[..8].copy_from_slice(&high);
        whole[8..].copy_from_slice(&low);
        Ok(TopicId(Hash128(whole)))
    }
}

fn accept(code: RDKafkaErrorCode) -> Result<(), RDKafkaErrorCode> {
    if code == RDKafkaErrorCode::NoError { Ok(()) } else { Err(code) }
}
