//! Bytes from outside that are not what they claim: no panic, and memory within the stated bounds.

mod support;

use framelake_wire::{
    Arg, Block, Header, Process, Record, StreamKind, batch, decode,
    encode::{
        AsyncEncoder, Attachment, AttachmentEncoder, FrameEncoder, LogEncoder, MetricEncoder, PropertiesId, SiteId,
        SpanEncoder, ThreadId, Value,
    },
    limits::{ATTACHMENT_PART_BYTES_MAX, DECODED_BYTES_MAX, EVENTS_MAX, PAYLOAD_BYTES_MAX, SPAN_DEPTH_MAX},
    raw::{Raw, RawBuf},
};
use proptest::prelude::*;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};
use support::{Names, sample, seal};

/// Counts what each thread holds, and the most it ever held.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    MOST.set(MOST.get().max(held));
}

// SAFETY: every call is passed on to the system's allocator unchanged; counting touches only thread-locals that need neither allocation nor a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promise is the one that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `run` holds at once, its result among them.
fn most_held<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST.set(before);
    let result = run();
    (result, (MOST.get() - before).cast_unsigned())
}

/// Decodes in every way there is. What is accepted must be whole: columns of one length, indexes within their tables.
fn decode_all(block: &Block) {
    let within = |indexes: &[u32], table: usize| assert!(indexes.iter().all(|&index| (index as usize) < table));
    let decoders: [&dyn Fn(&Block); 7] = [
        &|block| {
            let Ok(spans) = decode::spans(block) else { return };
            let rows = spans.site.len();
            assert_eq!(rows as u64, block.header.row_count);
            assert_eq!((spans.ordinal.len(), spans.parent.len(), spans.depth.len()), (rows, rows, rows));
            assert_eq!((spans.begin.len(), spans.end.len()), (rows, rows));
            assert_eq!((spans.self_ns.len(), spans.truncated.len(), spans.event.len()), (rows, rows, rows));
            within(&spans.site, spans.sites.len());
            within(&spans.open.iter().map(|open| open.site).collect::<Vec<_>>(), spans.sites.len());
            assert!(spans.begin.iter().zip(&spans.end).all(|(begin, end)| begin <= end));
            assert!(spans.self_ns.iter().all(|&ns| ns >= 0));
        },
        &|block| {
            let Ok(logs) = decode::logs(block) else { return };
            let rows = logs.site.len();
            assert_eq!((logs.thread.len(), logs.ordinal.len(), logs.time.len()), (rows, rows, rows));
            within(&logs.site, logs.sites.len());
            within(&logs.thread, logs.threads.len());
            assert_eq!((0..rows).map(|row| logs.message(row).len()).max().is_some(), rows > 0);
        },
        &|block| {
            let Ok(metrics) = decode::metrics(block) else { return };
            let rows = metrics.site.len();
            assert_eq!((metrics.thread.len(), metrics.ordinal.len(), metrics.time.len()), (rows, rows, rows));
            assert_eq!((metrics.value.len(), metrics.properties.len()), (rows, rows));
            within(&metrics.site, metrics.sites.len());
            within(&metrics.thread, metrics.threads.len());
            within(&metrics.properties.iter().copied().flatten().collect::<Vec<_>>(), metrics.property_sets.len());
        },
        &|block| {
            let Ok(spans) = decode::async_spans(block) else { return };
            let rows = spans.site.len();
            assert_eq!(rows as u64, block.header.row_count);
            assert_eq!((spans.ordinal.len(), spans.parent.len(), spans.thread.len()), (rows, rows, rows));
            assert_eq!((spans.begin.len(), spans.end.len(), spans.event.len()), (rows, rows, rows));
            within(&spans.site, spans.sites.len());
            within(&spans.thread, spans.threads.len());
            assert!(spans.begin.iter().zip(&spans.end).all(|(begin, end)| begin <= end));
        },
        &|block| drop(decode::frames(block)),
        &|block| {
            let Ok(found) = decode::attachments(block) else { return };
            let rows = found.site.len();
            assert_eq!((found.thread.len(), found.ordinal.len(), found.time.len()), (rows, rows, rows));
            assert_eq!((found.attachment.len(), found.size.len()), (rows, rows));
            within(&found.site, found.sites.len());
            within(&found.thread, found.threads.len());
            assert!(found.part.iter().zip(&found.parts).all(|(part, parts)| part < parts));
            let bytes: usize = (0..rows).map(|row| found.part_bytes(row).len()).sum();
            assert_eq!(bytes, found.bytes.len());
            for row in 0..rows {
                assert!(found.part_bytes(row).len() as u64 <= found.size[row]);
                assert!(found.name(row).len() + found.media_type(row).len() <= 64 * 1024);
            }
        },
        &|block| drop(decode::check(block)),
    ];
    for decoder in decoders {
        let ((), held) = most_held(|| decoder(block));
        assert!(held <= decode::ALLOCATED_BYTES_MAX, "{held} bytes held");
    }
}

fn valid_blocks() -> Vec<Block> {
    let names = Names::new(20, 8, 5);
    let start = sample(0).ticks;
    let mut spans = SpanEncoder::new();
    let mut logs = LogEncoder::new();
    let mut metrics = MetricEncoder::new();
    let mut asyncs = AsyncEncoder::new();
    let mut frames = FrameEncoder::new();
    let mut attachments = AttachmentEncoder::new();
    let mut blocks = Vec::new();
    for sequence in 0..2 {
        for n in 0..60u32 {
            let ticks = start + u64::from(n) * 1000;
            if n % 5 < 3 {
                spans.begin(SiteId(n % 20), ticks);
            } else {
                spans.end(ticks);
            }
            let text = format!("line {n} ä");
            let args = RawBuf::of(&[Arg::Str(&text), Arg::I8(-3), Arg::F64(f64::from(n) / 4.0), Arg::U64(n.into())]);
            spans.begin_with(SiteId(n % 3), ticks, args.as_raw());
            logs.push_args(SiteId(n % 4), ThreadId(n % 5), ticks, args.as_raw());
            let tagged = RawBuf::of(&[Arg::F64(1.5), Arg::Str(&text)]);
            metrics.push_args(SiteId(n % 4), ThreadId(n % 5), ticks, tagged.as_raw(), None);
            logs.push(SiteId(n % 20), ThreadId(n % 5), ticks, (n % 2 == 0).then_some(&text));
            let value = if n % 3 == 0 { Value::Integer(i64::from(n)) } else { Value::Float(f64::from(n) / 7.0) };
            metrics.push(SiteId(n % 20), ThreadId(n % 5), ticks, value, (n % 2 == 0).then_some(PropertiesId(n % 8)));
            let fields = if n % 3 == 0 { args.as_raw() } else { Raw::default() };
            asyncs.begin(u64::from(n) + 1, u64::from(n), SiteId(n % 20), ThreadId(n % 5), ticks, fields);
            asyncs.end(u64::from(n / 2) + 1, ticks);
            frames.mark(ticks);
            if n % 9 == 0 {
                let bytes: Vec<u8> = (0..n).map(|byte| byte as u8).collect();
                let (number, name) = (u64::from(n / 9), (n % 2 == 0).then_some(&text[..]));
                let attachment = Attachment { number, name, media_type: "text/plain", bytes: &bytes };
                attachments.push(SiteId(n % 20), ThreadId(n % 5), ticks, &attachment, 0);
            }
            if n % 17 == 0 {
                spans.dropped(3);
                logs.dropped(2);
                metrics.dropped(1);
                frames.dropped(4);
                asyncs.dropped(2);
                attachments.dropped(5);
            }
        }
        blocks.push(spans.seal(&seal(StreamKind::SPAN, sequence), &names));
        blocks.push(logs.seal(&seal(StreamKind::LOG, sequence), &names));
        blocks.push(metrics.seal(&seal(StreamKind::METRIC, sequence), &names));
        blocks.push(frames.seal(&seal(StreamKind::FRAME, sequence), &names));
        blocks.push(asyncs.seal(&seal(StreamKind::ASYNC, sequence), &names));
        blocks.push(attachments.seal(&seal(StreamKind::ATTACHMENT, sequence), &names));
    }
    for block in &blocks {
        decode::check(block).unwrap();
    }
    blocks
}

fn opened(block: &Block) -> Vec<u8> {
    zstd::bulk::decompress(&block.payload, DECODED_BYTES_MAX).unwrap()
}

fn closed(opened: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(opened, 1).unwrap()
}

/// LEB128, as the format has it.
fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[derive(Clone, Debug)]
enum Mutation {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let at = any::<prop::sample::Index>;
    let mutation = prop_oneof![
        4 => (at(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        4 => (at(), prop_oneof![any::<u8>(), Just(0), Just(0xff), Just(0x7f)]).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        1 => at().prop_map(Mutation::Cut),
        2 => (at(), prop::collection::vec(any::<u8>(), 0..12)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        2 => (at(), 0..6usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
    ];
    prop::collection::vec(mutation, 1..5)
}

fn mutate(bytes: &mut Vec<u8>, mutations: &[Mutation]) {
    for mutation in mutations {
        let end = bytes.len() + 1;
        match mutation {
            Mutation::Flip(at, bit) => bytes.iter_mut().skip(at.index(end)).take(1).for_each(|byte| *byte ^= 1 << bit),
            Mutation::Set(at, value) => bytes.iter_mut().skip(at.index(end)).take(1).for_each(|byte| *byte = *value),
            Mutation::Cut(at) => bytes.truncate(at.index(end)),
            Mutation::Insert(at, inserted) => {
                let at = at.index(end);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Mutation::Remove(at, count) => {
                let at = at.index(end);
                bytes.drain(at..(at + count).min(bytes.len()));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn arbitrary_bytes_are_no_record_and_no_batch(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Record::decode(&bytes).is_err());
        let _ = batch::split(&bytes);
    }

    #[test]
    fn arbitrary_payloads_do_no_harm(
        which in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        compressed in any::<bool>(),
    ) {
        let mut block = which.get(&valid_blocks()).clone();
        block.payload = if compressed { closed(&bytes) } else { bytes };
        decode_all(&block);
    }

    #[test]
    fn mutated_payloads_do_no_harm(
        which in any::<prop::sample::Index>(),
        mutations in mutations(),
        inside in prop::bool::weighted(0.8),
    ) {
        let mut block = which.get(&valid_blocks()).clone();
        if inside {
            let mut bytes = opened(&block);
            mutate(&mut bytes, &mutations);
            block.payload = closed(&bytes);
        } else {
            mutate(&mut block.payload, &mutations);
        }
        decode_all(&block);
    }

    #[test]
    fn headers_that_lie_do_no_harm(which in any::<prop::sample::Index>(), field in 0..9, value in prop_oneof![0..200u64, any::<u64>()]) {
        let mut block = which.get(&valid_blocks()).clone();
        let header = &mut block.header;
        match field {
            0 => header.first_ordinal = value,
            1 => header.ordinal_count = value,
            2 => header.event_count = value,
            3 => header.row_count = value,
            4 => header.dropped_count = value,
            5 => header.anchor_ns = value.cast_signed(),
            6 => header.begin.ticks = value,
            7 => header.end.monotonic_ns = value.cast_signed(),
            _ => header.min_time = value.cast_signed(),
        }
        decode_all(&block);
        let _ = Block::decode(&block.encode());
    }

    #[test]
    fn mutated_records_are_refused_within_their_bounds(which in any::<prop::sample::Index>(), mutations in mutations()) {
        let original = which.get(&valid_blocks()).encode();
        let mut record = original.clone();
        mutate(&mut record, &mutations);
        let (decoded, held) = most_held(|| Block::decode(&record));
        prop_assert!(held <= record.len() + 64 * 1024, "{held} bytes held for {}", record.len());
        prop_assert!(decoded.is_err() || record == original);
    }

    #[test]
    fn mutated_process_records_do_no_harm(mutations in mutations()) {
        let mut record = include_bytes!("../../golden/format-1/process.bin").to_vec();
        mutate(&mut record, &mutations);
        let (_, held) = most_held(|| Process::decode(&record));
        prop_assert!(held <= 4 * record.len() + 64 * 1024, "{held} bytes held for {}", record.len());
    }
}

#[test]
fn headers_that_are_off_by_one_are_refused() {
    let spoil: [fn(&mut Header); 9] = [
        |header| header.event_count += 1,
        |header| header.event_count -= 1,
        |header| header.row_count += 1,
        |header| header.row_count -= 1,
        |header| header.ordinal_count += 1,
        |header| header.ordinal_count -= 1,
        |header| header.dropped_count -= 1,
        |header| header.min_time += 1,
        |header| header.max_time -= 1,
    ];
    for block in valid_blocks() {
        for (which, spoil) in spoil.iter().enumerate() {
            let mut block = block.clone();
            spoil(&mut block.header);
            assert!(decode::check(&block).is_err(), "{which} of {}", block.header.kind);
        }
    }
}

/// The cases that random bytes seldom reach.
#[test]
fn sizes_that_lie_are_not_believed() {
    let valid = valid_blocks();
    let mut payloads = vec![Vec::new(), closed(&[]), vec![0; PAYLOAD_BYTES_MAX]];
    // Opens to more than the limit.
    payloads.push(closed(&vec![0; DECODED_BYTES_MAX + 1]));
    // Opens to the limit exactly: noughts.
    payloads.push(closed(&vec![0; DECODED_BYTES_MAX]));
    // A frame that claims 8 MiB and has nothing: magic, a single segment with four bytes of size, an empty last block.
    payloads.push(vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0x80, 0, 1, 0, 0]);
    // One string of 32 KiB, referred to by all four strings of 4,096 call sites: half a gigabyte when copied out.
    let mut referred = vec![1];
    put(&mut referred, 32 * 1024);
    referred.extend(vec![b'x'; 32 * 1024]);
    put(&mut referred, 4096);
    referred.extend(vec![0; 4096 * 6]);
    payloads.push(closed(&referred));
    // More than one frame, bytes behind it, a frame that says nothing of its size: what is read would depend on the reader.
    let log = &valid[1];
    payloads.push([&log.payload[..], &closed(&[])].concat());
    payloads.push([&log.payload[..], &[0]].concat());
    payloads.push(zstd::stream::encode_all(&opened(log)[..], 1).unwrap());
    // Counts far beyond what follows.
    for position in 0..4 {
        let mut bytes = vec![0; position];
        put(&mut bytes, u64::MAX);
        payloads.push(closed(&bytes));
    }
    for payload in payloads {
        for block in &valid {
            let block = Block { payload: payload.clone(), ..block.clone() };
            assert!(decode::check(&block).is_err());
            decode_all(&block);
        }
    }
}

/// Strings are referred to in their order for the first time, each of them.
#[test]
fn strings_out_of_order_are_refused() {
    let strings = |count: u8, numbers: [u8; 4]| {
        let mut opened = vec![count];
        opened.extend(vec![0; count.into()]);
        opened.push(1);
        opened.extend(numbers);
        // Line, level, no arguments; no threads, property sets, drops, events.
        opened.extend([0; 3 + 4]);
        // The first tick, and columns of nothing.
        opened.extend([0; 1 + 3 + 2]);
        let mut block = LogEncoder::new().seal(&seal(StreamKind::LOG, 0), &Names::new(1, 0, 1));
        block.payload = closed(&opened);
        decode::logs(&block).is_ok()
    };
    assert!(strings(2, [0, 1, 0, 2]));
    assert!(!strings(2, [0, 2, 0, 1]), "the second before the first that is new");
    assert!(!strings(3, [0, 1, 0, 2]), "one that nothing refers to");
    assert!(!strings(1, [0, 1, 0, 1]), "one that is not there");
}

/// The bounds hold where they are nearly reached, too: full tables, full texts.
#[test]
fn the_largest_honest_block_stays_within_the_bound() {
    let text = "x".repeat(32 * 1024);
    // An empty string; a call site of nothing but that, with one argument, and that a text; a thread; no property sets; no drops.
    let mut opened = vec![1, 0, 1, 0, 1, 1, 1, 0, 0, 1 << 2, 1, 11, 1, 1, 1, 0, 0, 0];
    let lines = DECODED_BYTES_MAX / text.len() - 2;
    put(&mut opened, lines as u64);
    opened.push(0);
    let mut column = |bytes: Vec<u8>| {
        put(&mut opened, bytes.len() as u64);
        opened.extend(bytes);
    };
    // Ticks that do not move, in one byte each; call sites; threads; arguments that are new texts; no floats.
    column(vec![1; lines]);
    column(Vec::new());
    column(Vec::new());
    column(vec![0; lines]);
    column(vec![0; lines]);
    column(vec![0]);
    column(vec![0; lines]);
    (0..2 + 8).for_each(|_| column(Vec::new()));
    let mut lengths = Vec::new();
    (0..lines).for_each(|_| put(&mut lengths, text.len() as u64));
    column(lengths);
    column(text.repeat(lines).into_bytes());
    let mut block = LogEncoder::new().seal(&seal(StreamKind::LOG, 0), &Names::new(1, 0, 1));
    block.payload = closed(&opened);
    block.header.event_count = lines as u64;
    block.header.row_count = lines as u64;
    block.header.ordinal_count = lines as u64;
    block.header.min_time = 0;
    let (logs, held) = most_held(|| decode::logs(&block));
    let logs = logs.unwrap();
    assert_eq!(logs.args.get(0, lines as u32 - 1, 0), Arg::Text(&text));
    assert!(held <= decode::ALLOCATED_BYTES_MAX && held > DECODED_BYTES_MAX, "{held} bytes held");
}

/// As above: eight mebibytes of parts, and as many rows as there may be.
#[test]
fn the_largest_attachments_stay_within_the_bound() {
    for (rows, part_bytes) in
        [(DECODED_BYTES_MAX / ATTACHMENT_PART_BYTES_MAX - 1, ATTACHMENT_PART_BYTES_MAX), (EVENTS_MAX, 20)]
    {
        let mut opened = vec![1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0];
        put(&mut opened, rows as u64);
        opened.push(0);
        let mut column = |bytes: Vec<u8>| {
            put(&mut opened, bytes.len() as u64);
            opened.extend(bytes);
        };
        column(vec![1; rows]);
        column(Vec::new());
        column(Vec::new());
        // Call sites without names of their own, threads; each the only part of the same attachment.
        column(vec![0; rows]);
        column(vec![0; rows]);
        let mut numbers = Vec::new();
        let mut lengths = Vec::new();
        for _ in 0..rows {
            numbers.extend([0, 0, 1]);
            put(&mut numbers, part_bytes as u64);
            lengths.push(0);
            put(&mut lengths, part_bytes as u64);
        }
        column(numbers);
        column(lengths);
        column(Vec::new());
        column(vec![7; rows * part_bytes]);
        assert!(opened.len() <= DECODED_BYTES_MAX, "{} bytes", opened.len());
        let mut block = AttachmentEncoder::new().seal(&seal(StreamKind::ATTACHMENT, 0), &Names::new(1, 0, 1));
        block.payload = closed(&opened);
        block.header.event_count = rows as u64;
        block.header.row_count = rows as u64;
        block.header.ordinal_count = rows as u64;
        block.header.min_time = 0;
        let (found, held) = most_held(|| decode::attachments(&block));
        assert_eq!(found.unwrap().bytes.len(), rows * part_bytes);
        assert!(held <= decode::ALLOCATED_BYTES_MAX && held > DECODED_BYTES_MAX, "{held} bytes held");
    }
}

#[test]
fn spans_nested_deeper_than_the_limit_are_refused() {
    let names = Names::new(1, 0, 1);
    for (depth, accepted) in [(SPAN_DEPTH_MAX, true), (SPAN_DEPTH_MAX + 1, false)] {
        // One empty string; one call site of it; no threads, property sets, drops, open spans; that many begins, and as many ticks.
        let mut opened = vec![1, 0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
        put(&mut opened, depth as u64);
        put(&mut opened, depth as u64);
        opened.extend(vec![2; depth]);
        opened.push(0);
        put(&mut opened, depth as u64);
        opened.extend(vec![1; depth]);
        opened.extend([0, 0]);
        let mut block = SpanEncoder::new().seal(&seal(StreamKind::SPAN, 0), &names);
        block.payload = closed(&opened);
        block.header.event_count = depth as u64;
        block.header.ordinal_count = depth as u64;
        let spans = decode::spans(&block);
        assert_eq!(spans.is_ok(), accepted, "{spans:?}");
    }
}
