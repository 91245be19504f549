//! The project's own chores. `cargo xtask --help` lists them.
//!
//! Everything that CI does is a subcommand here, so that a developer's machine and CI run the same thing: `.ci/run` calls
//! `cargo xtask test` and nothing else. Only the standard library runs processes; there is no task runner to install.

#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]
#![allow(clippy::print_stderr, reason = "a program talks to its terminal")]

mod bench;
mod fuzz;
mod golden;
mod lint;
mod report;
mod shell;
mod soak;
mod suite;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about = "LogiCore's own chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Installs the test tools, checks the tree and runs the full test suite: what CI runs
    Test,
    /// Format, clippy, API lint and compatibility, dependency bans and licences
    Lint,
    /// Installs the pinned test tools into the cache folder; says what is missing and how to get it
    Tools {
        /// Only these, by name
        names: Vec<String>,
        /// Lists the tools and what each is for, and installs nothing
        #[arg(long)]
        list: bool,
    },
    /// Fuzzes what callers write and upstreams answer; findings end it and lie under target/fuzz
    Fuzz(fuzz::Options),
    /// Rewrites the golden files; look at the difference before committing it
    Golden,
    /// The long tests: many rounds of kill -9, property tests with many cases
    Soak(soak::Options),
    /// Measures the release build
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Start to first answered login on existing data, idle memory, size of the binary
    Start(bench::start::Options),
    /// CPU time per call of the gateway beside Envoy's, protocol by protocol; memory and start-up
    Gateway(bench::gateway::Options),
}

fn main() -> ExitCode {
    if let Some(compiled) = fuzz::as_rustc() {
        // rustc has said what is wrong.
        return compiled.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    match perform(Cli::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // No backtrace: what failed is named, and where it stands in xtask helps nobody.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(chore: Chore) -> anyhow::Result<()> {
    match chore {
        Chore::Test => suite::test(),
        Chore::Lint => suite::lint(),
        Chore::Tools { list: true, .. } => {
            tools::list();
            Ok(())
        }
        Chore::Tools { names, .. } => tools::Tools::open()?.ensure(&names),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Golden => golden::rewrite(),
        Chore::Soak(options) => soak::run(&options),
        Chore::Bench {
            what: Bench::Start(options),
        } => bench::start::run(&options),
        Chore::Bench {
            what: Bench::Gateway(options),
        } => bench::gateway::run(&options),
    }
}
