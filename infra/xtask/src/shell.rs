//! Running other programs, with errors that say which and where its output is.

use anyhow::{Context, bail};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    // As cargo says when it starts this program, not when it built it: checkouts may share a target directory, and then cargo builds it once for them all.
    let now = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest =
        now.filter(|path| path.ends_with("infra/xtask")).unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    manifest.ancestors().nth(2).map(Path::to_owned).unwrap_or(manifest)
}

/// Where cargo builds to.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// What is installed for tests and survives checkouts: `$FRAMELAKE_CACHE`, else `framelake` in the user's cache directory.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    let directory = match (std::env::var_os("FRAMELAKE_CACHE"), std::env::var_os("XDG_CACHE_HOME")) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(path)) => PathBuf::from(path).join("framelake"),
        (None, None) => {
            let home = std::env::var_os("HOME").context("neither FRAMELAKE_CACHE nor HOME is set")?;
            PathBuf::from(home).join(".cache/framelake")
        }
    };
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

/// `cargo`, in the repository's root, as if called from a shell.
///
/// `cargo xtask` describes xtask itself in variables that some build scripts read (ring's does): passed on, they would build those dependencies and all that
/// stands on them, DataFusion too, once for xtask and once more for `cargo demo`.
pub(crate) fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).current_dir(root());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(describes_a_package) {
            command.env_remove(&name);
        }
    }
    command
}

/// Whether cargo sets that variable for the programs of a package that it runs.
fn describes_a_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| variable.starts_with(prefix))
        || ["CARGO_CRATE_NAME", "CARGO_BIN_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&variable)
}

pub(crate) trait Checked {
    /// Runs with our own output; an error when it fails.
    fn checked(&mut self) -> anyhow::Result<()>;
    /// Runs and returns what it printed; an error with its messages when it fails.
    fn output_text(&mut self) -> anyhow::Result<String>;
}

impl Checked for Command {
    fn checked(&mut self) -> anyhow::Result<()> {
        let status = self.stdin(Stdio::null()).status().with_context(|| format!("cannot run {}", shown(self)))?;
        if status.success() {
            return Ok(());
        }
        bail!("{} ended with {status}", shown(self))
    }

    fn output_text(&mut self) -> anyhow::Result<String> {
        let output = self.stdin(Stdio::null()).output().with_context(|| format!("cannot run {}", shown(self)))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        bail!(
            "{} ended with {}:\n{}{}",
            shown(self),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    }
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text.chars().take(300).collect()
}

/// Whether a program of that name is on the path.
pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn cargo_is_called_as_from_a_shell() {
        // Tests of this package run with the very variables.
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some());
        let command = super::cargo("build");
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        assert!(removed.iter().any(|name| *name == "CARGO_PKG_NAME"), "{removed:?}");
        assert!(removed.iter().all(|name| *name != "CARGO_HOME" && *name != "CARGO_TARGET_DIR"), "{removed:?}");
    }
}
