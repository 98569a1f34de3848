//! The thread that polls librdkafka.
//!
//! It acknowledges every assignment at once and fetches a partition only when a seek has named where to begin, so the partitions that the group
//! gave us and those that librdkafka fetches are two sets, the second within the first.

use super::{Command, Epoch, Event};
use crate::{
    Options, client,
    reader::{is_out_of_range, stored},
};
use framelake_log::{Bounds, ConsumerOptions, Offset, StoredRecord, TopicPartition};
use framelake_wire::Topic;
use rdkafka::{
    ClientContext, TopicPartitionList,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    message::Message,
    types::RDKafkaRespErr,
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as threads},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// How long a poll waits for a message, and so how soon a seek is seen.
const POLL: Duration = Duration::from_millis(25);

/// How long the thread waits for a slow caller before it pauses fetching. It must go on polling then, or the group takes us for dead; but what
/// librdkafka has fetched ahead is lost by a pause.
const PATIENCE: Duration = Duration::from_secs(1);

/// Longest that brokers may take to say what a partition holds.
const ANSWER_MAX: Duration = Duration::from_secs(5);

pub(super) struct Poller {
    consumer: BaseConsumer<Group>,
    group: Arc<Mutex<State>>,
    names: Names,
    bytes_max: usize,
    events: mpsc::Sender<Event>,
    commands: threads::Receiver<Command>,
    /// Not taken by the caller yet.
    outbox: VecDeque<Event>,
    /// Bytes of values in the batch at the outbox's end.
    batch_bytes: usize,
    /// When partitions are to be asked for what they hold, after one said that it has not what we want.
    check_ranges: Option<Instant>,
    ended: bool,
}

/// Topics and their names with the prefix.
#[derive(Clone, Debug)]
struct Names(Vec<(Topic, Arc<str>)>);

/// What callbacks and thread share; both run on the polling thread, one after the other.
#[derive(Debug, Default)]
struct State {
    owned: HashSet<TopicPartition>,
    fetching: HashMap<TopicPartition, Fetching>,
    events: Vec<Event>,
}

#[derive(Clone, Copy, Debug)]
struct Fetching {
    epoch: Epoch,
    next: Offset,
}

impl Poller {
    pub(super) fn new(
        options: &Options,
        consumer: &ConsumerOptions,
        names: Vec<(Topic, Arc<str>)>,
        events: mpsc::Sender<Event>,
        commands: threads::Receiver<Command>,
    ) -> KafkaResult<Self> {
        let names = Names(names);
        let mut config = client::config(
            options,
            &[
                ("fetch.wait.max.ms", "100"),
                ("fetch.error.backoff.ms", "100"),
                // Fetching goes on a moment after the local queue was full; the usual second costs most of the throughput.
                ("fetch.queue.backoff.ms", "10"),
                ("queued.min.messages", "1000000"),
                ("queued.max.messages.kbytes", "65536"),
                ("heartbeat.interval.ms", "2000"),
            ],
        );
        config
            .set("group.id", format!("{}{}", options.topic_prefix, consumer.group))
            .set("group.instance.id", &consumer.member)
            .set("session.timeout.ms", "6000")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error");
        let group = Arc::new(Mutex::new(State::default()));
        let context = Group { state: group.clone(), names: names.clone() };
        let base = BaseConsumer::from_config_and_context(&config, context)?;
        base.subscribe(&names.0.iter().map(|(_, name)| &**name).collect::<Vec<_>>())?;
        Ok(Self {
            consumer: base,
            group,
            names,
            bytes_max: consumer.poll_bytes_max,
            events,
            commands,
            outbox: VecDeque::new(),
            batch_bytes: 0,
            check_ranges: None,
            ended: false,
        })
    }

    /// Polls until the caller is gone or the group will not have us.
    pub(super) fn run(mut self) {
        while !self.ended {
            if !self.obey() || !self.deliver() {
                return;
            }
            if self.check_ranges.is_some_and(|at| at <= Instant::now()) {
                self.check_ranges();
            }
            self.gather();
        }
        // The last words; the caller may be gone.
        for event in self.outbox.drain(..) {
            let _ = self.events.blocking_send(event);
        }
    }

    /// Does what the caller said. Returns whether there is still a caller.
    fn obey(&mut self) -> bool {
        loop {
            let done = match self.commands.try_recv() {
                Ok(Command::Seek(at, epoch, offset)) => self.seek(at, epoch, offset),
                Ok(Command::Stop(at)) => self.stop(at),
                Ok(Command::Hint(positions)) => self.hint(&positions),
                Err(threads::TryRecvError::Empty) => return true,
                Err(threads::TryRecvError::Disconnected) => return false,
            };
            if let Err(error) = done {
                self.end(format!("the consumer cannot go on: {error}; make a new one"));
            }
        }
    }

    fn seek(&mut self, at: TopicPartition, epoch: Epoch, offset: Offset) -> KafkaResult<()> {
        self.stop(at)?;
        if self.state().owned.contains(&at) {
            self.consumer.incremental_assign(&self.names.list([(at, Some(offset))])?)?;
            self.state().fetching.insert(at, Fetching { epoch, next: offset });
        }
        Ok(())
    }

    fn stop(&mut self, at: TopicPartition) -> KafkaResult<()> {
        let fetching = self.state().fetching.remove(&at);
        if fetching.is_some() {
            self.consumer.incremental_unassign(&self.names.list([(at, None)])?)?;
        }
        Ok(())
    }

    fn hint(&mut self, positions: &[(TopicPartition, Offset)]) -> KafkaResult<()> {
        let owned = |at: &TopicPartition| self.state().owned.contains(at);
        let positions = positions.iter().filter(|(at, _)| owned(at)).map(|(at, offset)| (*at, Some(*offset)));
        let list = self.names.list(positions)?;
        // Only tools look at it; the next hint makes up for one that failed.
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
        {
            tracing::debug!(%error, "the group's offsets were not committed");
        }
        Ok(())
    }

    /// Hands over what waits, pausing where the caller is slow. Returns whether there is still a caller.
    fn deliver(&mut self) -> bool {
        let since = Instant::now();
        let mut paused = None;
        while let Some(event) = self.outbox.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => continue,
                Err(mpsc::error::TrySendError::Full(event)) => self.outbox.push_front(event),
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
            }
            if paused.is_none() && since.elapsed() > PATIENCE {
                let fetching: Vec<_> = self.state().fetching.keys().map(|at| (*at, None)).collect();
                let list = self.names.list(fetching).expect("names of our own are sound");
                match self.consumer.pause(&list) {
                    Ok(()) => paused = Some(list),
                    Err(error) => tracing::debug!(%error, "fetching could not be paused"),
                }
            }
            if paused.is_some() {
                // Only rebalances are expected; a message that comes all the same waits in the outbox.
                self.gather();
                if !self.obey() {
                    return false;
                }
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        if let Some(list) = paused
            && let Err(error) = self.consumer.resume(&list)
        {
            tracing::debug!(%error, "fetching could not be resumed");
        }
        true
    }

    /// Polls once, and takes what else is there already up to the bytes of a batch.
    fn gather(&mut self) {
        let mut taken = 0;
        let mut wait = POLL;
        while taken < self.bytes_max {
            let polled = self.consumer.poll(wait).map(|polled| {
                polled.map(|message| {
                    (message.partition().cast_unsigned(), self.names.topic(message.topic()), stored(&message))
                })
            });
            // What the callbacks said came before the message.
            let events = std::mem::take(&mut self.state().events);
            self.outbox.extend(events);
            match polled {
                None => return,
                Some(Ok((partition, Some(topic), record))) => {
                    taken += record.value.len().max(1);
                    self.take(TopicPartition { topic, partition }, record);
                }
                Some(Ok((_, None, _))) => {}
                Some(Err(error)) => self.trouble(error),
            }
            wait = Duration::ZERO;
        }
    }

    /// Adds the record to the last batch, or begins one.
    fn take(&mut self, at: TopicPartition, record: StoredRecord) {
        let mut state = self.state();
        // What comes for a partition after its stop, or twice after a pause, is not ours.
        let Some(fetching) = state.fetching.get_mut(&at).filter(|fetching| fetching.next <= record.offset) else {
            return;
        };
        fetching.next = Offset(record.offset.0 + 1);
        let epoch = fetching.epoch;
        drop(state);
        self.batch_bytes += record.value.len();
        match self.outbox.back_mut() {
            Some(Event::Records(last, of, records))
                if (*last, *of) == (at, epoch) && self.batch_bytes <= self.bytes_max =>
            {
                records.push(record);
            }
            _ => {
                self.batch_bytes = record.value.len();
                self.outbox.push_back(Event::Records(at, epoch, vec![record]));
            }
        }
    }

    fn trouble(&mut self, error: KafkaError) {
        if is_out_of_range(&error) {
            // The error does not say whose offset it is, so all are asked.
            self.check_ranges = Some(Instant::now());
            return;
        }
        match error {
            KafkaError::MessageConsumptionFatal(_) => {
                self.end(format!(
                    "the group will not have this member: {error}; give each process a member name of its own"
                ));
            }
            error => tracing::debug!(%error, "consuming goes on after an error"),
        }
    }

    /// Tells of each partition whose offset is not there, and begins anew with the others: librdkafka stopped one of them, and does not say which.
    fn check_ranges(&mut self) {
        self.check_ranges = None;
        let fetching: Vec<_> = self.state().fetching.iter().map(|(at, fetching)| (*at, *fetching)).collect();
        for (at, Fetching { epoch, next }) in fetching {
            let name = self.names.name(at.topic);
            let bounds = self.consumer.client().fetch_watermarks(name, at.partition.cast_signed(), ANSWER_MAX);
            let Ok((earliest, end)) = bounds else {
                self.check_ranges = Some(Instant::now() + Duration::from_secs(1));
                return;
            };
            let bounds = Bounds { earliest: Offset(earliest), next: Offset(end) };
            let done = if next < bounds.earliest || next > bounds.next {
                self.outbox.push_back(Event::OutOfRange(at, epoch, bounds));
                self.stop(at)
            } else {
                self.seek(at, epoch, next)
            };
            if let Err(error) = done {
                self.end(format!("the consumer cannot go on: {error}; make a new one"));
            }
        }
    }

    fn end(&mut self, reason: String) {
        self.outbox.push_back(Event::Ended(reason));
        self.ended = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    fn name(&self, topic: Topic) -> &str {
        let found = self.0.iter().find(|(known, _)| *known == topic);
        &found.expect("only the consumer's own topics are assigned").1
    }

    fn topic(&self, name: &str) -> Option<Topic> {
        self.0.iter().find(|(_, known)| &**known == name).map(|(topic, _)| *topic)
    }

    fn list(
        &self,
        partitions: impl IntoIterator<Item = (TopicPartition, Option<Offset>)>,
    ) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for (at, offset) in partitions {
            let (name, partition) = (self.name(at.topic), at.partition.cast_signed());
            match offset {
                Some(Offset(offset)) => list.add_partition_offset(name, partition, rdkafka::Offset::Offset(offset))?,
                None => {
                    list.add_partition(name, partition);
                }
            }
        }
        Ok(list)
    }

    fn partitions(&self, list: &TopicPartitionList) -> Vec<TopicPartition> {
        let at = |topic: &str, partition: i32| {
            Some(TopicPartition { topic: self.topic(topic)?, partition: partition.cast_unsigned() })
        };
        list.elements().iter().filter_map(|element| at(element.topic(), element.partition())).collect()
    }
}

/// librdkafka's callbacks.
struct Group {
    state: Arc<Mutex<State>>,
    names: Names,
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::log_error(&error, reason);
    }
}

impl ConsumerContext for Group {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = self.names.partitions(list);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let acknowledged = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                state.owned.extend(&partitions);
                state.events.push(Event::Assigned(partitions));
                // Nothing is fetched before a seek.
                consumer.incremental_assign(&TopicPartitionList::new())
            }
            _ => {
                let mut fetched = Vec::new();
                for at in &partitions {
                    state.owned.remove(at);
                    if state.fetching.remove(at).is_some() {
                        fetched.push((*at, None));
                    }
                }
                state.events.push(Event::Revoked(partitions));
                self.names.list(fetched).and_then(|list| consumer.incremental_unassign(&list))
            }
        };
        drop(state);
        if let Err(error) = acknowledged {
            tracing::warn!(%error, "a rebalance could not be acknowledged");
        }
    }
}
