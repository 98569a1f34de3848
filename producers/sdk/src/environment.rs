//! The environment variables that the SDK reads, all of them, here. Where one is set it wins over what the program says.

use crate::settings::{CrashSafe, Settings, Spool};
use crate::{Error, Result, level, process_info};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Where to send: `http://host:port`, `kafka://host:port`, or `off`.
const ENDPOINT: &str = "FRAMELAKE_ENDPOINT";
/// `key=value` pairs with commas in between.
const PROPERTIES: &str = "FRAMELAKE_PROPERTIES";
/// The id of the process that started this one.
pub(crate) const PARENT_PROCESS: &str = "FRAMELAKE_PARENT_PROCESS";
/// What is recorded: `info,net=debug,spans:physics=off`.
const FILTER: &str = "FRAMELAKE_FILTER";
/// Lines up to this level are recorded, where no rule for their target says otherwise.
const LEVEL: &str = "FRAMELAKE_LEVEL";
/// Whether the server may say what is recorded: `on` or `off`.
const SERVER_CONTROL: &str = "FRAMELAKE_SERVER_CONTROL";
/// Only spans of frames that take so many medians are kept, such as `3`; or `off`.
const KEEP_SLOW_FRAMES: &str = "FRAMELAKE_KEEP_SLOW_FRAMES";
/// How often buffers are drained, such as `100ms`.
const DRAIN_PERIOD: &str = "FRAMELAKE_DRAIN_PERIOD";

/// Where blocks wait that memory has no room for: a directory, or `off`.
const SPOOL: &str = "FRAMELAKE_SPOOL";
/// How many bytes may wait there, such as `512MiB`.
const SPOOL_BYTES: &str = "FRAMELAKE_SPOOL_BYTES";
/// Whether what was recorded survives a crash: `on`, `off`, or a directory for its files.
const CRASH_SAFE: &str = "FRAMELAKE_CRASH_SAFE";
/// The certificates (PEM) that sign an `https` endpoint's.
const CA_FILE: &str = "FRAMELAKE_CA_FILE";

/// Applies the environment to `settings`.
pub(crate) fn apply(settings: &mut Settings) -> Result<()> {
    apply_from(settings, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn apply_from(settings: &mut Settings, variable: impl Fn(&str) -> Option<String>) -> Result<()> {
    if let Some(endpoint) = variable(ENDPOINT) {
        settings.endpoint = endpoint;
    }
    if let Some(text) = variable(PROPERTIES) {
        settings.properties.extend(properties(&text)?);
    }
    if let Some(text) = variable(PARENT_PROCESS) {
        settings.parent = Some(text.trim().parse().map_err(Error::ParentProcess)?);
    }
    if let Some(text) = variable(FILTER) {
        settings.filter = text.parse()?;
    }
    if let Some(text) = variable(LEVEL) {
        settings.filter.set_level(level::parse(&text)?);
    }
    if let Some(text) = variable(SERVER_CONTROL) {
        settings.server_control = match text.as_str() {
            "on" => true,
            "off" => false,
            _ => return Err(Error::ServerControl { text }),
        };
    }
    if let Some(text) = variable(KEEP_SLOW_FRAMES) {
        settings.keep_slow_frames = match text.trim() {
            "off" => None,
            factor => Some(factor.parse().map_err(|_| Error::KeepSlowFrames { text })?),
        };
    }
    if let Some(text) = variable(DRAIN_PERIOD) {
        settings.drain_period = duration(&text).ok_or(Error::DrainPeriod { text })?;
    }
    if let Some(text) = variable(SPOOL) {
        settings.spool = if text == "off" { Spool::Off } else { Spool::At(text.into()) };
    }
    if let Some(text) = variable(SPOOL_BYTES) {
        settings.spool_bytes = bytes(&text).ok_or(Error::SpoolBytes { text })?;
    }
    if let Some(text) = variable(CRASH_SAFE) {
        settings.crash_safe = match text.as_str() {
            "on" => CrashSafe::BesideSpool,
            "off" => CrashSafe::Off,
            dir => CrashSafe::At(dir.into()),
        };
    }
    if let Some(path) = variable(CA_FILE) {
        settings.ca_file = Some(path.into());
    }
    Ok(())
}

fn properties(text: &str) -> Result<BTreeMap<String, String>> {
    let mut properties = BTreeMap::new();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(|| Error::Properties { text: pair.to_owned() })?;
        properties.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(properties)
}

fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Where programs of this user keep what they need again after their end. Without a home that is the directory for temporary files.
pub(crate) fn state_directory() -> PathBuf {
    state_directory_from(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn state_directory_from(variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let home = || variable("HOME").map(|home| home.join(".local/state"));
    // A relative XDG_STATE_HOME is to be ignored (XDG Base Directory Specification 0.8).
    let state = variable("XDG_STATE_HOME").filter(|path| path.is_absolute());
    match state.or_else(|| if cfg!(windows) { variable("LOCALAPPDATA") } else { home() }) {
        Some(state) => state.join("framelake").join("spool"),
        None => std::env::temp_dir().join(format!("framelake-spool-{}", process_info::user())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;

    fn apply_text(pairs: &[(&str, &str)]) -> Result<Settings> {
        let mut settings = Settings { endpoint: "http://built:1".into(), ..Settings::default() };
        settings.properties.insert("map".into(), "castle".into());
        let variable = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        apply_from(&mut settings, variable).map(|()| settings)
    }

    #[test]
    fn the_environment_wins_over_the_program_and_leaves_the_rest() {
        let settings = apply_text(&[
            (ENDPOINT, "http://set:2"),
            (PROPERTIES, "build=1234, map=arena,"),
            (PARENT_PROCESS, "0190163d-8694-739b-aea5-966c26f8ad91"),
            (FILTER, "info,net=debug"),
            (LEVEL, "warn"),
            (SERVER_CONTROL, "off"),
            (KEEP_SLOW_FRAMES, "2.5"),
            (DRAIN_PERIOD, "100ms"),
            (SPOOL, "/var/spool/game"),
            (SPOOL_BYTES, "64 MiB"),
            (CA_FILE, "/etc/ca.pem"),
        ])
        .unwrap();
        assert_eq!(settings.endpoint, "http://set:2");
        assert_eq!(
            settings.properties.into_iter().collect::<Vec<_>>(),
            [("build".into(), "1234".into()), ("map".into(), "arena".into())]
        );
        assert_eq!(settings.parent.unwrap().to_string(), "0190163d-8694-739b-aea5-966c26f8ad91");
        assert_eq!(settings.filter, "warn,net=debug".parse().unwrap());
        assert_eq!(settings.drain_period, Duration::from_millis(100));
        assert_eq!((settings.server_control, settings.keep_slow_frames), (false, Some(2.5)));

        assert_eq!(settings.spool, Spool::At("/var/spool/game".into()));
        assert_eq!((settings.spool_bytes, settings.ca_file), (64 << 20, Some("/etc/ca.pem".into())));

        let untouched = apply_text(&[]).unwrap();
        assert_eq!((untouched.endpoint.as_str(), untouched.filter), ("http://built:1", Filter::default()));
        assert_eq!(apply_text(&[(LEVEL, "off")]).unwrap().filter, "off".parse().unwrap());
        assert_eq!((untouched.spool, untouched.crash_safe), (Spool::Default, CrashSafe::Off));
        assert_eq!(apply_text(&[(CRASH_SAFE, "on")]).unwrap().crash_safe, CrashSafe::BesideSpool);
        assert_eq!(
            apply_text(&[(CRASH_SAFE, "/dev/shm/game")]).unwrap().crash_safe,
            CrashSafe::At("/dev/shm/game".into())
        );
        assert_eq!(apply_text(&[(SPOOL, "off")]).unwrap().spool, Spool::Off);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_says_what_to_give() {
        let check = |name, value, remedy: &str| {
            let message = apply_text(&[(name, value)]).unwrap_err().to_string();
            assert!(message.contains(remedy), "{message}");
        };
        check(LEVEL, "loud", "give off, fatal");
        check(FILTER, "loud", "spans:physics=off");
        check(SERVER_CONTROL, "perhaps", "give on or off");
        check(KEEP_SLOW_FRAMES, "few", "such as 3");
        check(DRAIN_PERIOD, "often", "such as 100ms");
        check(SPOOL_BYTES, "much", "such as 512MiB");
        check(SPOOL_BYTES, "99999999999GiB", "such as 512MiB");
        check(PROPERTIES, "build", "key=value");
        check(PARENT_PROCESS, "12", "give a UUID");
    }

    #[cfg(unix)]
    #[test]
    fn the_spool_is_with_the_users_state() {
        let check = |pairs: &[(&str, &str)], expected: PathBuf| {
            let variable =
                |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value));
            assert_eq!(state_directory_from(variable), expected);
        };
        check(&[("XDG_STATE_HOME", "/state"), ("HOME", "/home/me")], "/state/framelake/spool".into());
        check(&[("XDG_STATE_HOME", "here"), ("HOME", "/home/me")], "/home/me/.local/state/framelake/spool".into());
        check(&[], std::env::temp_dir().join(format!("framelake-spool-{}", process_info::user())));
    }
}
