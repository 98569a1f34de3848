//! A member of a consumer group.
//!
//! A thread polls librdkafka ([`poller`]) and hands over through a bounded channel; here is the side that the caller sees. A seek takes effect
//! in the thread a moment later, so everything the thread sends names the seek it belongs to (its epoch), and what is older is thrown away.

mod poller;

use crate::{
    Kafka,
    error::{outcome, unavailable},
};
use async_trait::async_trait;
use framelake_log::{
    Bounds, Consumer, ConsumerOptions, Error, Offset, Polled, Result, StoredRecord, TopicDescription, TopicId,
    TopicPartition,
};
use framelake_wire::Topic;
use poller::Poller;
use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::mpsc as threads,
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

/// Batches that wait between the thread and the caller: enough that neither waits for the other, few enough to be no memory.
const BATCHES_MAX: usize = 4;

/// How often the topics' ids are looked at: a topic that was deleted and made again keeps its name, and a busy new one can soon have the old
/// one's offsets.
const IDENTITY_EVERY: Duration = Duration::from_secs(5);

/// Which seek of a partition something belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Epoch(u64);

/// What the thread has to say, in the order in which it happened.
#[derive(Debug)]
enum Event {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
    Records(TopicPartition, Epoch, Vec<StoredRecord>),
    OutOfRange(TopicPartition, Epoch, Bounds),
    /// The thread has ended.
    Ended(String),
}

/// What the thread is told.
#[derive(Debug)]
enum Command {
    Seek(TopicPartition, Epoch, Offset),
    Stop(TopicPartition),
    Hint(Vec<(TopicPartition, Offset)>),
}

pub(crate) struct Member {
    kafka: Kafka,
    topics: Vec<Topic>,
    events: mpsc::Receiver<Event>,
    commands: threads::Sender<Command>,
    /// The last seek of each partition, kept over revocations.
    epochs: HashMap<TopicPartition, Epoch>,
    assigned: HashMap<TopicPartition, TopicId>,
    /// Assigned by the group, not announced yet: the ids must be asked for first.
    arrived: Vec<TopicPartition>,
    /// To be announced next.
    ready: VecDeque<Polled>,
    looking: Option<JoinHandle<Result<Vec<TopicDescription>>>>,
    looked: Instant,
    ended: Option<String>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("topics", &self.topics).field("assigned", &self.assigned).finish_non_exhaustive()
    }
}

impl Member {
    pub(crate) fn join(kafka: Kafka, options: ConsumerOptions) -> Result<Self> {
        let (events, received) = mpsc::channel(BATCHES_MAX);
        let (commands, orders) = threads::channel();
        let names = options.topics.iter().map(|topic| (*topic, kafka.name(*topic).clone())).collect();
        let poller = Poller::new(kafka.options(), &options, names, events, orders)
            .map_err(|error| outcome("joining the group", error))?;
        let thread = std::thread::Builder::new().name("kafka-consumer".into());
        thread.spawn(move || poller.run()).map_err(|error| Error::Unavailable {
            reason: "no thread for the consumer".into(),
            source: Some(Box::new(error)),
        })?;
        Ok(Self {
            kafka,
            topics: options.topics,
            events: received,
            commands,
            epochs: HashMap::new(),
            assigned: HashMap::new(),
            arrived: Vec::new(),
            ready: VecDeque::new(),
            looking: None,
            looked: Instant::now(),
            ended: None,
        })
    }

    /// Takes in what the thread said. Returns what the caller is to know of it at once.
    fn receive(&mut self, event: Event) -> Option<Polled> {
        match event {
            Event::Assigned(partitions) => {
                self.arrived.extend(partitions);
                None
            }
            Event::Revoked(partitions) => self.revoke(partitions),
            Event::Records(at, epoch, records) => self.is_current(at, epoch).then_some(Polled::Records(at, records)),
            Event::OutOfRange(at, epoch, bounds) => {
                self.is_current(at, epoch).then_some(Polled::OutOfRange(at, bounds))
            }
            Event::Ended(reason) => {
                self.ended = Some(reason);
                None
            }
        }
    }

    /// Whether it belongs to the last seek, and to a partition that is still this member's.
    fn is_current(&self, at: TopicPartition, epoch: Epoch) -> bool {
        self.assigned.contains_key(&at) && self.epochs.get(&at) == Some(&epoch)
    }

    fn revoke(&mut self, mut partitions: Vec<TopicPartition>) -> Option<Polled> {
        self.arrived.retain(|at| !partitions.contains(at));
        // What was never announced is not taken back either.
        partitions.retain(|at| self.assigned.remove(at).is_some());
        partitions.iter().for_each(|at| self.next_epoch(*at));
        (!partitions.is_empty()).then_some(Polled::Revoked(partitions))
    }

    /// From now on nothing that was read before counts.
    fn next_epoch(&mut self, at: TopicPartition) {
        self.epochs.entry(at).or_default().0 += 1;
    }

    /// Announces what arrived. On an error it stays for the next poll.
    async fn announce(&mut self) -> Result<Polled> {
        let topics = self.kafka.describe().await?;
        let id = |at: &TopicPartition| topics.iter().find(|known| known.topic == at.topic).map(|known| known.id);
        let announced: Vec<_> = self.arrived.drain(..).filter_map(|at| Some((at, id(&at)?))).collect();
        self.assigned.extend(announced.iter().copied());
        Ok(Polled::Assigned(announced))
    }

    /// Looks at the topics' ids from time to time, without making anybody wait. A topic with another id is another log: its partitions are
    /// revoked and assigned again.
    async fn look_at_identities(&mut self) {
        if self.looking.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(looking) = self.looking.take()
        {
            self.looked = Instant::now();
            // Brokers that do not answer are no news; it is tried again.
            if let Ok(Ok(topics)) = looking.await {
                self.compare(&topics);
            }
        }
        if self.looking.is_none() && self.looked.elapsed() >= IDENTITY_EVERY && !self.assigned.is_empty() {
            let kafka = self.kafka.clone();
            self.looking = Some(tokio::spawn(async move { kafka.describe().await }));
        }
    }

    fn compare(&mut self, topics: &[TopicDescription]) {
        for known in topics {
            let other =
                |(at, id): (&TopicPartition, &TopicId)| (at.topic == known.topic && *id != known.id).then_some(*at);
            let others: Vec<TopicPartition> = self.assigned.iter().filter_map(other).collect();
            if others.is_empty() {
                continue;
            }
            tracing::warn!(topic = %known.topic, "the topic was deleted and made again");
            for at in &others {
                // A thread that has ended says so by itself.
                let _ = self.commands.send(Command::Stop(*at));
                self.next_epoch(*at);
                self.assigned.remove(at);
            }
            let is_there = |at: &TopicPartition| at.partition < known.partitions;
            let again: Vec<_> = others.iter().copied().filter(is_there).map(|at| (at, known.id)).collect();
            self.ready.push_back(Polled::Revoked(others));
            self.assigned.extend(again.iter().copied());
            self.ready.push_back(Polled::Assigned(again));
        }
    }
}

#[async_trait]
impl Consumer for Member {
    async fn poll(&mut self, wait_max: Duration) -> Result<Polled> {
        let deadline = Instant::now() + wait_max.min(Duration::from_secs(24 * 60 * 60));
        loop {
            self.look_at_identities().await;
            if let Some(polled) = self.ready.pop_front() {
                return Ok(polled);
            }
            if !self.arrived.is_empty() {
                return self.announce().await;
            }
            if let Some(reason) = &self.ended {
                return Err(unavailable(reason.clone()));
            }
            match timeout_at(deadline, self.events.recv()).await {
                Ok(Some(event)) => {
                    if let Some(polled) = self.receive(event) {
                        return Ok(polled);
                    }
                }
                Ok(None) => self.ended = Some("the consumer's thread has ended; make a new consumer".into()),
                Err(_) => return Ok(Polled::Idle),
            }
        }
    }

    async fn seek(&mut self, topic_partition: TopicPartition, offset: Offset) -> Result<()> {
        if self.assigned.contains_key(&topic_partition) {
            self.next_epoch(topic_partition);
            // A thread that has ended says so at the next poll.
            let _ = self.commands.send(Command::Seek(topic_partition, self.epochs[&topic_partition], offset));
        }
        Ok(())
    }

    async fn hint(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<()> {
        let mine = positions.iter().copied().filter(|(at, _)| self.assigned.contains_key(at)).collect();
        let _ = self.commands.send(Command::Hint(mine));
        Ok(())
    }
}
