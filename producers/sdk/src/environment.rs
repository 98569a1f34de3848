//! The environment variables that the SDK reads, all of them, here. Where one is set it wins over what the program says.

use crate::settings::Settings;
use crate::{Error, Result, level};
use std::collections::BTreeMap;
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
/// How often buffers are drained, such as `100ms`.
const DRAIN_PERIOD: &str = "FRAMELAKE_DRAIN_PERIOD";

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
    if let Some(text) = variable(DRAIN_PERIOD) {
        settings.drain_period = duration(&text).ok_or(Error::DrainPeriod { text })?;
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
            (DRAIN_PERIOD, "100ms"),
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

        let untouched = apply_text(&[]).unwrap();
        assert_eq!((untouched.endpoint.as_str(), untouched.filter), ("http://built:1", Filter::default()));
        assert_eq!(apply_text(&[(LEVEL, "off")]).unwrap().filter, "off".parse().unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_says_what_to_give() {
        let check = |name, value, remedy: &str| {
            let message = apply_text(&[(name, value)]).unwrap_err().to_string();
            assert!(message.contains(remedy), "{message}");
        };
        check(LEVEL, "loud", "give off, fatal");
        check(FILTER, "loud", "spans:physics=off");
        check(DRAIN_PERIOD, "often", "such as 100ms");
        check(PROPERTIES, "build", "key=value");
        check(PARENT_PROCESS, "12", "give a UUID");
    }
}
