//! Instructions per operation of the SDK, counted by callgrind: a ratchet. Where nanoseconds vary with the machine and what else runs on it, these do
//! not, so a change that makes the hot path longer is seen by whoever makes it.
//!
//! The program `instructions` of `infra/bench-sdk` does every operation some runs of 1,000 times. It is run twice, once with twice as many runs; the difference, divided
//! by the operations in it, is what one takes, with its share of going on to the next chunk and of the loop around it. What starting up takes cancels out.
//!
//! Beside the count no operation may call an allocator or have a locked instruction, in itself or in what it calls.

mod disassembly;
mod profile;
mod ratchet;

use crate::{
    install,
    shell::{Checked, cargo, root, target},
};
use anyhow::{Context, bail};
use disassembly::Disassembly;
use profile::Profile;
use ratchet::{Counts, Ratchet};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Runs of 1,000 operations; as many again in the second profile. 20,000 operations see a thread go on to the next chunk 5 times at least, so that
/// their share of that is the same within 0.1 instructions.
const RUNS: u64 = 20;
const OPERATIONS_PER_RUN: u64 = 1_000;

/// A function that is called less often than once in so many operations is not part of the hot path.
const RARE: u64 = 100;

/// Takes the counts and compares them with the committed ones, or writes them there.
pub(crate) fn run(write: bool, note: Option<&str>) -> anyhow::Result<()> {
    install::packages(&[("valgrind", "valgrind"), ("objdump", "binutils")])?;
    cargo("build").args(["--release", "--package", "framelake-bench-sdk", "--bin", "instructions"]).checked()?;
    let program = target().join("release/instructions");
    let profile = Profile::difference(&profile(&program, RUNS)?, &profile(&program, 2 * RUNS)?);
    let disassembly = Disassembly::of(&program)?;

    let mut counts = Counts::default();
    let mut faults = BTreeMap::new();
    for function in profile.functions() {
        let Some(operation) = operation(function) else { continue };
        let done = (RUNS * OPERATIONS_PER_RUN) as f64;
        counts.insert(operation, profile.inclusive(function) as f64 / done);
        if let Some(fault) = fault(function, RUNS * OPERATIONS_PER_RUN / RARE, &profile, &disassembly) {
            faults.insert(operation, fault);
        }
    }
    if counts.is_empty() {
        bail!("{} has no operation in its profile; were its symbols stripped?", program.display());
    }

    let file = file();
    let ratchet = Ratchet::read(&file)?;
    let compiler = Command::new("rustc").arg("--version").output_text()?.trim().to_owned();
    if write {
        let text = ratchet.updated(&counts, &faults, &compiler, note)?;
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("written: {}", file.display());
    }
    let ratchet = if write { Ratchet::read(&file)? } else { ratchet };
    ratchet.check(&counts, &faults, &compiler)
}

fn file() -> PathBuf {
    root().join("infra/bench/results/instructions.toml")
}

/// `framelake::span` of `…::subjects::framelake::span::measured`.
fn operation(function: &str) -> Option<&str> {
    function.split_once("::subjects::")?.1.strip_suffix("::measured")
}

fn profile(program: &Path, runs: u64) -> anyhow::Result<Profile> {
    let file = target().join(format!("callgrind.{runs}.out"));
    Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--dump-instr=yes", "--dump-line=no"])
        .args(["--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .arg(runs.to_string())
        .output_text()?;
    let text = fs::read_to_string(&file).with_context(|| format!("callgrind left no {}", file.display()))?;
    Profile::parse(&text)
}

/// The first allocator's function or locked instruction that `function` comes to at least `least` times.
fn fault(function: &str, least: u64, profile: &Profile, disassembly: &Disassembly) -> Option<String> {
    const ALLOCATORS: [&str; 6] = ["malloc", "calloc", "realloc", "free", "posix_memalign", "aligned_alloc"];
    let mut locked = None;
    for function in profile.reached(function, least) {
        if ALLOCATORS.contains(&function) {
            return Some(format!("calls {function}"));
        }
        let executed = |&(address, _): &(u64, &str)| profile.executed(function, address) >= least;
        if let Some((_, instruction)) = disassembly.locked(function).find(executed) {
            locked = Some(format!("has a locked instruction: `{instruction}` in {function}"));
        }
    }
    locked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_told_by_their_symbols() {
        assert_eq!(operation("bench::subjects::framelake::span::measured"), Some("framelake::span"));
        assert_eq!(operation("bench::subjects::framelake::span::timed"), None);
        assert_eq!(operation("main"), None);
    }

    #[test]
    fn an_allocation_and_a_lock_are_faults_where_they_are_executed() {
        let disassembly = Disassembly::parse(
            "0000000000001000 <plain>:\n    1000:\tmov    %rax,(%rdi)\n    1003:\txchg   %ax,%ax\n\n\
             0000000000002000 <counts>:\n    2000:\tmov    %rax,(%rdi)\n    2003:\tlock incq 0x8(%rax)\n",
        );
        let fault = |callee: &str, address: &str| {
            let text =
                format!("fn=plain\n0x1000 50\ncfn={callee}\ncalls=50 0x0\n0x1003 50\n\nfn={callee}\n{address} 50\n");
            super::fault("plain", 10, &Profile::parse(&text).unwrap(), &disassembly)
        };
        assert_eq!(fault("memcpy", "0x1"), None);
        assert_eq!(fault("malloc", "0x1"), Some("calls malloc".into()));
        assert_eq!(fault("counts", "0x2000"), None);
        let locked = fault("counts", "0x2003").unwrap();
        assert!(locked.contains("`lock incq 0x8(%rax)` in counts"), "{locked}");
    }
}
