use super::*;
use proptest::prelude::*;

/// Writes the arguments of events of call sites, and reads them back.
fn over_the_wire(events: &[(u32, RawBuf)]) -> (Args, usize) {
    let mut shapes = crate::columns::shapes::Shapes::default();
    let mut values = Values::default();
    for (site, raw) in events {
        let shape = shapes.number(Shape::of(*site, &raw.as_raw()));
        values.push(shape, raw.as_raw());
    }
    let mut opened = Opened::default();
    values.put(&mut opened, shapes.used());
    let codes: Vec<Vec<u8>> = shapes.used().iter().map(|shape| shape.codes().collect()).collect();
    let mut reader = Reader::new(&opened.bytes);
    let args = read(&mut reader, codes.iter().map(Vec::as_slice), &values.counts(shapes.len())).unwrap();
    reader.finish("payload").unwrap();
    assert!(opened.bytes.len() <= values.bytes(), "{} bytes, at most {} foretold", opened.bytes.len(), values.bytes());

    let mut seen = vec![0; shapes.len()];
    for (site, raw) in events {
        let shape = shapes.number(Shape::of(*site, &raw.as_raw()));
        for (index, arg) in raw.as_raw().iter().enumerate() {
            let found = args.get(shape, seen[shape as usize], index);
            // Bits, since NaN is not equal to itself.
            assert_eq!(RawBuf::of(&[found]), RawBuf::of(&[arg]));
        }
        seen[shape as usize] += 1;
    }
    (args, opened.bytes.len())
}

fn arg() -> impl Strategy<Value = RawBuf> {
    let bits = any::<f32>().prop_map(|value| RawBuf::of(&[Arg::F32(value)]));
    prop_oneof![
        Just(RawBuf::of(&[Arg::None])),
        any::<i8>().prop_map(|value| RawBuf::of(&[Arg::I8(value)])),
        any::<i16>().prop_map(|value| RawBuf::of(&[Arg::I16(value)])),
        any::<i32>().prop_map(|value| RawBuf::of(&[Arg::I32(value)])),
        any::<i64>().prop_map(|value| RawBuf::of(&[Arg::I64(value)])),
        any::<u64>().prop_map(|value| RawBuf::of(&[Arg::U64(value)])),
        (0..3u64).prop_map(|value| RawBuf::of(&[Arg::U64(value.wrapping_mul(0x9e37_79b9_7f4a_7c15))])),
        (0..3u8).prop_map(|value| RawBuf::of(&[Arg::F64(1.0 / f64::from(value))])),
        bits,
        any::<f64>().prop_map(|value| RawBuf::of(&[Arg::F64(value)])),
        (-100_000..100_000i64).prop_map(|value| RawBuf::of(&[Arg::F64(value as f64 / 100.0)])),
        any::<bool>().prop_map(|value| RawBuf::of(&[Arg::Bool(value)])),
        any::<char>().prop_map(|value| RawBuf::of(&[Arg::Char(value)])),
        ".{0,12}".prop_map(|value| RawBuf::of(&[Arg::Str(&value)])),
        "[ab]{0,2}".prop_map(|value| RawBuf::of(&[Arg::Text(&value)])),
    ]
}

proptest! {
    #[test]
    fn arguments_of_any_shape_come_back(
        events in prop::collection::vec((0..4u32, prop::collection::vec(arg(), 0..5)), 0..60),
    ) {
        let events: Vec<_> = events
            .into_iter()
            .map(|(site, args)| {
                let mut raw = RawBuf::default();
                args.iter().for_each(|arg| arg.as_raw().iter().for_each(|arg| raw.push(arg)));
                (site, raw)
            })
            .collect();
        over_the_wire(&events);
    }
}

fn bytes_of(values: impl Iterator<Item = f64>) -> usize {
    let events: Vec<_> = values.map(|value| (0, RawBuf::of(&[Arg::F64(value)]))).collect();
    over_the_wire(&events).1
}

#[test]
fn floats_that_are_decimals_take_the_bytes_of_integers() {
    let exact = (0..100).map(|n| f64::from(n * 37 % 101) / 100.0);
    assert!(bytes_of(exact) < 250);
    let singles = (0..100).map(|n| f64::from((n * 37 % 101) as f32 / 100.0));
    assert!(bytes_of(singles) < 250);
    let odd = [f64::NAN, -0.0, f64::INFINITY, f64::MIN_POSITIVE, 9_007_199_254_740_993.0, 1.0 / 3.0, 1e300];
    for odd in odd {
        bytes_of([0.5, odd, 0.25].into_iter());
    }
}

/// What a hash has in common with noise.
fn noise(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[test]
fn integers_that_are_noise_take_the_bytes_they_have() {
    let bytes_of = |values: &[u64]| {
        let events: Vec<_> = values.iter().map(|&value| (0, RawBuf::of(&[Arg::U64(value)]))).collect();
        over_the_wire(&events).1
    };
    let hashes: Vec<u64> = (0..1_000).map(noise).collect();
    assert!((8_000..8_100).contains(&bytes_of(&hashes)), "{}", bytes_of(&hashes));
    // Of addresses only what differs: here 4 bytes, the others are one and the same.
    let addresses: Vec<u64> = hashes.iter().map(|hash| 0x7f12_0000_0000 | hash >> 32).collect();
    let mut shapes = crate::columns::shapes::Shapes::default();
    let mut values = Values::default();
    for &address in &addresses {
        let raw = RawBuf::of(&[Arg::U64(address)]);
        values.push(shapes.number(Shape::of(0, &raw.as_raw())), raw.as_raw());
    }
    let mut opened = Opened::default();
    values.put(&mut opened, shapes.used());
    assert_eq!(opened.bytes[..2], [1, BITS]);
}

#[test]
fn words_that_come_again_are_written_once() {
    let players = |event: u64| noise(noise(event) % 16);
    let integers: Vec<_> = (0..1_000).map(|event| (0, RawBuf::of(&[Arg::U64(players(event))]))).collect();
    let floats: Vec<_> =
        (0..1_000).map(|event| (0, RawBuf::of(&[Arg::F64(1.0 / (noise(event) % 16 + 3) as f64)]))).collect();
    for events in [integers, floats] {
        let bytes = over_the_wire(&events).1;
        assert!((1_000..1_200).contains(&bytes), "{bytes} bytes");
    }
}

#[test]
fn a_word_that_was_not_there_before_is_refused() {
    let events: Vec<_> = (0..40).map(|event| (0, RawBuf::of(&[Arg::U64(noise(event % 2))]))).collect();
    let mut shapes = crate::columns::shapes::Shapes::default();
    let mut values = Values::default();
    for (site, raw) in &events {
        values.push(shapes.number(Shape::of(*site, &raw.as_raw())), raw.as_raw());
    }
    let mut opened = Opened::default();
    values.put(&mut opened, shapes.used());
    let read = |bytes: &[u8]| read(&mut Reader::new(bytes), [&[Arg::U64(0).code()][..]].into_iter(), &[40]);
    // The mode, then the length of the column of numbers, then those: new, new, the first one, the second one, and so on.
    assert_eq!(opened.bytes[..7], [1, REPEATED, 40, 0, 0, 1, 2]);
    assert!(read(&opened.bytes).is_ok());
    opened.bytes[5] = 3;
    assert!(read(&opened.bytes).unwrap_err().to_string().contains("word 3 of 2"));
}

#[test]
fn texts_are_written_once_and_those_open_spans_keep_are_found_again() {
    let event = |text: &str, number: u32| (number % 2, RawBuf::of(&[Arg::Str(text), Arg::U64(u64::from(number))]));
    let events: Vec<_> = (0..50).map(|number| event("castle on the hill", number)).collect();
    let (args, bytes) = over_the_wire(&events);
    assert_eq!((args.text.as_str(), args.ends.len()), ("castle on the hill", 1));
    assert!(bytes < 200, "{bytes} bytes");

    let mut shapes = crate::columns::shapes::Shapes::default();
    let mut values = Values::default();
    for (site, raw) in &events {
        values.push(shapes.number(Shape::of(*site, &raw.as_raw())), raw.as_raw());
    }
    let kept = values.kept(shapes.used(), &[(1, 7), (0, 3)]);
    assert_eq!(kept, [events[15].1.clone(), events[6].1.clone()]);
}

/// One event of one argument, written; then read as of `code`, in mode `mode` where that is another.
fn read_as(written: Arg<'_>, code: u8, mode: Option<u8>) -> bool {
    let raw = RawBuf::of(&[written]);
    let mut shapes = crate::columns::shapes::Shapes::default();
    let mut values = Values::default();
    values.push(shapes.number(Shape::of(0, &raw.as_raw())), raw.as_raw());
    let mut opened = Opened::default();
    values.put(&mut opened, shapes.used());
    // The column of modes comes first: its length, the one mode.
    if let Some(mode) = mode {
        opened.bytes[1] = mode;
    }
    read(&mut Reader::new(&opened.bytes), [&[code][..]].into_iter(), &[1]).is_ok()
}

#[test]
fn modes_that_no_value_has_are_refused() {
    let decimal = |exponent: u8| exponent << 1;
    for (arg, accepted, refused) in [
        (Arg::I64(5), &[PLAIN, DELTA][..], &[2, SINGLE, BITS][..]),
        (Arg::Str("ä"), &[PLAIN], &[DELTA, 2, BITS]),
        (Arg::F64(5.0), &[PLAIN, DELTA, decimal(9), SINGLE | DELTA], &[decimal(10), 0x40, 0x80, BITS - 1]),
        (Arg::F64(f64::NAN), &[BITS], &[]),
    ] {
        let read = |&mode: &u8| read_as(arg, arg.code(), Some(mode));
        assert!(accepted.iter().all(read), "{arg:?}");
        assert!(!refused.iter().any(read), "{arg:?}");
    }
}

#[test]
fn words_that_their_code_does_not_have_are_refused() {
    for (written, read, accepted) in [
        (Arg::I64(-128), Arg::I8(0), true),
        (Arg::I64(-129), Arg::I8(0), false),
        (Arg::I64(32_767), Arg::I16(0), true),
        (Arg::I64(32_768), Arg::I16(0), false),
        (Arg::I64(1 << 31), Arg::I32(0), false),
        (Arg::U64(1), Arg::Bool(false), true),
        (Arg::U64(2), Arg::Bool(false), false),
        (Arg::U64(0x10_ffff), Arg::Char('a'), true),
        (Arg::U64(0xd800), Arg::Char('a'), false),
        (Arg::U64(1 << 32), Arg::Char('a'), false),
        (Arg::F64(0.5), Arg::F32(0.0), true),
        (Arg::F64(f64::NAN), Arg::F32(0.0), true),
        (Arg::F64(1e300), Arg::F32(0.0), false),
    ] {
        assert_eq!(read_as(written, read.code(), None), accepted, "{written:?} as {read:?}");
    }
}
