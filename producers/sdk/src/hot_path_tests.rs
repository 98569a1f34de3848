//! The hot path from the macros to the reader, without the encoders and the background thread: all of the SDK's `unsafe` that Miri can run
//! (`cargo +nightly miri test`, see docs/soundness.md), in one test because it switches recording on for the whole process.

use crate::aggregate::Seen;
use crate::buffer::Handle;
use crate::event::Lost;
use crate::reader::{Event, Reader};
use crate::{AsyncSpan, Level, chunk, clock, thread};
use framelake_wire::Arg;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Records while it is formatted.
struct Nested;

impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("before")?;
        info!("plain within");
        info!("within {}", format_args!("{}", 7));
        f.write_str(", after")
    }
}

/// Panics while it is formatted.
struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half")?;
        panic!("as it must")
    }
}

/// Both: it panics within a line that is formatted within a line.
struct NestedPanics;

impl fmt::Display for NestedPanics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whole")?;
        let unwound = catch_unwind(AssertUnwindSafe(|| info!("{}", Panics)));
        write!(f, " {}", unwound.is_err())
    }
}

/// Records when its thread is all but gone.
struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        info!("last {}", 1);
        span!("last");
        counter!("last", "1", 1);
    }
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

const TEXT: &str = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz";
/// Lines of two words: with the strings they go on to the next chunk.
const LINES: usize = 5_000;

fn record(span: AsyncSpan) {
    LAST.set(Some(Last));
    info!("plain");
    for length in 0..TEXT.len() {
        info!("{} {}", length, &TEXT[..length]);
    }
    info!("{}", Nested);
    let unwound = catch_unwind(AssertUnwindSafe(|| info!("{}", Panics)));
    assert!(unwound.is_err());
    info!("{}", NestedPanics);
    info!("{:?} {}", Some(true), 1.5_f32);
    {
        span!("outer", number = -1_i8);
        metric!("metric", "1", 7, tag = "tag");
        metric!("plain", "1", 0.5);
        frame!();
    }
    drop(span);
    for _ in 0..LINES {
        debug!("a line");
        counter!("counted", "1", 2);
    }
    histogram!("observed", "ms", 1.0);
}

#[derive(Default)]
struct Found {
    lines: Vec<String>,
    plain: usize,
    metrics: Vec<String>,
    others: Vec<&'static str>,
    lost_lines: u64,
}

impl Found {
    fn take(&mut self, event: Event<'_>) {
        let text = |arg: Arg<'_>| match arg {
            Arg::Str(text) | Arg::Text(text) => text.to_owned(),
            Arg::U64(value) => value.to_string(),
            other => format!("{other:?}"),
        };
        let join = |args: framelake_wire::raw::Raw<'_>| args.iter().map(text).collect::<Vec<_>>().join(" ");
        match event {
            Event::Log { args, .. } if args.count() == 0 => self.plain += 1,
            Event::Log { args, .. } => self.lines.push(join(args)),
            Event::Metric { args, .. } => self.metrics.push(join(args)),
            Event::Begin { fields, .. } => self.others.push(if fields.count() == 1 { "begin" } else { "bare begin" }),
            Event::End => self.others.push("end"),
            Event::Frame => self.others.push("frame"),
            Event::AsyncBegin { .. } => self.others.push("async begin"),
            Event::AsyncEnd { .. } => self.others.push("async end"),
            Event::Lost { what: Lost::Logs, count } => self.lost_lines += count,
            Event::Lost { what, count } => panic!("{count} {what:?} were lost, and there is room for all"),
        }
    }
}

/// The buffer of the thread of that name, once it has one.
fn buffer_of(name: &str) -> Handle {
    loop {
        match thread::next_new() {
            Some(buffer) if buffer.name == name => return buffer,
            _ => std::thread::yield_now(),
        }
    }
}

#[test]
fn what_the_macros_write_is_what_the_reader_finds_while_they_write_it() {
    let _one = crate::RECORDS.lock();
    chunk::set_budget(16 * chunk::CHUNK_BYTES);
    // In the quick way, and where that is closed.
    check(clock::COUNTER);
    check(clock::MONOTONIC);
}

fn check(clock: u32) {
    clock::start_recording(clock, Level::Trace as u32);
    let span = std::thread::Builder::new().name("other".into()).spawn(|| async_span!("moves")).unwrap();
    let span = span.join().unwrap();
    let writer = std::thread::Builder::new().name("writer".into()).spawn(|| record(span)).unwrap();

    let buffer = buffer_of("writer");
    let (mut found, mut reader) = (Found::default(), Reader::default());
    loop {
        let snapshot = reader.snapshot(&buffer);
        reader.drain(snapshot, u64::MAX, 0, |_, event| found.take(event));
        reader.settle(&buffer);
        if snapshot.ended {
            break;
        }
        std::thread::yield_now();
    }
    reader.release(&buffer);
    writer.join().unwrap();
    let mut sums = Vec::new();
    Seen::default().read(0, &buffer, |_, _, args| sums.push(format!("{:?}", args.as_raw().iter().collect::<Vec<_>>())));
    drop(buffer);
    clock::stop_recording();

    let (strings, rest) = found.lines.split_at(TEXT.len());
    assert!(strings.iter().enumerate().all(|(length, line)| *line == format!("{length} {}", &TEXT[..length])));
    // The panicking ones left nothing but their number; what the thread recorded last depends on which of its locals goes first.
    assert_eq!(rest[..4], ["7", "before, after", "whole true", "Some(true) F32(1.5)"].map(String::from), "{rest:?}");
    assert_eq!(found.lost_lines, 2);
    assert_eq!(found.plain, 2 + LINES);
    assert_eq!(found.metrics, ["I64(7) tag", "F64(0.5)"]);
    assert_eq!(found.others[..4], ["begin", "frame", "end", "async end"]);
    assert!(sums.contains(&format!("[I64({}), U64({LINES})]", 2 * LINES)), "{sums:?}");
}
