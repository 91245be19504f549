//! The long tests: the suite's own, with more rounds and more cases. Bounded by counts, not by patience.

use anyhow::Result;
use clap::Args;

use crate::{
    fuzz,
    report::Report,
    shell::{self, cargo},
    tools::Tools,
};

/// Rounds of tests that end a process in the middle of its work; such a test reads it and has a small number of its own.
const ROUNDS: &str = "SOAK_ROUNDS";

/// Words in the names of tests that take [`ROUNDS`] into account.
const ROUND_TESTS: [&str; 2] = ["kill", "rounds"];

/// How long is long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds of kill -9 in the middle of refreshes
    #[arg(long, default_value_t = 200)]
    rounds: u32,
    /// Cases of each property test
    #[arg(long, default_value_t = 20_000)]
    cases: u32,
    /// Seconds of each fuzz target
    #[arg(long, default_value_t = 600)]
    fuzz_seconds: u32,
}

/// Runs the long tests.
///
/// # Errors
/// When one fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let tools = Tools::open()?;
    let mut report = Report::default();
    report.step("tools", || tools.ensure(&[]));
    report.step("property tests", || {
        tests(&tools, &[], ("PROPTEST_CASES", options.cases))
    });
    report.step("kill -9 rounds", || {
        tests(&tools, &ROUND_TESTS, (ROUNDS, options.rounds))
    });
    report.step("fuzz", || fuzz::run(&fuzz::Options::all(options.fuzz_seconds)));
    report.finish()
}

fn tests(tools: &Tools, names: &[&str], (variable, value): (&str, u32)) -> Result<()> {
    let mut command = cargo();
    command.args([
        "test",
        "--locked",
        "--workspace",
        "--no-fail-fast",
        "--features",
        "logicore-cli/peers",
        "--",
    ]);
    command.args(names).env(variable, value.to_string());
    tools.export(&mut command)?;
    shell::run(&mut command)
}
