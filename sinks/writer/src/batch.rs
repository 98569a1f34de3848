//! Records of one topic on their way into one segment.

use crate::open::Opened;
use framelake_lake::{
    Gap, Incarnation, Run,
    segment::{Builder, Content, Sealed},
};
use framelake_log::{Offset, TopicId, TopicPartition};
use framelake_wire::Topic;
use std::{collections::BTreeMap, time::Instant};

/// A partition that this worker reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The topic's id, and the number that the catalog has for it.
    pub(crate) id: TopicId,
    pub(crate) incarnation: Incarnation,
    /// Where progress will stand once all batches that were handed over are committed.
    pub(crate) expected: Option<Offset>,
    /// The offset that is read next.
    pub(crate) next: Offset,
}

/// What becomes one segment: runs of several partitions, at most one of each.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) topic: Topic,
    /// Batches of a generation follow on one another; once one of them is superseded, so are those after it.
    pub(crate) generation: u64,
    pub(crate) runs: BTreeMap<TopicPartition, Run>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) records: Vec<(TopicPartition, Opened)>,
    pub(crate) bytes: usize,
    pub(crate) oldest: Option<Instant>,
    /// How many segments of what it holds had keys that are doomed.
    pub(crate) attempt: u32,
    /// The topic's incarnation, and the schema of its records of each kind: a segment has one of each.
    incarnation: Option<Incarnation>,
    schemas: [Option<Schema>; 2],
}

/// The single-object header of a record, which names its schema.
type Schema = [u8; 10];

impl Batch {
    pub(crate) fn new(topic: Topic, generation: u64) -> Self {
        let (runs, gaps, records) = (BTreeMap::new(), Vec::new(), Vec::new());
        let (oldest, incarnation) = (None, None);
        Self { topic, generation, runs, gaps, records, bytes: 0, oldest, attempt: 0, incarnation, schemas: [None; 2] }
    }

    /// Nothing to commit, not even a gap.
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether what it holds, if anything, is of this incarnation of the topic.
    pub(crate) fn is_of(&self, incarnation: Incarnation) -> bool {
        self.incarnation.is_none_or(|ours| ours == incarnation)
    }

    /// Whether the record may share the segment with what is there. Where it may not, cut first.
    pub(crate) fn fits(&self, incarnation: Incarnation, opened: &Opened) -> bool {
        let same_schema = |kind: usize| self.schemas[kind].is_none_or(|ours| Some(ours) == schema(opened));
        self.is_of(incarnation) && kind(opened).is_none_or(same_schema)
    }

    /// Takes in a record that was polled at `polled`, and moves the cursor beyond it. One that the cursor is beyond already came again; it is left out.
    pub(crate) fn push(&mut self, partition: TopicPartition, cursor: &mut Cursor, opened: Opened, polled: Instant) {
        if opened.offset < cursor.next {
            return;
        }
        let run = self.run(partition, cursor, polled);
        // Offsets may have holes (compaction, transactions): the run is complete up to and with this record all the same.
        run.next = Offset(opened.offset.0 + 1);
        cursor.next = run.next;
        if let Some(kind) = kind(&opened) {
            self.schemas[kind] = schema(&opened);
        }
        self.bytes += size(&opened);
        self.records.push((partition, opened));
    }

    /// Takes in what was found missing before the cursor, so that it is committed even when no record follows.
    pub(crate) fn push_gaps(&mut self, partition: TopicPartition, cursor: &Cursor, gaps: Vec<Gap>, found: Instant) {
        if !gaps.is_empty() {
            self.run(partition, cursor, found);
            self.gaps.extend(gaps);
        }
    }

    /// Forgets what it holds of a partition that went to another worker.
    pub(crate) fn drop_partition(&mut self, partition: TopicPartition) {
        self.runs.remove(&partition);
        self.gaps.retain(|gap| gap.from.topic_partition != partition);
        self.records.retain(|(from, _)| *from != partition);
        self.bytes = self.records.iter().map(|(_, opened)| size(opened)).sum();
        if self.runs.is_empty() {
            *self = Self::new(self.topic, self.generation);
        }
    }

    /// Records in it that could not be opened.
    pub(crate) fn poison_count(&self) -> usize {
        self.records.iter().filter(|(_, opened)| matches!(opened.content, Content::Poison(_))).count()
    }

    /// Packs it, and gives what goes into the commit beside the segment. Takes as long as hashing it does.
    ///
    /// # Panics
    /// It is empty.
    pub(crate) fn seal(self) -> (Sealed, Vec<Gap>) {
        let incarnation = self.incarnation.expect("a batch that is not empty has runs of a topic");
        let mut builder = Builder::new(self.topic, incarnation).attempt(self.attempt);
        for (partition, opened) in self.records {
            let Opened { offset, key, value, content } = opened;
            builder.push(partition.partition, offset, key, value, content);
        }
        (builder.finish(self.runs.into_values().collect()), self.gaps)
    }

    fn run(&mut self, partition: TopicPartition, cursor: &Cursor, now: Instant) -> &mut Run {
        self.oldest.get_or_insert(now);
        self.incarnation = Some(cursor.incarnation);
        self.runs.entry(partition).or_insert(Run {
            incarnation: cursor.incarnation,
            topic_partition: partition,
            expected: cursor.expected,
            from: cursor.next,
            next: cursor.next,
        })
    }
}

fn kind(opened: &Opened) -> Option<usize> {
    match opened.content {
        Content::Block { .. } => Some(0),
        Content::Process(_) => Some(1),
        Content::Poison(_) => None,
    }
}

fn schema(opened: &Opened) -> Option<Schema> {
    opened.value.first_chunk().copied()
}

fn size(opened: &Opened) -> usize {
    opened.key.len() + opened.value.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn opened(offset: i64) -> Opened {
        let value = Bytes::from_static(b"12345");
        Opened { offset: Offset(offset), key: Bytes::new(), value, content: Content::Poison("test".into()) }
    }

    #[test]
    fn runs_are_dense_over_holes_and_repeats_and_forget_revoked_partitions() {
        let mut batch = Batch::new(Topic::Logs, 0);
        let (first, second) = (partition(0), partition(1));
        let id = TopicId(uuid::Uuid::new_v4());
        let mut cursor = Cursor { id, incarnation: Incarnation(1), expected: Some(Offset(5)), next: Offset(5) };
        let mut other = Cursor { expected: None, next: Offset(0), ..cursor };
        for offset in [5, 6, 5, 9] {
            batch.push(first, &mut cursor, opened(offset), Instant::now());
        }
        batch.push(second, &mut other, opened(0), Instant::now());
        let run = &batch.runs[&first];
        assert_eq!(
            (run.expected, run.from, run.next, cursor.next),
            (Some(Offset(5)), Offset(5), Offset(10), Offset(10))
        );
        assert_eq!((batch.records.len(), batch.bytes), (4, 20));

        batch.drop_partition(first);
        assert_eq!((batch.records.len(), batch.bytes, batch.runs.len(), batch.oldest.is_some()), (1, 5, 1, true));
        batch.drop_partition(second);
        assert!(batch.is_empty() && batch.oldest.is_none());
    }

    fn partition(partition: u32) -> TopicPartition {
        TopicPartition { topic: Topic::Logs, partition }
    }
}
