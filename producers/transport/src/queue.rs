//! The bounded queue: what waits to be sent, by how dear it is. No IO, no clock.

use crate::Outgoing;
use framelake_wire::{Topic, batch};
use std::collections::VecDeque;

/// Processes, logs, attachments, metrics (with frames), spans: sent in this order, shed from the end.
pub(crate) const CLASSES: usize = 5;
pub(crate) const PROCESSES: usize = 0;
pub(crate) const ATTACHMENTS: usize = 2;

/// Records that wait, bounded by bytes.
///
/// Within a class the order of [`Queue::push`] is kept. What is in flight counts towards the bound until it is
/// [released](Queue::release), and is never shed.
#[derive(Debug)]
pub struct Queue {
    classes: [VecDeque<Outgoing>; CLASSES],
    waiting_bytes: usize,
    in_flight_bytes: usize,
    bytes_max: usize,
}

impl Queue {
    /// An empty queue that holds at most `bytes_max` bytes, `Process` records aside (one is a few hundred bytes, and only the newest is kept).
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { classes: Default::default(), waiting_bytes: 0, in_flight_bytes: 0, bytes_max }
    }

    /// Takes `record` in and returns what had to go for it: spans before metrics before attachments before
    /// logs, the oldest of a class first.
    /// That may be `record` itself, when everything else is dearer.
    pub fn push(&mut self, record: Outgoing) -> Vec<Outgoing> {
        let class = class(&record);
        if class == PROCESSES {
            // An upsert: the newest holds, so older ones need not travel.
            for old in self.classes[PROCESSES].drain(..) {
                self.waiting_bytes -= old.held_bytes();
            }
        }
        self.waiting_bytes += record.held_bytes();
        self.classes[class].push_back(record);

        let mut shed = Vec::new();
        while self.bytes() > self.bytes_max {
            let Some(victim) = self.classes[PROCESSES + 1..].iter_mut().rev().find_map(VecDeque::pop_front) else {
                break;
            };
            self.waiting_bytes -= victim.held_bytes();
            shed.push(victim);
        }
        shed
    }

    /// The next records to send, the dearest class first, in all at most `bytes_max` bytes as a batch, but at least one where any waits.
    /// They are in flight until released.
    pub fn take_batch(&mut self, bytes_max: usize) -> Vec<Outgoing> {
        self.take_batch_before(CLASSES, bytes_max)
    }

    /// As [`Queue::take_batch`], from the classes dearer than `class` alone.
    pub(crate) fn take_batch_before(&mut self, class: usize, bytes_max: usize) -> Vec<Outgoing> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for class in &mut self.classes[..class] {
            while let Some(record) = class.front() {
                bytes += batch::entry_bytes(record.topic.name(), record.bytes.len());
                if bytes > bytes_max && !batch.is_empty() {
                    return batch;
                }
                let record = class.pop_front().expect("the class has a front");
                self.waiting_bytes -= record.held_bytes();
                self.in_flight_bytes += record.held_bytes();
                batch.push(record);
            }
        }
        batch
    }

    /// The oldest records of the cheapest class that waits, until no more than `down_to` bytes are left waiting or the class has no more; empty
    /// when only `Process` records wait. They are in flight until released or [returned](Queue::give_back).
    pub(crate) fn take_cheapest(&mut self, down_to: usize) -> (usize, Vec<Outgoing>) {
        let Some(class) = (PROCESSES + 1..CLASSES).rev().find(|class| !self.classes[*class].is_empty()) else {
            return (PROCESSES, Vec::new());
        };
        let mut taken = Vec::new();
        while self.waiting_bytes > down_to
            && let Some(record) = self.classes[class].pop_front()
        {
            self.waiting_bytes -= record.held_bytes();
            self.in_flight_bytes += record.held_bytes();
            taken.push(record);
        }
        (class, taken)
    }

    /// Takes back records of `class` that were in flight, as its oldest.
    pub(crate) fn give_back(&mut self, class: usize, records: impl DoubleEndedIterator<Item = Outgoing>) {
        for record in records.rev() {
            self.in_flight_bytes -= record.held_bytes();
            self.waiting_bytes += record.held_bytes();
            self.classes[class].push_front(record);
        }
    }

    /// Records that came from elsewhere are in flight until released.
    pub(crate) fn hold(&mut self, records: &[Outgoing]) {
        self.in_flight_bytes += records.iter().map(Outgoing::held_bytes).sum::<usize>();
    }

    /// A record in flight reached its end: acknowledged or given up.
    pub fn release(&mut self, record: &Outgoing) {
        self.in_flight_bytes -= record.held_bytes();
    }

    /// Bytes held: waiting and in flight.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.waiting_bytes + self.in_flight_bytes
    }

    /// Bytes that wait and are not in flight.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// The most bytes it holds.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Whether anything dearer than `class` waits.
    pub(crate) fn has_before(&self, class: usize) -> bool {
        self.classes[..class].iter().any(|class| !class.is_empty())
    }

    /// Records that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.iter().map(VecDeque::len).sum()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.iter().all(VecDeque::is_empty)
    }

    /// Whether a `Process` record waits.
    #[must_use]
    pub fn has_process(&self) -> bool {
        !self.classes[PROCESSES].is_empty()
    }

    /// Everything that waits, taken out.
    pub fn drain(&mut self) -> Vec<Outgoing> {
        self.waiting_bytes = 0;
        self.classes.iter_mut().flat_map(|class| class.drain(..)).collect()
    }
}

pub(crate) fn class(record: &Outgoing) -> usize {
    match record.topic {
        Topic::Processes => PROCESSES,
        Topic::Logs if record.is_attachment => ATTACHMENTS,
        Topic::Logs => 1,
        Topic::Metrics => 3,
        Topic::Spans | Topic::Lake | Topic::DeadLetters => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rows;
    use framelake_wire::{ProcessId, StreamId};

    /// A record of `topic` that is one row of the stream `number` and takes `KIB` in the queue.
    fn record(topic: Topic, number: u8) -> Outgoing {
        let stream_id = StreamId::from_bytes([number; 16]);
        let rows = (topic != Topic::Processes).then_some(Rows { stream_id, count: 1 });
        let mut bytes = Vec::new();
        bytes.reserve_exact(KIB - size_of::<Outgoing>());
        bytes.push(number);
        Outgoing {
            topic,
            is_attachment: false,
            process_id: ProcessId::from_bytes([1; 16]),
            bytes,
            rows,
            hold: Default::default(),
        }
    }

    const KIB: usize = 1024;

    fn shed_numbers(shed: &[Outgoing]) -> Vec<u8> {
        shed.iter().map(|record| record.rows.expect("it holds rows").stream_id.as_bytes()[0]).collect()
    }

    #[test]
    fn spans_are_shed_before_metrics_before_logs_and_the_oldest_first() {
        let mut queue = Queue::new(5 * KIB);
        for (topic, number) in
            [(Topic::Logs, 1), (Topic::Spans, 2), (Topic::Metrics, 3), (Topic::Spans, 4), (Topic::Metrics, 5)]
        {
            assert_eq!(queue.push(record(topic, number)), vec![]);
        }
        let mut shed = Vec::new();
        for number in 6..=10 {
            shed.extend(queue.push(record(Topic::Logs, number)));
        }
        assert_eq!(shed_numbers(&shed), [2, 4, 3, 5, 1]);
        assert_eq!(queue.bytes(), 5 * KIB);
    }

    #[test]
    fn a_flood_of_attachments_pushes_out_no_line_and_goes_after_metrics() {
        let attachment = |number| Outgoing { is_attachment: true, ..record(Topic::Logs, number) };
        let mut queue = Queue::new(4 * KIB);
        queue.push(record(Topic::Logs, 1));
        queue.push(record(Topic::Metrics, 2));
        let flood: Vec<Outgoing> = (3..=8).flat_map(|number| queue.push(attachment(number))).collect();
        assert_eq!(shed_numbers(&flood), [2, 3, 4, 5]);
        assert_eq!(shed_numbers(&queue.push(record(Topic::Metrics, 9))), [9]);
        assert_eq!(shed_numbers(&queue.push(record(Topic::Logs, 10))), [6]);
        let sent: Vec<u8> = queue.take_batch(10 * KIB).iter().map(|record| record.bytes[0]).collect();
        assert_eq!(sent, [1, 10, 7, 8]);
    }

    #[test]
    fn a_span_that_finds_only_dearer_records_is_shed_itself() {
        let mut queue = Queue::new(2 * KIB);
        queue.push(record(Topic::Logs, 1));
        queue.push(record(Topic::Metrics, 2));
        assert_eq!(shed_numbers(&queue.push(record(Topic::Spans, 3))), [3]);
    }

    #[test]
    fn processes_are_never_shed_and_only_the_newest_travels() {
        let mut queue = Queue::new(KIB);
        queue.push(record(Topic::Processes, 1));
        queue.push(record(Topic::Processes, 2));
        assert_eq!(shed_numbers(&queue.push(record(Topic::Spans, 3))), [3]);
        let batch = queue.take_batch(10 * KIB);
        assert_eq!(batch.len(), 1);
        assert_eq!(batch[0].bytes[0], 2);
    }

    #[test]
    fn what_is_in_flight_counts_until_released_and_is_not_shed() {
        let mut queue = Queue::new(2 * KIB);
        queue.push(record(Topic::Spans, 1));
        let batch = queue.take_batch(KIB);
        queue.push(record(Topic::Spans, 2));
        assert_eq!(shed_numbers(&queue.push(record(Topic::Spans, 3))), [2]);
        queue.release(&batch[0]);
        assert_eq!(queue.push(record(Topic::Spans, 4)), vec![]);
    }

    #[test]
    fn a_batch_keeps_its_size_but_takes_at_least_one_record() {
        let mut queue = Queue::new(100 * KIB);
        for number in 0..4 {
            queue.push(record(Topic::Spans, number));
        }
        let entry = batch::entry_bytes(Topic::Spans.name(), 1);
        assert_eq!(queue.take_batch(3 * entry).len(), 3);
        assert_eq!(queue.take_batch(1).len(), 1);
        assert!(queue.is_empty());
    }
}
