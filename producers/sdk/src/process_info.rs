//! What is known of this run and the machine it runs on. Command line and environment are not recorded: they may hold secrets.

use crate::settings::Settings;
use framelake_wire::{Process, ProcessId, UnixNanos};
use std::collections::BTreeMap;

/// The `Process` record of a run that started at `start_time`.
pub(crate) fn process(settings: &Settings, start_time: UnixNanos) -> Process {
    Process {
        process_id: ProcessId::now_v7(),
        revision: 0,
        parent_process_id: settings.parent,
        exe: exe(),
        version: settings.version.clone(),
        user: system::user(),
        host: system::host(),
        os: system::os(),
        arch: std::env::consts::ARCH.to_owned(),
        cpu: system::cpu(),
        cores: std::thread::available_parallelism().map_or(0, |cores| cores.get() as u32),
        memory_bytes: system::memory_bytes(),
        pid: std::process::id(),
        sdk: concat!("framelake-rust ", env!("CARGO_PKG_VERSION")).to_owned(),
        start_time,
        last_seen: start_time,
        end_time: None,
        exit_reason: None,
        properties: settings.properties.clone(),
        dropped: BTreeMap::new(),
    }
}

/// The name of the program's file, where the system tells.
pub(crate) fn exe() -> String {
    let exe = std::env::current_exe().ok();
    let exe = exe.as_deref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    exe.unwrap_or_default()
}

/// The user's name, where the system tells.
pub(crate) fn user() -> String {
    system::user()
}

#[cfg(unix)]
mod system {
    use std::ffi::CStr;
    use std::fs::read_to_string;

    pub(super) fn user() -> String {
        let mut entry = std::mem::MaybeUninit::<libc::passwd>::uninit();
        let mut text = [0; 4096];
        let mut found = std::ptr::null_mut();
        // SAFETY: all places are valid for the lengths given; `found` is null unless `entry` was filled, whose strings lie in `text`.
        unsafe {
            libc::getpwuid_r(libc::geteuid(), entry.as_mut_ptr(), text.as_mut_ptr(), text.len(), &raw mut found);
            if found.is_null() {
                return String::new();
            }
            CStr::from_ptr((*found).pw_name).to_string_lossy().into_owned()
        }
    }

    pub(super) fn host() -> String {
        let mut name = [0_u8; 256];
        // SAFETY: the length is less than that of `name`, so a zero remains at its end.
        let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } != 0;
        if failed {
            return String::new();
        }
        CStr::from_bytes_until_nul(&name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    pub(super) fn os() -> String {
        let release = read_to_string("/etc/os-release").unwrap_or_default();
        let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        pretty.map_or_else(|| std::env::consts::OS.to_owned(), |name| name.trim_matches('"').to_owned())
    }

    pub(super) fn cpu() -> String {
        let info = read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name"));
        model.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned()).unwrap_or_default()
    }

    pub(super) fn memory_bytes() -> u64 {
        // SAFETY: sysconf has no preconditions.
        let (pages, page) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
        if pages < 0 || page < 0 { 0 } else { pages.cast_unsigned() * page.cast_unsigned() }
    }
}

#[cfg(not(unix))]
mod system {
    pub(super) fn user() -> String {
        String::new()
    }

    pub(super) fn host() -> String {
        String::new()
    }

    pub(super) fn os() -> String {
        std::env::consts::OS.to_owned()
    }

    pub(super) fn cpu() -> String {
        String::new()
    }

    pub(super) fn memory_bytes() -> u64 {
        0
    }
}
