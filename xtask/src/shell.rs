//! Runs other programs: what was run is always said, input is never waited for.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// The workspace's folder: where cargo says that this package is, or was when it was built.
pub(crate) fn root() -> PathBuf {
    let here =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), Path::to_path_buf)
}

/// A command in the workspace's folder, without input.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A command as one would type it, without its environment.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs a command with its output on our terminal.
///
/// # Errors
/// When it cannot start, or ends other than well.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// Runs a command and returns what it printed.
///
/// # Errors
/// When it cannot start, or ends other than well; the error carries what it said.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` ended with {}: {}", line(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Repeats what talks to a registry: those fail now and then.
///
/// # Errors
/// The last attempt's.
pub(crate) fn patiently<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(10)];
    for pause in PAUSES {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) => eprintln!("{error:#}\nonce more in {} s", pause.as_secs()),
        }
        std::thread::sleep(pause);
    }
    attempt()
}

/// Where a program is on `PATH`.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Whether we may install Debian packages.
pub(crate) fn is_superuser() -> bool {
    output(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
