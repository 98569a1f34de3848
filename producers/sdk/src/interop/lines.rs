//! Call sites of lines that come with their place in the source each time: found by that, made once.

use crate::record::{self, On};
use crate::site::{CallSite, Kind};
use crate::{Level, filter};
use framelake_wire::Arg;
use std::fmt;
use std::ptr::null_mut;
use std::sync::atomic::{
    AtomicPtr,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Mutex, PoisonError};

/// What a line's call site is found by.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(crate) level: Level,
    pub(crate) target: &'a str,
    pub(crate) file: &'a str,
    pub(crate) line: u32,
    /// The message, where it is known when the program is built.
    pub(crate) message: Option<&'static str>,
    /// The names of what the line has beside its message.
    pub(crate) keys: &'a [&'a str],
}

/// A call site.
pub(crate) struct Line {
    key: Key<'static>,
    pub(crate) call: &'static CallSite,
    /// One of those that stand for all lines of a level that found no room: place and key-values are arguments and text.
    is_shared: bool,
    /// Its lines come as events of `tracing`, too.
    #[cfg(feature = "log")]
    pub(crate) is_twin: bool,
}

/// A value beside the message.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    #[cfg_attr(not(feature = "log"), allow(dead_code, reason = "only lines of `log` have values"))]
    Arg(Arg<'a>, u64),
    #[cfg_attr(not(feature = "log"), allow(dead_code, reason = "only lines of `log` have values"))]
    Text(&'a dyn fmt::Display),
}

/// Most values beside the message and the place.
#[cfg(feature = "log")]
pub(crate) const KEYS_MAX: usize = framelake_wire::raw::ARGS_MAX - 1;
/// The name of a value that is the text of all those beyond.
pub(crate) const REST: &str = "...";

/// Call sites found without a lock: 8,192 × 8 B = 64 KiB. Beyond three quarters of them lines share one call site for each level: names made up at run
/// time as targets or keys must not fill memory.
const SLOTS: usize = 8_192;
const LINES_MAX: usize = SLOTS * 3 / 4;

static LINES: [AtomicPtr<Line>; SLOTS] = [const { AtomicPtr::new(null_mut()) }; SLOTS];
static COUNT: Mutex<usize> = Mutex::new(0);
static SHARED: [AtomicPtr<Line>; 7] = [const { AtomicPtr::new(null_mut()) }; 7];

impl Key<'_> {
    /// Where the search begins. Not all bytes of the texts: what two lines have in common otherwise is told apart by their numbers.
    #[inline]
    fn place(&self) -> usize {
        let message = self.message.map_or(0, |message| message.as_ptr() as u64);
        let lengths = (self.target.len() << 16 ^ self.file.len() << 8 ^ self.keys.len()) as u64;
        let mixed = (u64::from(self.line) << 32 ^ lengths << 3 ^ self.level as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ message >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.ilog2())) as usize
    }

    #[inline]
    fn is(&self, other: &Key<'_>) -> bool {
        self.line == other.line
            && self.level == other.level
            && self.message.map(std::ptr::from_ref) == other.message.map(std::ptr::from_ref)
            && self.target == other.target
            && self.file == other.file
            && self.keys == other.keys
    }
}

/// The call site of such lines.
#[inline]
pub(crate) fn of(key: &Key<'_>) -> &'static Line {
    find(key).unwrap_or_else(|_| make(key))
}

/// The call site, or where it would be.
#[inline]
fn find(key: &Key<'_>) -> Result<&'static Line, usize> {
    let mut at = key.place();
    loop {
        // SAFETY: null, or made by `Box::leak`, and never freed.
        match unsafe { LINES[at].load(Acquire).as_ref() } {
            None => return Err(at),
            Some(line) if line.key.is(key) => return Ok(line),
            Some(_) => at = (at + 1) % SLOTS,
        }
    }
}

#[cold]
#[inline(never)]
fn make(key: &Key<'_>) -> &'static Line {
    let mut count = COUNT.lock().unwrap_or_else(PoisonError::into_inner);
    let at = match find(key) {
        Ok(line) => return line,
        Err(at) => at,
    };
    if *count == LINES_MAX {
        let shared = &SHARED[key.level as usize];
        // SAFETY: as in `find`.
        return unsafe { shared.load(Relaxed).as_ref() }.unwrap_or_else(|| {
            let line = Line::shared(key.level);
            shared.store(std::ptr::from_ref(line).cast_mut(), Relaxed);
            line
        });
    }
    *count += 1;
    let line = Line::new(key);
    LINES[at].store(std::ptr::from_ref(line).cast_mut(), Release);
    line
}

impl Line {
    fn new(key: &Key<'_>) -> &'static Self {
        let keys: &'static [&'static str] = key.keys.iter().map(|key| leak(key)).collect::<Vec<_>>().leak();
        let key = Key { target: leak(key.target), file: leak(key.file), keys, ..*key };
        // The message has no name: it is no argument to look for.
        let (name, template, first) = match key.message {
            Some(message) => (leak(&message.replace('{', "{{").replace('}', "}}")), "", None),
            None => ("{0}", "", Some("")),
        };
        let names: Vec<&'static str> = first.into_iter().chain(keys.iter().copied()).collect();
        let call = CallSite::log(key.level, name, key.target, key.file, key.line).with_args(names.leak(), template);
        Box::leak(Box::new(Self {
            key,
            call: Box::leak(Box::new(call)),
            is_shared: false,
            #[cfg(feature = "log")]
            is_twin: is_twin(&key),
        }))
    }

    fn shared(level: Level) -> &'static Self {
        let key = Key { level, target: "log", file: "", line: 0, message: None, keys: &[] };
        let call = CallSite::lines(level, "{0}").with_args(&["", "target", "file", "line", "values"], "");
        Box::leak(Box::new(Self {
            key,
            call: Box::leak(Box::new(call)),
            is_shared: true,
            #[cfg(feature = "log")]
            is_twin: false,
        }))
    }
}

/// With its feature `log-always` `tracing` makes a line of each event, beside the event itself.
#[cfg(feature = "log")]
fn is_twin(key: &Key<'_>) -> bool {
    #[cfg(feature = "tracing")]
    return crate::tracing::knows(key.file, key.line);
    #[cfg(not(feature = "tracing"))]
    return key.line == u32::MAX;
}

fn leak(text: &str) -> &'static str {
    Box::leak(Box::from(text))
}

/// Whether the line is recorded.
#[inline]
pub(crate) fn on(line: &Line, key: &Key<'_>) -> Option<On> {
    let on = record::log_on(key.level, line.call)?;
    (!line.is_shared || filter::allows(Kind::Log, key.level as u8, key.target)).then_some(on)
}

/// Records a line. `values` are as many as the key's names.
pub(crate) fn record(on: On, line: &Line, key: &Key<'_>, message: fmt::Arguments<'_>, values: &[Value<'_>]) {
    if key.message.is_some() && values.is_empty() && !line.is_shared {
        return record::log(on);
    }
    record::log_found(on, &|found| {
        if key.message.is_none() || line.is_shared {
            found.text(message);
        }
        if line.is_shared {
            found.str(key.target);
            found.str(key.file);
            found.word(Arg::U64(0), u64::from(key.line));
            for (key, value) in key.keys.iter().zip(values) {
                match value {
                    Value::Text(text) if *key == REST => found.more(format_args!("{text} ")),
                    Value::Arg(arg, _) => found.more(format_args!("{key}={arg} ")),
                    Value::Text(text) => found.more(format_args!("{key}={text} ")),
                }
            }
            return;
        }
        for value in values {
            match *value {
                Value::Arg(Arg::Str(text) | Arg::Text(text), _) => found.str(text),
                Value::Arg(arg, word) => found.word(arg, word),
                Value::Text(text) => found.text(format_args!("{text}")),
            }
        }
    });
}
