use super::*;
use crate::crash::attached::Attached;
use crate::event::{ASYNC_BEGIN, ASYNC_END_ARGS, FRAME, LOG, LOST, SPAN_BEGIN, TAG_BITS};
use crate::mapping::sums::Of;
use crate::recover::test_support::{self, Names as AnyNames, put_sums, raw, seal};
use crate::site::Registered;
use framelake_wire::encode::AsyncEncoder;
use framelake_wire::{Block, ProcessId, Record, decode};

/// A recording that began an hour before its last drain, by a clock of one tick a nanosecond.
const BEGAN: u64 = 5_000_000_000_000;
const DRAINED: u64 = BEGAN + 3_600_000_000_000;
const WALL_NS: i64 = 1_760_000_000_000_000_000;

fn state() -> State {
    let process = Process {
        process_id: ProcessId::from_bytes([1; 16]),
        revision: 3,
        parent_process_id: None,
        exe: String::new(),
        version: String::new(),
        user: String::new(),
        host: String::new(),
        os: String::new(),
        arch: String::new(),
        cpu: String::new(),
        cores: 1,
        memory_bytes: 0,
        pid: 1,
        sdk: String::new(),
        start_time: WALL_NS - (DRAINED - BEGAN) as i64,
        last_seen: WALL_NS,
        end_time: None,
        exit_reason: None,
        properties: BTreeMap::new(),
        dropped: BTreeMap::new(),
    };
    State {
        process: process.encode(),
        clock_domain: "monotonic".into(),
        first_ticks: BEGAN,
        newest: TimeSample { ticks: DRAINED, monotonic_ns: DRAINED as i64, wall_ns: WALL_NS },
        anchor_ns: WALL_NS - DRAINED as i64,
        rate: 1.0,
        ..State::default()
    }
}

fn found() -> Found {
    let site = |name: &str| Registered {
        name: name.into(),
        target: "game".into(),
        file: "game.rs".into(),
        line: 1,
        level: 3,
        unit: "".into(),
        args: vec!["of".into(), "how many".into()],
        template: "".into(),
        named: true,
        aggregated: true,
    };
    Found { sites: vec![site("first"), site("second")], sets: Vec::new() }
}

struct Made {
    cut: Cut,
    blocks: Vec<Block>,
}

impl Made {
    fn of(image: &[u8], state: &State, attached: &[attached::Found]) -> Self {
        let image = Image::new(image).unwrap();
        // Written a second after the last drain.
        let written_ns = WALL_NS + 1_000_000_000;
        let left = Left { image: Some(&image), state, found: &found(), attached, written_ns };
        let cut = cut(&left, |_| panic!("the rate is known"));
        let blocks = cut.records.iter().map(|record| match Record::decode(&record.bytes).unwrap() {
            Record::Block(block) => block,
            Record::Process(_) => panic!("the process is apart"),
        });
        let blocks: Vec<Block> = blocks.collect();
        for block in &blocks {
            decode::check(block).unwrap();
            let last = WALL_NS + 660_000_000_000;
            assert!(block.header.min_time > WALL_NS - 4_300_000_000_000 && block.header.max_time < last, "{block:?}");
        }
        let end = cut.process.as_ref().unwrap().end_time.unwrap();
        assert!((WALL_NS..WALL_NS + 660_000_000_000).contains(&end), "{end}");
        Self { cut, blocks }
    }

    fn of_kind(&self, kind: &StreamKind) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(move |block| block.header.kind == *kind)
    }

    fn rows(&self, kind: &StreamKind) -> u64 {
        self.of_kind(kind).map(|block| block.header.row_count).sum()
    }
}

fn head(ticks: u64, tag: u64) -> u64 {
    ticks << TAG_BITS | tag
}

#[test]
fn ticks_that_cannot_be_end_their_chunk_as_a_torn_event_does() {
    let line = |ticks| [head(ticks, LOG), 1];
    let at = |offset: i64| DRAINED.saturating_add_signed(offset);
    // What the middle one of three lines has for ticks, and how many lines are there.
    for (ticks, lines) in [
        (at(1_000), 3),
        // Held up between clock and store for as long as the recording lasts.
        (BEGAN, 3),
        (BEGAN - 700_000_000_000, 1),
        (0, 1),
        // The system notes late that a mapped file was written to.
        (at(500_000_000_000), 3),
        (at(700_000_000_000), 1),
        (at(1_000_000_000_000_000), 1),
        (u64::MAX >> TAG_BITS, 1),
    ] {
        let lost = |total: u64| [head(at(3_000), LOST), total << 8 | Lost::Logs as u64];
        let words = [&line(at(500))[..], &line(ticks), &lost(5), &line(at(4_000)), &[head(at(5_000), SPAN_BEGIN), 1]];
        let image = test_support::mapping(&[words.concat(), line(at(6_000)).to_vec()]);
        let made = Made::of(&image, &state(), &[]);
        let is_damaged = lines == 1;
        assert_eq!((made.rows(&StreamKind::LOG), made.cut.damaged), (lines + 1, u64::from(is_damaged)), "{ticks}");
        // The span that was open is truncated where the process ended.
        assert_eq!(made.rows(&StreamKind::SPAN), u64::from(!is_damaged));
        let dropped: u64 = made.of_kind(&StreamKind::LOG).map(|block| block.header.dropped_count).sum();
        assert_eq!(dropped, if is_damaged { 0 } else { 5 });
    }
}

#[test]
fn losses_that_stand_behind_ticks_that_cannot_be_are_told_by_their_count() {
    let words = [head(0, FRAME), head(DRAINED + 1, LOST), 5 << 8 | Lost::Frames as u64];
    let mut image = test_support::mapping(&[words.to_vec()]);
    let at = mapping_lost_at(Lost::Frames);
    image[at..at + 8].copy_from_slice(&5_u64.to_ne_bytes());
    let made = Made::of(&image, &state(), &[]);
    let dropped: u64 = made.of_kind(&StreamKind::FRAME).map(|block| block.header.dropped_count).sum();
    assert_eq!((dropped, made.cut.damaged), (5, 1));
}

/// Where the first thread's losses stand.
fn mapping_lost_at(lost: Lost) -> usize {
    crate::mapping::PAGE + crate::mapping::BUFFER_AT + crate::buffer::LAYOUT.lost_at + 8 * lost as usize
}

#[test]
fn an_async_span_that_ended_before_its_begin_was_read_keeps_the_fields_of_its_end() {
    let mut asyncs = AsyncEncoder::new();
    let fields = raw(&[Arg::U64(7), Arg::Str("seven")]);
    // Drained: the end of span 1, and the begin of span 2.
    asyncs.end_with(1, DRAINED - 1_000, fields.as_raw());
    asyncs.begin(2, 0, SiteId(0), ThreadId(0), DRAINED - 3_000, Default::default());
    let window = state().newest;
    let began = TimeSample { ticks: BEGAN, monotonic_ns: BEGAN as i64, ..window };
    let seal = encode::Seal { begin: began, end: window, anchor_ns: state().anchor_ns, ..seal(StreamKind::ASYNC) };
    let block = asyncs.seal(&seal, &AnyNames);
    assert_eq!(block.header.row_count, 0);
    let mut encoder = Vec::new();
    Saved::save(&asyncs, &mut encoder);
    let ordinals = block.header.first_ordinal + block.header.ordinal_count;
    let stream =
        StreamState { kind: "async".into(), stream_id: [2; 16], sequence: 1, ordinals, encoder, ..Default::default() };
    let state = State { streams: vec![stream], names: vec![("main".into(), 1)], ..state() };
    // Not drained: the begin of span 1, and the end of span 2 with fields of its own.
    let end =
        [&[head(DRAINED + 1_000, ASYNC_END_ARGS), 2 << 32, 2, fields.as_raw().codes()][..], fields.as_raw().words()]
            .concat();
    let begin = [head(DRAINED - 2_000, ASYNC_BEGIN), 2, 1, 0];
    let made = Made::of(&test_support::mapping(&[[&begin[..], &end].concat()]), &state, &[]);
    assert_eq!((made.cut.damaged, made.rows(&StreamKind::ASYNC)), (0, 2));
    let block = made.of_kind(&StreamKind::ASYNC).next().unwrap();
    assert_eq!((block.header.sequence, block.header.first_ordinal), (1, 1));
    let rows = decode::async_spans(block).unwrap();
    for row in 0..2 {
        let site = &rows.sites[rows.site[row] as usize];
        let arg = |index| rows.args.get(rows.site[row], rows.event[row], index);
        let begin = if &*site.name == "second" { DRAINED - 2_000 } else { DRAINED - 3_000 };
        assert!((rows.begin[row] - (WALL_NS - (DRAINED - begin) as i64)).abs() <= 1_000);
        assert!(rows.begin[row] < rows.end[row]);
        assert_eq!((arg(0), arg(1)), (Arg::U64(7), Arg::Str("seven")));
    }
}

#[test]
fn sums_are_those_beyond_what_the_drain_that_was_written_down_had_read() {
    let float = |number: f64| number.to_bits();
    let counter = Of { site: 1, properties: 0 };
    let histogram = Of { site: 2, properties: 0 };
    let mut image = test_support::mapping(&[vec![head(DRAINED + 1, FRAME)]]);
    let histograms_at = crate::mapping::sums::places(0, 3).take_while(|(_, buckets)| *buckets < 3).count();
    // Drain 6 read 10 of 2, drain 7 began and read 30 of 5; by now there are 40 of 7.
    put_sums(&mut image, 1, 3, 1, counter, &[(0, [(40, 7), (10, 2), (30, 5)])]);
    let bucket = |sum: f64, count| [(float(sum), count), (0, 0), (float(6.0), 2)];
    put_sums(&mut image, 1, histograms_at + 1, 1, histogram, &[(8, bucket(9.0, 3)), (9, bucket(6.0, 2))]);
    // Of a thread that is gone, and whose place was not yet given back.
    put_sums(&mut image, 1, 0, 77, counter, &[(0, [(1, 1), (0, 0), (0, 0)])]);
    for (drain, expected) in
        [(6, vec![(30.0, 5), (3.0, 3), (3.0, 2)].into_iter()), (7, vec![(10.0, 2), (3.0, 1)].into_iter())]
    {
        let made = Made::of(&image, &State { drain, ..state() }, &[]);
        assert_eq!(made.cut.damaged, 0);
        let metrics = decode::metrics(made.of_kind(&StreamKind::METRIC).next().unwrap()).unwrap();
        let row = |row: usize| {
            let count = metrics.args.get(metrics.site[row], metrics.event[row], 1);
            (metrics.value[row], count)
        };
        assert_eq!(
            (0..metrics.ordinal.len()).map(row).collect::<Vec<_>>(),
            expected.map(|(value, count)| (value, Arg::U64(count))).collect::<Vec<_>>()
        );
    }
}

#[test]
fn attachments_that_were_not_sealed_are_there_and_what_cannot_be_read_is_counted() {
    let bytes: Vec<u8> = (0..700_000_u32).map(|byte| byte as u8).collect();
    let one = |number: u64, ticks| Attached {
        number,
        site: 2,
        thread: (format!("thread {number}"), number),
        ticks,
        name: format!("frame {number}.png").into(),
        media_type: "image/png".into(),
        bytes: bytes.clone(),
    };
    let found = |attachment| attached::Found::of(600_000, attachment);
    let attached =
        [found(Some(one(5, DRAINED + 1))), found(None), found(Some(one(7, 1))), found(Some(one(8, DRAINED - 1)))];
    let mut image = test_support::mapping(&[]);
    let at = std::mem::offset_of!(crate::mapping::FileHeader, attachments_lost);
    image[at..at + 8].copy_from_slice(&9_u64.to_ne_bytes());
    let state = State { attachments_lost: 6, ..state() };
    let made = Made::of(&image, &state, &attached);
    assert_eq!((made.cut.damaged, made.cut.events), (2, 4));
    let mut parts = BTreeMap::new();
    for block in made.of_kind(&StreamKind::ATTACHMENT) {
        let rows = decode::attachments(block).unwrap();
        for row in 0..rows.ordinal.len() {
            assert_eq!(rows.name(row), format!("frame {}.png", rows.attachment[row]));
            let (thread, _): &mut (String, Vec<u8>) = parts.entry(rows.attachment[row]).or_default();
            thread.clone_from(&rows.threads[rows.thread[row] as usize].name);
            parts.get_mut(&rows.attachment[row]).unwrap().1.extend(rows.part_bytes(row));
        }
    }
    let expected = [5, 8].map(|number| (number, (format!("thread {number}"), bytes.clone())));
    assert!(parts == BTreeMap::from(expected));
    // Three that found no room, and two parts each of those that cannot be read.
    let dropped: u64 = made.of_kind(&StreamKind::ATTACHMENT).map(|block| block.header.dropped_count).sum();
    assert_eq!(dropped, 3 + 2 + 2);
    assert_eq!(made.cut.process.unwrap().dropped.into_values().sum::<u64>(), 7);
}
