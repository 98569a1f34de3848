//! Streams of several blocks against a model that knows nothing of blocks' bytes: what is recorded comes back, each block alone.

mod support;

use framelake_wire::{
    Arg, Block, StreamKind, TimeMap, UnixNanos,
    decode::{self, OpenSpan},
    encode::{
        ASYNC_OPEN_MAX, AsyncEncoder, Attachment, AttachmentEncoder, FrameEncoder, LogEncoder, MetricEncoder,
        PropertiesId, SiteId, SpanEncoder, ThreadId, Value,
    },
    limits::{ATTACHMENT_PART_BYTES_MAX, FORMAT_VERSION},
    raw::{Raw, RawBuf},
};
use proptest::prelude::*;
use support::{ANCHOR_NS, Names, sample, seal};

/// The time map of drain `drain`, from the samples rather than from a block.
fn map(drain: u64) -> TimeMap {
    TimeMap::new(sample(drain), sample(drain + 1), ANCHOR_NS)
}

/// What passes between a sealed block and its rows.
fn over_the_wire(block: &Block) -> Block {
    let block = Block::decode(&block.encode()).unwrap();
    decode::check(&block).unwrap();
    block
}

#[derive(Clone, Debug)]
enum SpanOp {
    Begin(u32, i64),
    End(i64),
    EndTruncated(usize, i64),
    Dropped(u64),
    Seal,
}

/// Steps of the clock: forward as a rule, now and then a little back, seldom far in either direction.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..5_000i64, 1 => -500..0i64, 1 => any::<i64>()]
}

fn span_ops() -> impl Strategy<Value = Vec<SpanOp>> {
    let op = prop_oneof![
        8 => (0..40u32, step()).prop_map(|(site, step)| SpanOp::Begin(site, step)),
        8 => step().prop_map(SpanOp::End),
        1 => (0..4usize, step()).prop_map(|(count, step)| SpanOp::EndTruncated(count, step)),
        1 => (0..3u64).prop_map(SpanOp::Dropped),
        2 => Just(SpanOp::Seal),
    ];
    prop::collection::vec(op, 0..200)
}

#[derive(Clone, Debug, PartialEq)]
struct SpanRow {
    site: u32,
    ordinal: u64,
    parent: Option<u64>,
    depth: u32,
    begin: UnixNanos,
    end: UnixNanos,
    self_ns: i64,
    truncated: bool,
}

/// Spans as they are meant: a stack and nothing else.
#[derive(Default)]
struct SpanModel {
    stack: Vec<(u32, u64, UnixNanos, i64)>,
    next_ordinal: u64,
    rows: Vec<SpanRow>,
}

impl SpanModel {
    fn begin(&mut self, site: u32, time: UnixNanos) {
        self.stack.push((site, self.next_ordinal, time, 0));
        self.next_ordinal += 1;
    }

    fn end(&mut self, time: UnixNanos, truncated: bool) {
        let Some((site, ordinal, begin, child_ns)) = self.stack.pop() else { return };
        let end = time.max(begin);
        let duration = end.saturating_sub(begin);
        if let Some(parent) = self.stack.last_mut() {
            parent.3 = parent.3.saturating_add(duration);
        }
        self.rows.push(SpanRow {
            site,
            ordinal,
            parent: self.stack.last().map(|parent| parent.1),
            depth: self.stack.len() as u32,
            begin,
            end,
            self_ns: duration.saturating_sub(child_ns).max(0),
            truncated,
        });
    }
}

/// What a block must say.
struct Expected {
    block: Block,
    rows: Vec<SpanRow>,
    open: Vec<(u32, u64, UnixNanos, i64)>,
    first_ordinal: u64,
    next_ordinal: u64,
    dropped: u64,
}

fn record_spans(ops: &[SpanOp], names: &Names) -> Vec<Expected> {
    let mut encoder = SpanEncoder::new();
    let mut model = SpanModel::default();
    let mut expected = Vec::new();
    let (mut drain, mut first_ordinal, mut dropped) = (0, 0, 0);
    let mut ticks = sample(0).ticks;
    for op in ops.iter().chain([&SpanOp::Seal]) {
        match *op {
            SpanOp::Begin(site, step) => {
                ticks = ticks.wrapping_add_signed(step);
                encoder.begin(SiteId(site), ticks);
                model.begin(site, map(drain).unix_ns(ticks));
            }
            SpanOp::End(step) => {
                ticks = ticks.wrapping_add_signed(step);
                encoder.end(ticks);
                model.end(map(drain).unix_ns(ticks), false);
            }
            SpanOp::EndTruncated(count, step) => {
                ticks = ticks.wrapping_add_signed(step);
                encoder.end_truncated(count, ticks);
                for _ in 0..count {
                    model.end(map(drain).unix_ns(ticks), true);
                }
            }
            SpanOp::Dropped(count) => {
                encoder.dropped(count);
                model.next_ordinal += count;
                dropped += count;
            }
            SpanOp::Seal => {
                expected.push(Expected {
                    block: encoder.seal(&seal(StreamKind::SPAN, drain), names),
                    rows: std::mem::take(&mut model.rows),
                    open: model.stack.clone(),
                    first_ordinal,
                    next_ordinal: model.next_ordinal,
                    dropped,
                });
                assert!(encoder.is_empty());
                first_ordinal = model.next_ordinal;
                dropped = 0;
                drain += 1;
            }
        }
        assert_eq!(encoder.depth(), model.stack.len());
    }
    expected
}

fn check_spans(expected: &Expected, names: &Names) {
    let block = over_the_wire(&expected.block);
    let header = &block.header;
    let spans = decode::spans(&block).unwrap();
    // A local call site is known by its line, which no two of the dictionary share.
    let global = |local: u32| {
        let site = &spans.sites[local as usize];
        let index = names.sites.iter().position(|known| known.2 == site.line).unwrap();
        assert_eq!((&site.name, &site.target), (&names.sites[index].0, &names.sites[index].1));
        index as u32
    };
    let rows: Vec<SpanRow> = (0..spans.site.len())
        .map(|i| SpanRow {
            site: global(spans.site[i]),
            ordinal: spans.ordinal[i],
            parent: spans.parent[i],
            depth: spans.depth[i],
            begin: spans.begin[i],
            end: spans.end[i],
            self_ns: spans.self_ns[i],
            truncated: spans.truncated[i],
        })
        .collect();
    assert_eq!(rows, expected.rows);
    let open: Vec<_> = spans
        .open
        .iter()
        .map(|&OpenSpan { site, ordinal, begin, child_ns, .. }| (global(site), ordinal, begin, child_ns))
        .collect();
    assert_eq!(open, expected.open);
    for (depth, open) in spans.open.iter().enumerate() {
        assert_eq!(open.depth as usize, depth);
        assert_eq!(open.parent, depth.checked_sub(1).map(|around| spans.open[around].ordinal));
    }
    assert_eq!(header.first_ordinal, expected.first_ordinal);
    assert_eq!(header.first_ordinal + header.ordinal_count, expected.next_ordinal);
    assert_eq!(header.dropped_count, expected.dropped);
    assert_eq!(header.row_count as usize, rows.len());
    let end = map(header.sequence).unix_ns(header.end.ticks);
    assert_eq!(header.min_time, rows.iter().map(|row| row.begin).min().unwrap_or(end));
    assert_eq!(header.max_time, rows.iter().map(|row| row.end).max().unwrap_or(end));
}

/// Id, site, thread, ordinal, parent, begin, field.
type OpenSpanOf = (u64, u32, u32, u64, Option<u64>, i64, String);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn blocks_in_any_order_and_with_one_missing_give_the_same_rows(
        ops in span_ops(),
        (order, missing) in any::<(u64, prop::sample::Index)>(),
    ) {
        let names = Names::new(40, 0, 1);
        let mut blocks = record_spans(&ops, &names);
        blocks.remove(missing.index(blocks.len()));
        // Every order is reached by some key.
        blocks.sort_by_key(|expected| (expected.block.header.sequence + 1).wrapping_mul(order | 1).reverse_bits());
        for expected in &blocks {
            check_spans(expected, &names);
        }
    }

    #[test]
    fn logs_come_back(
        lines in prop::collection::vec((0..40u32, 0..5u32, step(), prop::option::of(".{0,30}"), 0..2u64), 0..200),
        cuts in prop::collection::vec(any::<bool>(), 200),
    ) {
        let names = Names::new(40, 0, 5);
        let mut encoder = LogEncoder::new();
        let (mut ticks, mut drain, mut ordinal, mut from) = (sample(0).ticks, 0, 0, 0);
        let mut ordinals = Vec::new();
        let mut times = Vec::new();
        for (index, (site, thread, step, message, dropped)) in lines.iter().enumerate() {
            ticks = ticks.wrapping_add_signed(*step);
            encoder.push(SiteId(*site), ThreadId(*thread), ticks, message.as_deref());
            ordinals.push(ordinal);
            times.push(map(drain).unix_ns(ticks));
            encoder.dropped(*dropped);
            ordinal += 1 + dropped;
            if cuts[index] && index % 20 == 0 || index + 1 == lines.len() {
                let block = over_the_wire(&encoder.seal(&seal(StreamKind::LOG, drain), &names));
                let logs = decode::logs(&block).unwrap();
                let range = from..index + 1;
                prop_assert_eq!(&logs.ordinal, &ordinals[range.clone()]);
                prop_assert_eq!(&logs.time, &times[range.clone()]);
                prop_assert_eq!(block.header.min_time, *logs.time.iter().min().unwrap());
                prop_assert_eq!(block.header.max_time, *logs.time.iter().max().unwrap());
                for (row, (site, thread, _, message, _)) in lines[range].iter().enumerate() {
                    let known = &names.sites[*site as usize];
                    prop_assert_eq!(&logs.message(row), message.as_ref().unwrap_or(&known.0));
                    prop_assert_eq!(logs.sites[logs.site[row] as usize].line, known.2);
                    let known = &names.threads[*thread as usize];
                    let thread = &logs.threads[logs.thread[row] as usize];
                    prop_assert_eq!((&thread.name, thread.number), (&known.0, known.1));
                }
                from = index + 1;
                drain += 1;
            }
        }
    }

    #[test]
    fn metrics_come_back(
        measurements in prop::collection::vec(
            (0..10u32, 0..3u32, step(), any::<(bool, i64, f64)>(), prop::option::of(0..8u32), 0..2u64),
            0..100,
        ),
    ) {
        let names = Names::new(10, 8, 3);
        let mut encoder = MetricEncoder::new();
        for half in measurements.chunks(measurements.len().div_ceil(2).max(1)) {
            let mut ticks = sample(0).ticks;
            for &(site, thread, step, (integer, int, float), set, dropped) in half {
                ticks = ticks.wrapping_add_signed(step);
                let value = if integer { Value::Integer(int) } else { Value::Float(float) };
                encoder.dropped(dropped);
                encoder.push(SiteId(site), ThreadId(thread), ticks, value, set.map(PropertiesId));
            }
            let block = over_the_wire(&encoder.seal(&seal(StreamKind::METRIC, 0), &names));
            let metrics = decode::metrics(&block).unwrap();
            let (mut ticks, mut ordinal) = (sample(0).ticks, block.header.first_ordinal);
            prop_assert_eq!(metrics.value.len(), half.len());
            for (row, &(site, thread, step, (integer, int, float), set, dropped)) in half.iter().enumerate() {
                ticks = ticks.wrapping_add_signed(step);
                ordinal += dropped;
                let value = if integer { int as f64 } else { float };
                prop_assert_eq!(metrics.value[row].to_bits(), value.to_bits());
                prop_assert_eq!(metrics.time[row], map(0).unix_ns(ticks));
                prop_assert_eq!(metrics.ordinal[row], ordinal);
                prop_assert_eq!(metrics.sites[metrics.site[row] as usize].line, site * 10);
                prop_assert_eq!(metrics.threads[metrics.thread[row] as usize].number, u64::from(thread) + 1000);
                let set_back = metrics.properties[row].map(|set| &metrics.property_sets[set as usize]);
                prop_assert_eq!(set_back, set.map(|set| &names.sets[set as usize]));
                ordinal += 1;
            }
            prop_assert_eq!(block.header.first_ordinal + block.header.ordinal_count, ordinal);
        }
    }

    #[test]
    fn async_spans_come_back_from_the_block_that_holds_their_end(
        ops in prop::collection::vec((0..40u32, 0..3u32, step(), 0..6u32, 0..8usize, ".{0,9}"), 0..200),
    ) {
        let names = Names::new(40, 0, 3);
        let mut encoder = AsyncEncoder::new();
        let (mut ticks, mut drain, mut next, mut dropped) = (sample(0).ticks, 0, 0, 0);
        let mut open: Vec<OpenSpanOf> = Vec::new();
        let mut rows = Vec::new();
        let mut first = 0;
        for (index, (site, thread, step, what, pick, text)) in ops.iter().chain([&(0, 0, 0, 5, 0, String::new())]).enumerate() {
            ticks = ticks.wrapping_add_signed(*step);
            let time = map(drain).unix_ns(ticks);
            match what {
                0..=1 => {
                    let around = open.get(*pick).map(|around| (around.0, around.3));
                    let id = index as u64 + 1;
                    let fields = RawBuf::of(&[Arg::Str(text), Arg::U64(id)]);
                    let fields = if site % 2 == 0 { fields.as_raw() } else { Raw::default() };
                    let (site, thread) = (*site, *thread);
                    // An end may be read before its begin.
                    let early = *pick == 7;
                    if early {
                        encoder.end(id, ticks);
                    }
                    encoder.begin(id, around.map_or(0, |around| around.0), SiteId(site), ThreadId(thread), ticks, fields);
                    let span = (id, site, thread, next, around.map(|around| around.1), time, text.clone());
                    if early { rows.push((span, time)) } else { open.push(span) }
                    next += 1;
                }
                2..=3 if *pick < open.len() => {
                    let span = open.remove(*pick);
                    encoder.end(span.0, ticks);
                    rows.push((span, time));
                }
                4 => {
                    encoder.dropped(2);
                    (next, dropped) = (next + 2, dropped + 2);
                }
                5 => {
                    let block = over_the_wire(&encoder.seal(&seal(StreamKind::ASYNC, drain), &names));
                    let spans = decode::async_spans(&block).unwrap();
                    prop_assert_eq!(spans.ordinal.len(), rows.len());
                    let field = |site: u32, event: u32| match spans.args.get(site, event, 0) {
                        Arg::Str(text) => Some(text.to_owned()),
                        _ => None,
                    };
                    for (row, ((_, site, thread, ordinal, parent, begin, text), end)) in rows.iter().enumerate() {
                        prop_assert_eq!((spans.ordinal[row], spans.parent[row]), (*ordinal, *parent));
                        prop_assert_eq!((spans.begin[row], spans.end[row]), (*begin.min(end), *end));
                        prop_assert_eq!(spans.sites[spans.site[row] as usize].line, site * 10);
                        prop_assert_eq!(spans.threads[spans.thread[row] as usize].number, u64::from(*thread) + 1000);
                        let expected = (site % 2 == 0).then(|| text.clone());
                        prop_assert_eq!(field(spans.site[row], spans.event[row]), expected);
                    }
                    open.sort_by_key(|span| span.3);
                    let found: Vec<_> = spans.open.iter().map(|span| (span.ordinal, span.parent, span.begin)).collect();
                    prop_assert_eq!(found, open.iter().map(|span| (span.3, span.4, span.5)).collect::<Vec<_>>());
                    for (span, known) in spans.open.iter().zip(&open) {
                        prop_assert_eq!(field(span.site, span.event), (known.1 % 2 == 0).then(|| known.6.clone()));
                    }
                    let header = &block.header;
                    prop_assert_eq!((header.first_ordinal, header.first_ordinal + header.ordinal_count), (first, next));
                    prop_assert_eq!((header.row_count, header.dropped_count), (rows.len() as u64, dropped));
                    rows.clear();
                    (first, dropped) = (next, 0);
                    drain += 1;
                }
                _ => {}
            }
        }
    }

    #[test]
    fn attachments_come_back(
        attached in prop::collection::vec(
            (
                (0..10u32, 0..3u32, step(), any::<u64>()),
                prop::option::of(".{0,30}"),
                "[a-z]{0,8}/[a-z]{0,8}",
                // Many small ones, and some of up to three parts.
                prop_oneof![8 => 0..100usize, 1 => 0..1_200_000usize],
                0..2u64,
            ),
            0..12,
        ),
    ) {
        let names = Names::new(10, 0, 3);
        let mut encoder = AttachmentEncoder::new();
        let mut blocks = Vec::new();
        let mut expected = Vec::new();
        let (mut ticks, mut ordinal) = (sample(0).ticks, 0);
        for ((site, thread, step, number), name, media_type, size, dropped) in &attached {
            ticks = ticks.wrapping_add_signed(*step);
            let number = number >> 1;
            let bytes: Vec<u8> = (0..*size).map(|byte| (byte * 7 + byte / 1000) as u8).collect();
            let attachment = Attachment { number, name: name.as_deref(), media_type, bytes: &bytes };
            let parts = Attachment::parts(*size);
            for part in 0..parts {
                if encoder.is_full() {
                    blocks.push(over_the_wire(&encoder.seal(&seal(StreamKind::ATTACHMENT, 0), &names)));
                }
                encoder.push(SiteId(*site), ThreadId(*thread), ticks, &attachment, part);
                let from = part as usize * ATTACHMENT_PART_BYTES_MAX;
                let part_bytes = bytes[from..bytes.len().min(from + ATTACHMENT_PART_BYTES_MAX)].to_vec();
                let name = name.clone().unwrap_or_else(|| names.sites[*site as usize].0.clone());
                let who = (name, media_type.clone(), names.threads[*thread as usize].0.clone(), site * 10);
                let what = (number, part, parts, *size as u64, part_bytes);
                expected.push((ordinal, map(0).unix_ns(ticks), who, what));
                ordinal += 1;
            }
            encoder.dropped(*dropped);
            ordinal += dropped;
        }
        blocks.push(over_the_wire(&encoder.seal(&seal(StreamKind::ATTACHMENT, 0), &names)));
        let mut rows = Vec::new();
        for block in &blocks {
            let found = decode::attachments(block).unwrap();
            for row in 0..found.ordinal.len() {
                let (site, thread) = (&found.sites[found.site[row] as usize], &found.threads[found.thread[row] as usize]);
                let who = (found.name(row).to_owned(), found.media_type(row).to_owned(), thread.name.clone(), site.line);
                let bytes = found.part_bytes(row).to_vec();
                let what = (found.attachment[row], found.part[row], found.parts[row], found.size[row], bytes);
                rows.push((found.ordinal[row], found.time[row], who, what));
            }
        }
        prop_assert!(rows == expected, "{} rows of {}", rows.len(), expected.len());
        let last = &blocks.last().unwrap().header;
        prop_assert_eq!(last.first_ordinal + last.ordinal_count, ordinal);
    }

    #[test]
    fn frames_come_back(
        marks in prop::collection::vec((step(), prop_oneof![9 => Just(0), 1 => 1..3u64], any::<bool>()), 0..100),
    ) {
        let names = Names::new(0, 0, 1);
        let mut encoder = FrameEncoder::new();
        let (mut ticks, mut drain, mut ordinal, mut open) = (sample(0).ticks, 0, 0, None);
        let mut expected = Vec::new();
        let (mut lost, mut total) = (0, 0);
        for (step, dropped, sealed) in marks {
            ticks = ticks.wrapping_add_signed(step);
            encoder.dropped(dropped);
            if dropped > 0 {
                lost += dropped + u64::from(open.take().is_some());
                ordinal += dropped;
            }
            encoder.mark(ticks);
            let time = map(drain).unix_ns(ticks);
            if let Some((ordinal, begin)) = open {
                expected.push((ordinal, begin, time.max(begin)));
            }
            open = Some((ordinal, time));
            ordinal += 1;
            if sealed {
                let block = over_the_wire(&encoder.seal(&seal(StreamKind::FRAME, drain), &names));
                let frames = decode::frames(&block).unwrap();
                let rows: Vec<_> =
                    (0..frames.ordinal.len()).map(|i| (frames.ordinal[i], frames.begin[i], frames.end[i])).collect();
                prop_assert_eq!(&rows, &expected);
                prop_assert_eq!(frames.open, open);
                // Every ordinal given out so far is a row, lost, or open.
                prop_assert_eq!(block.header.dropped_count, std::mem::take(&mut lost));
                total += rows.len() as u64 + block.header.dropped_count;
                prop_assert_eq!(block.header.first_ordinal + block.header.ordinal_count, total + 1);
                expected.clear();
                drain += 1;
            }
        }
    }
}

#[test]
fn spans_beyond_the_depth_limit_are_dropped_with_their_ends() {
    let names = Names::new(1, 0, 1);
    let mut encoder = SpanEncoder::new();
    let mut ticks = sample(0).ticks;
    let mut next = || {
        ticks += 1_000;
        ticks
    };
    for _ in 0..1030 {
        encoder.begin(SiteId(0), next());
    }
    assert_eq!(encoder.depth(), 1030);
    for _ in 0..8 {
        encoder.end(next());
    }
    encoder.begin(SiteId(0), next());
    encoder.end(next());
    let first = over_the_wire(&encoder.seal(&seal(StreamKind::SPAN, 0), &names));
    encoder.end_truncated(2000, next());
    assert_eq!(encoder.depth(), 0);
    encoder.end(next());
    let second = over_the_wire(&encoder.seal(&seal(StreamKind::SPAN, 1), &names));

    let spans = decode::spans(&first).unwrap();
    assert_eq!((first.header.dropped_count, first.header.ordinal_count), (6, 1031));
    // 6 ends were those of dropped spans, 2 of the innermost recorded ones; the last is the one begun again.
    assert_eq!(spans.depth, [1023, 1022, 1022]);
    assert_eq!(spans.ordinal, [1023, 1022, 1030]);
    assert_eq!(spans.open.len(), 1022);
    let spans = decode::spans(&second).unwrap();
    assert_eq!(spans.ordinal, (0..1022).rev().collect::<Vec<_>>());
    assert!(spans.truncated.iter().all(|&truncated| truncated));
}

#[test]
fn a_block_of_another_kind_or_a_newer_format_is_not_decoded_but_passes() {
    let names = Names::new(1, 0, 1);
    let mut block = LogEncoder::new().seal(&seal(StreamKind::LOG, 0), &names);
    assert!(decode::spans(&block).is_err());
    assert!(decode::logs(&block).is_ok());
    block.header.format_version = FORMAT_VERSION + 1;
    assert!(matches!(decode::logs(&block), Err(framelake_wire::Error::NewerFormat { .. })));
    decode::check(&block).unwrap();
    // A draft neither is decoded nor passes.
    block.header.format_version = 0;
    assert_eq!(decode::logs(&block), Err(framelake_wire::Error::DraftFormat { version: 0 }));
    assert_eq!(decode::check(&block), Err(framelake_wire::Error::DraftFormat { version: 0 }));
    block.header.format_version = FORMAT_VERSION;
    block.header.kind = StreamKind::new("gpu");
    decode::check(&block).unwrap();
    block.payload = vec![0; framelake_wire::limits::PAYLOAD_BYTES_MAX + 1];
    assert!(decode::check(&block).is_err());
}

/// Ends that were lost leave their spans open for good.
#[test]
fn of_too_many_open_async_spans_the_oldest_are_given_up_and_counted() {
    let names = Names::new(1, 0, 1);
    let mut encoder = AsyncEncoder::new();
    let begin = |encoder: &mut AsyncEncoder, id: u64, around: u64, fields: Raw<'_>| {
        encoder.begin(id, around, SiteId(0), ThreadId(0), sample(0).ticks + id, fields);
    };
    let max = ASYNC_OPEN_MAX as u64;
    for id in 1..=max {
        begin(&mut encoder, id, 0, Raw::default());
    }
    encoder.end(7, sample(0).ticks + max);
    assert_eq!((encoder.open() as u64, encoder.take_given_up()), (max - 1, 0));
    encoder.seal(&seal(StreamKind::ASYNC, 0), &names);
    for id in max + 1..=max + 10 {
        begin(&mut encoder, id, id - 9, Raw::default());
    }
    // The one that ended left room for one.
    assert_eq!((encoder.open() as u64, encoder.take_given_up(), encoder.take_given_up()), (max, 9, 0));
    let block = over_the_wire(&encoder.seal(&seal(StreamKind::ASYNC, 1), &names));
    let open = decode::async_spans(&block).unwrap().open;
    assert_eq!((open.len(), open[0].ordinal), (256, 10));
    // What was given up ends for nobody.
    encoder.end(3, sample(1).ticks);
    encoder.end(max + 10, sample(1).ticks);
    let rows = decode::async_spans(&encoder.seal(&seal(StreamKind::ASYNC, 2), &names)).unwrap();
    assert_eq!((rows.ordinal, rows.parent), (vec![max + 9], vec![Some(max)]));

    // Few are too many where their fields are long.
    let text = "x".repeat(30_000);
    let fields = RawBuf::of(&[Arg::Str(&text)]);
    let most = 16 * 1024 * 1024 / (fields.as_raw().words().len() * 8);
    for id in 1..=600 {
        begin(&mut encoder, 2 * max + id, 0, fields.as_raw());
        if encoder.is_full() {
            encoder.seal(&seal(StreamKind::ASYNC, 3), &names);
        }
    }
    assert_eq!((encoder.open(), encoder.take_given_up()), (most, max - 1 + 600 - most as u64));
}

#[test]
fn an_end_waits_for_its_begin_for_one_drain_and_no_longer() {
    let names = Names::new(1, 0, 1);
    let mut encoder = AsyncEncoder::new();
    for (id, drains) in [(1, 1), (2, 2)] {
        encoder.end(id, sample(0).ticks + 9);
        (0..drains).for_each(|_| encoder.drained());
        encoder.begin(id, 0, SiteId(0), ThreadId(0), sample(0).ticks, Raw::default());
    }
    assert_eq!(encoder.open(), 1);
    let rows = decode::async_spans(&encoder.seal(&seal(StreamKind::ASYNC, 0), &names)).unwrap();
    assert_eq!(rows.ordinal, [0]);
}
