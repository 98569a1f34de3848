//! An encoder that is saved and resumed at every seal makes the same blocks as one that never was.

mod support;

use framelake_wire::{
    Arg, Block, StreamKind,
    encode::{
        AsyncEncoder, FrameEncoder, Known, LogEncoder, MetricEncoder, PropertiesId, Saved, SiteId, SpanEncoder,
        ThreadId, Value,
    },
    raw::RawBuf,
};
use support::{Names, Random, sample, seal};

const KNOWN: Known = Known { sites: 20, threads: 3 };
const ROUNDS: u64 = 200;

fn resumed<E: Saved>(encoder: &E) -> E {
    let mut saved = Vec::new();
    encoder.save(&mut saved);
    for length in 0..saved.len() {
        assert!(E::resume(&saved[..length], KNOWN).is_err(), "cut at {length} of {}", saved.len());
    }
    E::resume(&saved, KNOWN).unwrap()
}

/// Plays `act` on two encoders; of one nothing but what was saved is left after each block.
fn check<E: Saved>(
    mut whole: E,
    mut parts: E,
    mut act: impl FnMut(&mut E, &mut Random, u64),
    block: impl Fn(&mut E, u64) -> Block,
) {
    let (mut of_whole, mut of_parts) = (Random(7), Random(7));
    for round in 0..ROUNDS {
        for step in 0..of_whole.below(30) as u64 {
            act(&mut whole, &mut of_whole, sample(round).ticks + step * 1_000);
        }
        for step in 0..of_parts.below(30) as u64 {
            act(&mut parts, &mut of_parts, sample(round).ticks + step * 1_000);
        }
        let (block, of_parts) = (block(&mut whole, round), block(&mut parts, round));
        // Without rows the column of ticks is empty, but for where it would begin.
        if block.header.row_count > 0 {
            assert_eq!(block, of_parts, "round {round}");
        }
        parts = resumed(&parts);
    }
}

fn fields(random: &mut Random) -> RawBuf {
    match random.below(4) {
        0 => RawBuf::of(&[Arg::Str("some text"), Arg::U64(random.next())]),
        1 => RawBuf::of(&[Arg::F64(0.5)]),
        _ => RawBuf::default(),
    }
}

#[test]
fn what_was_saved_goes_on_as_if_nothing_had_happened() {
    let names = Names::new(KNOWN.sites, 4, KNOWN.threads);
    check(
        SpanEncoder::new(),
        SpanEncoder::new(),
        |spans, random, ticks| match random.below(10) {
            0..5 => spans.begin_with(SiteId(random.below(20) as u32), ticks, fields(random).as_raw()),
            5..9 => spans.end(ticks),
            _ => spans.dropped(2),
        },
        |spans, round| spans.seal(&seal(StreamKind::SPAN, round), &names),
    );
    check(
        AsyncEncoder::new(),
        AsyncEncoder::new(),
        |spans, random, ticks| {
            let site = SiteId(random.below(20) as u32);
            // Few numbers, so that most ends have a begin; some never began, or begin later.
            let (id, parent) = (1 + random.below(200) as u64, random.below(200) as u64);
            match random.below(10) {
                0..5 => {
                    let thread = ThreadId(random.below(3) as u32);
                    spans.begin(id, parent, site, thread, ticks, fields(random).as_raw());
                }
                5..9 => spans.end(id, ticks),
                _ => spans.dropped(1),
            }
        },
        |spans, round| spans.seal(&seal(StreamKind::ASYNC, round), &names),
    );
    check(
        FrameEncoder::new(),
        FrameEncoder::new(),
        |frames, random, ticks| if random.below(9) == 0 { frames.dropped(1) } else { frames.mark(ticks) },
        |frames, round| frames.seal(&seal(StreamKind::FRAME, round), &names),
    );
    check(
        LogEncoder::new(),
        LogEncoder::new(),
        |logs, random, ticks| logs.push_args(SiteId(3), ThreadId(1), ticks, fields(random).as_raw()),
        |logs, round| logs.seal(&seal(StreamKind::LOG, round), &names),
    );
    check(
        MetricEncoder::new(),
        MetricEncoder::new(),
        |metrics, random, ticks| {
            let value = Value::Integer(random.next().cast_signed());
            metrics.push(SiteId(3), ThreadId(1), ticks, value, Some(PropertiesId(1)));
        },
        |metrics, round| metrics.seal(&seal(StreamKind::METRIC, round), &names),
    );
}

#[test]
fn flipped_bits_in_what_was_saved_are_refused_or_harmless() {
    let names = Names::new(KNOWN.sites, 0, KNOWN.threads);
    let mut spans = SpanEncoder::new();
    let mut asyncs = AsyncEncoder::new();
    let texts = RawBuf::of(&[Arg::Str("some text")]);
    for number in 0..5 {
        spans.begin_with(SiteId(number), sample(0).ticks, texts.as_raw());
        asyncs.begin(u64::from(number) + 1, 0, SiteId(number), ThreadId(1), sample(0).ticks, texts.as_raw());
    }
    let _ = spans.seal(&seal(StreamKind::SPAN, 0), &names);
    let _ = asyncs.seal(&seal(StreamKind::ASYNC, 0), &names);
    let (mut of_spans, mut of_asyncs) = (Vec::new(), Vec::new());
    spans.save(&mut of_spans);
    asyncs.save(&mut of_asyncs);
    for bit in 0..of_spans.len() * 8 {
        let mut saved = of_spans.clone();
        saved[bit / 8] ^= 1 << (bit % 8);
        if let Ok(mut spans) = SpanEncoder::resume(&saved, KNOWN) {
            spans.end(sample(1).ticks);
            let _ = spans.seal(&seal(StreamKind::SPAN, 1), &names);
        }
    }
    for bit in 0..of_asyncs.len() * 8 {
        let mut saved = of_asyncs.clone();
        saved[bit / 8] ^= 1 << (bit % 8);
        if let Ok(mut asyncs) = AsyncEncoder::resume(&saved, KNOWN) {
            asyncs.end(3, sample(1).ticks);
            let _ = asyncs.seal(&seal(StreamKind::ASYNC, 1), &names);
        }
    }
}
