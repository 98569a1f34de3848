//! Call sites and property sets as a crash-safe recording writes them down: when they are registered, before an event carries their number.

use super::bytes::{Bytes, put, put_bytes, put_short};
use super::{create_new, cut_back};
use crate::properties::{self, Pairs};
use crate::site::{self, Registered};
use crate::thread::Busy;
use framelake_transport::journal::{next_frame, push_frame};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What files of names begin with.
pub(crate) const MAGIC: [u8; 8] = *b"FLNAMES1";
const SITE: u32 = 1;
const SET: u32 = 2;

/// Whether there is a file, so that programs without one take no lock.
static IS_OPEN: AtomicBool = AtomicBool::new(false);
static ERRORS: AtomicU64 = AtomicU64::new(0);
static NAMES: Mutex<Option<Names>> = Mutex::new(None);

struct Names {
    file: File,
    path: PathBuf,
    bytes: u64,
    sites: usize,
    sets: usize,
}

fn lock() -> MutexGuard<'static, Option<Names>> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes all that is registered, and from now on what will be.
pub(crate) fn open(path: &Path) -> io::Result<()> {
    let mut file = create_new(path)?;
    file.write_all(&MAGIC)?;
    *lock() = Some(Names { file, path: path.to_owned(), bytes: MAGIC.len() as u64, sites: 0, sets: 0 });
    IS_OPEN.store(true, Release);
    site::with_all(sites);
    properties::with_all(sets);
    Ok(())
}

/// Removes the file.
pub(crate) fn close() {
    IS_OPEN.store(false, Release);
    if let Some(names) = lock().take() {
        let _ = std::fs::remove_file(names.path);
    }
}

/// This process was forked off: the file is the parent's.
pub(crate) fn forked() {
    IS_OPEN.store(false, Release);
}

/// Times that names could not be written.
pub(crate) fn errors() -> u64 {
    ERRORS.load(Relaxed)
}

/// Writes down those of `all` that are not yet. To be called while nobody else adds to them.
pub(crate) fn sites(all: &[&'static Registered]) {
    write(all, |names| &mut names.sites, |site, out| put_site(site, out));
}

/// As [`sites`], for property sets.
pub(crate) fn sets(all: &[Pairs]) {
    write(
        all,
        |names| &mut names.sets,
        |pairs, out| {
            put_short(out, SET);
            put_short(out, pairs.len() as u32);
            for (key, value) in *pairs {
                put_bytes(out, key.as_bytes());
                put_bytes(out, value.as_bytes());
            }
        },
    );
}

fn write<T>(all: &[T], written: impl Fn(&mut Names) -> &mut usize, put: impl Fn(&T, &mut Vec<u8>)) {
    if !IS_OPEN.load(Acquire) {
        return;
    }
    // An instrumented allocator may record just now: its call sites are not registered before this is done.
    let _busy = Busy::enter();
    let mut names = lock();
    let Some(names) = names.as_mut() else { return };
    let (mut buffer, mut content) = (Vec::new(), Vec::new());
    for one in all.get(*written(names)..).unwrap_or_default() {
        content.clear();
        put(one, &mut content);
        push_frame(&mut buffer, &content);
    }
    match names.file.write_all(&buffer) {
        Ok(()) => {
            names.bytes += buffer.len() as u64;
            *written(names) = all.len();
        }
        Err(_) => {
            // Tried again with the next one. Numbers are places in the file, so nothing may stand in between.
            ERRORS.fetch_add(1, Relaxed);
            if cut_back(&mut names.file, names.bytes).is_err() {
                IS_OPEN.store(false, Release);
            }
        }
    }
}

fn put_site(site: &Registered, out: &mut Vec<u8>) {
    put_short(out, SITE);
    for text in [&site.name, &site.target, &site.file, &site.unit, &site.template] {
        put_bytes(out, text.as_bytes());
    }
    put(out, u64::from(site.line));
    put_short(out, u32::from(site.level));
    put_short(out, u32::from(site.named) | u32::from(site.aggregated) << 1);
    put_short(out, site.args.len() as u32);
    for arg in &site.args {
        put_bytes(out, arg.as_bytes());
    }
}

/// What was written down.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) sites: Vec<Registered>,
    pub(crate) sets: Vec<Vec<(String, String)>>,
}

/// Reads what is whole of a file's bytes.
pub(crate) fn read(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let Some(mut rest) = bytes.strip_prefix(&MAGIC[..]) else { return found };
    while let Some(content) = next_frame(&mut rest) {
        if read_one(Bytes(content), &mut found).is_none() {
            break;
        }
    }
    found
}

fn read_one(mut bytes: Bytes<'_>, found: &mut Found) -> Option<()> {
    match bytes.short()? {
        SITE => {
            let mut text = || bytes.text().map(String::into_boxed_str);
            let [name, target, file, unit, template] = [text()?, text()?, text()?, text()?, text()?];
            let line = bytes.number()? as u32;
            let level = bytes.short()? as u8;
            let flags = bytes.short()?;
            let args = bytes.list(Bytes::text)?;
            let (named, aggregated) = (flags & 1 != 0, flags & 2 != 0);
            found.sites.push(Registered { name, target, file, line, level, unit, args, template, named, aggregated });
        }
        SET => found.sets.push(bytes.list(|bytes| Some((bytes.text()?, bytes.text()?)))?),
        _ => return None,
    }
    Some(())
}
