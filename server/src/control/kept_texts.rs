//! The texts in the data directory: `control.json`, as `GET /v1/control` has them, so that a restart keeps them.

use anyhow::Context;
use framelake_gateway::{Control, Texts};
use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

const FILE: &str = "control.json";

/// Puts what is kept in `data_dir` in force, and keeps there what is set from now on.
///
/// # Errors
/// What is kept cannot be read.
pub(crate) fn keep(control: &Control, data_dir: &Path) -> anyhow::Result<()> {
    let path = data_dir.join(FILE);
    match std::fs::read(&path) {
        Ok(text) => {
            let texts = serde_json::from_slice::<Texts>(&text).context("it is not what `framelake control` wrote");
            let set = texts.and_then(|texts| Ok(control.set(texts)?));
            set.with_context(|| {
                format!("cannot use {}; correct it, or remove it to say nothing to programs", path.display())
            })?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    control.keep_by(move |texts| write(&path, texts));
    Ok(())
}

/// Whoever reads the file finds the old texts or the new ones, whole.
fn write(path: &Path, texts: &Texts) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished)?;
    file.write_all(&serde_json::to_vec_pretty(texts)?)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_keeps_the_texts_and_rubbish_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::default();
        keep(&control, dir.path()).unwrap();
        let texts = Texts { exes: [("game".into(), "info".into())].into(), ..Texts::default() };
        control.set(texts.clone()).unwrap();

        let again = Control::default();
        keep(&again, dir.path()).unwrap();
        assert_eq!(again.texts(), texts);
        again.set(Texts::default()).unwrap();
        let third = Control::default();
        keep(&third, dir.path()).unwrap();
        assert_eq!(third.texts(), Texts::default());

        std::fs::write(dir.path().join(FILE), "rubbish").unwrap();
        let message = format!("{:#}", keep(&Control::default(), dir.path()).unwrap_err());
        assert!(message.contains(FILE) && message.contains("remove it"), "{message}");
    }

    #[test]
    fn texts_that_find_no_room_are_not_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::default();
        keep(&control, dir.path()).unwrap();
        dir.close().unwrap();
        let texts = Texts { default: Some("info".into()), ..Texts::default() };
        assert!(control.set(texts).unwrap_err().to_string().contains("could not be kept"));
        assert_eq!(control.texts(), Texts::default());
    }
}
