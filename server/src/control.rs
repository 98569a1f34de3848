//! `framelake control`: what running programs are told to record, through the gateway's `/v1/control`.

pub(crate) mod kept_texts;

use crate::{
    config::{self, Config},
    server_http::{self, Answer},
};
use anyhow::{Context, bail};
use clap::ArgMatches;
use framelake_gateway::Texts;
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
    let url = format!("{}/v1/control", server_http::url(config, asked.http_url.as_deref()).await?);
    let texts = read(server_http::get(&url).await?, &url)?;
    match changed(&texts, &asked.what)? {
        None => show(&texts, asked.what == What::Show { json: true })?,
        Some(new) if new == texts => println!("nothing to change: {url} says that already"),
        Some(new) => {
            let new = read(server_http::put(&url, serde_json::to_vec(&new)?).await?, &url)?;
            show(&new, false)?;
        }
    }
    Ok(())
}

/// The texts as `what` would have them; `None` where nothing is to be changed.
///
/// # Errors
/// Programs would not understand the text, or there is no such process id.
fn changed(texts: &Texts, what: &What) -> anyhow::Result<Option<Texts>> {
    let mut texts = texts.clone();
    let (whom, text) = match what {
        What::Show { .. } => return Ok(None),
        What::ClearEverything => return Ok(Some(Texts::default())),
        What::Clear(whom) => (whom, None),
        What::Set { whom, filter } => {
            config::filter(filter).with_context(|| format!("programs would not understand {filter:?}"))?;
            (whom, Some(filter.clone()))
        }
    };
    let (places, name) = match whom {
        Whom::All => {
            texts.default = text;
            return Ok(Some(texts));
        }
        Whom::Exe(exe) => (&mut texts.exes, exe.clone()),
        Whom::Process(id) => {
            let id: ProcessId = id.parse().with_context(|| {
                format!("{id:?} is no process id; `framelake sql \"SELECT process_id, exe FROM processes\"` lists them")
            })?;
            (&mut texts.processes, id.to_string())
        }
    };
    match text {
        Some(text) => drop(places.insert(name, text)),
        None => drop(places.remove(&name)),
    }
    Ok(Some(texts))
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
        let mut texts = Texts::default();
        for command in commands {
            let line = ["framelake", "control"].iter().chain(*command);
            let matches = crate::cli::command().try_get_matches_from(line)?;
            let (_, matches) = matches.subcommand().context("control")?;
            let (action, matches) = matches.subcommand().context("an action")?;
            if let Some(new) = changed(&texts, &Asked::new(action, matches).what)? {
                texts = new;
            }
        }
        Ok(texts)
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
