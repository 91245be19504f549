//! A program that runs to its end.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::Context as _;

/// How long a command may take on a loaded machine with a debug build.
const LIMIT: Duration = Duration::from_secs(30);

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit status; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs `program` to its end. Its environment is `env` and `PATH` alone.
///
/// # Errors
/// When it cannot be started, or does not end.
pub async fn run(program: &Path, args: &[&str], env: &[(String, String)], dir: &Path) -> anyhow::Result<Finished> {
    let mut command = tokio::process::Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(env.iter().map(|(k, v)| (k, v)))
        .current_dir(dir)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output())
        .await
        .with_context(|| format!("{command:?} does not end"))??;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Finished {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    })
}
