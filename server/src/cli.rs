//! What can be said on the command line. Every setting of the configuration is a flag of every command that uses it.

use crate::config::SETTINGS;
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
