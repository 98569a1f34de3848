//! Which events are recorded: log lines by level, spans and measurements on or off, each by the begin of their target.
//!
//! Asked once per call site and change, never on the hot path: a call site keeps the answer (see [`crate::site::CallSite`]).

use crate::site::Kind;
use crate::{Error, Level, Result, clock, level};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

/// Rules per kind, the longest target first; the last has no target and always fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    logs: Rules<Option<Level>>,
    spans: Rules<bool>,
    metrics: Rules<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rules<T> {
    default: T,
    targets: Vec<(String, T)>,
}

impl<T: Copy> Rules<T> {
    fn new(default: T) -> Self {
        Self { default, targets: Vec::new() }
    }

    fn set(&mut self, target: Option<&str>, value: T) {
        let Some(target) = target else {
            self.default = value;
            return;
        };
        self.targets.retain(|(known, _)| known != target);
        self.targets.push((target.to_owned(), value));
        self.targets.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
    }

    fn get(&self, target: &str) -> T {
        let fits = |prefix: &str| {
            let rest = target.strip_prefix(prefix);
            // `net` is for `net` and `net::http`, not for `network`.
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '.', '/']) || prefix.ends_with(':'))
        };
        self.targets.iter().find(|(prefix, _)| fits(prefix)).map_or(self.default, |(_, value)| *value)
    }
}

impl Default for Filter {
    /// Everything.
    fn default() -> Self {
        Self { logs: Rules::new(Some(Level::Trace)), spans: Rules::new(true), metrics: Rules::new(true) }
    }
}

impl Filter {
    /// Sets what holds for log lines of targets without a rule of their own.
    pub(crate) fn set_level(&mut self, level: Option<Level>) {
        self.logs.default = level;
    }

    /// The least urgent level of which lines may be recorded; 0 for none.
    fn level_max(&self) -> u32 {
        let targets = self.logs.targets.iter().map(|(_, level)| *level);
        targets.chain([self.logs.default]).map(|level| level.map_or(0, |level| level as u32)).max().unwrap_or(0)
    }

    fn allows(&self, kind: Kind, level: u8, target: &str) -> bool {
        match kind {
            Kind::Log => self.logs.get(target).is_some_and(|most| level <= most as u8),
            Kind::Span => self.spans.get(target),
            Kind::Metric => self.metrics.get(target),
            #[cfg(any(feature = "tracing", feature = "log"))]
            Kind::Lines => true,
        }
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut filter = Self::default();
        for directive in text.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
            let wrong = || Error::Filter { text: directive.to_owned() };
            // `spans:` names the kind, `spans::` is a target.
            let kind = |name: &str| {
                directive
                    .strip_prefix(name)
                    .and_then(|rest| rest.strip_prefix(':'))
                    .filter(|rest| !rest.starts_with(':'))
            };
            let split = |rest| match str::rsplit_once(rest, '=') {
                Some((target, value)) => (Some(target.trim()).filter(|target| *target != "*"), value.trim()),
                None => (None, rest.trim()),
            };
            let switch = |value: &str| match value.to_ascii_lowercase().as_str() {
                "on" => Ok(true),
                "off" => Ok(false),
                _ => Err(wrong()),
            };
            if let Some(rest) = kind("spans") {
                let (target, value) = split(rest);
                filter.spans.set(target, switch(value)?);
            } else if let Some(rest) = kind("metrics") {
                let (target, value) = split(rest);
                filter.metrics.set(target, switch(value)?);
            } else {
                let (target, value) = split(kind("logs").unwrap_or(directive));
                filter.logs.set(target, level::parse(value).map_err(|_| wrong())?);
            }
        }
        Ok(filter)
    }
}

/// Whose word counts.
struct Filters {
    /// The program's own.
    own: Option<Filter>,
    /// The server's, in force in place of the program's own as long as there is one.
    server: Option<Filter>,
}

static FILTERS: Mutex<Filters> = Mutex::new(Filters { own: None, server: None });

impl Filters {
    fn in_force(&self) -> Option<&Filter> {
        self.server.as_ref().or(self.own.as_ref())
    }

    fn level_max(&self) -> u32 {
        self.in_force().map_or(Level::Trace as u32, Filter::level_max)
    }
}

/// A recording begins with `own`; the server has said nothing yet.
pub(crate) fn begin(own: Filter) {
    change(|filters| *filters = Filters { own: Some(own), server: None });
}

/// Sets the program's own filter; in force where the server has none.
pub(crate) fn set_own(filter: Filter) {
    change(|filters| filters.own = Some(filter));
}

/// Sets the server's filter, or brings the program's own back.
pub(crate) fn set_server(filter: Option<Filter>) {
    change(|filters| filters.server = filter);
}

/// Call sites find out at their next event.
fn change(change: impl FnOnce(&mut Filters)) {
    let mut filters = FILTERS.lock().unwrap_or_else(PoisonError::into_inner);
    // In this order: who sees the new generation finds the new filter.
    change(&mut filters);
    clock::renew(filters.level_max());
    drop(filters);
    #[cfg(feature = "tracing")]
    crate::tracing::renew();
    #[cfg(feature = "log")]
    crate::log::renew();
}

/// The least urgent level of which lines may be recorded; 0 for none.
pub(crate) fn level_max() -> u32 {
    FILTERS.lock().unwrap_or_else(PoisonError::into_inner).level_max()
}

/// Whether events of such a call site are recorded.
pub(crate) fn allows(kind: Kind, level: u8, target: &str) -> bool {
    let filters = FILTERS.lock().unwrap_or_else(PoisonError::into_inner);
    filters.in_force().is_none_or(|filter| filter.allows(kind, level, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_target_decides_and_kinds_are_apart() {
        let filter: Filter =
            "info, net=debug,net::http=off,spans:physics=off,spans:physics::solver=on,metrics:off".parse().unwrap();
        let logs = |target, level: Level| filter.allows(Kind::Log, level as u8, target);
        assert!(logs("game", Level::Info) && !logs("game", Level::Debug));
        assert!(logs("net::tcp", Level::Debug) && !logs("net", Level::Trace));
        assert!(!logs("net::http::h2", Level::Fatal) && !logs("network", Level::Debug));
        let spans = |target| filter.allows(Kind::Span, 0, target);
        assert!(spans("ai") && !spans("physics::joints") && spans("physics::solver"));
        assert!(!filter.allows(Kind::Metric, 0, "game"));
        assert_eq!((filter.level_max(), "off".parse::<Filter>().unwrap().level_max()), (Level::Debug as u32, 0));
        assert!(!"off".parse::<Filter>().unwrap().allows(Kind::Log, Level::Fatal as u8, "game"));
        assert_eq!("".parse::<Filter>().unwrap(), Filter::default());
    }

    #[test]
    fn a_target_may_be_called_spans() {
        let filter: Filter = "spans::queue=warn".parse().unwrap();
        assert!(filter.allows(Kind::Span, 0, "spans::queue"));
        assert!(!filter.allows(Kind::Log, Level::Info as u8, "spans::queue"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for text in ["loud", "net=", "spans:physics=debug", "metrics:x"] {
            let message = text.parse::<Filter>().unwrap_err().to_string();
            assert!(message.contains(text) && message.contains("spans:physics=off"), "{message}");
        }
    }
}
