//! Where `unsafe` may stand: in the modules named here, each of which argues every block of its own. Nowhere else in what we ship.

use crate::shell::root;
use anyhow::{Context, bail};
use std::{fs, path::Path};

/// Files with `unsafe`, and what for.
const ALLOWED: [(&str, &str); 25] = [
    ("schemas/wire/src/raw.rs", "words as the bytes of a text"),
    ("producers/sdk/src/aggregate.rs", "sums that live as long as their thread's buffer"),
    ("producers/sdk/src/arg.rs", "arguments as words, where there is room for them"),
    ("producers/sdk/src/buffer.rs", "the writing side of a chunk"),
    ("producers/sdk/src/buffer/handle.rs", "a buffer that lies on the heap or in the mapped file"),
    ("producers/sdk/src/chunk.rs", "memory for chunks"),
    ("producers/sdk/src/clock.rs", "the processor's counter; the system's clocks"),
    ("producers/sdk/src/instrument.rs", "a pinned future within another"),
    ("producers/sdk/src/interop/lines.rs", "call sites of the log crate, which are never freed"),
    ("producers/sdk/src/interop/tracing/site.rs", "call sites of tracing, which are never freed"),
    ("producers/sdk/src/interop/tracing/span.rs", "a span's call site, which is never freed"),
    ("producers/sdk/src/loom_tests.rs", "a model's events"),
    ("producers/sdk/src/mapping.rs", "the mapped file of crash-safe buffers"),
    ("producers/sdk/src/mapping/sums.rs", "sums of counters and histograms in the mapped file"),
    ("producers/sdk/src/process_info.rs", "the system's names of user and host"),
    ("producers/sdk/src/reader.rs", "the reading side of a chunk"),
    ("producers/sdk/src/record.rs", "events as words, where there is room for them"),
    ("producers/sdk/src/session.rs", "handlers of exit and fork"),
    ("producers/sdk/src/sync.rs", "a model's words"),
    ("producers/sdk/src/system.rs", "what the system says of process and machine"),
    ("producers/sdk/src/text.rs", "text straight into a chunk"),
    ("producers/sdk/src/thread.rs", "a thread's own buffer; the system's name and number of a thread"),
    ("producers/sdk/src/wake.rs", "the background thread, told without a lock"),
    ("stream/kafka/src/kafka.rs", "librdkafka's handle"),
    ("stream/kafka/src/native.rs", "what rdkafka leaves out of librdkafka"),
];
/// What we ship. The demo and what drives and measures the whole (`infra`, `integration-tests`) call the system as they need.
const SHIPPED: [&str; 6] = ["schemas", "producers", "stream", "sinks", "views", "server"];

/// Fails with every file that has `unsafe` and may not, or may and has not.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut found = Vec::new();
    for directory in SHIPPED {
        find(&root().join(directory), &mut found)?;
    }
    let broken = broken(&found);
    if broken.is_empty() {
        println!("unsafe stands in {} files that may have it", found.len());
        return Ok(());
    }
    bail!("{}", broken.join("\n"))
}

fn broken(found: &[String]) -> Vec<String> {
    let allowed = |file: &String| ALLOWED.iter().any(|(path, _)| path == file);
    let beyond = found.iter().filter(|file| !allowed(file));
    let beyond =
        beyond.map(|file| format!("{file} must not use unsafe: do it in a module of infra/xtask/src/unsafety.rs"));
    let unused = ALLOWED.iter().filter(|(path, _)| !found.iter().any(|file| file == path));
    let unused = unused.map(|(path, _)| format!("{path} has no unsafe: take it out of infra/xtask/src/unsafety.rs"));
    beyond.chain(unused).collect()
}

/// Appends the files of a crate's `src` below `directory` that have `unsafe`. Tests beside it are not shipped.
fn find(directory: &Path, found: &mut Vec<String>) -> anyhow::Result<()> {
    let unreadable = || format!("cannot read {}", directory.display());
    for entry in fs::read_dir(directory).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !["target", "tests", "examples", "benches"].contains(&&*name)
                || path.components().any(|part| part.as_os_str() == "src")
            {
                find(&path, found)?;
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            if uses_unsafe(&text) {
                let path = path.strip_prefix(root()).unwrap_or(&path);
                found.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    Ok(())
}

/// Whether code has the word; comments and attributes may.
fn uses_unsafe(text: &str) -> bool {
    text.lines().any(|line| {
        let code = line.split("//").next().unwrap_or_default();
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        code.split(|character| !is_word(character)).any(|word| word == "unsafe")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_is_unsafe_is_told_from_words_about_it() {
        assert!(uses_unsafe("fn main() {\n    unsafe { read() }\n}"));
        assert!(uses_unsafe("unsafe impl Send for A {} // SAFETY: so"));
        assert!(uses_unsafe("type Free = unsafe extern \"C\" fn();"));
        assert!(!uses_unsafe("// unsafe {\n/// An unsafe thing.\n#![forbid(unsafe_code)]\nlet not_unsafe = 1;"));
    }

    #[test]
    fn a_file_beyond_the_list_and_one_that_needs_it_no_more_are_both_told() {
        let all: Vec<String> = ALLOWED.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert!(broken(&all).is_empty());
        let other = "sinks/lake/src/lib.rs".to_owned();
        let broken = broken(&[&all[1..], &[other]].concat());
        assert_eq!(broken.len(), 2);
        assert!(broken[0].starts_with("sinks/lake/src/lib.rs must not use unsafe"));
        assert!(broken[1].starts_with("schemas/wire/src/raw.rs has no unsafe"));
    }
}
