//! Call sites: statics that the macros make, registered at their first use.

use crate::thread::{self, Busy};
use framelake_wire::{encode, limits::STRING_BYTES_MAX};
use std::sync::atomic::{
    AtomicU32, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Mutex, PoisonError};

/// A place in the source where an event is recorded. Made by the macros.
#[derive(Debug)]
pub struct CallSite {
    /// The number in the registry plus one; 0 before the first use.
    id: AtomicU32,
    pub(crate) name: &'static str,
    target: &'static str,
    file: &'static str,
    line: u32,
    level: u8,
    unit: &'static str,
    pub(crate) args: &'static [&'static str],
    pub(crate) template: &'static str,
    named: bool,
    pub(crate) parsed: std::sync::atomic::AtomicPtr<framelake_wire::template::Template>,
}

impl CallSite {
    /// The names of the stored arguments, and the format string that refers to them where the name does not.
    #[must_use]
    pub const fn with_args(mut self, names: &'static [&'static str], template: &'static str) -> Self {
        self.args = names;
        self.template = template;
        self
    }

    /// The first argument is the name.
    #[must_use]
    pub const fn named(mut self) -> Self {
        self.named = true;
        self
    }

    /// A span's call site.
    #[must_use]
    pub const fn span(name: &'static str, target: &'static str, file: &'static str, line: u32) -> Self {
        Self {
            id: AtomicU32::new(0),
            name,
            target,
            file,
            line,
            level: 0,
            unit: "",
            args: &[],
            template: "",
            named: false,
            parsed: std::sync::atomic::AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// A log line's call site; `name` is its format string.
    #[must_use]
    pub const fn log(
        level: crate::Level,
        name: &'static str,
        target: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self { level: level as u8, ..Self::span(name, target, file, line) }
    }

    /// A metric's call site.
    #[must_use]
    pub const fn metric(
        name: &'static str,
        unit: &'static str,
        target: &'static str,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self { unit, ..Self::span(name, target, file, line) }
    }

    /// The number that events carry; 0 when it cannot be had (inside the SDK's own allocations).
    #[inline(always)]
    pub(crate) fn id(&'static self) -> u32 {
        let id = self.id.load(Relaxed);
        if id != 0 { id } else { self.register() }
    }

    #[cold]
    #[inline(never)]
    fn register(&'static self) -> u32 {
        let Some(_busy) = Busy::enter() else {
            thread::count_unattributed();
            return 0;
        };
        let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
        let id = self.id.load(Relaxed);
        if id != 0 {
            return id;
        }
        // Copied, because a plug-in that is unloaded takes its statics with it.
        let registered: &'static Registered = Box::leak(Box::new(Registered {
            name: cut(self.name),
            target: cut(self.target),
            file: cut(self.file),
            line: self.line,
            level: self.level,
            unit: cut(self.unit),
        }));
        sites.push(registered);
        COUNT.store(sites.len(), Release);
        let id = u32::try_from(sites.len()).unwrap_or(0);
        self.id.store(id, Relaxed);
        id
    }
}

/// A call site's own copy of its strings.
#[derive(Debug)]
pub(crate) struct Registered {
    name: Box<str>,
    target: Box<str>,
    file: Box<str>,
    line: u32,
    level: u8,
    unit: Box<str>,
}

impl Registered {
    pub(crate) fn as_wire(&self) -> encode::CallSite<'_> {
        encode::CallSite {
            name: &self.name,
            target: &self.target,
            file: &self.file,
            line: self.line,
            level: self.level,
            unit: &self.unit,
        }
    }
}

static SITES: Mutex<Vec<&'static Registered>> = Mutex::new(Vec::new());
/// How many there are, so that the background thread takes the lock only for new ones.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Appends to `known` the call sites registered since.
pub(crate) fn refresh(known: &mut Vec<&'static Registered>) {
    if COUNT.load(Acquire) == known.len() {
        return;
    }
    let sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
    known.extend_from_slice(&sites[known.len()..]);
}

fn cut(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(STRING_BYTES_MAX)].into()
}
