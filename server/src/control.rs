//! `framelake control`: what running programs are told to record, through the gateway's `/v1/control`.

pub(crate) mod kept_texts;

use crate::{
    config::{self, Config},
    server_http::{self, Answer},
};
use anyhow::{Context, bail};
use clap::ArgMatches;
use framelake_gateway::{Change, Texts};
use framelake_wire::ProcessId;

/// What was asked for on the command line.
#[derive(Debug)]
pub(crate) struct Asked {
    http_url: Option<String>,
    what: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Show { json: bool },
    Set { whom: Whom, filter: String },
    Clear(Whom),
    ClearEverything,
}

/// Whom a text is for.
#[derive(Debug, PartialEq, Eq)]
enum Whom {
    All,
    Exe(String),
    Process(String),
}

impl Asked {
    /// What `action` and its arguments ask for.
    pub(crate) fn new(action: &str, matches: &ArgMatches) -> Self {
        let given = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
        let flag = |name: &str| matches.try_get_one::<bool>(name).ok().flatten().is_some_and(|flag| *flag);
        let whom = || match (given("process"), given("exe")) {
            (Some(id), _) => Whom::Process(id),
            (None, Some(exe)) => Whom::Exe(exe),
            (None, None) => Whom::All,
        };
        let what = match action {
            "set" => What::Set { whom: whom(), filter: given("filter").unwrap_or_default() },
            "clear" if flag("everything") => What::ClearEverything,
            "clear" => What::Clear(whom()),
            _ => What::Show { json: flag("json") },
        };
        Self { http_url: given("http-url"), what }
    }
}

pub(crate) async fn control(config: &Config, asked: &Asked) -> anyhow::Result<()> {
    let change = change(&asked.what)?;
    let url = format!("{}/v1/control", server_http::url(config, asked.http_url.as_deref()).await?);
    let answer = match (&asked.what, change) {
        // Of that text alone: others may be at the same.
        (_, Some(change)) => server_http::patch(&url, serde_json::to_vec(&change)?).await?,
        (What::ClearEverything, None) => server_http::put(&url, serde_json::to_vec(&Texts::default())?).await?,
        (_, None) => server_http::get(&url).await?,
    };
    show(&read(answer, &url)?, asked.what == What::Show { json: true })
}

/// The change that `what` asks for; `None` where it is none, or of everything.
///
/// # Errors
/// Programs would not understand the text, or there is no such process id.
fn change(what: &What) -> anyhow::Result<Option<Change>> {
    let (whom, text) = match what {
        What::Show { .. } | What::ClearEverything => return Ok(None),
        What::Clear(whom) => (whom, None),
        What::Set { whom, filter } => {
            config::filter(filter).with_context(|| format!("programs would not understand {filter:?}"))?;
            (whom, Some(filter.clone()))
        }
    };
    let mut change = Change::default();
    match whom {
        Whom::All => change.default = Some(text),
        Whom::Exe(exe) => drop(change.exes.insert(exe.clone(), text)),
        Whom::Process(id) => {
            let id: ProcessId = id.parse().with_context(|| {
                format!("{id:?} is no process id; `framelake sql \"SELECT process_id, exe FROM processes\"` lists them")
            })?;
            change.processes.insert(id.to_string(), text);
        }
    }
    Ok(Some(change))
}

fn read(answer: Answer, url: &str) -> anyhow::Result<Texts> {
    match answer.status {
        200 => serde_json::from_str(&answer.body).with_context(|| format!("{url} answered {}", answer.body)),
        404 => bail!("{url} is not there: the server runs without the gateway role; name a gateway with --http-url"),
        status => bail!("{url} answered {status}: {}", answer.body),
    }
}

fn show(texts: &Texts, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(texts)?);
    } else {
        print!("{}", shown(texts));
    }
    Ok(())
}

fn shown(texts: &Texts) -> String {
    let mut lines = Vec::new();
    match &texts.default {
        Some(text) => lines.push(format!("all programs              {text}")),
        None => lines.push(
            "all programs              (what the gateway's setting gateway.control says, or their own)".to_owned(),
        ),
    }
    lines.extend(texts.exes.iter().map(|(exe, text)| format!("program {exe:<17} {text}")));
    lines.extend(texts.processes.iter().map(|(id, text)| format!("process {id} {text}")));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

    fn after(commands: &[&[&str]]) -> anyhow::Result<Texts> {
        let control = framelake_gateway::Control::default();
        for command in commands {
            let line = ["framelake", "control"].iter().chain(*command);
            let matches = crate::cli::command().try_get_matches_from(line)?;
            let (_, matches) = matches.subcommand().context("control")?;
            let (action, matches) = matches.subcommand().context("an action")?;
            let what = Asked::new(action, matches).what;
            match change(&what)? {
                Some(change) => drop(control.change(change)?),
                None if what == What::ClearEverything => drop(control.set(Texts::default())?),
                None => {}
            }
        }
        Ok(control.texts())
    }

    #[test]
    fn texts_are_set_and_cleared_for_whom_they_are_for() {
        let all = ["set", "info,spans:physics=off"];
        let game = ["set", "debug", "--exe", "game"];
        let upper = ID.to_uppercase();
        let one = ["set", "trace", "--process", &upper];
        let texts = after(&[&all, &game, &one]).unwrap();
        assert_eq!(texts.default.as_deref(), Some("info,spans:physics=off"));
        assert_eq!((&texts.exes["game"], &texts.processes[ID]), (&"debug".to_owned(), &"trace".to_owned()));
        assert_eq!(after(&[&all, &game, &one, &["show"]]).unwrap(), texts);

        let cleared = after(&[&all, &game, &one, &["clear", "--exe", "game"], &["clear", "--process", ID]]).unwrap();
        assert_eq!(cleared, Texts { default: texts.default.clone(), ..Texts::default() });
        assert_eq!(after(&[&all, &game, &["clear"]]).unwrap().default, None);
        assert_eq!(after(&[&all, &game, &one, &["clear", "--everything"]]).unwrap(), Texts::default());
    }

    #[test]
    fn what_programs_would_not_understand_is_refused_here() {
        let check = |command: &[&str], remedy: &str| {
            let message = format!("{:#}", after(&[command]).unwrap_err());
            assert!(message.contains(remedy), "{message}");
        };
        check(&["set", "loud"], "spans:physics=off");
        check(&["set", "info", "--process", "game"], "SELECT process_id");
        check(&["set", &"x=info,".repeat(1_000)], "over the limit");
        check(&["clear", "--everything", "--exe", "game"], "cannot be used with");
        check(&["set", "info", "--exe", "game", "--process", ID], "cannot be used with");
    }

    #[test]
    fn what_is_shown_names_everybody() {
        let texts = after(&[&["set", "debug", "--exe", "game"], &["set", "off", "--process", ID]]).unwrap();
        let shown = shown(&texts);
        for part in ["gateway.control", "program game", "debug", ID, "off"] {
            assert!(shown.contains(part), "{shown}");
        }
    }
}
