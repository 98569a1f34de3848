//! What the tests share: a carrier that keeps records in memory, and the rows in them.
#![allow(dead_code, reason = "not every test uses everything")]

use framelake::transport::{Deliver, Outcome, Outgoing};
use framelake::{Builder, Guard, Report};
use framelake_wire::{Block, Process, Record, StreamId, StreamKind, decode};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// One recording at a time in a process: tests that record take turns.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Keeps every record.
#[derive(Clone, Default)]
pub(crate) struct Collector {
    records: Arc<Mutex<Vec<Outgoing>>>,
}

impl Deliver for Collector {
    fn deliver(&mut self, batch: &[Outgoing], _deadline: Instant) -> Outcome {
        self.records.lock().unwrap().extend_from_slice(batch);
        Outcome::Kept { refused: vec![], control: None }
    }

    fn destination(&self) -> String {
        "memory".into()
    }
}

impl Collector {
    /// Starts recording into it, drained often.
    pub(crate) fn start(&self) -> Guard {
        self.start_with(Builder::new().drain_period(Duration::from_millis(20)))
    }

    pub(crate) fn start_with(&self, builder: Builder) -> Guard {
        builder.panic_hook(false).deliver_by(Box::new(self.clone())).start().unwrap()
    }

    fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap().iter().map(|record| Record::decode(&record.bytes).unwrap()).collect()
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let blocks = self.records().into_iter();
        blocks.filter_map(|record| if let Record::Block(block) = record { Some(block) } else { None }).collect()
    }

    pub(crate) fn processes(&self) -> Vec<Process> {
        let records = self.records().into_iter();
        records.filter_map(|record| if let Record::Process(process) = record { Some(process) } else { None }).collect()
    }

    /// The blocks of each stream of a kind, their sequences and ordinals checked to be without a gap.
    pub(crate) fn streams(&self, kind: &StreamKind) -> BTreeMap<StreamId, Vec<Block>> {
        let mut streams: BTreeMap<StreamId, Vec<Block>> = BTreeMap::new();
        for block in self.blocks().into_iter().filter(|block| block.header.kind == *kind) {
            streams.entry(block.header.stream_id).or_default().push(block);
        }
        for blocks in streams.values_mut() {
            blocks.sort_by_key(|block| block.header.sequence);
            let mut ordinal = 0;
            for (sequence, block) in blocks.iter().enumerate() {
                assert_eq!(block.header.sequence, sequence as u64);
                assert_eq!(block.header.first_ordinal, ordinal);
                ordinal += block.header.ordinal_count;
            }
        }
        streams
    }

    /// Every log line, in the order of the ordinals: message, and all else there is to know.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for block in self.streams(&StreamKind::LOG).into_values().flatten() {
            let logs = decode::logs(&block).unwrap();
            lines.extend((0..logs.ordinal.len()).map(|index| Line {
                message: logs.message(index).to_owned(),
                ordinal: logs.ordinal[index],
                time: logs.time[index],
                thread: logs.threads[logs.thread[index] as usize].name.clone(),
                site: logs.sites[logs.site[index] as usize].clone(),
            }));
        }
        lines
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.lines().into_iter().map(|line| line.message).collect()
    }

    /// Every span, by thread name, in the order of the ordinals.
    pub(crate) fn spans(&self) -> BTreeMap<String, Vec<Span>> {
        let mut threads: BTreeMap<String, Vec<Span>> = BTreeMap::new();
        for block in self.streams(&StreamKind::SPAN).into_values().flatten() {
            let spans = decode::spans(&block).unwrap();
            let rows = (0..spans.ordinal.len()).map(|index| Span {
                name: spans.sites[spans.site[index] as usize].name.clone(),
                ordinal: spans.ordinal[index],
                parent: spans.parent[index],
                depth: spans.depth[index],
                begin: spans.begin[index],
                end: spans.end[index],
                truncated: spans.truncated[index],
            });
            threads.entry(block.header.thread_name.clone()).or_default().extend(rows);
        }
        for spans in threads.values_mut() {
            spans.sort_by_key(|span| span.ordinal);
        }
        threads
    }

    /// Every attachment that is there to its last part, by number.
    pub(crate) fn attachments(&self) -> BTreeMap<u64, Attached> {
        let mut attachments: BTreeMap<u64, Attached> = BTreeMap::new();
        for block in self.streams(&StreamKind::ATTACHMENT).into_values().flatten() {
            let rows = decode::attachments(&block).unwrap();
            for row in 0..rows.ordinal.len() {
                let attached = attachments.entry(rows.attachment[row]).or_insert_with(|| Attached {
                    name: rows.name(row).to_owned(),
                    media_type: rows.media_type(row).to_owned(),
                    thread: rows.threads[rows.thread[row] as usize].name.clone(),
                    time: rows.time[row],
                    ..Attached::default()
                });
                assert_eq!((rows.part[row], rows.time[row]), (attached.parts, attached.time));
                attached.parts += 1;
                attached.bytes.extend(rows.part_bytes(row));
                if attached.parts == rows.parts[row] {
                    assert_eq!(attached.bytes.len() as u64, rows.size[row]);
                    attached.is_whole = true;
                }
            }
        }
        attachments.retain(|_, attached| attached.is_whole);
        attachments
    }

    /// Rows that can be seen, by stream.
    pub(crate) fn visible(&self) -> BTreeMap<StreamId, u64> {
        let mut visible = BTreeMap::new();
        for block in self.blocks() {
            decode::check(&block).unwrap();
            *visible.entry(block.header.stream_id).or_default() += block.header.row_count;
        }
        visible
    }

    /// Holds what the report says against what can be seen: `ordinals = visible + dropped + sampled + open` for every stream.
    pub(crate) fn check(&self, report: &Report) {
        let visible = self.visible();
        assert_eq!((report.undelivered_records, report.spooled_records, report.streams_left_out), (0, 0, 0));
        for stream in &report.streams {
            let rows = visible.get(&stream.stream_id).copied().unwrap_or(0);
            assert_eq!(rows + stream.dropped + stream.sampled + stream.open, stream.ordinals, "{stream:?}");
        }
        assert!(visible.keys().all(|id| report.streams.iter().any(|stream| stream.stream_id == *id)));
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) message: String,
    pub(crate) ordinal: u64,
    pub(crate) time: i64,
    pub(crate) thread: String,
    pub(crate) site: decode::CallSite,
}

#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) ordinal: u64,
    pub(crate) parent: Option<u64>,
    pub(crate) depth: u32,
    pub(crate) begin: i64,
    pub(crate) end: i64,
    pub(crate) truncated: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Attached {
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) thread: String,
    pub(crate) time: i64,
    pub(crate) parts: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_whole: bool,
}

/// Waits until `done`, which other threads bring about.
pub(crate) fn eventually(what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}
