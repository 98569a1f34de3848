//! The call sites of `tracing` as Framelake's: found by their address, made once.

use crate::Level;
use crate::interop::lines::REST;
use crate::site::CallSite;
use framelake_wire::raw::ARGS_MAX;
use std::collections::BTreeMap;
use std::ptr::null_mut;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Mutex, PoisonError};
use tracing_core::Metadata;

/// A call site of `tracing`.
pub(super) struct Site {
    pub(super) metadata: &'static Metadata<'static>,
    pub(super) call: CallSite,
    pub(super) level: Level,
    /// Its fields, at most 16: beyond that the last argument is a text of all the others.
    pub(super) count: usize,
    /// Its fields are more.
    pub(super) is_over: bool,
    /// It stands for all lines of the `log` crate of one level.
    pub(super) is_bridge: bool,
    /// One of its spans got a row in `async_spans`: the others will want to know when they were made.
    pub(super) is_async: AtomicBool,
    /// Its values came in another order than its fields.
    pub(super) is_disordered: AtomicBool,
}

/// Call sites that are found without a lock: 8,192 × 16 B = 128 KiB. Bevy with all its parts has some 2,000.
const SLOTS: usize = 8_192;
/// So that a search ends soon.
const SITES_MAX: usize = SLOTS * 3 / 4;

/// Addresses of metadata, 0 where there is none, and what they lead to.
static KEYS: [AtomicUsize; SLOTS] = [const { AtomicUsize::new(0) }; SLOTS];
static SITES: [AtomicPtr<Site>; SLOTS] = [const { AtomicPtr::new(null_mut()) }; SLOTS];

#[derive(Default)]
struct Others {
    /// Those in `SITES`.
    count: usize,
    /// Those that found no place there.
    sites: BTreeMap<usize, &'static Site>,
}

static OTHERS: Mutex<Others> = Mutex::new(Others { count: 0, sites: BTreeMap::new() });

/// The call site of `metadata`.
#[inline]
pub(super) fn of(metadata: &'static Metadata<'static>) -> &'static Site {
    let key = std::ptr::from_ref(metadata) as usize;
    find(key).unwrap_or_else(|| make(key, metadata))
}

/// The call site whose metadata is at that address, if it is known.
#[inline]
pub(super) fn known(metadata: &Metadata<'_>) -> Option<&'static Site> {
    find(std::ptr::from_ref(metadata) as usize)
}

/// Whether there is a call site such that …
#[cfg(feature = "log")]
pub(super) fn any(is: impl Fn(&Metadata<'_>) -> bool) -> bool {
    let others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: as in `find`.
    let mut sites = SITES.iter().filter_map(|site| unsafe { site.load(Acquire).as_ref() });
    sites.any(|site| is(site.metadata)) || others.sites.values().any(|site| is(site.metadata))
}

#[inline]
fn find(key: usize) -> Option<&'static Site> {
    let mut at = place(key);
    loop {
        match KEYS[at].load(Acquire) {
            0 => return None,
            // SAFETY: stored before its key was, made by `Box::leak`, never freed.
            found if found == key => return unsafe { SITES[at].load(Relaxed).as_ref() },
            _ => at = (at + 1) % SLOTS,
        }
    }
}

/// Where the search for a key begins. Metadata are statics some 100 bytes apart; the constant is 2^64 divided by the golden ratio.
#[inline]
fn place(key: usize) -> usize {
    ((key as u64 >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.ilog2())) as usize
}

#[cold]
#[inline(never)]
fn make(key: usize, metadata: &'static Metadata<'static>) -> &'static Site {
    let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(site) = find(key).or_else(|| others.sites.get(&key).copied()) {
        return site;
    }
    let site: &'static Site = Box::leak(Box::new(Site::new(metadata)));
    if others.count == SITES_MAX {
        others.sites.insert(key, site);
        return site;
    }
    let mut at = place(key);
    while KEYS[at].load(Relaxed) != 0 {
        at = (at + 1) % SLOTS;
    }
    SITES[at].store(std::ptr::from_ref(site).cast_mut(), Relaxed);
    KEYS[at].store(key, Release);
    others.count += 1;
    site
}

impl Site {
    fn new(metadata: &'static Metadata<'static>) -> Self {
        let fields: Vec<&'static str> = metadata.fields().iter().map(|field| field.name()).collect();
        let (target, file, line) = (metadata.target(), metadata.file().unwrap_or(""), metadata.line().unwrap_or(0));
        let is_over = fields.len() > ARGS_MAX;
        let mut names = fields.clone();
        if is_over {
            names.truncate(ARGS_MAX);
            names[ARGS_MAX - 1] = REST;
        }
        let count = names.len();
        let level = level(metadata.level());
        let call = if metadata.is_span() {
            CallSite::span(metadata.name(), target, file, line).with_args(names.leak(), "")
        } else {
            let message = names.iter().position(|name| *name == "message");
            let template = template(&names, message);
            if let Some(message) = message {
                // Not among the arguments: it is the message already.
                names[message] = "";
            }
            CallSite::log(level, metadata.name(), target, file, line).with_args(names.leak(), template.leak())
        };
        let is_bridge = target == "log" && fields.contains(&"log.target");
        Self {
            metadata,
            call,
            level,
            count,
            is_over,
            is_bridge,
            is_async: AtomicBool::new(false),
            is_disordered: AtomicBool::new(false),
        }
    }
}

/// The message is the field of that name; without one, all fields are.
fn template(names: &[&str], message: Option<usize>) -> String {
    if let Some(message) = message {
        return format!("{{{message}}}");
    }
    let pair = |(index, name): (usize, &&str)| match *name {
        REST => format!("{{{index}}}"),
        name => format!("{}={{{index}}}", name.replace('{', "{{").replace('}', "}}")),
    };
    names.iter().enumerate().map(pair).collect::<Vec<_>>().join(" ")
}

/// A level of `tracing` as one of Framelake's.
pub(super) fn level(level: &tracing_core::Level) -> Level {
    match *level {
        tracing_core::Level::ERROR => Level::Error,
        tracing_core::Level::WARN => Level::Warn,
        tracing_core::Level::INFO => Level::Info,
        tracing_core::Level::DEBUG => Level::Debug,
        tracing_core::Level::TRACE => Level::Trace,
    }
}
