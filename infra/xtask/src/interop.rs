//! Programs that nobody here wrote, recorded by the SDK, and the README's lines for such: `integration-tests/interop`, a workspace of its own.

use crate::shell::{Checked, cargo, root, target};

/// Its tests, format and lints, built to a directory of their own: two minutes from nothing on two cores, and 1 GB. Bevy without window and sound needs no
/// Debian package.
pub(crate) fn check() -> anyhow::Result<()> {
    let directory = root().join("integration-tests/interop");
    let cargo = |subcommand| {
        let mut cargo = cargo(subcommand);
        // In that directory, because its `.cargo/config.toml` has the flags; those of the environment would take their place.
        cargo.current_dir(&directory).env_remove("RUSTFLAGS");
        cargo.env("CARGO_TARGET_DIR", root().join(target()).join("interop"));
        cargo
    };
    cargo("fmt").arg("--check").checked()?;
    cargo("test").args(["--locked", "--no-fail-fast"]).checked()?;
    cargo("clippy").args(["--locked", "--all-targets", "--", "--deny", "warnings"]).checked()
}
