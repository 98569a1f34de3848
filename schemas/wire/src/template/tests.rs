use super::*;
use proptest::prelude::*;

/// A value as it is recorded.
trait Recorded {
    fn as_arg(&self) -> Arg<'_>;
}

macro_rules! recorded {
    ($($type:ty => $arg:expr),* $(,)?) => {$(
        impl Recorded for $type {
            fn as_arg(&self) -> Arg<'_> {
                $arg(self)
            }
        }
    )*};
}

recorded!(
    i8 => |v: &i8| Arg::I8(*v),
    i16 => |v: &i16| Arg::I16(*v),
    i32 => |v: &i32| Arg::I32(*v),
    i64 => |v: &i64| Arg::I64(*v),
    u8 => |v: &u8| Arg::U64((*v).into()),
    u16 => |v: &u16| Arg::U64((*v).into()),
    u32 => |v: &u32| Arg::U64((*v).into()),
    u64 => |v: &u64| Arg::U64(*v),
    usize => |v: &usize| Arg::U64(*v as u64),
    f32 => |v: &f32| Arg::F32(*v),
    f64 => |v: &f64| Arg::F64(*v),
    bool => |v: &bool| Arg::Bool(*v),
    char => |v: &char| Arg::Char(*v),
);

impl Recorded for &str {
    fn as_arg(&self) -> Arg<'_> {
        Arg::Str(self)
    }
}

fn rendered(template: &str, names: &[&str], args: &[Arg<'_>]) -> String {
    let mut out = String::from("before ");
    render(&mut out, template, names, args);
    out.split_off("before ".len())
}

/// Renders as `format!` formats.
macro_rules! check {
    ($template:literal $(, $value:expr)* $(; $($name:ident = $named:expr),+)?) => {{
        $($(let $name = $named;)+)?
        let names: Vec<&str> = [$(check!(@unnamed $value),)* $($(stringify!($name)),+)?].to_vec();
        let args = [$(Recorded::as_arg(&$value),)* $($(Recorded::as_arg(&$name)),+)?];
        assert_eq!(rendered($template, &names, &args), format!($template $(, $value)* $($(, $name = $name)+)?), "{}", $template);
    }};
    (@unnamed $value:expr) => { "" };
}

#[test]
fn arguments_are_found_by_count_position_and_name() {
    check!("nothing");
    check!("{{}} {{{}}} }}{{", 1);
    check!("{} {} {0} {1} {}", 1, "two", 3.5);
    check!("{0} {} {0} {}", 'a', 'b');
    check!("{} {map} {}", 1, 2; map = "castle");
    check!("{ } {0 :5 } {: >5\n}", 1, 2_u8);
    check!("{größe}"; größe = 1);
    check!("{:1$} {:1$}|{:w$}|{0:w$}", 1, 5_usize, 3; w = 4_usize);
    check!("{:.*}|{x:.*}|{:.0$}", 3_usize, 1.23456, 1_usize, 9.87654; x = 2.55);
    check!("{:0$} {:00$}|{:0>1$}", 7_usize, 9_usize, 3);
    check!("{x:>w$.p$} {x:0w$.p$e}"; x = -1.23456, w = 12_usize, p = 2_usize);
    check!("{:}<5}{:{<5}{:<<5}{:<^5}{:ö^7}", 1, 2, 3, 4, 5);
    check!("{:.}{:.?}{:05.}", 1, 2, 3);
}

/// Every value with every spec, in one placeholder each.
macro_rules! check_all {
    ([$($spec:literal)*] $values:tt) => {
        $(check_all!(@values $spec $values);)*
    };
    (@values $spec:literal [$($value:expr),* $(,)?]) => {
        $(check!($spec, $value);)*
    };
}

/// Calls a macro with the specs that a sort of value knows.
macro_rules! with_specs {
    (all, $callback:ident $rest:tt) => {
        $callback!([
            "{}" "{:?}" "{:#?}" "{:5}" "{:<5}" "{:^5}" "{:>5}" "{:*<12}" "{:*^13}" "{:é>12}" "{:12?}" "{:-^12?}" "{:012}" "{:-12}" "{:0}"
            "{:+}" "{:+012}" "{:+^#012}" "{:#}" "{:.0}" "{:.1}" "{:.3}" "{:8.3}" "{:>8.2}" "{:08.3}" "{:+08.2}" "{:.20}" "{:8.0?}" "{:.2?}" "{:+08.2?}"
            "{:x?}" "{:X?}" "{:#x?}" "{:#012X?}" "{:+x?}" "{:*<#12x?}" "{:40}" "{:>70}" "{:<070}" "{:^40?}"
        ] $rest)
    };
    (integers, $callback:ident $rest:tt) => {
        $callback!([
            "{:x}" "{:X}" "{:o}" "{:b}" "{:#x}" "{:#X}" "{:#o}" "{:#b}" "{:08x}" "{:#010x}" "{:#010X}" "{:#012o}" "{:#012b}" "{:+x}" "{:+#b}"
            "{:+#012x}" "{:<12x}" "{:^#12x}" "{:*>80b}" "{:.3x}" "{:08.3}"
        ] $rest)
    };
    (exponents, $callback:ident $rest:tt) => {
        $callback!([
            "{:e}" "{:E}" "{:+e}" "{:+E}" "{:.0e}" "{:.2e}" "{:.3E}" "{:12e}" "{:<12.1e}" "{:012.1e}" "{:+012.1E}" "{:^#14e}" "{:.12e}"
        ] $rest)
    };
}

#[test]
fn integers_print_as_format_prints_them() {
    macro_rules! at {
        ($($type:ident)*) => {$(
            with_specs!(all, check_all [0 as $type, 7 as $type, 100 as $type, $type::MIN, $type::MAX]);
            with_specs!(integers, check_all [0 as $type, 7 as $type, 100 as $type, $type::MIN, $type::MAX]);
            with_specs!(exponents, check_all [0 as $type, 7 as $type, 100 as $type, $type::MIN, $type::MAX]);
        )*};
    }
    at!(i8 i16 i32 i64 u8 u16 u32 u64);
}

#[test]
fn floats_print_as_format_prints_them() {
    macro_rules! at {
        ($($type:ident)*) => {$(
            with_specs!(all, check_all [
                0.0 as $type, -0.0 as $type, 0.1 as $type, 1.0 as $type, -2.5 as $type, 16.666_667 as $type, 1e-7 as $type, 1e16 as $type, 1e30 as $type,
                $type::MIN_POSITIVE, $type::MAX, $type::NAN, $type::INFINITY, $type::NEG_INFINITY,
            ]);
            with_specs!(exponents, check_all [0.0 as $type, -0.1 as $type, 2.55 as $type, 1e30 as $type, $type::NAN, $type::NEG_INFINITY]);
        )*};
    }
    at!(f32 f64);
}

#[test]
fn texts_print_as_format_prints_them() {
    with_specs!(all, check_all [true, false]);
    with_specs!(all, check_all ['a', '\n', '\'', '"', '\u{301}', '日', '\u{10ffff}']);
    with_specs!(all, check_all ["", "a", "castle", "quote \" ' \\ \n \0 \u{7f} \u{301}", "日本語のテキスト", "e\u{301}"]);
}

#[test]
fn values_print_as_display_does() {
    let args = [
        (Arg::I8(-1), "-1", 1),
        (Arg::I16(-2), "-2", 2),
        (Arg::I32(-3), "-3", 3),
        (Arg::I64(-4), "-4", 4),
        (Arg::U64(u64::MAX), "18446744073709551615", 5),
        (Arg::F32(0.1), "0.1", 6),
        (Arg::F64(0.1), "0.1", 7),
        (Arg::Bool(true), "true", 8),
        (Arg::Char('日'), "日", 9),
        (Arg::Str("a\"b"), "a\"b", 10),
        (Arg::Text("a{}b"), "a{}b", 11),
        (Arg::None, "", 0),
    ];
    for (arg, text, code) in args {
        assert_eq!(
            (arg.to_string().as_str(), rendered("{}", &[""; 0], &[arg]).as_str(), arg.code()),
            (text, text, code)
        );
    }
}

#[test]
fn formatted_text_goes_in_verbatim() {
    for spec in ["{}", "{:>9}", "{:?}", "{:#x}", "{:p}", "{:08.3e}"] {
        assert_eq!(rendered(spec, &[""; 0], &[Arg::Text("{a}")]), "{a}");
    }
}

#[test]
fn what_cannot_be_filled_prints_as_written() {
    let args = [Arg::I32(1), Arg::Str("two"), Arg::F64(3.5), Arg::U64(70_000)];
    for (template, expected) in [
        ("{}{}{}{}{}", "1two3.570000{}"),
        ("{4} {99999999999999999999} {none}", "{4} {99999999999999999999} {none}"),
        ("{1:x} {2:b} {2:#X} {0:p}", "{1:x} {2:b} {2:#X} {0:p}"),
        ("{0:1$} {0:3$} {0:9$} {0:none$}", "{0:1$} {0:3$} {0:9$} {0:none$}"),
        ("{0:65536} {0:.65536}", "{0:65536} {0:.65536}"),
        ("{0:y} {0:5?x} {0 0} {-1} {0:+-5}", "{0:y} {0:5?x} {0 0} {-1} {0:+-5}"),
        ("a } b {", "a } b {"),
        ("{0:", "{0:"),
        ("{0:{1}}", "{0:{1}}"),
        ("{0:none} {0}", "{0:none} 1"),
    ] {
        assert_eq!(rendered(template, &[""; 0], &args), expected);
    }
}

#[test]
fn a_short_template_does_not_become_an_endless_text() {
    let long = "x".repeat(32 * 1024);
    let text = rendered(&"{0}".repeat(1_000), &[""; 0], &[Arg::Str(&long)]);
    assert!(text.len() < TEXT_BYTES_MAX + 2 * long.len() && text.ends_with("x…"));
}

fn arg() -> impl Strategy<Value = (u8, i64, f64, String)> {
    (0..12_u8, any::<i64>(), any::<f64>(), ".{0,8}")
}

fn as_arg((code, integer, float, text): &(u8, i64, f64, String)) -> Arg<'_> {
    match code {
        0 => Arg::None,
        1 => Arg::I8(*integer as i8),
        2 => Arg::I16(*integer as i16),
        3 => Arg::I32(*integer as i32),
        4 => Arg::I64(*integer),
        5 => Arg::U64((integer % 100).cast_unsigned()),
        6 => Arg::F32(*float as f32),
        7 => Arg::F64(*float),
        8 => Arg::Bool(integer % 2 == 0),
        9 => Arg::Char(text.chars().next().unwrap_or('c')),
        10 => Arg::Str(text),
        _ => Arg::Text(text),
    }
}

proptest! {
    #[test]
    fn no_template_and_no_arguments_make_it_panic(
        // Of what templates are made of, so that much of it nearly is one.
        template in "([{}:.$*#0-9x?<>^+ nbeé-]|\\{[0-3n]?:?[*<>^]{0,2}[+#]?0?[0-9]{0,2}[$]?(\\.[0-9*n]\\$?)?[x?beE]{0,2}\\}){0,12}",
        args in proptest::collection::vec(arg(), 0..5),
    ) {
        let args: Vec<_> = args.iter().map(as_arg).collect();
        rendered(&template, &["n", "", "b"], &args);
    }

    #[test]
    fn random_texts_are_no_danger(template in ".{0,60}", value: i64) {
        rendered(&template, &["n"], &[Arg::I64(value)]);
    }

    #[test]
    fn random_values_print_as_format_prints_them(
        integers: (i8, i16, i32, i64), unsigned: (u8, u16, u32, u64), floats: (f32, f64), small in -1e6..1e6, text in ".{0,10}", c: char, flag: bool,
    ) {
        let text = text.as_str();
        with_specs!(all, check_all [
            integers.0, integers.1, integers.2, integers.3, unsigned.0, unsigned.1, unsigned.2, unsigned.3, floats.0, floats.1, small, text, c, flag
        ]);
        with_specs!(integers, check_all [
            integers.0, integers.1, integers.2, integers.3, unsigned.0, unsigned.1, unsigned.2, unsigned.3
        ]);
        with_specs!(exponents, check_all [integers.0, integers.3, unsigned.3, floats.0, floats.1, small]);
    }
}
