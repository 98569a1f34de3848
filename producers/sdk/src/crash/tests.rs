//! A process killed at each step of a drain: its directory is copied there, and what the copy gives is held against what was written.

use crate::recover::recover;
use crate::{Builder, Level, log, session, span, span_guard};
use framelake_transport::{self as transport, Deliver, Outcome, Outgoing};
use framelake_wire::{Block, Record, StreamId, StreamKind, decode};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: u64 = 12;
static HOOK: Mutex<Option<Hook>> = Mutex::new(None);

/// What is done at each step.
struct Hook {
    dir: PathBuf,
    server: Server,
    /// Asks the program for more, which answers with how many rounds it has written.
    ask: mpsc::Sender<()>,
    answer: mpsc::Receiver<u64>,
    shots: Vec<Shot>,
}

/// What there was at a step.
struct Shot {
    step: String,
    dir: PathBuf,
    sent: Vec<Vec<u8>>,
    written: u64,
}

/// Keeps every record.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Vec<Vec<u8>>>>);

impl Deliver for Server {
    fn deliver(&mut self, batch: &[Outgoing], _: Instant) -> Outcome {
        self.0.lock().unwrap().extend(batch.iter().map(|record| record.bytes.clone()));
        Outcome::Kept { refused: vec![], control: None }
    }

    fn destination(&self) -> String {
        "memory".into()
    }
}

pub(super) fn test_step() -> Option<fn(&str)> {
    HOOK.lock().unwrap().is_some().then_some(step)
}

fn step(name: &str) {
    let mut hook = HOOK.lock().unwrap();
    let Some(Hook { dir, server, ask, answer, shots }) = hook.as_mut() else { return };
    ask.send(()).unwrap();
    let written = answer.recv().unwrap();
    let shot = dir.join(format!("shot {}", shots.len()));
    copy(&dir.join("spool"), &shot);
    let sent = server.0.lock().unwrap().clone();
    shots.push(Shot { step: name.to_owned(), dir: shot, sent, written });
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // What the sender removes meanwhile it does not need.
        let _ = fs::copy(entry.path(), to.join(entry.file_name()));
    }
}

/// A round of what a program does; the line is long, so that chunks are soon full.
fn round(number: u64) {
    span!("round", number);
    drop(span_guard!("inner"));
    log!(Level::Info, "round {} of {}", number, "x".repeat(1_000).as_str());
    crate::counter!("rounds", "1", 1);
    crate::histogram!("size", "1", number as f64 + 1.0);
}

#[test]
fn killed_at_each_step_of_a_drain_a_process_leaves_each_event_once() {
    let _one = crate::RECORDS.lock();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::default();
    let (ask, asked) = mpsc::channel();
    let (reply, answer) = mpsc::channel();
    let hook = Hook { dir: dir.path().to_owned(), server: server.clone(), ask, answer, shots: Vec::new() };
    *HOOK.lock().unwrap() = Some(hook);
    let start = || {
        Builder::new()
            .memory_budget(4 << 20)
            .drain_period(Duration::from_secs(60))
            .spool(dir.path().join("spool"))
            .crash_safe(true)
            .panic_hook(false)
            .deliver_by(Box::new(server.clone()))
            .start()
            .unwrap()
    };
    let program = thread::Builder::new().name("program".into()).spawn(move || {
        let mut number = 0;
        // Not recorded before the recording begins: the first step is its first commit.
        for () in asked {
            if crate::clock::recording() != crate::clock::OFF {
                span!("asked");
                crate::attach(format!("before round {number}"), "text/plain", vec![b'x'; 10_000]).unwrap();
                for _ in 0..ROUNDS {
                    round(number);
                    number += 1;
                }
            }
            reply.send(number).unwrap();
        }
    });
    let guard = start();
    for _ in 0..8 {
        thread::spawn(|| drop(span_guard!("brief"))).join().unwrap();
        assert!(session::flush(Duration::from_secs(60)));
    }
    let hook = HOOK.lock().unwrap().take().unwrap();
    drop(guard);
    let shots = hook.shots;
    drop(hook.ask);
    program.unwrap().join().unwrap();

    let steps: BTreeSet<&str> = shots.iter().map(|shot| &shot.step[..]).collect();
    let all = ["drained", "journal written", "state half written", "state written", "settled", "sent"];
    assert_eq!(steps, BTreeSet::from(all));
    let mut cut = BTreeSet::new();
    for (index, shot) in shots.iter().enumerate() {
        let before_first = shots[..index].iter().all(|shot| shot.step != "state written");
        if before_first {
            // Recording has not begun: nothing is to be recovered.
            assert_eq!(recover(&shot.dir, &shot.dir).unwrap().processes, 0);
            continue;
        }
        let mut events = 0;
        if index % 2 == 1 {
            // A recovery that gets no further than to `ID.cut`, as one that is killed there.
            let in_the_way = dir.path().join("in the way");
            fs::write(&in_the_way, "").unwrap();
            let recovered = recover(&shot.dir, &in_the_way).unwrap();
            assert_eq!((recovered.errors, recovered.processes), (1, 0));
            events += recovered.cut_events;
        }
        let recovered = recover(&shot.dir, &shot.dir).unwrap();
        assert_eq!((recovered.processes, recovered.damaged, recovered.errors), (1, 0, 0), "{}", shot.step);
        let again = Server::default();
        transport::recover(&shot.dir, Box::new(again.clone()), Duration::from_secs(30)).unwrap();
        let again = again.0.lock().unwrap().clone();
        check(shot, &again);
        assert!(events == 0 || recovered.cut_events == 0, "cut twice");
        if events + recovered.cut_events > 0 {
            cut.insert(&shot.step);
        }
    }
    assert!(cut.len() == 6, "little was cut: {cut:?}");
}

/// Each event that was written is in one block, sent or recovered, and no block has two contents.
fn check(shot: &Shot, recovered: &[Vec<u8>]) {
    let at = format!("at {:?}, {}", shot.step, shot.dir.display());
    let mut blocks: BTreeMap<(StreamId, u64), Block> = BTreeMap::new();
    let mut reasons = Vec::new();
    for record in shot.sent.iter().chain(recovered) {
        match Record::decode(record).unwrap() {
            Record::Process(process) => reasons.push((process.revision, process.exit_reason)),
            Record::Block(block) => {
                decode::check(&block).unwrap();
                let key = (block.header.stream_id, block.header.sequence);
                if let Some(known) = blocks.insert(key, block.clone()) {
                    assert_eq!(known, block, "two contents {at}");
                }
            }
        }
    }
    reasons.sort();
    assert_eq!(reasons.last().unwrap().1.as_deref(), Some("crash"), "{at}");
    let mut next: BTreeMap<StreamId, (u64, u64)> = BTreeMap::new();
    let mut lines = Vec::new();
    let mut spans: BTreeMap<StreamId, (BTreeSet<u64>, u64)> = BTreeMap::new();
    let (mut counted, mut observed, mut sum, mut attached) = (0, 0, 0.0, Vec::new());
    for ((stream, sequence), block) in &blocks {
        let header = &block.header;
        let (expected, ordinal) = next.entry(*stream).or_default();
        assert_eq!((*sequence, header.first_ordinal, header.dropped_count), (*expected, *ordinal, 0), "{at}");
        *expected += 1;
        *ordinal += header.ordinal_count;
        if header.kind == StreamKind::LOG {
            let logs = decode::logs(block).unwrap();
            lines.extend((0..logs.ordinal.len()).map(|row| {
                let message = logs.message(row);
                assert!(message.ends_with(&"x".repeat(1_000)), "torn {at}");
                message.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
            }));
        } else if header.kind == StreamKind::SPAN {
            let rows = decode::spans(block).unwrap();
            let (ordinals, next) = spans.entry(*stream).or_default();
            assert!(rows.ordinal.iter().all(|ordinal| ordinals.insert(*ordinal)), "a span twice {at}");
            *next = header.first_ordinal + header.ordinal_count;
        } else if header.kind == StreamKind::METRIC {
            let metrics = decode::metrics(block).unwrap();
            for row in 0..metrics.ordinal.len() {
                let count = metrics.args.number(metrics.site[row], metrics.event[row], 1).unwrap() as u64;
                if metrics.sites[metrics.site[row] as usize].name == "rounds" {
                    assert_eq!(metrics.value[row], count as f64, "{at}");
                    counted += count;
                } else {
                    observed += count;
                    sum += metrics.value[row] * count as f64;
                }
            }
        } else if header.kind == StreamKind::ATTACHMENT {
            let rows = decode::attachments(block).unwrap();
            assert!((0..rows.ordinal.len()).all(|row| rows.part_bytes(row) == [b'x'; 10_000]));
            attached.extend((0..rows.ordinal.len()).map(|row| rows.name(row).to_owned()));
        }
    }
    let mean = (shot.written + 1) as f64 / 2.0;
    assert_eq!((counted, observed), (shot.written, shot.written), "{at}");
    assert!((sum - mean * shot.written as f64).abs() < 0.5, "{sum} {at}");
    let expected = (0..shot.written / ROUNDS).map(|ask| format!("before round {}", ask * ROUNDS));
    assert!(attached.iter().cloned().eq(expected), "{attached:?} {at}");
    assert!(lines.iter().copied().eq(0..shot.written), "{} of {} lines {at}", lines.len(), shot.written);
    for (ordinals, next) in spans.into_values() {
        assert_eq!(ordinals.len() as u64, next, "{at}");
    }
}
