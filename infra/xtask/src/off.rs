//! With the feature `off` nothing is left of the SDK: not an instruction in a function that uses every macro, not a byte of what the macros name.

use crate::{
    install,
    shell::{Checked, cargo, target},
};
use anyhow::{Context, bail};
use std::{fs, process::Command};

/// A function of the SDK's example `off`, and what its macros name.
const FUNCTION: &str = "every_macro";
const NAMED: &[u8] = b"marked-for-absence";
/// What would be linked if something could start: the queue to the server, the encoders, zstd.
const ABSENT: [&str; 4] = ["framelake_transport::sender", "framelake_wire::encode", "ureq::", "ZSTD_"];

pub(crate) fn check() -> anyhow::Result<()> {
    install::packages(&[("objdump", "binutils")])?;
    cargo("build").args(["--release", "--package", "framelake", "--example", "off", "--features", "off"]).checked()?;
    let program = target().join("release/examples/off");
    let text = Command::new("objdump")
        .args(["--disassemble", "--demangle", "--no-show-raw-insn"])
        .arg(&program)
        .output_text()?;
    let program_bytes = fs::read(&program).with_context(|| format!("cannot read {}", program.display()))?;
    if program_bytes.windows(NAMED.len()).any(|bytes| bytes == NAMED) {
        bail!("with the feature off, a name is still in {}", program.display());
    }
    let left = left(&text)?;
    if left.is_empty() {
        println!("with the feature off nothing is left of every macro");
        return Ok(());
    }
    bail!("with the feature off this is left of the SDK in {}:\n{}", program.display(), left.join("\n"))
}

/// Instructions of the function beyond its return, and functions that must not be there.
fn left(text: &str) -> anyhow::Result<Vec<String>> {
    let mut left = Vec::new();
    let (mut found, mut within) = (false, false);
    for line in text.lines() {
        if let Some((_, name)) = line.strip_suffix(">:").and_then(|line| line.split_once(" <")) {
            within = name.ends_with(&format!("::{FUNCTION}"));
            found |= within;
            if ABSENT.iter().any(|absent| name.contains(absent)) {
                left.push(name.to_owned());
            }
        } else if within && let Some((_, instruction)) = line.split_once(":\t") {
            // What fills up behind the return is no part of it.
            let instruction = instruction.trim();
            if !["ret", "int3", "nop", "xchg", "data16", "cs nopw"].iter().any(|filler| instruction.starts_with(filler))
            {
                left.push(format!("{FUNCTION}: {instruction}"));
            }
        }
    }
    if !found {
        bail!("objdump shows no function {FUNCTION}; were the symbols stripped?");
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn a_return_is_nothing_and_all_else_is_told() {
        let text = |body: &str| {
            format!(
                "0000000000001000 <off::every_macro>:\n{body}\n\n0000000000002000 <off::main>:\n    2000:\tpush %rbx\n"
            )
        };
        assert!(left(&text("    1000:\tret\n    1001:\tint3\n    1002:\tnopw   0x0(%rax,%rax,1)")).unwrap().is_empty());
        assert_eq!(left(&text("    1000:\tmov    0x8(%rip),%eax\n    1006:\tret")).unwrap().len(), 1);
        let linked = text("    1000:\tret") + "0000000000003000 <ZSTD_compress>:\n    3000:\tret\n";
        assert_eq!(left(&linked).unwrap(), ["ZSTD_compress"]);
        assert!(left("0000000000002000 <off::main>:\n").is_err());
    }
}
