//! A Python environment with the stock clients that tests ask through, and what `schemas/golden/decode.py` needs.

use crate::shell::{Checked, cache, root};
use anyhow::Context;
use std::{fs, path::PathBuf, process::Command};

/// The interpreter of an environment that has views/clients/python/requirements.txt installed.
pub(crate) fn interpreter() -> anyhow::Result<PathBuf> {
    let requirements = root().join("views/clients/python/requirements.txt");
    let wanted = fs::read_to_string(&requirements).context("cannot read the Python requirements")?;
    let directory = cache()?.join("python");
    let python = directory.join("bin/python");
    let installed = directory.join("installed.txt");
    if python.is_file() && fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    println!("installing the Python clients");
    Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory).output_text()?;
    Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--requirement"])
        .arg(&requirements)
        .output_text()?;
    fs::write(installed, wanted)?;
    Ok(python)
}
