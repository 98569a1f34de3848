//! What objdump shows: where locked instructions are.

use crate::shell::Checked;
use std::{collections::BTreeMap, path::Path, process::Command};

/// Locked instructions, by function and address.
#[derive(Debug)]
pub(super) struct Disassembly {
    locked: BTreeMap<String, BTreeMap<u64, String>>,
}

impl Disassembly {
    pub(super) fn of(program: &Path) -> anyhow::Result<Self> {
        let text = Command::new("objdump")
            .args(["--disassemble", "--demangle", "--no-show-raw-insn"])
            .arg(program)
            .output_text()?;
        Ok(Self::parse(&text))
    }

    pub(super) fn parse(text: &str) -> Self {
        let mut locked: BTreeMap<String, BTreeMap<u64, String>> = BTreeMap::new();
        let mut function = "";
        for line in text.lines() {
            if let Some((_, name)) = line.strip_suffix(">:").and_then(|line| line.split_once(" <")) {
                function = name;
            } else if let Some((address, instruction)) = line.split_once(":\t")
                && is_locked(instruction)
                && let Ok(address) = u64::from_str_radix(address.trim(), 16)
            {
                locked.entry(function.to_owned()).or_default().insert(address, instruction.trim().to_owned());
            }
        }
        Self { locked }
    }

    /// Those of one function.
    pub(super) fn locked(&self, function: &str) -> impl Iterator<Item = (u64, &str)> {
        let locked = self.locked.get(function).into_iter().flatten();
        locked.map(|(address, instruction)| (*address, instruction.as_str()))
    }
}

/// An exchange with memory is locked without saying so.
fn is_locked(instruction: &str) -> bool {
    let is_exchange = instruction.starts_with("xchg") && instruction.contains('(');
    instruction.starts_with("lock ") || is_exchange
}

#[cfg(test)]
mod tests {
    use super::is_locked;

    #[test]
    fn locked_instructions_are_told_from_others() {
        for locked in ["lock xadd %rax,0x10(%rdi)", "lock cmpxchg %ecx,(%rbx)", "xchg   %eax,(%rdi)"] {
            assert!(is_locked(locked), "{locked}");
        }
        for plain in ["xchg   %ax,%ax", "mov    %rax,(%rdi)", "call   1000 <lock_nothing>", "cmpxchg %ecx,(%rbx)"] {
            assert!(!is_locked(plain), "{plain}");
        }
    }
}
