//! The parts of librdkafka that the Rust bindings do not wrap: topic ids, and headers whose names are not UTF-8 (the wrapper panics there).

use bytes::Bytes;
use rdkafka::{
    bindings as rd,
    error::{KafkaError, KafkaResult},
    message::BorrowedMessage,
    types::RDKafka,
};
use std::{
    ffi::{CStr, CString, c_char},
    ptr,
    time::Duration,
};
use uuid::Uuid;

/// A topic as the brokers have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) partitions: u32,
}

/// Calls its function when dropped: each native value here is freed on every way out.
struct Guard<T: Copy>(T, unsafe extern "C" fn(T));

impl<T: Copy> Drop for Guard<T> {
    fn drop(&mut self) {
        // SAFETY: whoever makes a guard pairs a live pointer, or null, with the function that librdkafka documents for freeing it, and
        // frees it nowhere else.
        unsafe { self.1(self.0) }
    }
}

/// Those of the topics that exist. Blocks for as long as `timeout`.
///
/// `client` must be a live client; whoever calls holds it for the time of the call.
pub(crate) unsafe fn describe(
    client: *mut RDKafka,
    names: &[String],
    timeout: Duration,
) -> KafkaResult<Vec<Described>> {
    let names: Vec<CString> = names.iter().map(|name| CString::new(name.as_str())).collect::<Result<_, _>>()?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: `client` is live by this function's contract. `pointers` are C strings that outlive the call, which copies them. Queue, options
    // and collection are freed by their guards after the request that uses them was handed over; librdkafka counts references to the
    // queue itself.
    let event = unsafe {
        let queue = Guard(rd::rd_kafka_queue_new(client), rd::rd_kafka_queue_destroy);
        let topics = Guard(
            rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len()),
            rd::rd_kafka_TopicCollection_destroy,
        );
        let options = Guard(
            rd::rd_kafka_AdminOptions_new(client, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS),
            rd::rd_kafka_AdminOptions_destroy,
        );
        // A timeout beyond what librdkafka takes leaves its own, a minute; the poll below ends first.
        let mut complaint = [0; 256];
        rd::rd_kafka_AdminOptions_set_request_timeout(options.0, millis, complaint.as_mut_ptr(), complaint.len());
        rd::rd_kafka_DescribeTopics(client, topics.0, options.0, queue.0);
        Guard(rd::rd_kafka_queue_poll(queue.0, millis), rd::rd_kafka_event_destroy)
    };
    if event.0.is_null() {
        return Err(KafkaError::AdminOp(rdkafka::types::RDKafkaErrorCode::OperationTimedOut));
    }
    // SAFETY: the event is live until its guard drops. What is read from it is copied before.
    unsafe {
        let code = rd::rd_kafka_event_error(event.0);
        if code != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(KafkaError::AdminOp(code.into()));
        }
        let mut count = 0;
        let topics = rd::rd_kafka_DescribeTopics_result_topics(
            rd::rd_kafka_event_DescribeTopics_result(event.0),
            &raw mut count,
        );
        let mut described = Vec::with_capacity(count);
        for index in 0..count {
            described.extend(read_description(*topics.add(index))?);
        }
        Ok(described)
    }
}

/// `None` where the topic does not exist.
///
/// `topic` must be live.
unsafe fn read_description(topic: *const rd::rd_kafka_TopicDescription_t) -> KafkaResult<Option<Described>> {
    // SAFETY: `topic` is live by this function's contract, and what the accessors return belongs to it. An error may be null, which
    // `rd_kafka_error_code` takes for none.
    unsafe {
        match rd::rd_kafka_error_code(rd::rd_kafka_TopicDescription_error(topic)) {
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => return Ok(None),
            code => return Err(KafkaError::AdminOp(code.into())),
        }
        let id = rd::rd_kafka_TopicDescription_topic_id(topic);
        let half = |bits: i64| bits.cast_unsigned();
        let mut partitions = 0;
        rd::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        Ok(Some(Described {
            name: CStr::from_ptr(rd::rd_kafka_TopicDescription_name(topic)).to_string_lossy().into_owned(),
            id: Uuid::from_u64_pair(
                half(rd::rd_kafka_Uuid_most_significant_bits(id)),
                half(rd::rd_kafka_Uuid_least_significant_bits(id)),
            ),
            partitions: u32::try_from(partitions).unwrap_or(u32::MAX),
        }))
    }
}

/// The message's headers. Bytes of names that are not UTF-8 are replaced.
pub(crate) fn headers(message: &BorrowedMessage<'_>) -> Vec<(String, Bytes)> {
    let mut native = ptr::null_mut();
    // SAFETY: `message` keeps its native message alive, and that its headers, until this function returns with copies of them. Both functions
    // only write to the places given; names end with a zero, values have the size given or are null.
    unsafe {
        if rd::rd_kafka_message_headers(message.ptr(), &raw mut native)
            != rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            return Vec::new();
        }
        let mut headers = Vec::with_capacity(rd::rd_kafka_header_cnt(native));
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        while rd::rd_kafka_header_get_all(native, headers.len(), &raw mut name, &raw mut value, &raw mut size)
            == rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            let value = if value.is_null() {
                Bytes::new()
            } else {
                Bytes::copy_from_slice(std::slice::from_raw_parts(value.cast(), size))
            };
            headers.push((CStr::from_ptr(name).to_string_lossy().into_owned(), value));
        }
        headers
    }
}
