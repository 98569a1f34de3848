//! What callgrind wrote: what each function took and whom it called. <https://valgrind.org/docs/manual/cl-format.html>

use anyhow::{Context, bail};
use std::collections::{BTreeMap, BTreeSet};

/// Instructions by function.
#[derive(Debug, Default)]
pub(super) struct Profile {
    functions: BTreeMap<String, Cost>,
}

#[derive(Debug, Default)]
struct Cost {
    /// Of the function itself, by the instruction's address in the program or library.
    own: BTreeMap<u64, u64>,
    calls: BTreeMap<String, Calls>,
}

/// From one function to another.
#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    count: u64,
    /// Of the other function and all that it called.
    inclusive: u64,
}

impl Profile {
    /// Of a file with instructions' addresses, without compressed names and positions.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut profile = Self::default();
        let mut function = None;
        let mut callee = None;
        // After a line `calls=` comes one with what those calls took.
        let mut called = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                function = Some(name.to_owned());
            } else if let Some(name) = line.strip_prefix("cfn=") {
                callee = Some(name.to_owned());
            } else if let Some(count) = line.strip_prefix("calls=") {
                let count = count.split(' ').next().unwrap_or_default();
                called = Some(count.parse::<u64>().with_context(|| format!("no count in `{line}`"))?);
            } else if let Some((address, cost)) = line.strip_prefix("0x").and_then(|line| line.split_once(' ')) {
                let address = u64::from_str_radix(address, 16).with_context(|| format!("no address in `{line}`"))?;
                let cost: u64 = cost.parse().with_context(|| format!("no cost in `{line}`"))?;
                let function = function.clone().with_context(|| format!("a cost before any function: `{line}`"))?;
                let entry = profile.functions.entry(function).or_default();
                match called.take() {
                    None => *entry.own.entry(address).or_default() += cost,
                    Some(count) => {
                        let callee = callee.clone().with_context(|| format!("a call of no function: `{line}`"))?;
                        let calls = entry.calls.entry(callee).or_default();
                        calls.count += count;
                        calls.inclusive += cost;
                    }
                }
            }
        }
        if profile.functions.is_empty() {
            bail!("callgrind wrote a profile without functions");
        }
        Ok(profile)
    }

    /// What `longer` has more than `shorter`.
    pub(super) fn difference(shorter: &Profile, longer: &Profile) -> Profile {
        let nothing = Cost::default();
        let mut functions = BTreeMap::new();
        for (name, cost) in &longer.functions {
            let before = shorter.functions.get(name).unwrap_or(&nothing);
            let calls = cost.calls.iter().map(|(callee, calls)| {
                let before = before.calls.get(callee).copied().unwrap_or_default();
                let count = calls.count.saturating_sub(before.count);
                (callee.clone(), Calls { count, inclusive: calls.inclusive.saturating_sub(before.inclusive) })
            });
            let own = cost.own.iter().map(|(address, cost)| {
                (*address, cost.saturating_sub(before.own.get(address).copied().unwrap_or_default()))
            });
            functions.insert(name.clone(), Cost { own: own.collect(), calls: calls.collect() });
        }
        Profile { functions }
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// Instructions of `function` and all that it called.
    pub(super) fn inclusive(&self, function: &str) -> u64 {
        let Some(cost) = self.functions.get(function) else { return 0 };
        cost.own.values().sum::<u64>() + cost.calls.values().map(|calls| calls.inclusive).sum::<u64>()
    }

    /// How often the instruction of `function` at `address` ran.
    pub(super) fn executed(&self, function: &str, address: u64) -> u64 {
        self.functions.get(function).and_then(|cost| cost.own.get(&address)).copied().unwrap_or_default()
    }

    /// `function` and what it calls at least `least` times, and so on.
    pub(super) fn reached<'a>(&'a self, function: &'a str, least: u64) -> Vec<&'a str> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![function];
        while let Some(function) = waiting.pop() {
            if !reached.insert(function) {
                continue;
            }
            if let Some(cost) = self.functions.get(function) {
                waiting.extend(
                    cost.calls.iter().filter(|(_, calls)| calls.count >= least).map(|(callee, _)| callee.as_str()),
                );
            }
        }
        reached.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(turns: u64) -> String {
        format!(
            "positions: instr\nevents: Ir\n\nfn=main\n0x10 50\ncfn=work\ncalls=1 0x20\n0x14 {}\n\nfl=work.rs\nfn=work\n0x20 {}\nfi=inlined.rs\n0x24 {}\n\
             cfn=callee\ncalls={turns} 0x30\n0x28 {}\ncfn=rare\ncalls=1 0x40\n0x2c 100\n\nfn=callee\n0x30 {}\n",
            turns * 18,
            turns * 8,
            turns * 7,
            turns * 3,
            turns * 3,
        )
    }

    #[test]
    fn an_operation_takes_what_it_and_its_callees_take() {
        let profile = Profile::parse(&text(10)).unwrap();
        assert_eq!(profile.inclusive("work"), 280);
        assert_eq!(profile.inclusive("callee"), 30);
        assert_eq!(profile.inclusive("nobody"), 0);
        assert_eq!([0x20, 0x24, 0x28].map(|address| profile.executed("work", address)), [80, 70, 0]);
    }

    #[test]
    fn what_happens_once_cancels_out() {
        let difference = Profile::difference(&Profile::parse(&text(10)).unwrap(), &Profile::parse(&text(30)).unwrap());
        assert_eq!(difference.inclusive("work"), 20 * 18);
    }

    #[test]
    fn rare_callees_are_not_reached() {
        let profile = Profile::parse(&text(10)).unwrap();
        assert_eq!(profile.reached("work", 2), ["callee", "work"]);
        assert_eq!(profile.reached("work", 1), ["callee", "rare", "work"]);
    }
}
