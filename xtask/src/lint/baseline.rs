//! The API before this change, taken out of git into a folder of its own.
//!
//! The baseline is the main branch; on main itself, where both are one commit, it is the commit before (unless the files
//! differ from what is committed: then the commit is). So the check means something on a branch, on main and before a commit.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::shell::{command, output, root, run};

/// What was found.
pub(crate) enum Found {
    /// An earlier API.
    Earlier(Earlier),
    /// There is none, for this reason.
    Nothing(String),
}

/// An earlier API in a folder, which goes when this does.
pub(crate) struct Earlier {
    /// What git calls it.
    pub(crate) name: String,
    folder: PathBuf,
}

impl Earlier {
    /// Where it lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Earlier {
    fn drop(&mut self) {
        // Left-overs in the build folder harm nobody.
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Finds the baseline and takes its API out.
///
/// # Errors
/// When git fails at what it said it had.
pub(crate) fn checkout() -> Result<Found> {
    let Some(commit) = choose() else {
        return Ok(Found::Nothing("git has no earlier commit here".to_owned()));
    };
    if git(&["cat-file", "-e", &format!("{commit}:proto")]).is_none() {
        return Ok(Found::Nothing(format!("{commit} has no proto folder")));
    }
    let folder = root().join("target").join(format!("api-before-{}", std::process::id()));
    fs::create_dir_all(&folder).context("cannot make a folder for the earlier API")?;
    let earlier = Earlier {
        name: commit.clone(),
        folder,
    };
    let archive = earlier.folder.join("api.tar");
    run(command("git")
        .args(["archive", "--output"])
        .arg(&archive)
        .args([&commit, "proto", "buf.yaml"]))?;
    run(command("tar").arg("-xf").arg(&archive).arg("-C").arg(&earlier.folder))?;
    Ok(Found::Earlier(earlier))
}

/// Where this branch left main; or the last commit, when its API has been changed since; or the one before.
fn choose() -> Option<String> {
    let head = git(&["rev-parse", "HEAD"])?;
    let forks = ["origin/main", "main"]
        .into_iter()
        .filter_map(|main| git(&["merge-base", "HEAD", main]));
    if let Some(fork) = forks.into_iter().find(|fork| *fork != head) {
        return Some(fork);
    }
    let changed = git(&["status", "--porcelain", "--", "proto"]).is_some_and(|files| !files.is_empty());
    if changed {
        Some(head)
    } else {
        git(&["rev-parse", "--verify", "--quiet", "HEAD~1"])
    }
}

/// What git answers, or nothing when it refuses.
fn git(args: &[&str]) -> Option<String> {
    output(command("git").args(args))
        .ok()
        .map(|text| text.trim().to_owned())
}
