//! What CI runs, in order: tools, checks of the tree, tests.

use anyhow::Result;

use crate::{
    fuzz, lint,
    report::Report,
    shell::{cargo, run},
    tools::Tools,
};

/// How long each target is fuzzed here; `cargo xtask soak` takes longer.
const FUZZ_SECONDS: u32 = 60;

/// The full suite.
///
/// # Errors
/// When a step fails.
pub(crate) fn test() -> Result<()> {
    let tools = Tools::open()?;
    let mut report = Report::default();
    report.step("tools", || tools.ensure(&[]));
    lint::steps(&mut report, &tools);
    report.step("tests", || tests(&tools));
    report.step("fuzz", || fuzz::run(&fuzz::Options::all(FUZZ_SECONDS)));
    report.finish()
}

/// The checks that build no test.
///
/// # Errors
/// When a step fails.
pub(crate) fn lint() -> Result<()> {
    let tools = Tools::open()?;
    let mut report = Report::default();
    report.step("tools", || tools.ensure(&lint::TOOLS.map(str::to_owned)));
    lint::steps(&mut report, &tools);
    report.finish()
}

/// One build for everything: the tests against real peers are a feature of the binary's package, and building that
/// package alone would give its dependencies other features and compile them a second time.
fn tests(tools: &Tools) -> Result<()> {
    let mut command = cargo();
    command.args([
        "test",
        "--locked",
        "--workspace",
        "--no-fail-fast",
        "--features",
        "logicore-cli/peers",
    ]);
    tools.export(&mut command)?;
    run(&mut command)
}
