//! Whatever the events hold: who seals when `is_full` says so never gets a block that is refused.
//!
//! The last cases of spans and of logs fill the strings of the tables to nearly their limit of 160 KiB, which leaves the columns no room to be wrong in.

mod support;

use framelake_wire::{
    Arg, Block, StreamKind, decode,
    encode::{
        AsyncEncoder, Attachment, AttachmentEncoder, LogEncoder, MetricEncoder, PropertiesId, SiteId, SpanEncoder,
        ThreadId, Value,
    },
    limits::{
        ATTACHMENT_PART_BYTES_MAX, DECODED_BYTES_MAX, EVENTS_MAX, PAYLOAD_BYTES_MAX, RECORD_BYTES_MAX, SPAN_DEPTH_MAX,
    },
    raw::RawBuf,
};
use support::{Names, Random, seal};

/// Text that zstd cannot make much smaller.
fn noise(random: &mut Random, bytes: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..bytes).map(|_| char::from(LETTERS[random.below(64)])).collect()
}

fn names(random: &mut Random, count: usize, bytes: usize) -> Names {
    Names {
        sites: (0..count).map(|line| (noise(random, bytes), noise(random, bytes), line as u32)).collect(),
        sets: (0..count).map(|_| (0..256).map(|_| (noise(random, bytes), noise(random, bytes))).collect()).collect(),
        threads: (0..count).map(|number| (noise(random, bytes), number as u64)).collect(),
        args: (0..16).map(|_| noise(random, bytes.min(1000))).collect(),
        flagged: false,
    }
}

/// As much as a thread's buffer of 64 KiB holds, and each time something else.
fn args(random: &mut Random, bytes: usize) -> RawBuf {
    let mut raw = RawBuf::default();
    for _ in 0..random.below(17) {
        let text = noise(random, bytes.min(4_000));
        raw.push(match random.below(4) {
            0 => Arg::Str(&text),
            1 => Arg::U64(random.next()),
            2 => Arg::I64(random.next().cast_signed()),
            _ => Arg::F64(f64::from_bits(random.next())),
        });
    }
    raw
}

fn check(block: &Block) {
    assert!(block.payload.len() <= PAYLOAD_BYTES_MAX, "{} bytes of payload", block.payload.len());
    assert!(block.header.event_count as usize <= EVENTS_MAX);
    let record = block.encode();
    assert!(record.len() <= RECORD_BYTES_MAX);
    let block = Block::decode(&record).unwrap();
    decode::check(&block).unwrap();
    // Not even what nothing compresses exceeds the limit.
    let opened = zstd::bulk::decompress(&block.payload, DECODED_BYTES_MAX).unwrap();
    assert!(opened.len() <= PAYLOAD_BYTES_MAX, "{} bytes opened", opened.len());
}

#[test]
fn spans_of_noise_keep_to_the_limits() {
    let random = &mut Random(1);
    for (sites, bytes) in [(1, 8), (5000, 8), (5000, 300), (100, 40_000), (5, 16_300)] {
        let names = names(random, sites.min(100), 1);
        let names = Names {
            sites: (0..sites).map(|line| (noise(random, bytes), noise(random, bytes), line as u32)).collect(),
            ..names
        };
        let mut encoder = SpanEncoder::new();
        for sequence in 0..3 {
            while !encoder.is_full() {
                match random.below(1000) {
                    0 => encoder.end_truncated(SPAN_DEPTH_MAX, random.next()),
                    1..400 => encoder.end(random.next()),
                    400..500 => encoder.dropped(random.next() >> 40),
                    500..520 => encoder.begin_with(SiteId(0), random.next(), args(random, bytes).as_raw()),
                    _ => encoder.begin(SiteId(random.below(sites) as u32), random.next()),
                }
            }
            check(&encoder.seal(&seal(StreamKind::SPAN, sequence), &names));
        }
    }
}

#[test]
fn async_spans_of_noise_keep_to_the_limits() {
    let random = &mut Random(1);
    for (sites, bytes) in [(1, 8), (5000, 8), (100, 40_000), (5, 16_300)] {
        let names = Names { sets: Vec::new(), ..names(random, sites.min(300), bytes) };
        let sites = sites.min(300);
        let mut encoder = AsyncEncoder::new();
        let mut id = 0;
        for sequence in 0..3 {
            while !encoder.is_full() {
                let number = random.below(1000);
                let site = random.below(sites) as u32;
                match number {
                    0..400 => encoder.end(id - (random.next() % 500).min(id), random.next()),
                    400..450 => encoder.dropped(random.next() >> 40),
                    _ => {
                        id += 1;
                        let fields = if number < 500 { args(random, bytes) } else { RawBuf::default() };
                        encoder.begin(id, id / 2, SiteId(site), ThreadId(site), random.next(), fields.as_raw());
                    }
                }
            }
            check(&encoder.seal(&seal(StreamKind::ASYNC, sequence), &names));
        }
    }
}

#[test]
fn spans_that_compress_to_nothing_keep_to_the_limit_of_events() {
    let names = Names::new(1, 0, 1);
    let mut encoder = SpanEncoder::new();
    let mut events = 0;
    while !encoder.is_full() {
        encoder.begin(SiteId(0), events);
        encoder.end(events);
        events += 1;
    }
    let block = encoder.seal(&seal(StreamKind::SPAN, 0), &names);
    check(&block);
    assert!(block.header.event_count > EVENTS_MAX as u64 * 9 / 10, "{} events", block.header.event_count);
}

#[test]
fn logs_of_noise_keep_to_the_limits() {
    let random = &mut Random(1);
    for (count, name_bytes, text_bytes) in [(10, 20, 100_000), (5000, 100, 0), (300, 40_000, 50), (5, 32_700, 100_000)]
    {
        let names = Names { sets: Vec::new(), ..names(random, count.min(300), 1) };
        let names = Names {
            sites: (0..count).map(|line| (noise(random, name_bytes), String::new(), line as u32)).collect(),
            ..names
        };
        let texts: Vec<String> = (0..20).map(|_| noise(random, text_bytes)).collect();
        let mut encoder = LogEncoder::new();
        while !encoder.is_full() {
            let text = &texts[random.below(texts.len())];
            let (site, thread) = (random.below(count) as u32, random.below(names.threads.len()) as u32);
            encoder.push(SiteId(site), ThreadId(thread), random.next(), Some(text));
            if !encoder.is_full() {
                encoder.push_args(SiteId(0), ThreadId(thread), random.next(), args(random, text_bytes).as_raw());
            }
        }
        check(&encoder.seal(&seal(StreamKind::LOG, 0), &names));
    }
}

#[test]
fn metrics_of_noise_keep_to_the_limits() {
    let random = &mut Random(1);
    for (count, bytes) in [(1, 8), (400, 40), (20, 5_000)] {
        let names = names(random, count, bytes);
        let mut encoder = MetricEncoder::new();
        while !encoder.is_full() {
            let mut number = || random.below(count) as u32;
            let (site, thread, set) = (SiteId(number()), ThreadId(number()), PropertiesId(number()));
            let value = random.next().cast_signed();
            let value = if value % 2 == 0 {
                Value::Integer(value)
            } else {
                Value::Float(f64::from_bits(value.cast_unsigned()))
            };
            encoder.push(site, thread, random.next(), value, Some(set));
        }
        check(&encoder.seal(&seal(StreamKind::METRIC, 0), &names));
    }
}

/// As a PNG is: zstd makes nothing of it.
fn noise_bytes(random: &mut Random, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| random.next() as u8).collect()
}

#[test]
fn attachments_of_noise_keep_to_the_limits() {
    let random = &mut Random(1);
    for (count, name_bytes, bytes) in [(1, 8, 2_000_000), (300, 40_000, 2_000_000), (300, 200, 3_000), (5000, 8, 0)] {
        let names = Names {
            sites: (0..count).map(|line| (noise(random, name_bytes), String::new(), line as u32)).collect(),
            sets: Vec::new(),
            threads: (0..count).map(|number| (noise(random, name_bytes), number as u64)).collect(),
            args: Vec::new(),
            flagged: false,
        };
        let (name, bytes) = (noise(random, name_bytes), noise_bytes(random, bytes));
        let attachment = Attachment { number: u64::MAX >> 1, name: Some(&name), media_type: &name, bytes: &bytes };
        let parts = Attachment::parts(bytes.len());
        let mut encoder = AttachmentEncoder::new();
        for sequence in 0..3 {
            // One part always fits, whatever the tables turn out to be.
            assert!(!encoder.is_full());
            while !encoder.is_full() {
                let (site, thread) = (random.below(names.sites.len()) as u32, random.below(names.threads.len()) as u32);
                let part = random.below(parts as usize) as u32;
                encoder.push(SiteId(site), ThreadId(thread), random.next(), &attachment, part);
                encoder.dropped(random.next() >> 40);
            }
            check(&encoder.seal(&seal(StreamKind::ATTACHMENT, sequence), &names));
        }
    }
}

#[test]
fn parts_that_fit_share_a_block_and_a_large_one_has_its_own() {
    let random = &mut Random(1);
    let names = Names::new(1, 0, 1);
    let mut encoder = AttachmentEncoder::new();
    for (bytes, most) in [(ATTACHMENT_PART_BYTES_MAX, 1), (100 * 1024, 5), (1024, 500)] {
        let bytes = noise_bytes(random, bytes);
        let attachment = Attachment { number: 0, name: None, media_type: "image/png", bytes: &bytes };
        while encoder.has_room(bytes.len()) {
            encoder.push(SiteId(0), ThreadId(0), random.next(), &attachment, 0);
        }
        assert!(encoder.event_count() >= most, "{} parts", encoder.event_count());
        check(&encoder.seal(&seal(StreamKind::ATTACHMENT, 0), &names));
    }
}

/// One absurd name does not cost the others theirs.
#[test]
fn only_the_longest_strings_are_cut() {
    let names = Names {
        sites: vec![("ä".repeat(100_000), String::new(), 0), ("short".into(), "x".repeat(32 * 1024), 1)],
        sets: Vec::new(),
        threads: vec![("main".into(), 1)],
        args: Vec::new(),
        flagged: false,
    };
    let mut encoder = LogEncoder::new();
    encoder.push(SiteId(0), ThreadId(0), 1, None);
    encoder.push(SiteId(1), ThreadId(0), 2, Some(&"ö".repeat(100_000)));
    let block = encoder.seal(&seal(StreamKind::LOG, 0), &names);
    check(&block);
    let logs = decode::logs(&block).unwrap();
    assert_eq!(logs.message(0), "ä".repeat(16 * 1024));
    assert_eq!(logs.message(1), "ö".repeat(16 * 1024));
    assert_eq!((&logs.sites[1].name[..], logs.sites[1].target.len()), ("short", 32 * 1024));
}

/// Few bytes may stand for many: a text that every line repeats.
#[test]
fn texts_that_repeat_keep_to_the_bytes_that_a_block_may_refer_to() {
    let text = "x".repeat(32 * 1024);
    let mut encoder = LogEncoder::new();
    while !encoder.is_full() {
        encoder.push(SiteId(0), ThreadId(0), 1, Some(&text));
    }
    assert!((100..=DECODED_BYTES_MAX / text.len()).contains(&encoder.event_count()), "{}", encoder.event_count());
    check(&encoder.seal(&seal(StreamKind::LOG, 0), &Names::new(1, 0, 1)));
}
