//! The committed counts, and what may become of them: they may fall, not rise, without a note.

use anyhow::{Context, bail};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

/// How far a count may be above the committed one. Its share of what happens once in a chunk varies by less than half an instruction; and what runs through
/// `core::fmt` by less than a hundredth, with the directory that it is built in (803 and 807 of the same source).
fn tolerance(committed: f64) -> f64 {
    (committed / 100.0).max(0.5)
}

/// Instructions by operation.
pub(super) type Counts<'a> = BTreeMap<&'a str, f64>;
/// What is wrong with an operation.
pub(super) type Faults<'a> = BTreeMap<&'a str, String>;

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ratchet {
    #[serde(default)]
    compiler: String,
    #[serde(default)]
    operation: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    instructions: f64,
    /// Why the count rose, when it did.
    note: Option<String>,
    /// Why it may allocate or have a locked instruction, while it may.
    excused: Option<String>,
}

const HEAD: &str = "\
# Instructions per operation, counted by callgrind; `cargo xtask instructions` compares and fails where one rose by more than half an instruction, or a hundredth.
# Written by `cargo xtask instructions --write`; where a count rose it asks for a `--note`. Each count has the loop around the operation in it (see floor::empty).
# An operation that allocates or has a locked instruction fails unless `excused` says why it may.
";

impl Ratchet {
    /// An empty one where there is no file.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(file)?;
        toml::from_str(&text).with_context(|| format!("cannot understand {}", file.display()))
    }

    /// Fails unless every operation is as good as the file says.
    pub(super) fn check(&self, counts: &Counts<'_>, faults: &Faults<'_>, compiler: &str) -> anyhow::Result<()> {
        let mut worse = Vec::new();
        let mut fell = false;
        println!("{:<32}{:>14}{:>12}", "operation", "instructions", "committed");
        for (&operation, &count) in counts {
            let entry = self.operation.get(operation);
            let committed = entry.map(|entry| entry.instructions);
            let shown = committed.map_or("-".to_owned(), |count| format!("{count:.1}"));
            println!("{operation:<32}{count:>14.1}{shown:>12}");
            match committed {
                None => worse.push(format!("{operation} is new: {count:.1}")),
                Some(committed) if count > committed + tolerance(committed) => {
                    worse.push(format!("{operation} rose from {committed:.1} to {count:.1}"));
                }
                Some(committed) => fell |= count < committed - tolerance(committed),
            }
            let excused = entry.and_then(|entry| entry.excused.as_deref());
            match (faults.get(operation), excused) {
                (Some(fault), None) => worse.push(format!("{operation} {fault}")),
                (None, Some(_)) => worse.push(format!("{operation} needs no `excused` any more: remove it")),
                _ => {}
            }
        }
        for operation in self.operation.keys().filter(|operation| !counts.contains_key(operation.as_str())) {
            worse.push(format!("{operation} is not there any more"));
        }
        if fell {
            println!("counts fell: keep them by `cargo xtask instructions --write`");
        }
        if worse.is_empty() {
            return Ok(());
        }
        if compiler != self.compiler {
            worse.push(format!("(counted with {compiler}, the committed ones with {})", self.compiler));
        }
        bail!(
            "{}\nmake it as it was, or `cargo xtask instructions --write --note \"why it rose\"` and commit infra/bench/results/instructions.toml",
            worse.join("\n")
        )
    }

    /// The file with these counts; fails where one rose or is at fault without a word why.
    pub(super) fn updated(
        &self,
        counts: &Counts<'_>,
        faults: &Faults<'_>,
        compiler: &str,
        note: Option<&str>,
    ) -> anyhow::Result<String> {
        let mut text = format!("{HEAD}compiler = {}\n", quoted(compiler));
        for (&operation, &count) in counts {
            let before = self.operation.get(operation).cloned();
            let rose =
                before.as_ref().is_some_and(|before| count > before.instructions + tolerance(before.instructions));
            let is_new = before.is_none();
            let Entry { note: note_before, excused, .. } = before.unwrap_or_default();
            if rose && note.is_none() {
                bail!("{operation} rose to {count:.1}: say why with --note");
            }
            let note = if rose { note.map(str::to_owned) } else { note_before };
            let fault = faults.get(operation);
            let excused = match (fault, excused) {
                (None, _) => None,
                (Some(_), Some(excused)) => Some(excused),
                // A first count may carry its excuse along.
                (Some(fault), None) if is_new => Some(note_for_fault(fault)),
                (Some(fault), None) => bail!("{operation} {fault}"),
            };
            let _ = write!(text, "\n[operation.{}]\ninstructions = {count:.1}\n", quoted(operation));
            if let Some(note) = note {
                let _ = writeln!(text, "note = {}", quoted(&note));
            }
            if let Some(excused) = excused {
                let _ = writeln!(text, "excused = {}", quoted(&excused));
            }
        }
        Ok(text)
    }
}

/// To be replaced by a reason before it is committed.
fn note_for_fault(fault: &str) -> String {
    format!("{fault}; say here why it may")
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratchet() -> Ratchet {
        toml::from_str(
            "compiler = \"rustc 1\"\n[operation.span]\ninstructions = 40.0\n[operation.tag]\ninstructions = 500.0\nexcused = \"not yet\"\n",
        )
        .unwrap()
    }

    fn check(span: f64, tag: f64, faulty: &[&'static str]) -> Result<(), String> {
        let faults = faulty.iter().map(|operation| (*operation, "calls malloc".to_owned())).collect();
        let counts = BTreeMap::from([("span", span), ("tag", tag)]);
        ratchet().check(&counts, &faults, "rustc 1").map_err(|error| error.to_string())
    }

    #[test]
    fn counts_may_fall_and_not_rise() {
        assert_eq!(check(40.4, 500.0, &["tag"]), Ok(()));
        assert_eq!(check(30.0, 100.0, &["tag"]), Ok(()));
        assert!(check(40.6, 500.0, &["tag"]).unwrap_err().contains("span rose from 40.0 to 40.6"));
        assert_eq!(check(40.0, 504.9, &["tag"]), Ok(()));
        assert!(check(40.0, 505.1, &["tag"]).unwrap_err().contains("tag rose from 500.0 to 505.1"));
    }

    #[test]
    fn faults_need_an_excuse_and_excuses_a_fault() {
        assert!(check(40.0, 500.0, &["span", "tag"]).unwrap_err().contains("span calls malloc"));
        assert!(check(40.0, 500.0, &[]).unwrap_err().contains("tag needs no `excused` any more"));
    }

    #[test]
    fn operations_cannot_come_or_go_unseen() {
        let error = ratchet().check(&BTreeMap::from([("new", 1.0)]), &BTreeMap::new(), "rustc 1").unwrap_err();
        for said in ["new is new", "span is not there any more", "tag is not there any more"] {
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn a_rise_is_written_with_its_note_only() {
        let counts = BTreeMap::from([("span", 44.0), ("tag", 500.0)]);
        let faults = BTreeMap::from([("tag", "calls malloc".to_owned())]);
        let error = ratchet().updated(&counts, &faults, "rustc 2", None).unwrap_err();
        assert!(error.to_string().contains("span rose to 44.0"), "{error}");
        let text = ratchet().updated(&counts, &faults, "rustc 2", Some("a \"good\" reason")).unwrap();
        let written: Ratchet = toml::from_str(&text).unwrap();
        assert_eq!(written.compiler, "rustc 2");
        assert_eq!(written.operation["span"].note.as_deref(), Some("a \"good\" reason"));
        assert_eq!(written.operation["tag"].excused.as_deref(), Some("not yet"));
        assert!(written.check(&counts, &faults, "rustc 2").is_ok());
    }
}
