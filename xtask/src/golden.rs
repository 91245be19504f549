//! Golden files: answers that tests compare with, kept in the tree so that a change of behaviour shows in review.

use anyhow::Result;

use crate::shell::{cargo, run};

/// Environment variable that makes a golden test write its file instead of comparing with it.
const REWRITE: &str = "UPDATE_GOLDEN";

/// Runs the tests in the mode that rewrites their golden files.
///
/// # Errors
/// When a test fails for another reason.
pub(crate) fn rewrite() -> Result<()> {
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    run(command.env(REWRITE, "1").env("INSTA_UPDATE", "always"))?;
    println!("golden files are rewritten; `git diff` shows what changed");
    Ok(())
}
