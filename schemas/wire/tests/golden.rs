//! The bytes of every format that was ever written, read forever: `schemas/golden/format-N/`, each record beside what it says.
//!
//! `schemas/golden/decode.py` reads them as well: a decoder written from `docs/block-format.md` alone, whose worked example is `example.bin`.
//!
//! Those of a new format are written once: `FRAMELAKE_GOLDEN=write cargo test -p framelake-wire --test golden`.

mod support;

use framelake_wire::{
    Arg, Block, Process, ProcessId, Record, StreamId, StreamKind, decode,
    encode::{
        AsyncEncoder, Attachment, AttachmentEncoder, FrameEncoder, LogEncoder, MetricEncoder, PropertiesId, Seal,
        SiteId, SpanEncoder, ThreadId, Value,
    },
    limits::{FIRST_FORMAT_VERSION, FORMAT_VERSION},
    raw::{Raw, RawBuf},
};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Once,
};
use support::{Names, sample, seal};

fn process() -> Process {
    let text = |text: &str| text.to_owned();
    Process {
        process_id: ProcessId::from_bytes([1; 16]),
        revision: 3,
        parent_process_id: Some(ProcessId::from_bytes([9; 16])),
        exe: text("castle"),
        version: text("1.2.3"),
        user: text("ada"),
        host: text("tower"),
        os: text("Debian GNU/Linux 12"),
        arch: text("x86_64"),
        cpu: text("Analytical Engine"),
        cores: 8,
        memory_bytes: 32 << 30,
        pid: 4711,
        sdk: text("framelake 0.1.0"),
        start_time: 1_760_000_000_000_000_001,
        last_seen: 1_760_000_060_000_000_002,
        end_time: Some(1_760_000_061_000_000_003),
        exit_reason: Some(text("exit")),
        properties: [("build", "1234"), ("map", "castle")].map(|(key, value)| (text(key), text(value))).into(),
        dropped: [(StreamId::from_bytes([2; 16]), 17)].into(),
    }
}

/// The worked example of docs/block-format.md: two log lines, and one that was dropped between them.
fn example() -> Block {
    let names = Names {
        sites: vec![("hp {}".to_owned(), "game".to_owned(), 7)],
        threads: vec![("main".to_owned(), 12)],
        args: vec!["hp".to_owned()],
        ..Names::default()
    };
    let start = sample(0).ticks;
    let mut logs = LogEncoder::new();
    let line = |logs: &mut LogEncoder, ticks, hp| {
        logs.push_args(SiteId(0), ThreadId(0), start + ticks, RawBuf::of(&[Arg::I32(hp)]).as_raw());
    };
    line(&mut logs, 2_300, 100);
    logs.dropped(1);
    line(&mut logs, 4_600, -5);
    let process_wide = Seal { thread: None, ..seal(StreamKind::LOG, 0) };
    logs.seal(&process_wide, &names)
}

/// Values of each code, written in each way; call sites with flags; a header with an extension.
fn values() -> [(&'static str, Block); 3] {
    let names = Names {
        args: ["value", "count", "player", "", "address", "half", "wait", "flag", "key", "none"]
            .map(str::to_owned)
            .into(),
        flagged: true,
        ..Names::new(4, 2, 2)
    };
    let start = sample(0).ticks;
    let (mut logs, mut spans, mut metrics) = (LogEncoder::new(), SpanEncoder::new(), MetricEncoder::new());
    for n in 0..100u64 {
        let ticks = start + n * 1_000_000;
        // The multiplier of Fibonacci hashing: what it makes of small numbers no varint makes shorter.
        let hash = |n: u64| (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let small = n as u8;
        let wide = RawBuf::of(&[
            Arg::U64(hash(n)),
            Arg::I64(hash(n % 5).cast_signed()),
            Arg::U64(1_700_000_000_000 + n * 16),
            Arg::I16(i16::from(small) - 50),
            Arg::U64(0x7f12_0000_0000 | hash(n) >> 40),
            Arg::F32(f32::from(small) / 2.0 + 0.1),
            Arg::F64(1.0 / (n + 3) as f64),
            Arg::F64(1.0 / (n % 3 + 3) as f64),
            Arg::F64(n as f64 / -100.0),
            Arg::None,
        ]);
        logs.push_args(SiteId(0), ThreadId(0), ticks, wide.as_raw());
        let narrow = RawBuf::of(&[
            Arg::I8(small as i8),
            Arg::I32(-70_000 * i32::from(small)),
            Arg::Bool(n % 3 == 0),
            Arg::Char(char::from_u32(0xe0 + small as u32).unwrap()),
            Arg::Str(["ja", "nein", "ä"][n as usize % 3]),
            Arg::Text("0x1f"),
        ]);
        logs.push_args(SiteId(1), ThreadId(1), ticks + 1, narrow.as_raw());
        spans.begin_with(
            SiteId(1),
            ticks,
            RawBuf::of(&[Arg::Str(["load", "unload"][n as usize % 2]), Arg::U64(n)]).as_raw(),
        );
        spans.end(ticks + 500);
        let sum = RawBuf::of(&[Arg::F64(n as f64 * 0.5), Arg::U64(n)]);
        metrics.push_args(SiteId(n as u32 % 2 * 2), ThreadId(0), ticks, sum.as_raw(), Some(PropertiesId(1)));
    }
    let mut logs = logs.seal(&seal(StreamKind::LOG, 0), &names);
    logs.header.extensions = vec![("later".to_owned(), vec![1, 2, 3]), ("ä".to_owned(), Vec::new())];
    [
        ("values", logs),
        ("named", spans.seal(&seal(StreamKind::SPAN, 0), &names)),
        ("aggregated", metrics.seal(&seal(StreamKind::METRIC, 0), &names)),
    ]
}

/// Second blocks of their streams, so that something is open where they begin.
fn blocks() -> [(&'static str, Block); 7] {
    let names = Names::new(6, 3, 2);
    let start = sample(0).ticks;
    let mut spans = SpanEncoder::new();
    let mut frames = FrameEncoder::new();
    spans.begin(SiteId(5), start + 100);
    spans.begin(SiteId(4), start + 200);
    frames.mark(start + 50);
    spans.seal(&seal(StreamKind::SPAN, 0), &names);
    frames.seal(&seal(StreamKind::FRAME, 0), &names);

    let mut logs = LogEncoder::new();
    let mut metrics = MetricEncoder::new();
    let mut attachments = AttachmentEncoder::new();
    let mut asyncs = AsyncEncoder::new();
    let start = sample(1).ticks;
    for n in 0..20u32 {
        let ticks = start + u64::from(n) * 50_000_000;
        spans.begin(SiteId(n % 3), ticks);
        spans.begin(SiteId(3), ticks + 5_000);
        spans.end(ticks + 9_000);
        spans.end(ticks + 20_000 + u64::from(n));
        let text = format!("player {n} joined, ä");
        logs.push(SiteId(n % 6), ThreadId(n % 2), ticks, (n % 3 == 0).then_some(&text));
        let value = if n % 2 == 0 { Value::Integer(i64::from(n) * -100) } else { Value::Float(f64::from(n) * 0.1) };
        metrics.push(SiteId(n % 2), ThreadId(n % 2), ticks - 10, value, (n % 4 == 3).then_some(PropertiesId(n % 3)));
        let fields = RawBuf::of(&[Arg::F64(f64::from(n) / 4.0), Arg::Str(&text[..8]), Arg::Bool(n % 2 == 0)]);
        logs.push_args(SiteId(n % 2), ThreadId(1), ticks + 1, fields.as_raw());
        metrics.push_args(SiteId(5), ThreadId(0), ticks - 5, fields.as_raw(), None);
        spans.begin_with(SiteId(4), ticks + 30_000, fields.as_raw());
        if n % 5 > 0 {
            spans.end(ticks + 40_000);
        }
        let fields = if n % 3 == 0 { fields.as_raw() } else { Raw::default() };
        asyncs.begin(u64::from(n) + 1, u64::from(n), SiteId(n % 6), ThreadId(n % 2), ticks, fields);
        asyncs.end(u64::from(n / 2) + 1, ticks + 60_000);
        frames.mark(ticks);
        if n == 10 {
            asyncs.dropped(2);
            spans.dropped(2);
            logs.dropped(3);
            metrics.dropped(4);
            frames.dropped(1);
            attachments.dropped(5);
        }
        if n % 7 == 0 {
            let bytes: Vec<u8> = (0..n).map(|byte| byte as u8 * 3).collect();
            let (number, name) = (u64::from(n / 7), (n > 0).then_some("bild ä.png"));
            let attachment = Attachment { number, name, media_type: "image/png", bytes: &bytes };
            attachments.push(SiteId(n % 6), ThreadId(n % 2), ticks, &attachment, 0);
        }
    }
    spans.end_truncated(1, start + 1_000_000_000);
    spans.begin(SiteId(1), start + 1_000_000_500);
    [
        ("span", spans.seal(&seal(StreamKind::SPAN, 1), &names)),
        ("log", logs.seal(&seal(StreamKind::LOG, 1), &names)),
        ("metric", metrics.seal(&seal(StreamKind::METRIC, 1), &names)),
        ("frame", frames.seal(&seal(StreamKind::FRAME, 1), &names)),
        ("async", asyncs.seal(&seal(StreamKind::ASYNC, 1), &names)),
        ("attachment", attachments.seal(&seal(StreamKind::ATTACHMENT, 1), &names)),
        ("example", example()),
    ]
}

/// What a record says, for people and for comparison.
fn text(record: &Record) -> String {
    let mut text = String::new();
    match record {
        Record::Process(process) => writeln!(text, "{process:#?}"),
        Record::Block(block) => {
            writeln!(text, "{:#?}", block.header).unwrap();
            match block.header.kind.as_str() {
                "span" => writeln!(text, "{:?}", decode::spans(block).unwrap()),
                "log" => writeln!(text, "{:?}", decode::logs(block).unwrap()),
                "async" => writeln!(text, "{:?}", decode::async_spans(block).unwrap()),
                "metric" => writeln!(text, "{:?}", decode::metrics(block).unwrap()),
                "attachment" => writeln!(text, "{:?}", decode::attachments(block).unwrap()),
                _ => writeln!(text, "{:?}", decode::frames(block).unwrap()),
            }
        }
    }
    .unwrap();
    text
}

/// Where the records of a format are; written anew first where that is asked for.
fn golden(format: u32) -> PathBuf {
    static WRITTEN: Once = Once::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden");
    WRITTEN.call_once(|| {
        if std::env::var("FRAMELAKE_GOLDEN").is_ok_and(|value| value == "write") {
            let directory = golden.join(format!("format-{FORMAT_VERSION}"));
            assert!(!directory.exists(), "a frozen format's files are not written again: {}", directory.display());
            write(&directory);
        }
    });
    golden.join(format!("format-{format}"))
}

#[test]
fn records_of_every_format_are_read() {
    for format in FIRST_FORMAT_VERSION..=FORMAT_VERSION {
        let mut records = 0;
        for entry in fs::read_dir(golden(format)).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "bin") {
                let record = Record::decode(&fs::read(&file).unwrap()).unwrap();
                let says = fs::read_to_string(file.with_extension("txt")).unwrap();
                assert_eq!(text(&record), says, "{}", file.display());
                records += 1;
            }
        }
        assert!(records > 7, "format {format} has {records} records");
    }
}

#[test]
fn the_same_events_give_the_same_bytes() {
    let read = |name: &str| fs::read(golden(FORMAT_VERSION).join(name).with_extension("bin")).unwrap();
    assert!(process().encode() == read("process"));
    for (name, block) in blocks().into_iter().chain(values()) {
        assert!(block.encode() == read(name), "{name}");
    }
}

fn write(directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    let mut records = vec![("process", process().encode())];
    records.extend(blocks().into_iter().chain(values()).map(|(name, block)| (name, block.encode())));
    for (name, record) in records {
        fs::write(directory.join(name).with_extension("bin"), &record).unwrap();
        fs::write(directory.join(name).with_extension("txt"), text(&Record::decode(&record).unwrap())).unwrap();
    }
}
