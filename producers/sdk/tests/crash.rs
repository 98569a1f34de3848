//! Programs that are killed: what they had recorded is there after the next start, once.
#![cfg(all(any(unix, windows), target_pointer_width = "64"))]

mod support;

use framelake::transport::journal::{next_frame, push_frame};
use framelake::transport::{self, Deliver, Outcome, Outgoing};
use framelake::{Builder, Guard, StreamKind, span, span_guard};
use framelake_wire::{Block, BlockId, Process, Record, StreamId, Topic, decode};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use support::{Collector, eventually};

/// Set for the program that is killed: what it does, and where.
const MODE: &str = "CRASH_TEST_MODE";
const DIR: &str = "CRASH_TEST_DIR";
const THREADS: usize = 3;
/// Rounds after which a thread says how far it is.
const REPORTED: u64 = 20;

/// A server that outlives the program: a file of what it kept.
struct Server {
    file: File,
    mode: String,
}

impl Deliver for Server {
    fn deliver(&mut self, batch: &[Outgoing], _: Instant) -> Outcome {
        // A batch on its way keeps its part of the journal, with others in it that are lost meanwhile.
        let is_shed = self.mode.contains("shed") && batch.iter().any(|record| record.topic == Topic::Spans);
        if self.mode.contains("away") || is_shed {
            return Outcome::Retry { after: None, reason: "away".into() };
        }
        if self.mode.contains("slow") {
            thread::sleep(Duration::from_millis(30));
        }
        let mut frames = Vec::new();
        for record in batch {
            push_frame(&mut frames, &record.bytes);
        }
        self.file.write_all(&frames).unwrap();
        Outcome::Kept { refused: vec![], control: None }
    }

    fn destination(&self) -> String {
        "a file".into()
    }
}

fn start_in(dir: &Path, mode: &str) -> Guard {
    let file = OpenOptions::new().append(true).create(true).open(dir.join("server")).unwrap();
    let server = Server { file, mode: mode.to_owned() };
    let period = if mode.contains("minute") { Duration::from_secs(60) } else { Duration::from_millis(15) };
    let budget = if mode.contains("flood") || mode.contains("shed") { 4 << 20 } else { 64 << 20 };
    let mut builder = Builder::new();
    if mode.contains("sampled") {
        builder = builder.keep_slow_frames(3.0);
    }
    if mode.contains("shed") {
        builder = builder.spool_budget(1 << 20);
    }
    builder
        .app("doomed")
        .memory_budget(budget)
        .drain_period(period)
        .spool(dir.join("spool"))
        .crash_safe(true)
        .panic_hook(false)
        .deliver_by(Box::new(server))
        .start()
        .unwrap()
}

/// Not a test: the program that is killed.
#[test]
fn program() {
    let Ok(mode) = std::env::var(MODE) else { return };
    let dir = PathBuf::from(std::env::var_os(DIR).unwrap());
    let guard = start_in(&dir, &mode);
    // What a server that is away never keeps is drained all the same.
    let _ = framelake::flush(Duration::from_millis(200));
    assert!(framelake::stats().crash_safe);
    #[cfg(unix)]
    if mode.contains("fork") {
        fork_one_that_lives_longer();
    }
    let (to_end, ends) = mpsc::channel();
    let threads = (0..THREADS).map(|number| {
        let (mode, dir, to_end) = (mode.clone(), dir.clone(), to_end.clone());
        thread::Builder::new()
            .name(format!("worker {number}"))
            .spawn(move || match &mode {
                mode if mode.contains("sampled") => work_in_frames(number, mode, &dir),
                mode if mode.contains("shed") => work_too_much(number, &dir),
                mode => work(number, mode, &dir, &to_end),
            })
            .unwrap()
    });
    let threads: Vec<_> = threads.collect();
    // Async spans that begin on one thread end on another.
    thread::Builder::new().name("ends".into()).spawn(move || ends.into_iter().for_each(drop)).unwrap();
    #[cfg(unix)]
    if mode.contains("full") {
        thread::sleep(Duration::from_millis(60));
        limit_files(8 * 1024);
        eventually("a drain that cannot be written down", || framelake::stats().crash_safe_errors > 0);
        limit_files(libc::RLIM_INFINITY);
        // Drained some times more, and written down again.
        let blocks = framelake::stats().blocks;
        eventually("drains", || framelake::stats().blocks > blocks + 100);
        fs::write(dir.join("was full"), "").unwrap();
    }
    for thread in threads {
        let _ = thread.join();
    }
    drop(guard);
}

/// A child that does all that it must not do to its parent's files.
#[cfg(unix)]
fn fork_one_that_lives_longer() {
    let open = span_guard!("open at the fork");
    // SAFETY: the child calls nothing that needs another thread, and ends without unwinding into the test harness.
    if unsafe { libc::fork() } == 0 {
        drop(open);
        for number in 0..10_000 {
            drop(span_guard!("in the child"));
            let _ = framelake::PropertySet::new([("in the child", number.to_string())]);
        }
        thread::sleep(Duration::from_secs(5));
        // SAFETY: ends the child, and runs no handler of the parent's.
        unsafe { libc::_exit(0) };
    }
    drop(open);
}

/// Files longer than that cannot be written to: what a full disk does.
#[cfg(unix)]
fn limit_files(bytes: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is valid, and an ignored signal calls nothing.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
    }
}

fn work(number: usize, mode: &str, dir: &Path, to_end: &mpsc::Sender<framelake::AsyncSpan>) {
    let mut progress = File::create(dir.join(format!("progress {number}"))).unwrap();
    span!("whole");
    let threads = framelake::PropertySet::new([("thread", number.to_string())]);
    for round in 0_u64.. {
        span!("round", round);
        framelake::info!("thread {} is in round {} of {:?}", number as u64, round, Some("many"));
        framelake::metric!("round", "1", round, threads);
        framelake::counter!("rounds", "1", 1);
        framelake::histogram!("sizes", "1", round as f64 + 1.0);
        drop(span_guard!("inner"));
        to_end.send(framelake::async_span!("task", round, thread = number as u64)).unwrap();
        if number == 0 {
            framelake::frame!();
        }
        // Each takes a chunk, and where few are left there is a drain.
        if round % 7 == 3 && !mode.contains("minute") {
            thread::Builder::new()
                .name(format!("brief {number} {round}"))
                .spawn(move || drop(span_guard!("brief", round)))
                .unwrap()
                .join()
                .unwrap();
        }
        if round % REPORTED == REPORTED - 1 {
            // A screenshot, and then the crash.
            let screenshot = vec![number as u8; 3_000 + round as usize];
            let attached = framelake::attach(format!("{number} after {round}"), "image/png", screenshot);
            assert!(attached.is_ok() || mode.contains("flood"), "{attached:?}");
            // One write for each line: it is there whole.
            progress.write_all(format!("{}\n", round + 1).as_bytes()).unwrap();
            if mode.contains("minute") {
                thread::sleep(Duration::from_millis(1));
            }
        }
        if round == 400 && number == 1 {
            if mode.contains("abort") {
                std::process::abort();
            }
            if mode.contains("overflow") {
                std::hint::black_box(overflow(round));
            }
        }
        if !mode.contains("flood") {
            thread::sleep(Duration::from_micros(50));
        }
    }
}

/// Trees in frames of 2 ms, and now and then a slow one; the first thread marks them.
fn work_in_frames(number: usize, mode: &str, dir: &Path) {
    let mut progress = File::create(dir.join(format!("progress {number}"))).unwrap();
    for round in 0_u64.. {
        if number == 0 {
            framelake::frame!();
        }
        {
            span!("round", round);
            drop(span_guard!("inner"));
        }
        progress.write_all(format!("{}\n", round + 1).as_bytes()).unwrap();
        let is_slow = number == 0 && round % 40 == 39;
        thread::sleep(Duration::from_millis(if is_slow && !mode.contains("minute") { 30 } else { 2 }));
    }
}

/// More than memory and spool hold, of what does not compress; then little for as long as it lives.
fn work_too_much(number: usize, dir: &Path) {
    let mut progress = File::create(dir.join(format!("progress {number}"))).unwrap();
    let mut state = number as u64 + 1;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state ^ state >> 29
    };
    for round in 0..40_000_u64 {
        span!("round", a = random(), b = random(), c = random(), d = random());
        if round % 64 == 0 {
            framelake::info!("thread {} noted {} and {}", number as u64, random(), random());
            framelake::metric!("random", "1", random() as f64);
            thread::sleep(Duration::from_millis(1));
        }
    }
    // Until all that went is counted.
    for round in 0_u64.. {
        thread::sleep(Duration::from_millis(20));
        progress.write_all(format!("{}\n", round + 1).as_bytes()).unwrap();
    }
}

#[allow(unconditional_recursion, reason = "that is what is asked for")]
#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let mut room = [depth; 128];
    span!("deeper");
    std::hint::black_box(&mut room);
    overflow(depth + 1) + room[(depth % 128) as usize]
}

fn spawn(dir: &Path, mode: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["program", "--exact", "--test-threads=1"])
        .env(MODE, mode)
        .env(DIR, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn progress(dir: &Path) -> Vec<u64> {
    let last = |text: String| text.lines().last().and_then(|line| line.parse().ok()).unwrap_or(0);
    let of = |number| last(fs::read_to_string(dir.join(format!("progress {number}"))).unwrap_or_default());
    (0..THREADS).map(of).collect()
}

/// Runs the program until `done`, kills it, and returns how far each thread said that it had come.
fn run(dir: &Path, mode: &str, kill_after: Option<Duration>) -> Vec<u64> {
    let mut child = spawn(dir, mode);
    if let Some(after) = kill_after {
        eventually("the first rounds", || progress(dir).iter().all(|round| *round > 0));
        thread::sleep(after);
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    assert!(!status.success(), "{status:?}");
    #[cfg(unix)]
    assert!(std::os::unix::process::ExitStatusExt::signal(&status).is_some(), "{status:?}");
    progress(dir)
}

/// What the lake would have: each block once, and nothing else under its number.
#[derive(Default)]
struct Lake {
    blocks: BTreeMap<(StreamId, u64), Block>,
    processes: Vec<Process>,
    resent: u64,
}

impl Lake {
    fn take(&mut self, record: Record) {
        match record {
            Record::Process(process) => self.processes.push(process),
            Record::Block(block) => {
                decode::check(&block).unwrap();
                let key = (block.header.stream_id, block.header.sequence);
                if let Some(known) = self.blocks.get(&key) {
                    assert_eq!(known.encode(), block.encode(), "other bytes under {key:?}");
                    self.resent += 1;
                }
                self.blocks.insert(key, block);
            }
        }
    }

    /// What the program's server kept, and what was recovered.
    fn of(dir: &Path) -> Self {
        let mut lake = Self::default();
        let bytes = fs::read(dir.join("server")).unwrap();
        let mut rest = &bytes[..];
        while let Some(record) = next_frame(&mut rest) {
            lake.take(Record::decode(record).unwrap());
        }
        let recovered = Collector::default();
        let sent =
            transport::recover(&dir.join("spool"), Box::new(recovered.clone()), Duration::from_secs(30)).unwrap();
        assert_eq!((sent.left_records, sent.errors, sent.refused_records), (0, 0, 0), "{sent:?}");
        for process in recovered.processes() {
            lake.take(Record::Process(process));
        }
        for block in recovered.blocks() {
            lake.take(Record::Block(block));
        }
        lake
    }

    /// Rows of a block by the names of their call sites, and their values, with how many each stands for.
    fn sums(&self) -> BTreeMap<(String, String), (u64, f64)> {
        let mut sums: BTreeMap<_, (u64, f64)> = BTreeMap::new();
        for block in self.streams(&StreamKind::METRIC).into_values().flatten() {
            let rows = decode::metrics(block).unwrap();
            for row in 0..rows.ordinal.len() {
                let site = &rows.sites[rows.site[row] as usize];
                if !site.aggregated {
                    continue;
                }
                let count = rows.args.number(rows.site[row], rows.event[row], 1).unwrap();
                // A histogram's row is a mean.
                let value = if site.name == "rounds" { rows.value[row] } else { rows.value[row] * count };
                let thread = rows.threads[rows.thread[row] as usize].name.clone();
                let sum = sums.entry((site.name.clone(), thread)).or_default();
                *sum = (sum.0 + count as u64, sum.1 + value);
            }
        }
        sums
    }

    /// Attachments that are there to their last part: name, and bytes.
    fn attachments(&self) -> BTreeMap<String, Vec<u8>> {
        let mut attachments: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for block in self.streams(&StreamKind::ATTACHMENT).into_values().flatten() {
            let rows = decode::attachments(block).unwrap();
            for row in 0..rows.ordinal.len() {
                let known = attachments.insert(rows.name(row).to_owned(), rows.part_bytes(row).to_vec());
                assert!(known.is_none() && rows.parts[row] == 1, "{} twice", rows.name(row));
            }
        }
        attachments
    }

    /// Holds what is there of each stream, and what is counted as not there, against the ordinals that were given out; async spans and frames
    /// aside, which stay open.
    fn check_counted(&self) -> u64 {
        let mut streams: BTreeMap<StreamId, (u64, u64)> = BTreeMap::new();
        let stays_open = |kind: &StreamKind| [StreamKind::ASYNC, StreamKind::FRAME].contains(kind);
        for block in self.blocks.values().filter(|block| !stays_open(&block.header.kind)) {
            let header = &block.header;
            let (rows, ordinals) = streams.entry(header.stream_id).or_default();
            *rows += header.row_count;
            *ordinals = (header.first_ordinal + header.ordinal_count).max(*ordinals);
        }
        let dropped = &self.process().dropped;
        for (stream, (rows, ordinals)) in streams {
            let dropped = dropped.get(&stream).copied().unwrap_or(0);
            assert_eq!(rows + dropped, ordinals, "{rows} rows and {dropped} counted as dropped of {stream}");
        }
        dropped.values().sum()
    }

    fn process(&self) -> &Process {
        self.processes.iter().max_by_key(|process| process.revision).unwrap()
    }

    /// Blocks of a kind by stream, their numbers without a gap.
    fn streams(&self, kind: &StreamKind) -> BTreeMap<StreamId, Vec<&Block>> {
        let mut streams: BTreeMap<StreamId, Vec<&Block>> = BTreeMap::new();
        for block in self.blocks.values().filter(|block| block.header.kind == *kind) {
            streams.entry(block.header.stream_id).or_default().push(block);
        }
        for blocks in streams.values() {
            let mut ordinal = 0;
            for (sequence, block) in blocks.iter().enumerate() {
                assert_eq!((block.header.sequence, block.header.first_ordinal), (sequence as u64, ordinal));
                ordinal += block.header.ordinal_count;
            }
        }
        streams
    }

    /// Asserts that all is there that threads had said they wrote, once, and that nothing else is missing but counted losses.
    fn check(&self, reported: &[u64]) {
        let ids: BTreeSet<BlockId> = self.blocks.values().map(|block| block.header.block_id).collect();
        assert_eq!(ids.len(), self.blocks.len());
        let dropped = |kind: &StreamKind| -> u64 {
            self.streams(kind).into_values().flatten().map(|block| block.header.dropped_count).sum()
        };
        let lossless = [StreamKind::LOG, StreamKind::METRIC, StreamKind::SPAN, StreamKind::ASYNC, StreamKind::FRAME]
            .iter()
            .all(|kind| dropped(kind) == 0);

        let sums = self.sums();
        let (mut lines, mut line_times) = (vec![Vec::new(); THREADS], Vec::new());
        for block in self.streams(&StreamKind::LOG).into_values().flatten() {
            let logs = decode::logs(block).unwrap();
            for row in 0..logs.ordinal.len() {
                let message = logs.message(row);
                let words: Vec<&str> = message.split(' ').collect();
                assert_eq!(
                    (words[2..5].join(" "), words[6..].join(" ")),
                    ("is in round".into(), "of Some(\"many\")".into())
                );
                let thread: usize = words[1].parse().unwrap();
                assert_eq!(logs.threads[logs.thread[row] as usize].name, format!("worker {thread}"));
                lines[thread].push(words[5].parse::<u64>().unwrap());
                line_times.push(logs.time[row]);
            }
        }
        let mut metrics = vec![Vec::new(); THREADS];
        for block in self.streams(&StreamKind::METRIC).into_values().flatten() {
            let rows = decode::metrics(block).unwrap();
            for row in (0..rows.ordinal.len()).filter(|row| !rows.sites[rows.site[*row] as usize].aggregated) {
                let set = rows.properties[row].expect("each has its thread");
                let thread: usize = rows.property_sets[set as usize][0].1.parse().unwrap();
                metrics[thread].push(rows.value[row]);
            }
        }
        for (thread, &reported) in reported.iter().enumerate() {
            let rounds = &lines[thread];
            let measured = &metrics[thread];
            assert!(measured.windows(2).all(|pair| pair[0] < pair[1]), "a measurement twice");
            assert!(rounds.windows(2).all(|pair| pair[0] < pair[1]), "a line twice or out of order");
            if lossless {
                let count = rounds.len() as u64;
                assert!(
                    count >= reported && count <= reported + 2 * REPORTED + 500,
                    "{count} lines, {reported} reported"
                );
                assert!(rounds.iter().copied().eq(0..count), "a line is missing");
                let measured = measured.len() as u64;
                assert!(measured == count || measured + 1 == count, "{measured} of {count}");
                // Of the event that was just being added its sum alone may be there.
                let sum =
                    |name: &str| sums.get(&(name.to_owned(), format!("worker {thread}"))).copied().unwrap_or_default();
                let ((counted, rounds), (observed, sizes)) = (sum("rounds"), sum("sizes"));
                assert!((measured.saturating_sub(1)..=measured).contains(&counted), "{counted} of {measured} counted");
                assert!((measured.saturating_sub(1)..=measured).contains(&observed), "{observed} of {measured}");
                assert!(rounds == counted as f64 || rounds == counted as f64 + 1.0, "{rounds} of {counted}");
                let of = |count: u64| (count * (count + 1) / 2) as f64;
                assert!((of(observed) - 0.5..of(observed + 1) + 0.5).contains(&sizes), "{sizes} of {observed}");
            }
            if dropped(&StreamKind::ATTACHMENT) == 0 && !self.attachments().is_empty() {
                for round in (REPORTED - 1..reported).step_by(REPORTED as usize) {
                    let attached = self.attachments().remove(&format!("{thread} after {round}"));
                    assert_eq!(attached.map(|bytes| bytes.len() as u64), Some(3_000 + round), "after {round}");
                }
            }
        }
        let process = self.process();
        let end = process.end_time.unwrap();
        // Times after the last drain are extrapolated by the rate of a machine that may have been busy: within 50 ms.
        assert!(line_times.iter().all(|time| *time >= process.start_time - 50_000_000 && *time <= end + 50_000_000));

        let mut named: BTreeMap<String, usize> = BTreeMap::new();
        for (stream, blocks) in self.streams(&StreamKind::SPAN) {
            let mut ordinals = BTreeSet::new();
            let mut dropped = 0;
            let mut rows_of = Vec::new();
            for block in &blocks {
                let spans = decode::spans(block).unwrap();
                dropped += block.header.dropped_count;
                for row in 0..spans.ordinal.len() {
                    assert!(ordinals.insert(spans.ordinal[row]), "a span twice in {stream}");
                    rows_of.push((
                        spans.sites[spans.site[row] as usize].name.clone(),
                        spans.truncated[row],
                        spans.depth[row],
                    ));
                }
            }
            // Whatever was open was ended where the program was: each ordinal has its row.
            let last = &blocks.last().unwrap().header;
            let next = last.first_ordinal + last.ordinal_count;
            assert_eq!(ordinals.len() as u64 + dropped, next, "{}", last.thread_name);
            *named.entry(last.thread_name.clone()).or_default() += 1;
            if last.thread_name.starts_with("worker") && dropped == 0 {
                let whole: Vec<_> = rows_of.iter().filter(|(name, ..)| name == "whole").collect();
                assert_eq!(whole, [&("whole".to_owned(), true, 0)]);
                let thread: usize = last.thread_name[7..].parse().unwrap();
                let inner = rows_of.iter().filter(|(name, ..)| name == "inner").count() as u64;
                assert!(inner >= reported[thread], "{inner}");
            }
        }
        assert!(named.values().all(|streams| *streams == 1), "a thread has two streams: {named:?}");

        let mut tasks = BTreeSet::new();
        for block in self.streams(&StreamKind::ASYNC).into_values().flatten() {
            let rows = decode::async_spans(block).unwrap();
            for row in 0..rows.ordinal.len() {
                assert!(tasks.insert(rows.ordinal[row]), "an async span twice");
                assert!(rows.begin[row] <= rows.end[row]);
            }
        }
        if lossless {
            assert!(tasks.len() as u64 + 3 * (REPORTED + 500) > reported.iter().sum(), "{} tasks", tasks.len());
        }
        let mut frames = BTreeSet::new();
        for block in self.streams(&StreamKind::FRAME).into_values().flatten() {
            assert!(
                decode::frames(block).unwrap().ordinal.iter().all(|ordinal| frames.insert(*ordinal)),
                "a frame twice"
            );
        }
        if lossless {
            assert!(frames.len() as u64 + 1 >= reported[0]);
        }
    }
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A directory of this test's own, removed at its end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("framelake-crash-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn recovered_after(name: &str, mode: &str, kill_after: Option<Duration>) -> (framelake::Recovered, Lake) {
    let dir = Dir::new(name);
    let reported = run(&dir.0, mode, kill_after);
    let spool = dir.0.join("spool");
    let recovered = framelake::recover(&spool, &spool).unwrap();
    assert_eq!(
        (recovered.processes, recovered.running, recovered.errors, recovered.damaged),
        (1, 0, 0, 0),
        "{recovered:?}"
    );
    let left: Vec<_> =
        files(&spool).into_iter().filter(|name| !name.ends_with(".spool") && !name.ends_with(".lock")).collect();
    assert_eq!(left, [""; 0], "what was recovered is removed");
    let lake = Lake::of(&dir.0);
    lake.check(&reported);
    assert_eq!(lake.process().exit_reason.as_deref(), Some("crash"));
    (recovered, lake)
}

#[test]
fn what_a_killed_program_recorded_is_there_once() {
    let mut resent = 0;
    for (round, mode) in ["", "slow", "away", "", "slow", "away", "slow", ""].into_iter().enumerate() {
        let after = Duration::from_micros(2_000 + 13_331 * round as u64);
        let (recovered, lake) = recovered_after(&format!("kill-{round}"), &format!("kill {mode}"), Some(after));
        assert!(mode != "away" || recovered.sealed_blocks > 0);
        resent += lake.resent;
    }
    assert!(resent > 0, "no block was both sent and recovered: nothing was learned of those");
}

#[test]
fn a_program_that_never_drained_is_recovered_whole() {
    let (recovered, _) = recovered_after("minute", "kill minute", Some(Duration::from_millis(150)));
    assert!(recovered.cut_events > 100, "{recovered:?}");
}

#[test]
fn a_flood_loses_what_it_counted_and_nothing_else() {
    for round in 0..3 {
        recovered_after(&format!("flood-{round}"), "kill flood", Some(Duration::from_millis(40 + 17 * round)));
    }
}

#[test]
fn an_abort_and_a_stack_overflow_are_recovered_too() {
    recovered_after("abort", "abort", None);
    if cfg!(windows) {
        // Wine, where this is run, does not end a program whose stack is used up.
        return;
    }
    let (_, lake) = recovered_after("overflow", "overflow", None);
    let deeper = lake.blocks.values().filter(|block| block.header.kind == StreamKind::SPAN).any(|block| {
        let spans = decode::spans(block).unwrap();
        (0..spans.ordinal.len())
            .any(|row| spans.sites[spans.site[row] as usize].name == "deeper" && spans.truncated[row])
    });
    assert!(deeper, "what led to the overflow is there");
}

/// For each thread the rounds whose spans are there, all others counted as left out, and how many spans that is.
fn sampled(name: &str, mode: &str, kill_after: Duration) -> (Vec<u64>, Vec<BTreeSet<u64>>, u64) {
    let dir = Dir::new(name);
    let reported = run(&dir.0, mode, Some(kill_after));
    let spool = dir.0.join("spool");
    let recovered = framelake::recover(&spool, &spool).unwrap();
    assert_eq!((recovered.processes, recovered.errors, recovered.damaged), (1, 0, 0), "{recovered:?}");
    let lake = Lake::of(&dir.0);
    let mut rounds = vec![BTreeSet::new(); THREADS];
    let mut left_out = [0; THREADS];
    for block in lake.streams(&StreamKind::SPAN).into_values().flatten() {
        let spans = decode::spans(block).unwrap();
        let thread: usize = block.header.thread_name["worker ".len()..].parse().unwrap();
        left_out[thread] += block.header.dropped_count;
        for row in 0..spans.ordinal.len() {
            if let Some(round) = spans.args.number(spans.site[row], spans.event[row], 0) {
                assert!(rounds[thread].insert(round as u64), "a span twice");
            }
        }
    }
    for (rounds, left_out) in rounds.iter().zip(left_out) {
        // Two spans are a tree. One that waited for its frame and went with the program would be neither.
        assert_eq!(rounds.len() as u64 + left_out / 2, rounds.last().unwrap() + 1, "{left_out} left out of {rounds:?}");
    }
    let left_out = left_out.into_iter().sum::<u64>();
    assert_eq!(lake.check_counted(), left_out);
    let process = lake.process();
    assert_eq!(process.properties["framelake.sampled_spans"], left_out.to_string(), "nothing else was lost");
    (reported, rounds, left_out)
}

#[test]
fn trees_that_were_not_decided_when_a_sampling_program_was_killed_are_kept() {
    // Drained once at its begin: nothing of what comes later is decided.
    let (reported, rounds, left_out) = sampled("undecided", "kill sampled minute", Duration::from_millis(500));
    assert_eq!(left_out, 0);
    for (reported, rounds) in reported.into_iter().zip(rounds) {
        assert!(reported > 5 && rounds.into_iter().take(reported as usize).eq(0..reported), "of {reported}");
    }
    // Drained often: what was decided is left out, and the last frames are there.
    let (reported, rounds, left_out) = sampled("decided", "kill sampled", Duration::from_millis(700));
    assert!(left_out > 50, "{left_out}");
    for (reported, rounds) in reported.into_iter().zip(rounds) {
        assert!(rounds.contains(&(reported - 1)) && rounds.contains(&(reported - 2)), "{reported}: {rounds:?}");
    }
}

#[test]
fn what_found_no_room_is_counted_or_there_and_never_both() {
    let dir = Dir::new("shed");
    // Its threads say how far they are when all is recorded; then it is drained some thirty times.
    let reported = run(&dir.0, "kill shed", Some(Duration::from_millis(500)));
    assert!(reported.iter().all(|rounds| *rounds > 0));
    let spool = dir.0.join("spool");
    let recovered = framelake::recover(&spool, &spool).unwrap();
    assert_eq!((recovered.processes, recovered.errors, recovered.damaged), (1, 0, 0), "{recovered:?}");
    let lake = Lake::of(&dir.0);
    assert!(recovered.sealed_blocks > 0, "nothing was learned of those: {recovered:?}");
    assert!(lake.check_counted() > 10_000);
}

#[test]
#[cfg(unix)]
fn a_child_that_was_forked_off_changes_nothing_and_keeps_no_lock() {
    recovered_after("fork", "kill fork", Some(Duration::from_millis(50)));
}

/// While the disk is full a crash may lose what was not sent; when it has room again nothing stands twice, and what came later is there.
#[test]
#[cfg(unix)]
fn a_disk_that_was_full_brings_no_event_twice() {
    let dir = Dir::new("full");
    let mut child = spawn(&dir.0, "kill away full");
    eventually("the disk to be full", || dir.0.join("was full").exists());
    // Chunks taken meanwhile are on the heap, and what is in those is lost: threads go on to others, some 300 rounds each.
    let then = progress(&dir.0);
    let went_on = || progress(&dir.0).iter().zip(&then).all(|(now, then)| *now >= then + 1_000);
    eventually("threads to go on to other chunks", went_on);
    thread::sleep(Duration::from_millis(100));
    child.kill().unwrap();
    child.wait().unwrap();
    let spool = dir.0.join("spool");
    let recovered = framelake::recover(&spool, &spool).unwrap();
    assert_eq!((recovered.processes, recovered.errors), (1, 0), "{recovered:?}");
    let lake = Lake::of(&dir.0);
    let (mut lines, mut dropped) = (BTreeSet::new(), 0);
    for block in lake.blocks.values().filter(|block| block.header.kind == StreamKind::LOG) {
        dropped += block.header.dropped_count;
        let logs = decode::logs(block).unwrap();
        assert!((0..logs.ordinal.len()).all(|row| lines.insert(logs.message(row))), "a line twice");
    }
    let newest = |thread: usize| {
        let of_thread = lines.iter().filter(|line| line.starts_with(&format!("thread {thread} ")));
        of_thread.map(|line| line.split(' ').nth(5).unwrap().parse::<u64>().unwrap()).max().unwrap()
    };
    for (thread, reported) in progress(&dir.0).into_iter().enumerate() {
        // A drain that comes late on a busy machine finds that threads had no chunks any more.
        assert!(newest(thread) + 1 + dropped >= reported, "{} of {reported}: {recovered:?}", newest(thread));
    }
}

#[test]
fn where_the_files_cannot_be_made_recording_goes_on_without() {
    let dir = Dir::new("nowhere");
    fs::write(dir.0.join("a file"), "").unwrap();
    // In a process of its own: here another recording may have its files already.
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["program_without", "--exact", "--test-threads=1"])
        .env(MODE, "without")
        .env(DIR, &dir.0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

/// Not a test: a program that cannot be crash-safe.
#[test]
fn program_without() {
    if std::env::var(MODE).is_err() {
        return;
    }
    let dir = PathBuf::from(std::env::var_os(DIR).unwrap());
    let lake = Collector::default();
    let guard = lake.start_with(Builder::new().spool(dir.join("spool")).crash_safe_in(dir.join("a file/crash")));
    framelake::info!("all the same");
    let report = guard.shutdown().unwrap();
    assert!(!report.stats.crash_safe);
    assert_eq!(lake.messages(), ["all the same"]);
}

#[test]
fn a_running_program_is_left_alone_and_a_file_of_another_version_stays() {
    let dir = Dir::new("running");
    let mut child = spawn(&dir.0, "kill");
    eventually("the first rounds", || progress(&dir.0).iter().all(|round| *round > 0));
    let spool = dir.0.join("spool");
    let recovered = framelake::recover(&spool, &spool).unwrap();
    assert_eq!((recovered.running, recovered.processes), (1, 0));
    child.kill().unwrap();
    child.wait().unwrap();
    let crash = files(&spool).into_iter().find(|name| name.ends_with(".crash")).unwrap();
    let mut bytes = fs::read(spool.join(&crash)).unwrap();
    bytes[7] = b'9';
    fs::write(spool.join(&crash), bytes).unwrap();
    let recovered = framelake::recover(&spool, &spool).unwrap();
    assert_eq!((recovered.unknown, recovered.processes), (1, 0));
    assert!(spool.join(&crash).exists());
}

#[test]
fn a_directory_that_has_nothing_of_ours_stays_as_it_is() {
    let dir = Dir::new("not ours");
    let nothing = framelake::recover(&dir.0, &dir.0).unwrap();
    assert_eq!(nothing, framelake::Recovered::default());
    let theirs =
        ["core.crash", "game.names", "game.00000001.state", "some.blocks", "a.cut", "x.unfinished", "y.attached"];
    for name in theirs {
        fs::write(dir.0.join(name), "").unwrap();
    }
    assert_eq!(framelake::recover(&dir.0, &dir.0).unwrap(), framelake::Recovered::default());
    let mut expected = theirs.map(str::to_owned);
    expected.sort();
    assert_eq!(files(&dir.0), expected);
    // Ours, of a process that was killed before it had written anything: there is nothing in it.
    let id = framelake::ProcessId::now_v7();
    fs::write(dir.0.join(format!("{id}.crash")), "").unwrap();
    assert_eq!(framelake::recover(&dir.0, &dir.0).unwrap(), framelake::Recovered::default());
    assert_eq!(files(&dir.0), expected);
    for wrong in [dir.0.join("nowhere"), dir.0.join("core.crash")] {
        let error = framelake::recover(&wrong, &dir.0).unwrap_err().to_string();
        assert!(error.contains(&format!("{wrong:?}")) && error.contains("give the directory"), "{error}");
    }
}

#[test]
fn damaged_files_give_what_can_be_read() {
    let dir = Dir::new("damaged");
    run(&dir.0, "kill away", Some(Duration::from_millis(60)));
    let spool = dir.0.join("spool");
    let whole: Vec<(String, Vec<u8>)> =
        files(&spool).into_iter().map(|name| (name.clone(), fs::read(spool.join(&name)).unwrap())).collect();
    // Ten minutes are allowed for files whose times are late.
    let unix_ns = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as i64;
    let begin = unix_ns() - 700_000_000_000;
    let end = || unix_ns() + 700_000_000_000;
    let put = |change: &dyn Fn(&str, &mut Vec<u8>)| {
        let copy = dir.0.join("copy");
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir_all(&copy).unwrap();
        for (name, bytes) in &whole {
            let mut bytes = bytes.clone();
            change(name, &mut bytes);
            fs::write(copy.join(name), bytes).unwrap();
        }
        let recovered = framelake::recover(&copy, &copy).unwrap();
        let collector = Collector::default();
        transport::recover(&copy, Box::new(collector.clone()), Duration::from_secs(30)).unwrap();
        for block in collector.blocks() {
            decode::check(&block).unwrap();
            assert!(begin < block.header.min_time && block.header.max_time < end(), "a time that cannot be: {block:?}");
        }
        assert!(collector.processes().iter().all(|process| process.end_time.is_none_or(|time| time < end())));
        (recovered, collector)
    };
    let (clean, _) = put(&|_, _| {});
    assert_eq!(clean.damaged, 0);
    // The mapping without its end: what lies there is missing, and said to be.
    for keep in [0, 5, 4096, 4096 * 40, 4096 * 600] {
        let (recovered, collector) = put(&|name, bytes| {
            if name.ends_with(".crash") {
                bytes.truncate(keep);
            }
        });
        assert_eq!(recovered.errors, 0);
        assert!(keep < 4096 || collector.processes().iter().any(|process| process.exit_reason.is_some()), "{keep}");
    }
    // Nonsense in every place of buffers and chunks.
    let mut seed = 1_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let flips: Vec<Vec<u64>> = (0..20).map(|_| (0..3_000).map(|_| next()).collect()).collect();
    for flips in &flips {
        put(&|name, bytes| {
            if name.ends_with(".crash") {
                for flip in flips {
                    let at = 64 + (*flip as usize >> 8) % (bytes.len() - 64);
                    bytes[at] ^= *flip as u8;
                }
            }
        });
    }
    for kind in [".names", ".state", ".blocks"] {
        for flips in &flips {
            let (recovered, _) = put(&|name, bytes| {
                if name.ends_with(kind) && bytes.len() > 8 {
                    let at = 8 + flips[0] as usize % (bytes.len() - 8);
                    bytes[at] ^= 1 + (flips[0] >> 60) as u8;
                }
            });
            assert_eq!(recovered.errors, 0);
        }
    }
}

#[test]
fn an_orderly_end_leaves_nothing_and_recordings_may_follow_each_other() {
    let dir = Dir::new("orderly");
    let spool = dir.0.join("spool");
    for run in 0..3_u64 {
        let guard = start_in(&dir.0, "");
        assert!(framelake::flush(Duration::from_secs(30)));
        assert!(framelake::stats().crash_safe);
        span!("over the end of the recording");
        for line in 0..100 {
            framelake::info!("line {} of {}", line as u64, run);
        }
        thread::spawn(|| drop(span_guard!("brief"))).join().unwrap();
        let report = guard.shutdown().unwrap();
        assert_eq!((report.undelivered_records, report.stats.logs.dropped), (0, 0));
        let left: Vec<_> = files(&spool).into_iter().filter(|name| !name.ends_with(".crash")).collect();
        assert_eq!(left, [""; 0]);
    }
    let lake = Lake::of(&dir.0);
    let lines: u64 = lake.streams(&StreamKind::LOG).into_values().flatten().map(|block| block.header.row_count).sum();
    assert_eq!((lines, lake.resent), (300, 0));
    let ended = lake.processes.iter().filter(|process| process.exit_reason.as_deref() == Some("exit")).count();
    assert_eq!(ended, 3);
    assert!(lake.blocks.values().all(|block| block.header.kind.topic() != Topic::Lake));
}
