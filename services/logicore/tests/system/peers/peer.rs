//! How other people's programs are found, run and ended.

use std::{
    env,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use logicore_harness::{get, soon};
use tokio::process::{Child, Command};

/// How long a program may take that answers and ends: none takes a tenth of it on a machine that does nothing else.
const LIMIT: Duration = Duration::from_secs(60);
const HINT: &str = "`cargo xtask tools` installs what the tests need, `cargo xtask test` runs them with it";

/// Where a program is.
pub(super) fn find(name: &str) -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.with_context(|| format!("{name} is not on PATH; {HINT}"))
}

/// A program that ends with what runs it.
pub(super) fn program(name: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(find(name)?);
    command.kill_on_drop(true).stdin(Stdio::null());
    Ok(command)
}

/// What a program left.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Exit status; -1 where a signal ended it.
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Runs a program to its end.
pub(super) async fn run(command: &mut Command) -> anyhow::Result<Outcome> {
    let ended = tokio::time::timeout(LIMIT, command.output()).await;
    let output = ended.with_context(|| format!("{command:?} does not end"))??;
    Ok(Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

/// Runs a script beside these tests, which prints JSON.
pub(super) async fn script(interpreter: &str, file: &str, args: &[&str]) -> anyhow::Result<serde_json::Value> {
    // What it leaves behind, or the browser that it starts, goes with this folder.
    let scratch = tempfile::tempdir()?;
    let mut command = program(interpreter)?;
    command.arg(beside(file)).args(args).env("TMPDIR", scratch.path());
    let outcome = run(&mut command).await?;
    if outcome.code != 0 {
        bail!("{file}: {}{}\n({HINT})", outcome.stdout, outcome.stderr);
    }
    serde_json::from_str(&outcome.stdout).with_context(|| outcome.stdout)
}

/// A file beside these tests.
pub(super) fn beside(file: &str) -> PathBuf {
    workspace("services/logicore/tests/system/peers").join(file)
}

/// A path in the workspace.
pub(super) fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Starts a server and waits until `path` on its port answers 200. It ends with the value.
pub(super) async fn serve(command: &mut Command, port: u16, path: &str) -> anyhow::Result<Child> {
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let address = ([127, 0, 0, 1], port).into();
    let what = format!("{command:?} serves {path} on port {port}");
    soon(&what, async || {
        if let Some(status) = child.try_wait()? {
            bail!("{command:?} ended: {status}");
        }
        let answer = get(address, path, "").await;
        Ok(answer.is_ok_and(|answer| answer.status == 200).then_some(()))
    })
    .await?;
    Ok(child)
}

/// A program that stands in for `logicore`: a shell script that ends with becoming it, so that it has the same process id.
pub(super) fn wrapper(folder: &Path, script: &str) -> anyhow::Result<String> {
    let file = folder.join("logicore");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n"))?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700))?;
    Ok(file.display().to_string())
}
