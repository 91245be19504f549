//! Code and descriptors of the example, by its own script.

use std::path::Path;

use anyhow::ensure;
use tempfile::TempDir;
use tokio::process::Command;

use super::super::peer;

/// A folder with the code and the descriptors, written by the example's own script.
pub(super) async fn generated() -> anyhow::Result<TempDir> {
    let work = tempfile::tempdir()?;
    let script = "import pathlib, run, sys; run.generate(sys.executable, pathlib.Path(sys.argv[1]))";
    let mut command = python(work.path())?;
    let outcome = peer::run(command.args(["-c", script]).arg(work.path())).await?;
    ensure!(outcome.code == 0, "{}", outcome.stderr);
    Ok(work)
}

/// Python with the example and its generated code.
pub(super) fn python(work: &Path) -> anyhow::Result<Command> {
    let example = peer::workspace("examples/shipments");
    let mut command = peer::program("python")?;
    command.current_dir(&example);
    command.env("PYTHONPATH", std::env::join_paths([work, &example])?);
    // The tree of the project stays as it is.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}
