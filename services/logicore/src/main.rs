//! The `logicore` binary: one program, four roles or all in one, and the commands of operators.

#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]
#![allow(clippy::print_stderr, reason = "a program talks to its terminal")]

mod banner;
mod bootstrap;
mod check_config;
mod cli;
mod process;
mod run;
mod terminal;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use logicore::{
    Context,
    settings::{Loaded, Problems, Role, Sources},
};

use cli::Command;
use terminal::plain;

/// Status of a program that was called or set up wrongly (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(error) => {
            // Where even that cannot be printed there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() {
                USAGE.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let role = invocation.command.role();
    match load(invocation.flags, role) {
        Ok(loaded) => perform(&invocation.command, loaded),
        Err(problems) => {
            eprintln!("{}", plain(&problems.to_string()));
            USAGE.into()
        }
    }
}

fn load(flags: std::collections::BTreeMap<String, String>, role: Role) -> Result<Loaded, Problems> {
    Sources::from_process(flags)?.load(role)
}

fn perform(command: &Command, loaded: Loaded) -> ExitCode {
    let done = match command {
        Command::Run(_) => run::run(loaded),
        Command::CheckConfig(_) => check_config::run(&loaded),
        Command::OpenApi => offline(loaded, async |ctx| logicore_gateway::openapi_document(ctx).await),
        Command::Routes => offline(loaded, async |ctx| {
            let (table, notes) = logicore_gateway::routes_table(ctx).await?;
            notes.iter().for_each(|note| eprintln!("warning: {}", plain(note)));
            Ok(plain(&table).into_bytes())
        }),
        Command::Bootstrap { email } => bootstrap::run(loaded, email),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("logicore: {}", plain(&told(&error)));
            ExitCode::FAILURE
        }
    }
}

/// Prints what a gateway with these settings would say, without being one.
fn offline(loaded: Loaded, make: impl AsyncFnOnce(&Context) -> Result<Vec<u8>, logicore::Error>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let text = runtime.block_on(async {
        let (ctx, _) = process::context(loaded.settings);
        make(&ctx).await
    })?;
    runtime.shutdown_background();
    say(&text)?;
    Ok(())
}

/// An error for whoever started the program: without the reason, which is for callers' programs, and without what a cause repeats.
fn told(error: &anyhow::Error) -> String {
    match error.downcast_ref::<logicore::Error>() {
        Some(ours) => {
            let whole = logicore::error::chain(ours);
            let reason = format!("{}: ", ours.reason().as_str());
            whole.strip_prefix(&reason).unwrap_or(&whole).to_owned()
        }
        None => logicore::error::chain(error.as_ref()),
    }
}

/// Writes to standard output. Whoever reads there may have read enough, as `head` does.
fn say(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
