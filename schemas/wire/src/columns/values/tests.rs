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
