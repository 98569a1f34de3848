//! Call sites: statics that the macros make, registered at their first use.

use crate::aggregate::NO_PLACE;
use crate::clock::LEFT_OUT;
use crate::crash::names;
use crate::filter;
use crate::thread::{self, Busy};
use framelake_wire::{encode, limits::STRING_BYTES_MAX};
use std::sync::atomic::{
    AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Mutex, PoisonError};

/// A place in the source where an event is recorded. Made by the macros.
#[derive(Debug)]
pub struct CallSite {
    /// What was found out last: in the lower half the state of recording (see [`clock`](crate::clock)) under which it holds, with [`LEFT_OUT`] where events are
    /// not recorded, in the upper the number that they carry.
    found: AtomicU64,
    /// The number in the registry plus one; 0 before the first use.
    id: AtomicU32,
    /// Where threads add up what it counts: in the lower half the state under which that holds, in the upper the place.
    place: AtomicU64,
    kind: Kind,
    level: u8,
    line: u32,
    name: &'static str,
    target: &'static str,
    file: &'static str,
    unit: &'static str,
    args: &'static [&'static str],
    template: &'static str,
    named: bool,
    aggregated: bool,
}

/// What events of a call site are, for the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Log,
    Metric,
    Span,
    /// Lines of any target: who records them asks for each.
    #[cfg(any(feature = "tracing", feature = "log"))]
    Lines,
}

impl CallSite {
    /// A span's call site.
    #[must_use]
    pub const fn span(name: &'static str, target: &'static str, file: &'static str, line: u32) -> Self {
        Self {
            found: AtomicU64::new(0),
            id: AtomicU32::new(0),
            place: AtomicU64::new(0),
            kind: Kind::Span,
            level: 0,
            line,
            name,
            target,
            file,
            unit: "",
            args: &[],
            template: "",
            named: false,
            aggregated: false,
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
        Self { kind: Kind::Log, level: level as u8, ..Self::span(name, target, file, line) }
    }

    /// The call site of lines of a level whose targets differ. Who records them asks the filter.
    #[cfg(any(feature = "tracing", feature = "log"))]
    pub(crate) const fn lines(level: crate::Level, name: &'static str) -> Self {
        Self { kind: Kind::Lines, level: level as u8, ..Self::span(name, "log", "", 0) }
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
        Self { kind: Kind::Metric, unit, ..Self::span(name, target, file, line) }
    }

    /// The same with arguments of these names. A log line's message is made of them as `template` says, or its format string where that is empty.
    #[must_use]
    pub const fn with_args(self, args: &'static [&'static str], template: &'static str) -> Self {
        Self { args, template, ..self }
    }

    /// The same, whose first argument is the span's name.
    #[must_use]
    pub const fn named(self) -> Self {
        Self { named: true, ..self }
    }

    /// The same, whose second argument is how many observations a measurement stands for.
    #[must_use]
    pub const fn aggregated(self) -> Self {
        Self { aggregated: true, ..self }
    }

    /// The number that events carry; `None` where they are not recorded: the filter says so, or the SDK itself allocates. Never under
    /// [`OFF`](crate::clock::OFF).
    #[inline(always)]
    pub(crate) fn id(&'static self, state: u32) -> Option<u64> {
        let found = self.found.load(Relaxed);
        if found as u32 == state { Some(found >> 32) } else { self.id_unless_left_out(state, found) }
    }

    #[inline(always)]
    fn id_unless_left_out(&'static self, state: u32, found: u64) -> Option<u64> {
        if found as u32 == state | LEFT_OUT {
            return None;
        }
        Some(self.find(state)).filter(|id| *id != 0)
    }

    /// Where threads add up what this site counts; [`NO_PLACE`] where that is not known or it is not recorded.
    #[inline(always)]
    pub(crate) fn place(&'static self, state: u32) -> u32 {
        let place = self.place.load(Relaxed);
        if place as u32 == state { (place >> 32) as u32 } else { NO_PLACE }
    }

    /// Takes a place out of `places`, once, and keeps it for `state`, under which this site is recorded.
    pub(crate) fn take_place(&'static self, places: &AtomicU32, state: u32) -> u32 {
        let _sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.place.load(Relaxed);
        let place = if known != 0 { (known >> 32) as u32 } else { places.fetch_add(1, Release) };
        self.place.store(u64::from(place) << 32 | u64::from(state), Relaxed);
        place
    }

    #[cold]
    #[inline(never)]
    fn find(&'static self, state: u32) -> u64 {
        let Some(_busy) = Busy::enter() else {
            thread::count_unattributed();
            return 0;
        };
        let id = if filter::allows(self.kind, self.level, self.target) { self.registered() } else { 0 };
        let holds_in = if id == 0 { state | LEFT_OUT } else { state };
        self.found.store(u64::from(id) << 32 | u64::from(holds_in), Relaxed);
        u64::from(id)
    }

    fn registered(&'static self) -> u32 {
        let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
        let id = self.id.load(Relaxed);
        if id != 0 {
            return id;
        }
        // A measurement's value is its first argument.
        let value = (self.kind == Kind::Metric).then_some("");
        // Copied, because a plug-in that is unloaded takes its statics with it.
        let id = push(
            &mut sites,
            Registered {
                name: cut(self.name),
                target: cut(self.target),
                file: cut(self.file),
                line: self.line,
                level: self.level,
                unit: cut(self.unit),
                args: value.iter().chain(self.args).map(|name| cut(name).into_string()).collect(),
                template: cut(self.template),
                named: self.named,
                aggregated: self.aggregated,
            },
        );
        self.id.store(id, Relaxed);
        id
    }
}

fn push(sites: &mut Vec<&'static Registered>, site: Registered) -> u32 {
    sites.push(Box::leak(Box::new(site)));
    COUNT.store(sites.len(), Release);
    names::sites(sites);
    u32::try_from(sites.len()).unwrap_or(0)
}

/// A call site's own copy of its strings.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) name: Box<str>,
    pub(crate) target: Box<str>,
    pub(crate) file: Box<str>,
    pub(crate) line: u32,
    pub(crate) level: u8,
    pub(crate) unit: Box<str>,
    pub(crate) args: Vec<String>,
    pub(crate) template: Box<str>,
    pub(crate) named: bool,
    pub(crate) aggregated: bool,
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
            args: &self.args,
            template: &self.template,
            named: self.named,
            aggregated: self.aggregated,
        }
    }
}

static SITES: Mutex<Vec<&'static Registered>> = Mutex::new(Vec::new());
/// How many there are, so that the background thread takes the lock only for new ones.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Calls `f` with all call sites while none is added.
pub(crate) fn with_all(f: impl FnOnce(&[&'static Registered])) {
    f(&SITES.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Appends to `known` the call sites registered since.
pub(crate) fn refresh(known: &mut Vec<&'static Registered>) {
    if COUNT.load(Acquire) == known.len() {
        return;
    }
    let sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
    known.extend_from_slice(&sites[known.len()..]);
}

pub(crate) fn cut(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(STRING_BYTES_MAX)].into()
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::Level;
    use crate::clock;

    #[test]
    fn a_site_keeps_whether_it_is_recorded_until_the_filter_changes() {
        static SITE: CallSite = CallSite::log(Level::Info, "line", "site::tests", "site.rs", 1);
        let _one = crate::RECORDS.lock();
        clock::start_recording(clock::choose(), Level::Trace as u32);
        let mut ids = Vec::new();
        for filter in ["info", "site::tests=off", "warn", "debug"] {
            filter::set_own(filter.parse().unwrap());
            // Asked for the first time, and again.
            ids.push([SITE.id(clock::recording()), SITE.id(clock::recording())]);
        }
        filter::set_own(filter::Filter::default());
        clock::stop_recording();
        let [id, _] = ids[0];
        assert!(id.is_some_and(|id| id > 0), "{ids:?}");
        assert_eq!(ids, [[id; 2], [None; 2], [None; 2], [id; 2]]);
    }

    #[test]
    fn the_state_tells_which_levels_may_be_recorded() {
        let _one = crate::RECORDS.lock();
        let may = || (1..=6).filter(|level| clock::has_level(clock::recording(), *level)).count() as u32;
        assert_eq!(may(), 0);
        clock::start_recording(clock::MONOTONIC, 4);
        let first = (may(), clock::recording());
        clock::renew(6);
        let renewed = (may(), clock::recording());
        clock::renew(0);
        let none = (may(), clock::recording());
        clock::stop_recording();
        clock::renew(6);
        assert_eq!(([first.0, renewed.0, none.0, may()], clock::recording()), ([4, 6, 0, 0], clock::OFF));
        assert!(none.1 != clock::OFF && first.1 != renewed.1 && first.1 & LEFT_OUT == 0);
    }
}
