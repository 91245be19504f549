//! The command line. Flags of settings come from the table of settings, so that neither can know more than the other.

use std::{collections::BTreeMap, ffi::OsString};

use clap::{Arg, ArgMatches, error::Error};
use logicore::settings::{KEYS, Key, Role};

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) command: Command,
    /// Settings given as flags, by the setting's name.
    pub(crate) flags: BTreeMap<String, String>,
}

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Runs a role.
    Run(Role),
    /// Prints a role's settings.
    CheckConfig(Role),
    /// Prints the OpenAPI document.
    OpenApi,
    /// Prints everything that is routed.
    Routes,
    /// Makes the first admin.
    Bootstrap {
        /// Login email.
        email: String,
    },
}

impl Command {
    /// The role whose settings the command reads.
    pub(crate) fn role(&self) -> Role {
        match self {
            Self::Run(role) | Self::CheckConfig(role) => *role,
            Self::OpenApi | Self::Routes | Self::Bootstrap { .. } => Role::Cli,
        }
    }
}

const ROLES: [(Role, &str); 5] = [
    (
        Role::All,
        "Runs every role in one process, on an embedded database (the default)",
    ),
    (Role::Auth, "Runs the auth service: accounts, sessions, tokens, keys"),
    (Role::User, "Runs the user service: profiles"),
    (Role::Admin, "Runs the admin service: roles, audit log, operations"),
    (Role::Gateway, "Runs the gateway: gRPC, gRPC-Web and REST on one port"),
];

/// Reads the command line.
///
/// # Errors
/// What clap says, help and version among it.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, Error> {
    let matches = program().try_get_matches_from(args)?;
    let (command, innermost) = command(&matches);
    let flags = KEYS.iter().filter(|key| !key.secret);
    let given = flags.filter_map(|key| Some((key.name.to_owned(), innermost.get_one::<String>(key.name)?.clone())));
    Ok(Invocation {
        flags: given.collect(),
        command,
    })
}

fn program() -> clap::Command {
    let mut program = clap::Command::new("logicore")
        .version(logicore::VERSION)
        .about("One binary in front of your gRPC services: login, roles, REST, limits, breakers, metrics, traces")
        .after_help("Every setting has a name in the environment and in ./.env too; docs/settings.md lists them all.")
        .args(KEYS.iter().filter(|key| !key.secret).map(flag));
    for (role, about) in ROLES {
        let mut command = clap::Command::new(role.as_str()).about(about);
        if role == Role::Admin {
            command = command.subcommand(bootstrap());
        }
        program = program.subcommand(command);
    }
    let role = Arg::new("role")
        .value_parser(ROLES.map(|(role, _)| role.as_str()))
        .default_value(Role::All.as_str())
        .help("Role whose settings are read");
    program
        .subcommand(
            clap::Command::new("check-config")
                .about("Prints the settings in force and where each comes from, secrets masked")
                .arg(role),
        )
        .subcommand(clap::Command::new("openapi").about("Prints the OpenAPI document of the REST API"))
        .subcommand(
            clap::Command::new("routes")
                .about("Prints every method that is routed: REST path, access, idempotency, upstream"),
        )
}

fn bootstrap() -> clap::Command {
    clap::Command::new("bootstrap")
        .about("Makes the first admin and prints a code that sets the password, once, within 30 minutes")
        .arg(
            Arg::new("email")
                .long("email")
                .required(true)
                .help("Login email of the admin"),
        )
}

/// The flag of a setting, good at every place of the command line.
fn flag(key: &'static Key) -> Arg {
    let default = key.default(Role::All);
    let default = if default.is_empty() {
        default
    } else {
        format!(", default {default}")
    };
    let arg = Arg::new(key.name)
        .long(key.flag())
        .global(true)
        .help_heading("Settings")
        .value_name("VALUE")
        .help(format!("{} [{}{default}]", key.help, key.env));
    match default_flag(key) {
        // `--demo` alone means yes; a value needs the equals sign, else it would swallow a role.
        true => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        false => arg,
    }
}

/// Whether a setting is yes or no.
fn default_flag(key: &Key) -> bool {
    matches!(key.name, "demo" | "mesh_plaintext")
}

fn command(matches: &ArgMatches) -> (Command, &ArgMatches) {
    let Some((name, inner)) = matches.subcommand() else {
        return (Command::Run(Role::All), matches);
    };
    match (name, inner.subcommand()) {
        ("admin", Some((_, bootstrap))) => {
            let email = bootstrap.get_one::<String>("email").cloned().unwrap_or_default();
            (Command::Bootstrap { email }, bootstrap)
        }
        ("check-config", _) => {
            let role = inner.get_one::<String>("role").map_or(Role::All, |name| role(name));
            (Command::CheckConfig(role), inner)
        }
        ("openapi", _) => (Command::OpenApi, inner),
        ("routes", _) => (Command::Routes, inner),
        (name, _) => (Command::Run(role(name)), inner),
    }
}

fn role(name: &str) -> Role {
    let known = ROLES.iter().find(|(role, _)| role.as_str() == name);
    known.map_or(Role::All, |(role, _)| *role)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Invocation, Error> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        program().debug_assert();
    }

    #[test]
    fn without_a_command_every_role_runs() {
        assert_eq!(read("logicore").unwrap().command, Command::Run(Role::All));
        assert_eq!(read("logicore admin").unwrap().command, Command::Run(Role::Admin));
        assert_eq!(
            read("logicore check-config auth").unwrap().command,
            Command::CheckConfig(Role::Auth)
        );
    }

    #[test]
    fn flags_are_taken_before_and_behind_the_command() {
        for line in [
            "logicore --rate-limit 5 --demo gateway",
            "logicore gateway --rate-limit 5 --demo",
            "logicore gateway --rate-limit=5 --demo=true",
        ] {
            let read = read(line).unwrap();
            assert_eq!(read.command, Command::Run(Role::Gateway), "{line}");
            assert_eq!(
                (&*read.flags["rate_limit"], &*read.flags["demo"]),
                ("5", "true"),
                "{line}"
            );
        }
    }

    #[test]
    fn secrets_have_no_flag() {
        for line in [
            "logicore --jwt-secret x",
            "logicore --mesh-secret=x",
            "logicore --nothing",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_first_admin_needs_an_email() {
        assert!(read("logicore admin bootstrap").is_err());
        let read = read("logicore admin bootstrap --email a@example.com --data-dir /x").unwrap();
        assert_eq!(
            read.command,
            Command::Bootstrap {
                email: "a@example.com".to_owned()
            }
        );
        assert_eq!(read.flags["data_dir"], "/x");
    }
}
