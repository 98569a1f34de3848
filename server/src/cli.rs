//! What can be said on the command line. Every setting of the configuration is a flag of every command that uses it.

use crate::config::{SETTINGS, units};
use clap::{Arg, ArgAction, Command};

/// The whole command line.
pub(crate) fn command() -> Command {
    Command::new("framelake")
        .about("Unified observability for programs that do a great deal every frame")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            with_settings(Command::new("run").about("Run Framelake: all roles, or those named")).arg(
                Arg::new("role")
                    .long("role")
                    .value_name("ROLE")
                    .action(ArgAction::Append)
                    .value_parser(["gateway", "writer", "query", "maintain"])
                    .help("A role to run; may be given several times. Default: all"),
            ),
        )
        .subcommand(
            with_settings(
                Command::new("sql").about("Ask a query of the running server, or of the data directory when none runs"),
            )
            .arg(Arg::new("query").required(true).value_name("SELECT").help("The query"))
            .arg(
                Arg::new("format")
                    .long("format")
                    .value_name("FORMAT")
                    .value_parser(["table", "csv", "json"])
                    .default_value("table")
                    .help("How rows are printed; json is one object per line"),
            ),
        )
        .subcommand(
            with_settings(Command::new("status").about("What runs, how far it is, and what is missing"))
                .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object")),
        )
        .subcommand(control())
        .subcommand(
            with_settings(
                Command::new("recover")
                    .about("Send what programs that are gone left in a spool directory, without running them again"),
            )
            .arg(Arg::new("dir").required(true).value_name("DIR").help(
                "The spool's directory, or one above several; by default programs have ~/.local/state/framelake/spool",
            ))
            .arg(
                Arg::new("endpoint")
                    .long("endpoint")
                    .value_name("URL")
                    .help("Where to send: http://HOST:PORT. Default: the running server"),
            )
            .arg(
                Arg::new("timeout")
                    .long("timeout")
                    .value_name("DURATION")
                    .default_value("1m")
                    .value_parser(|text: &str| units::duration(text).map_err(|error| format!("{error:#}")))
                    .help("How long to try for each directory; what is left then stays there"),
            ),
        )
        .subcommand(with_settings(
            Command::new("config").about("Every setting, the value in force and where it came from"),
        ))
        .subcommand(
            with_settings(Command::new("demo").about("Watch a game with real physics, from macro to SQL"))
                .arg(
                    Arg::new("seconds")
                        .long("seconds")
                        .value_name("N")
                        .default_value("15")
                        .value_parser(clap::value_parser!(u64).range(1..=86_400))
                        .help("How long the game runs"),
                )
                .arg(
                    Arg::new("keep")
                        .long("keep")
                        .action(ArgAction::SetTrue)
                        .help("Leave the server running afterwards, until Ctrl-C"),
                )
                .arg(
                    Arg::new("counts")
                        .long("counts")
                        .value_name("FILE")
                        .help("Also write the checked counts, as JSON, to this file"),
                ),
        )
        .subcommand(
            Command::new("demo-game")
                .about("The game that `demo` watches")
                .hide(true)
                .arg(Arg::new("seconds").long("seconds").required(true).value_parser(clap::value_parser!(u64)))
                .arg(Arg::new("endpoint").long("endpoint").required(true))
                .arg(Arg::new("report").long("report").required(true)),
        )
}

/// What running programs are told to record.
fn control() -> Command {
    let of_server = |command: Command| {
        with_settings(command).arg(
            Arg::new("http-url")
                .long("http-url")
                .value_name("URL")
                .help("The gateway to talk to: http://HOST:PORT. Default: the running server"),
        )
    };
    let of_whom = |command: Command| {
        of_server(command)
            .arg(
                Arg::new("process")
                    .long("process")
                    .value_name("ID")
                    .conflicts_with("exe")
                    .help("One process, by its id in the table processes; goes before --exe"),
            )
            .arg(
                Arg::new("exe")
                    .long("exe")
                    .value_name("NAME")
                    .help("The processes of one program, by the name of its file; goes before the text for all"),
            )
    };
    Command::new("control")
        .about("What running programs are told to record: levels of log lines, spans and metrics on or off, by target")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            of_server(Command::new("show").about("What is said now, and to whom"))
                .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object")),
        )
        .subcommand(
            of_whom(Command::new("set").about(
                "Say it: to all programs, or to those named. It takes the place of their own filters with the reply to their next batch",
            ))
            .arg(
                Arg::new("filter")
                    .required(true)
                    .value_name("FILTER")
                    .help("Rules with commas in between, such as info,net=debug,spans:physics=off,metrics:audio=off"),
            ),
        )
        .subcommand(
            of_whom(Command::new("clear").about(
                "Take it back: what was said to all, or to those named. Programs that nothing is said to any more go back to their own filters",
            ))
            .arg(
                Arg::new("everything")
                    .long("everything")
                    .action(ArgAction::SetTrue)
                    .conflicts_with_all(["process", "exe"])
                    .help("All that was ever said, to whomever"),
            ),
        )
}

fn with_settings(command: Command) -> Command {
    let command = command.arg(
        Arg::new("config").long("config").value_name("FILE").help("A TOML file of settings [env: FRAMELAKE_CONFIG]"),
    );
    SETTINGS.iter().fold(command, |command, setting| {
        let shown = if setting.default.is_empty() { String::new() } else { format!(" [default: {}]", setting.default) };
        // Boolean flags may stand without a value: `--listen-without-authentication`.
        let bare = setting.value_name == "BOOL";
        // The command line is made once and lives as long as the process.
        let flag: &'static str = setting.flag().leak();
        let arg = Arg::new(setting.key)
            .long(flag)
            .value_name(setting.value_name)
            .help_heading("Settings")
            .help(format!("{}{shown} [env: {}]", setting.help, setting.variable()));
        command.arg(if bare { arg.num_args(0..=1).require_equals(true).default_missing_value("true") } else { arg })
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }

    #[test]
    fn a_boolean_setting_stands_without_a_value() {
        let matches = super::command()
            .try_get_matches_from(["framelake", "run", "--listen-without-authentication", "--role", "query"])
            .unwrap();
        let run = matches.subcommand_matches("run").unwrap();
        assert_eq!(run.get_one::<String>("listen_without_authentication").unwrap(), "true");
    }
}
