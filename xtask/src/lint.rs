//! Checks of the tree: format, lints, the API's rules and compatibility, dependencies, manifests.

mod baseline;
mod manifests;

use anyhow::Result;

use crate::{
    report::{Outcome, Report},
    shell::{cargo, run},
    tools::Tools,
};

/// Tools that the checks need.
pub(crate) const TOOLS: [&str; 4] = ["python", "promtool", "kube-score", "cargo-deny"];

/// Adds the checks to a report.
pub(crate) fn steps(report: &mut Report, tools: &Tools) {
    report.step("format", || run(cargo().args(["fmt", "--all", "--check"])));
    report.step("clippy", clippy);
    report.step("buf lint", || run(tools.command("buf").arg("lint")));
    report.step_or_skip("buf breaking", || breaking(tools));
    report.step("cargo deny", || deny(tools));
    report.step("kubernetes", || manifests::kubernetes(tools));
    report.step("prometheus", || manifests::prometheus(tools));
}

fn clippy() -> Result<()> {
    let mut command = cargo();
    command.args([
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--features",
        "logicore-cli/peers",
    ]);
    run(command.args(["--", "-D", "warnings"]))
}

/// The API may grow; what is there stays as it is on the wire and in generated code. Examples are linted, but promise nothing.
fn breaking(tools: &Tools) -> Result<Outcome> {
    let earlier = match baseline::checkout()? {
        baseline::Found::Earlier(earlier) => earlier,
        baseline::Found::Nothing(reason) => return Ok(Outcome::Skipped(reason)),
    };
    println!("against {}", earlier.name);
    run(tools
        .command("buf")
        .args(["breaking", "proto", "--against"])
        .arg(earlier.folder().join("proto")))?;
    Ok(Outcome::Done)
}

/// Advisories are left out: their database is a git repository that package registries do not carry.
fn deny(tools: &Tools) -> Result<()> {
    let mut command = tools.command("cargo-deny");
    run(command.args([
        "--workspace",
        "--locked",
        "check",
        "--show-stats",
        "bans",
        "licenses",
        "sources",
    ]))
}
