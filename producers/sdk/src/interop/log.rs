//! Lines of the [`log`](https://docs.rs/log) crate (feature `log`).
//!
//! ```standalone_crate
//! # fn main() -> Result<(), framelake::Error> {
//! # framelake::__private::example();
//! let _framelake = framelake::start("my-game")?;
//! framelake::log::init();
//! log::info!(bodies = 2_000; "moved");
//! # Ok(())
//! # }
//! ```
//!
//! Level, target, file and line are kept. A message without arguments is stored once, any other as the text that it prints; key-values are the arguments of
//! the line, numbers, `bool` and strings as they are. A line with more than 15 of them keeps 14, and the others as one text `a=1 b=2` under the name `...`.
//! Framelake's [filter](crate::Builder::filter) says what is recorded.
//!
//! With this logger in use, lines that `tracing-log` makes events of are recorded once, and so are events of which `tracing` makes lines (its feature
//! `log-always`), where `tracing` is used as well.

use super::lines::{self, KEYS_MAX, REST};
use crate::{Level, clock, filter};
use framelake_wire::Arg;
use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{LevelFilter, Log, Metadata, Record};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A logger that records; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Logger;

/// Whether a logger of ours is handed lines.
static IN_USE: AtomicBool = AtomicBool::new(false);
/// Whether the greatest level of `log` is ours to set.
static IS_INIT: AtomicBool = AtomicBool::new(false);

/// The logger, for a logger that hands lines to several. The greatest level ([`log::set_max_level`]) is up to the program then.
#[must_use]
pub fn logger() -> &'static Logger {
    IN_USE.store(true, Relaxed);
    &Logger
}

/// Makes the logger that of the program; says whether it is, which it is not where another was before.
pub fn init() -> bool {
    let is_init = log::set_logger(&Logger).is_ok();
    if is_init {
        IN_USE.store(true, Relaxed);
        IS_INIT.store(true, Relaxed);
        renew();
    }
    is_init
}

/// Whether lines come by a logger of ours.
#[cfg(feature = "tracing")]
pub(crate) fn is_in_use() -> bool {
    IN_USE.load(Relaxed)
}

/// Where framelake's filter changed: lines of levels that nobody wants need not come here.
pub(crate) fn renew() {
    if !IS_INIT.load(Relaxed) {
        return;
    }
    log::set_max_level(match filter::level_max() {
        // No line of `log` is fatal.
        0 | 1 => LevelFilter::Off,
        2 => LevelFilter::Error,
        3 => LevelFilter::Warn,
        4 => LevelFilter::Info,
        5 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    });
}

fn level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warn,
        log::Level::Info => Level::Info,
        log::Level::Debug => Level::Debug,
        log::Level::Trace => Level::Trace,
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        clock::records_level(level(metadata.level()) as u32)
    }

    fn log(&self, record: &Record<'_>) {
        let level = level(record.level());
        if !clock::records_level(level as u32) {
            return;
        }
        let mut values = Values::NONE;
        // Only a source of the program's own can fail: what it gave before is kept.
        let _ = record.key_values().visit(&mut values);
        let mut names = [""; KEYS_MAX];
        for (name, key) in names.iter_mut().zip(values.keys.iter().flatten()) {
            *name = key.as_str();
        }
        let (is_over, rest) = (!values.rest.is_empty(), Rest(&values));
        if is_over {
            names[KEYS_MAX - 1] = REST;
        }
        let key = lines::Key {
            level,
            target: record.target(),
            file: record.file().unwrap_or(""),
            line: record.line().unwrap_or(0),
            message: record.args().as_str(),
            keys: &names[..values.count],
        };
        let line = lines::of(&key);
        if line.is_twin {
            return;
        }
        let Some(on) = lines::on(line, &key) else { return };
        if values.count == 0 {
            return lines::record(on, line, &key, *record.args(), &[]);
        }
        let mut values: Vec<lines::Value<'_>> = values.values.iter().flatten().map(found).collect();
        if is_over {
            values[KEYS_MAX - 1] = lines::Value::Text(&rest);
        }
        lines::record(on, line, &key, *record.args(), &values);
    }

    /// Waits for nothing: what was recorded is sent on time, and [`crate::flush`] is there for those who want to wait.
    fn flush(&self) {}
}

/// Key-values as a line has them.
struct Values<'a> {
    keys: [Option<Key<'a>>; KEYS_MAX],
    values: [Option<Value<'a>>; KEYS_MAX],
    count: usize,
    /// Those for which there is no argument left. Then the last argument is for that before them, too.
    rest: Vec<(Key<'a>, Value<'a>)>,
}

impl Values<'_> {
    const NONE: Self =
        Self { keys: [const { None }; KEYS_MAX], values: [const { None }; KEYS_MAX], count: 0, rest: Vec::new() };
}

impl<'a> VisitSource<'a> for Values<'a> {
    fn visit_pair(&mut self, key: Key<'a>, value: Value<'a>) -> Result<(), Error> {
        if self.count == KEYS_MAX {
            self.rest.push((key, value));
            return Ok(());
        }
        self.keys[self.count] = Some(key);
        self.values[self.count] = Some(value);
        self.count += 1;
        Ok(())
    }
}

/// The text of the pairs that share the last argument.
struct Rest<'a>(&'a Values<'a>);

impl fmt::Display for Rest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Values { keys, values, rest, .. } = self.0;
        if let (Some(key), Some(value)) = (&keys[KEYS_MAX - 1], &values[KEYS_MAX - 1]) {
            write!(f, "{key}={value}")?;
        }
        rest.iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))
    }
}

/// What a value is stored as.
fn found<'a>(value: &'a Value<'_>) -> lines::Value<'a> {
    struct Found(Option<(Arg<'static>, u64)>);

    impl VisitValue<'_> for Found {
        fn visit_any(&mut self, _: Value<'_>) -> Result<(), Error> {
            Ok(())
        }

        fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
            self.0 = Some((Arg::I64(value), value.cast_unsigned()));
            Ok(())
        }

        fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
            self.0 = Some((Arg::U64(value), value));
            Ok(())
        }

        fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
            self.0 = Some((Arg::F64(value), value.to_bits()));
            Ok(())
        }

        fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
            self.0 = Some((Arg::Bool(value), u64::from(value)));
            Ok(())
        }

        fn visit_null(&mut self) -> Result<(), Error> {
            self.0 = Some((Arg::None, 0));
            Ok(())
        }
    }

    if let Some(text) = value.to_borrowed_str() {
        return lines::Value::Arg(Arg::Str(text), 0);
    }
    let mut found = Found(None);
    match (value.visit(&mut found), found.0) {
        (Ok(()), Some((arg, word))) => lines::Value::Arg(arg, word),
        _ => lines::Value::Text(value),
    }
}
